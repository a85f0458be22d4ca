"""Answers as files: table, CSV, JSON, Arrow, Parquet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from api.terminal import json_text
from metadb.errors import MetadbError, NotFound
from metadb.result import Result

FORMATS = ("table", "csv", "json", "arrow", "parquet")
_BINARY = {"arrow", "parquet"}


def format_of(format: str | None, output: Path | None) -> str:
    """The format asked for; else what the file's suffix says; else a table.

    Raises:
        NotFound: The suffix says nothing, so the format must be said.
    """
    if format is not None or output is None:
        return format or "table"
    suffix = output.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise NotFound(
            f"{output} does not say its format; give --format {' or '.join(FORMATS[1:])}"
        )
    return suffix


def write(result: Result, format: str, output: Path | None) -> None:
    """Write an answer to a file, whole or not at all, or to stdout; a table on a terminal is cut.

    Raises:
        MetadbError: A binary format would go to a terminal, or the file's folder is not there.
    """
    if output is not None:
        if not output.absolute().parent.is_dir():
            raise NotFound(
                f"there is no folder {output.absolute().parent} to write {output.name} to"
            )
        part = output.with_name(output.name + ".part")
        with part.open("wb") as file:
            encode(result, format, file)
        part.replace(output)
        return
    if format in _BINARY and sys.stdout.isatty():
        raise MetadbError(f"{format} is binary; name a file with --output FILE, or pipe it on")
    if format == "table" and sys.stdout.isatty():
        print(result)  # its head; the last line says how many rows there are
    else:
        encode(result, format, sys.stdout.buffer)
    sys.stdout.flush()


def encode(result: Result, format: str, file: Any) -> None:
    """Write an answer into an open binary file."""
    if format == "table":
        file.write(f"{result.text()}\n".encode())
    elif format == "json":
        file.write(f"{json_text(rows_of(result), indent=None)}\n".encode())
    elif format == "csv":
        from pyarrow import csv

        csv.write_csv(_flat(result.table), file)
    elif format == "arrow":
        with pa.ipc.new_stream(file, result.table.schema) as stream:
            stream.write_table(result.table)
    else:
        from pyarrow import parquet

        parquet.write_table(result.table, file, compression="zstd")


def rows_of(result: Result) -> list[dict[str, Any]]:
    """The rows for JSON.

    Raises:
        MetadbError: Two columns have one name, so that an object cannot hold both.
    """
    names = result.columns
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MetadbError(f"two columns are named {twice!r}; name one of them anew: ... as other")
    return list(result)


def _flat(table: pa.Table) -> pa.Table:
    """Lists and structs as JSON texts, which is what a CSV cell can hold."""
    for i, column in enumerate(table.columns):
        if pa.types.is_nested(column.type):
            texts = [None if v is None else json_text(v, indent=None) for v in column.to_pylist()]
            table = table.set_column(i, table.column_names[i], pa.array(texts, pa.string()))
    return table
