"""The readers of table files, by suffix: a path to an Arrow table, or an error with the line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from metadb.arff import MAX_BYTES, read_arff
from metadb.errors import MalformedFile

MAX_CELLS = 5 * 10**8
"""A table of more rows x columns is refused."""

MISSING = ("?", "", "NA", "NaN", "nan", "N/A", "n/a", "null", "NULL")
"""What stands for a missing value in a CSV or TSV file."""


def _content(path: Path) -> bytes:
    """The bytes of a text file, unpacked; at most `MAX_BYTES` of them."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MalformedFile(f"{path} cannot be unpacked: {error}; pack it again") from None
    if len(content) > MAX_BYTES:
        raise MalformedFile(f"{path} is larger than {MAX_BYTES:,} bytes; convert it to Parquet")
    return bytes(content)


def _text(path: Path) -> str:
    """The text of a file: UTF-8, else latin-1; binary content is refused."""
    content = _content(path)
    if b"\0" in content[: 2**16] or content.startswith((b"PAR1", b"PK\3\4", b"\x1f\x8b", b"%PDF")):
        raise MalformedFile(
            f"{path} is binary, not text; give it the suffix of what it is, or save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _read_csv(path: Path) -> pa.Table:
    text = _text(path)
    if not text.strip():
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    separator = _separator(text, path)
    first = _first_row(text, separator, path)
    headless = any(_is_numeral(cell) for cell in first) and all(
        _is_numeral(cell) or cell.strip() in MISSING for cell in first
    )
    names = [
        cell.strip() if cell.strip() and not headless else f"column_{position}"
        for position, cell in enumerate(first, start=1)
    ]
    content = text.lstrip("\r\n").encode()
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            # one block: a column's type is inferred from all of its values
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(position) for position in range(len(names))],
                skip_rows_after_names=0 if headless else 1,
                block_size=min(len(content) + 1, 2**31 - 1),
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                null_values=list(MISSING), strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise MalformedFile(_blame(text, separator, len(names), path, str(error))) from None
    return table.rename_columns(names)


def _separator(text: str, path: Path) -> str:
    """A tab for .tsv; else the first of comma, semicolon and tab that the first line holds."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    if ".tsv" in path.suffixes or ".tab" in path.suffixes:
        return "\t"
    return next((mark for mark in ",;\t" if mark in first), ",")


def _first_row(text: str, separator: str, path: Path) -> list[str]:
    try:
        return next(row for row in csv.reader(io.StringIO(text), delimiter=separator) if row)
    except (csv.Error, StopIteration) as error:
        raise MalformedFile(f"{path}: its first row cannot be read: {error}") from None


def _is_numeral(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _blame(text: str, separator: str, width: int, path: Path, reason: str) -> str:
    """What is wrong with a CSV file, with its line."""
    rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for row in rows:
            if row and len(row) != width:
                return (
                    f"{path}, line {rows.line_num}: {len(row)} values where the first row has "
                    f"{width}; quote values that hold {separator!r}, or complete the row"
                )
    except csv.Error as error:
        return f"{path}, line {rows.line_num}: {error}; close the quotes"
    return f"{path} is not a CSV file: {reason}"


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    def read() -> pa.Table:
        with pq.ParquetFile(path) as file:
            cells = file.metadata.num_rows * file.metadata.num_columns
            if cells > MAX_CELLS:
                raise MalformedFile(f"{path} has {cells:,} cells; at most {MAX_CELLS:,} are read")
            return file.read()

    return _valid(read, path, "Parquet")


def _read_ipc(path: Path) -> pa.Table:
    def read() -> pa.Table:
        with pa.OSFile(str(path)) as stream:
            return pa.ipc.open_file(stream).read_all()

    return _valid(read, path, "Arrow IPC")


def _valid(read: Callable[[], pa.Table], path: Path, format: str) -> pa.Table:
    """A table that has passed Arrow's full check: touching a corrupt one can end the process."""
    try:
        table = read()
        table.validate(full=True)
    except MalformedFile:
        raise
    except Exception as error:  # foreign bytes: Arrow raises nearly anything
        raise MalformedFile(
            f"{path} is not a whole {format} file: {error}; write it again"
        ) from None
    return table


def _read_json(path: Path) -> pa.Table:
    text = _text(path)
    try:
        records = json.loads(text)
        if isinstance(records, dict):
            records = [records]  # one line of records
    except (ValueError, RecursionError):
        records = _json_lines(text, path)
    if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
        raise MalformedFile(
            f'{path} holds no records; right is [{{"a": 1, "b": 2}}, ...] or a record per line'
        )
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({name: _json_column(name, records, path) for name in names})


def _json_lines(text: str, path: Path) -> list[Any]:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise MalformedFile(
                    f"{path}, line {number}: {error}; right is a list of records, or one per line"
                ) from None
    return records


def _json_column(name: str, records: list[dict[str, Any]], path: Path) -> pa.Array:
    try:
        return pa.array([record.get(name) for record in records], from_pandas=True)
    except (pa.ArrowException, OverflowError) as error:
        raise MalformedFile(
            f"{path}: column {name!r} mixes types: {error}; give it numbers only or text only"
        ) from None


def _read_arff(path: Path) -> pa.Table:
    return read_arff(io.BytesIO(_content(path)) if path.suffix.lower() == ".gz" else path).table


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".tab": _read_csv,
    ".txt": _read_csv,
    ".parquet": _read_parquet,
    ".arrow": _read_ipc,
    ".ipc": _read_ipc,
    ".feather": _read_ipc,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".arff": _read_arff,
}
