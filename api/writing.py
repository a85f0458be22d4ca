"""Answers as files: table, CSV, JSON, Arrow, Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from api.terminal import plain
from metadb.errors import MetadbError
from metadb.result import Result

_BINARY = {"arrow", "parquet"}


def write(result: Result, format: str, output: Path | None) -> None:
    """Write an answer to a file, whole or not at all, or to stdout.

    Raises:
        MetadbError: A binary format would go to a terminal.
    """
    if output is not None:
        part = output.with_name(output.name + ".part")
        with part.open("wb") as file:
            _write(result, format, file)
        part.replace(output)
        return
    if format in _BINARY and sys.stdout.isatty():
        raise MetadbError(f"{format} is binary; name a file with --output FILE, or pipe it on")
    _write(result, format, sys.stdout.buffer)
    sys.stdout.flush()


def _write(result: Result, format: str, file: Any) -> None:
    if format == "table":
        file.write(f"{result}\n".encode())
    elif format == "json":
        rows = json.dumps(list(result), default=plain, ensure_ascii=False)
        file.write(f"{rows}\n".encode())
    elif format == "csv":
        from pyarrow import csv

        csv.write_csv(_flat(result.table), file)
    elif format == "arrow":
        with pa.ipc.new_stream(file, result.table.schema) as stream:
            stream.write_table(result.table)
    else:
        from pyarrow import parquet

        parquet.write_table(result.table, file, compression="zstd")


def _flat(table: pa.Table) -> pa.Table:
    """Lists and structs as JSON texts, which is what a CSV cell can hold."""
    for i, column in enumerate(table.columns):
        if pa.types.is_nested(column.type):
            texts = [
                None if v is None else json.dumps(v, default=plain) for v in column.to_pylist()
            ]
            table = table.set_column(i, table.column_names[i], pa.array(texts, pa.string()))
    return table
