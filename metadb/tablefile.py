"""The readers of table files, by suffix: a path to an Arrow table, or an error with the line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
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
    refuse_binary(content, path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_csv(path: Path, *, header: bool | None = None) -> pa.Table:
    """A CSV or TSV file; `header`: whether the first row names the columns, by default noticed."""
    text = _text(path)
    if not text.strip():
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    separator = separator_of(text, path)
    first, *below = first_rows(text, separator, path)
    headless = not header if header is not None else is_headless(first, below)
    names = column_names(first, headless=headless)
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


def separator_of(text: str, path: Path) -> str:
    """A tab for .tsv; else the first of comma, semicolon and tab that the first line holds."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    if ".tsv" in path.suffixes or ".tab" in path.suffixes:
        return "\t"
    return next((mark for mark in ",;\t" if mark in first), ",")


def first_rows(text: str, separator: str, path: Path, n: int = 100) -> list[list[str]]:
    """The first rows of a CSV file that are not empty."""
    rows = (row for row in csv.reader(io.StringIO(text), delimiter=separator) if row)
    first: list[list[str]] = []
    try:
        for row in islice(rows, n):
            first.append(row)
    except csv.Error as error:  # a long text, for example; the first row alone will do
        if not first:
            raise MalformedFile(f"{path}: its first row cannot be read: {error}") from None
    if not first:
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    return first


def bare_suffix(path: Path) -> str:
    """What the name of a file ends in, a `.gz` aside, in lower case."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def refuse_binary(content: bytes, path: Path) -> None:
    """Say so if the first bytes of a text file are not text.

    Raises:
        MalformedFile: They are not.
    """
    if b"\0" in content[: 2**16] or content.startswith((b"PAR1", b"PK\3\4", b"\x1f\x8b", b"%PDF")):
        raise MalformedFile(
            f"{path} is binary, not text; give it the suffix of what it is, or save it as UTF-8"
        )


def column_names(first: Sequence[str], *, headless: bool) -> list[str]:
    """What the columns are called: as the first row says, else by their positions from 1."""
    return [
        cell.strip() if cell.strip() and not headless else f"column_{position}"
        for position, cell in enumerate(first, start=1)
    ]


def is_unnamed(names: Sequence[str]) -> bool:
    """Whether all columns are called by their positions, as `column_names` does without header."""
    return bool(names) and all(n == f"column_{i}" for i, n in enumerate(names, start=1))


def is_headless(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a CSV file is data, not names, judged by it and some rows below.

    It is where it holds numbers, and no text of it stands above a number. Whole numbers that
    only rise from left to right beside text are taken for names (years).
    """
    numerals = [_is_numeral(cell) for cell in first]
    if not any(numerals):
        return False
    texts = [i for i, cell in enumerate(first) if not numerals[i] and cell.strip() not in MISSING]
    if not texts:
        return True
    if any(i < len(row) and _is_numeral(row[i]) for i in texts for row in below):
        return False
    values = [float(cell) for cell, numeral in zip(first, numerals, strict=True) if numeral]
    rising = all(a < b for a, b in pairwise(values)) and all(v == int(v) for v in values)
    return bool(below) and not rising


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
    ".csv": read_csv,
    ".tsv": read_csv,
    ".tab": read_csv,
    ".txt": read_csv,
    ".parquet": _read_parquet,
    ".arrow": _read_ipc,
    ".ipc": _read_ipc,
    ".feather": _read_ipc,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".arff": _read_arff,
}

TEXTS = tuple(suffix for suffix, reader in READERS.items() if reader is read_csv)
"""What a file with a row of text a line ends in, before a `.gz`."""
