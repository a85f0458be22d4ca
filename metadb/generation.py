"""Generations: a store's tables and views as one immutable `.duckdb` file after another.

Foreign SQL is answered from such a file and from nothing else: it holds native tables, so whoever
reads it needs no path and no permission to read any other file. A generation appears whole: it is
written under a name of its own, brought to disk, renamed, and only then pointed to; the pointer is
replaced in one step. Readers of an older generation go on reading it, though it may be removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from metadb.errors import MalformedFile, MetadbError, NotFound
from metadb.schema import TABLES
from metadb.snapshot import views

if TYPE_CHECKING:
    from metadb.snapshot import Snapshot

STORAGE = "v1.4.0"
"""The oldest DuckDB that can read a generation."""
_POINTER = "current.json"
_NAME = re.compile(r"generation-(\d{8,})\.duckdb")
# Views that have a row for each row of a table, or nearly: they stay views, since a copy would make
# the file twice as large and a question hardly faster. All others are computed once, here.
_ROW_BY_ROW = {"losses", "provenance", "recommendation_provenance", "parameters"}
# Rows that are asked for together lie together.
_ORDER = {
    "evaluations": "task, config, metric, budget",
    "configs": "space, config",
    "metafeatures": "name, task",
    "results": "task, config, metric, budget",
    "learning_curves": "task, config, metric, budget_unit, point",
    "finals": "task, config, metric",
    "regrets": "task, space, metric, rank, config",
    "leaderboard": "space, metric, mean_rank, config",
}


@dataclass(frozen=True, slots=True)
class Generation:
    """One immutable file of a store's tables and views.

    Args:
        number: Its place in the row of generations; a later one is larger.
        path: The `.duckdb` file.
        version: The store version that it shows.
    """

    number: int
    path: Path
    version: Mapping[str, int]


def newest(folder: Path) -> Generation:
    """The generation that the folder's pointer names; costs one small file to read.

    Raises:
        NotFound: None was made yet.
        MalformedFile: The pointer is not what `write` leaves.
    """
    folder = folder.absolute()
    pointer = folder / _POINTER
    try:
        said = json.loads(pointer.read_text())
        number = int(said["generation"])
        version = {str(name): int(at) for name, at in said["version"].items()}
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "there is no generation to answer from yet; make one with: metadb snapshot"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedFile(
            f"{pointer} is damaged; make a new generation with: metadb snapshot"
        ) from error
    return Generation(number, _path(folder, number), version)


def write(snapshot: Snapshot, folder: Path, *, keep: int = 2) -> Generation:
    """Make a new generation of what a snapshot shows, and point to it.

    Safe against kill -9 at any moment and against other writers, which wait for each other.

    Args:
        folder: Where the generations lie; made if it is not there.
        keep: How many older ones stay for readers who are about to open them.

    Raises:
        MetadbError: The engine has too little memory, or a file of the tables cannot be read.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        numbers = _numbers(folder)
        number = max(numbers, default=0) + 1
        part = folder / f"{uuid.uuid4().hex}.part"
        try:
            _filled(snapshot, part)
            _sync(part)
            made = Generation(number, _path(folder, number), snapshot.version)
            part.replace(made.path)
        except duckdb.Error as error:
            why = str(error).splitlines()[0]
            raise MetadbError(f"no generation could be made in {folder}: {why}") from error
        finally:
            part.unlink(missing_ok=True)
        _sync(folder)
        _point(folder, made)
        for old in sorted(numbers)[: max(0, len(numbers) - keep)]:
            _path(folder, old).unlink(missing_ok=True)
    return made


def _filled(snapshot: Snapshot, path: Path) -> None:
    """Fill a file within the engine's memory: each thread holds a row group, so one if need be."""
    try:
        _fill(snapshot, path)
    except duckdb.OutOfMemoryException:
        path.unlink(missing_ok=True)
        snapshot.con.execute("set threads = 1")
        try:
            _fill(snapshot, path)
        finally:
            snapshot.con.execute("reset threads")


def _fill(snapshot: Snapshot, path: Path) -> None:
    """Copy every table, and every view as a table or as itself, into a new database file."""
    con = snapshot.con
    snapshot.make_space_views()
    target = f"made_{uuid.uuid4().hex}"  # no schema, table or file of anyone is called so
    con.execute(f"attach '{_quoted(path)}' as {target} (storage_version '{STORAGE}')")
    try:
        for name in TABLES:
            con.execute(f"create table {target}.main.{name} as {_reading('main', name)}")
        con.execute(f"use {target}")  # so that the views in the file name its own tables
        for name, statement in views().items():
            if name in _ROW_BY_ROW:
                con.execute(statement)
            else:
                _, query = statement.split(" as\n", 1)
                ordered = f"select * from ({query}) order by {_ORDER.get(name, 'all')}"
                con.execute(f"create table {name} as {ordered}")
        con.execute("create schema space")
        for name in _space_views(con):
            con.execute(f"create table space.{name} as select * from memory.space.{name}")
    finally:
        con.execute("use memory")
        con.execute(f"detach {target}")


def _reading(schema: str, name: str) -> str:
    return f"select * from memory.{schema}.{name} order by {_ORDER.get(name, TABLES[name].key)}"


def _space_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    found = con.execute(
        "select view_name from duckdb_views() "
        "where database_name = 'memory' and schema_name = 'space' order by view_name"
    ).fetchall()
    return ['"' + name.replace('"', '""') + '"' for (name,) in found]


def _point(folder: Path, made: Generation) -> None:
    pointer = folder / _POINTER
    part = pointer.with_suffix(".part")
    part.write_text(json.dumps({"generation": made.number, "version": dict(made.version)}) + "\n")
    _sync(part)
    part.replace(pointer)
    _sync(folder)


def _numbers(folder: Path) -> list[int]:
    """The generations that are there; what a killed writer left behind is removed."""
    numbers = []
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            numbers.append(int(match[1]))
        elif path.suffix in {".part", ".wal"}:
            path.unlink(missing_ok=True)
    return numbers


def _path(folder: Path, number: int) -> Path:
    return folder / f"generation-{number:08d}.duckdb"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes here; the system frees the lock when its owner dies."""
    with (folder / "writing.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
