"""Delta tables on disk: made, opened, appended to without loss or doubling, brought up to date.

Many writers, none locked out for long: an append says which version of the table it looked at, and
Delta refuses it if another append came between (all appends share one application transaction id),
so the writer looks at the new rows only and tries again. A lock file makes writers on one machine
queue instead of race; it is a courtesy, not what correctness rests on. Only taking a load back
needs to be alone (`Tables.alone`): nobody may come to refer to what is just being removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import (
    BloomFilterProperties,
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Field, Schema

from metadb.errors import MetadbError, NewerSchema, NotAStore, NotFound
from metadb.schema import SCHEMA, TABLES

if TYPE_CHECKING:
    from os import PathLike

_APP = "metadb"
_ATTEMPTS = 200
_KEEP_HISTORY = {
    # A recommendation names the version it was made from, so old versions stay readable.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
# Row groups as DuckDB's own: of one with a million rows a thread holds all columns at once, and a
# question about one task skips nothing.
_WRITER = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    max_row_group_size=122_880,
    column_properties={
        "task": ColumnProperties(
            bloom_filter_properties=BloomFilterProperties(True, fpp=0.01, ndv=5_000)
        )
    },
)
_OURS = {
    "tables", "journal", "cache", "generations", "models",
    "metadb.lock", "metadb.json", "metadb.part",
}  # fmt: skip
_IMPOSSIBLE = re.compile(r"[\[\]\\^|\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")
_FIRST_PID: list[int] = []


class Tables:
    """The Delta tables of one store, by name.

    Args:
        root: The store's folder.

    Raises:
        NotAStore: `root` is a file, a folder with something else in it, or impossible as a path.
        NewerSchema: The store was written by a newer metadb.
    """

    def __init__(self, root: str | PathLike[str], *, create: bool = True) -> None:
        self.root = Path(root).absolute()
        self._opened: dict[str, DeltaTable] = {}
        impossible = _IMPOSSIBLE.search(str(self.root))
        if impossible:
            raise NotAStore(
                f"the path {str(self.root)!r} holds {impossible[0]!r}, which Delta Lake cannot "
                "have in a path; name another one"
            )
        marker = self.root / "metadb.json"
        if not marker.exists():
            try:
                self._create(marker, create=create)
            except (FileExistsError, NotADirectoryError) as error:
                raise NotAStore(f"{self.root} cannot be a folder: {error}") from error
        schema = _read_marker(marker)
        if schema > SCHEMA:
            raise NewerSchema(
                f"the store {self.root} has schema {schema}, and this metadb knows up to {SCHEMA}; "
                "install a newer metadb"
            )
        if schema < SCHEMA:
            self._upgrade(schema)
            _write_marker(marker)

    def _create(self, marker: Path, *, create: bool) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise NotAStore(f"{self.root} is a file; a store is a folder, so name another path")
        foreign = [] if not self.root.exists() else [p.name for p in self.root.iterdir()]
        foreign = sorted(set(foreign) - _OURS)
        if foreign:
            raise NotAStore(
                f"{self.root} holds {foreign[0]!r} and no metadb store; name an empty or new folder"
            )
        if not create:
            raise NotAStore(
                f"there is no store at {self.root}; fill one with: metadb ingest SOURCE PATH "
                f"--store {self.root}"
            )
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root / "metadb.lock"):
            for name in TABLES:
                self._make(name)
            if not marker.exists():
                _write_marker(marker)

    def _make(self, name: str) -> None:
        refuse_fork()
        DeltaTable.create(
            str(self.root / "tables" / name),
            schema=TABLES[name].arrow,
            mode="ignore",
            configuration=_KEEP_HISTORY,
        )

    def _upgrade(self, schema: int) -> None:
        """Add the tables and columns newer than `schema`; repeatable, never destructive."""
        with _locked(self.root / "metadb.lock"):
            for name, table in TABLES.items():
                if table.since > schema:
                    self._make(name)
                    continue
                delta = self._read(name)
                there = {f.name for f in delta.schema().fields}
                missing = [c for c in table.columns if c.since > schema and c.name not in there]
                if missing:
                    new = Schema.from_arrow(pa.schema([(c.name, c.type) for c in missing]))
                    delta.alter.add_columns(
                        [Field(f.name, f.type, nullable=True) for f in new.fields]
                    )

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        """The table `name`, at `version` or as it is now; to be read only.

        What was opened last is given again while no commit followed it: to look for one costs a
        hundredth of reading the log.

        Raises:
            NotAStore: The table is not there, so the folder is damaged.
            NotFound: It has no such version.
            MetadbError: This process was forked from one that had opened a store.
        """
        refuse_fork()
        if version is not None:
            return self._read(name, version)
        last = self._opened.get(name)
        if last is None or not self._newest(name, last.version()):
            last = self._opened[name] = self._read(name)
        return last

    def _newest(self, name: str, version: int) -> bool:
        log = self.root / "tables" / name / "_delta_log"
        one, next_one = (log / f"{v:020d}.json" for v in (version, version + 1))
        return one.exists() and not next_one.exists()

    def _read(self, name: str, version: int | None = None) -> DeltaTable:
        """A table of its own for whoever changes it: writing moves it to the new version."""
        refuse_fork()
        folder = self.root / "tables" / name
        try:
            return DeltaTable(str(folder), version=version)
        except TableNotFoundError as error:
            raise NotAStore(f"{folder} is damaged or gone; restore it from a copy") from error
        except (DeltaError, OverflowError) as error:
            if version is None:
                raise
            raise NotFound(f"no version {version} of the table {name} in {self.root}") from error

    def rewritten(self, name: str, since: int) -> bool:
        """Whether a commit after the version `since` took files away, as appends never do."""
        log = self.root / "tables" / name / "_delta_log"
        while (commit := log / f"{since + 1:020d}.json").exists():
            if '{"remove":' in commit.read_text():
                return True
            since += 1
        return False

    def append(
        self,
        name: str,
        admit: Callable[[list[str], pa.Table | None], pa.Table],
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Append what `admit` lets through; returns the number of rows written.

        Args:
            admit: Called with the table's files that it has not seen yet and its own last answer
                (None at first); returns the rows that are in none of the files seen so far.
            metadata: Written into the commit, for example a source's cursor.

        Raises:
            MetadbError: The commit failed again and again.
        """
        seen: set[str] = set()
        rows: pa.Table | None = None
        with _locked(self.root / "tables" / f"{name}.lock"):
            for attempt in range(_ATTEMPTS):
                delta = self._read(name)
                files = data_files(delta)
                rows = admit([f for f in files if f not in seen], rows)
                seen.update(files)
                if rows.num_rows == 0 and not metadata:
                    return 0
                turn = (delta.transaction_version(_APP) or 0) + 1
                try:
                    write_deltalake(
                        delta,
                        rows,
                        mode="append",
                        writer_properties=_WRITER,
                        commit_properties=CommitProperties(
                            custom_metadata=dict(metadata or {}),
                            app_transactions=[Transaction(_APP, turn)],
                            max_commit_retries=0,
                        ),
                    )
                    return int(rows.num_rows)
                except CommitFailedError:
                    time.sleep(random.uniform(0, min(0.5, 0.005 * 2 ** min(attempt, 7))))
        raise MetadbError(
            f"could not append to {name} in {_ATTEMPTS} tries, other writers were always faster; "
            "run the same command again"
        )

    def rewrite(self, name: str, change: Callable[[DeltaTable], Any]) -> None:
        """Apply one change (delete, merge) to a table, again if another writer came between."""
        with _locked(self.root / "tables" / f"{name}.lock"):
            self._retry(lambda: change(self._read(name)))

    def compact(self, name: str) -> None:
        """Put the small files of a table together."""
        self.rewrite(name, lambda delta: delta.optimize.compact(writer_properties=_WRITER))

    def vacuum(self, name: str, keep_days: float) -> None:
        """Remove files that no version of the last `keep_days` days needs."""
        self.rewrite(
            name,
            lambda delta: delta.vacuum(
                retention_hours=round(24 * keep_days),
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
            ),
        )

    def _retry(self, change: Callable[[], Any]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                change()
                return
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.1))

    def cursor(self, load: str) -> str | None:
        """Where `load` stood at its last commit of evaluations, or None."""
        for commit in self.open("evaluations").history():
            if commit.get("load") == load and "cursor" in commit:
                return str(commit["cursor"]) or None  # the empty one is that of a forgotten load
        return None

    def set_cursor(self, load: str, cursor: str) -> None:
        """Write where `load` stands, without rows; the empty text says: at its start."""
        nothing = TABLES["evaluations"].arrow.empty_table()
        note = {"load": load, "cursor": cursor}
        self.append("evaluations", lambda *_: nothing, note)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold off whoever wants to be alone; others may be in here at once."""
        with _locked(self.root / "metadb.lock", fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process of this machine adds, and keep them waiting."""
        with _locked(self.root / "metadb.lock"):
            yield


def forked() -> bool:
    """Whether this process was forked from one that had opened tables."""
    if not _FIRST_PID:
        _FIRST_PID.append(os.getpid())
    return _FIRST_PID[0] != os.getpid()


def refuse_fork() -> None:
    """Raise where the tables cannot be used, since this process was forked."""
    if forked():
        raise MetadbError(
            "this process was forked from one that had opened a store, and Delta Lake does not "
            "outlive a fork; start processes with multiprocessing's spawn or forkserver, or only "
            "record in it, and give the Task and the space themselves"
        )


def data_files(delta: DeltaTable) -> list[str]:
    """The files of a table's version, as DuckDB wants them named: no URL, no globbing."""
    paths = sorted(unquote(uri) for uri in delta.file_uris())
    return [re.sub(r"([*?])", r"[\1]", path) for path in paths]


@contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold an advisory lock; the system frees it when the process dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield


def _read_marker(marker: Path) -> int:
    try:
        return int(json.loads(marker.read_text())["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAStore(f"{marker} is damaged; restore it, it reads {{'schema': N}}") from error


def _write_marker(marker: Path) -> None:
    part = marker.with_suffix(".part")
    part.write_text(json.dumps({"schema": SCHEMA}) + "\n")
    part.replace(marker)
