"""A database file of someone else's, opened so that nothing in it can change."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from metadb.errors import MalformedFile

_URL = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)")
_HEADER = b"SQLite format 3\x00"


def local(path: str | Path) -> str | Path:
    """The file that a URL like `sqlite:///study.db` names; anything else as it is."""
    found = _URL.match(str(path))
    return Path(found["path"]) if found else path


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(_HEADER)) == _HEADER


@contextmanager
def reading(path: Path, tables: Sequence[str], what: str) -> Iterator[sqlite3.Connection]:
    """One consistent moment of a database, read only; it is never created or upgraded.

    Args:
        tables: The tables it must have.
        what: Whose database it should be, for the error.

    Raises:
        MalformedFile: It is damaged, or not such a database.
    """
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as con:
            con.execute("pragma query_only = on")
            con.execute("pragma trusted_schema = off")
            con.execute("begin")
            found = con.execute("select name from sqlite_master where type = 'table'")
            there = {name for (name,) in found}
            lacks = [table for table in tables if table not in there]
            if lacks:
                raise MalformedFile(
                    f"{path} is no database of {what}: it has no table {lacks[0]!r}"
                )
            yield con
    except (sqlite3.Error, ValueError, TypeError, LookupError, OverflowError) as error:
        raise MalformedFile(
            f"{path} cannot be read as a database of {what}: {error}; one of an older version must "
            f"be brought up by {what} itself first"
        ) from error


def columns(
    con: sqlite3.Connection, query: str, parameters: Sequence[object], types: Sequence[pa.DataType]
) -> list[pa.Array]:
    """The answer of a query, a column at a time."""
    found = con.execute(query, tuple(parameters)).fetchall()
    if not found:
        return [pa.array([], to) for to in types]
    return [
        pa.array(column, to) for column, to in zip(zip(*found, strict=True), types, strict=True)
    ]
