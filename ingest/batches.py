"""A table file in pieces, however large: CSV, TSV, Parquet, JSON or JSON lines.

What a cell means depends on the format: a CSV cell is text that may stand for a number; a Parquet
cell has its column's type; a JSON cell has its own.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ingest.building import mapped
from metadb.errors import MalformedFile
from metadb.identity import canonical_config, typed

SIZE = 65_536
"""Rows in a batch of Parquet and JSON lines."""

BLOCK_BYTES = 1 << 22
"""Bytes in a batch of CSV; a single row may not be longer."""

MAX_JSON_BYTES = 1 << 30
"""A JSON file (not lines) is read whole, and refused where it is larger."""

MISSING = ("", "NA", "N/A", "null", "NULL", "None", "?")
"""What stands for a missing number or id in a CSV file; of a hyperparameter only nothing does."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file.

    Args:
        written: How cells are kept in `table`: as `text` (CSV), `json` texts, or `native`.
        start: Row of the file where the batch begins, from 1, a header not counted.
        share: How much of the file is read with this batch, from 0 to 1; None where unknown.
    """

    path: Path
    table: pa.Table
    written: str
    start: int
    share: float | None = None

    def split(self, size: int) -> Iterator[Batch]:
        """The same rows in batches of at most `size`."""
        for start in range(0, self.table.num_rows, size):
            part = self.table.slice(start, size)
            yield Batch(self.path, part, self.written, self.start + start, self.share)

    def texts(self, name: str) -> pa.Array:
        """A column as text; null where missing."""
        column = self._column(name)
        if self.written == "json":
            return mapped(column, lambda text: None if text is None else _as_text(json.loads(text)))
        if pa.types.is_floating(column.type):  # a whole number that a missing cell made a float
            return mapped(column, _float_text)
        text = column.cast(pa.string())
        return _without_missing(text) if self.written == "text" else text

    def numbers(self, name: str) -> pa.Array:
        """A column as floats; null where missing, NaN and infinity as they are written."""
        column = self._column(name)
        if self.written == "json":
            return mapped(column, lambda text: self._json_number(name, text), pa.float64())
        if self.written == "text":
            column = _without_missing(column)
        try:
            return pc.cast(column, pa.float64(), safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self._not_a_number(name, column) from error

    def integers(self, name: str) -> pa.Array:
        """A column as whole numbers; null where missing."""
        column = self._column(name)
        if self.written == "native" and pa.types.is_integer(column.type):
            return column.cast(pa.int64())
        numbers = self.numbers(name)
        try:
            return numbers.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise MalformedFile(
                f"{self.path}, after row {self.start - 1}: column {name!r} must hold whole numbers "
                f"({error})"
            ) from error

    def fragments(self, name: str, *, whole: bool = False) -> pa.Array:
        """A hyperparameter's values as JSON texts; null where it is inactive.

        Args:
            whole: Whether it is an integer, also where the file says 3.0.
        """
        column = self._column(name)
        if self.written == "json":
            return mapped(column, lambda text: text and _tidy(json.loads(text), whole))
        if self.written == "text":
            return mapped(column, lambda text: _tidy(typed(text), whole) if text else None)
        return mapped(column, lambda value: _tidy(value, whole))

    def configs(self, name: str) -> pa.Array:
        """A column of configs as canonical texts; what is no config is left for the store."""
        column = self._column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            column = pa.array([_dumped(value) for value in column.to_pylist()], pa.string())
        return mapped(column, _canonical)

    def _column(self, name: str) -> pa.Array:
        column = self.table.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            return column.cast(column.type.value_type)
        return column

    def _json_number(self, name: str, text: str | None) -> float | None:
        value = None if text is None else json.loads(text)
        try:
            return None if value is None or value in MISSING else float(value)
        except (TypeError, ValueError) as error:
            raise MalformedFile(
                f"{self.path}, after row {self.start - 1}: {text[:60] if text else text} in column "
                f"{name!r} is not a number"
            ) from error

    def _not_a_number(self, name: str, column: pa.Array) -> MalformedFile:
        for row, value in enumerate(column.to_pylist(), start=self.start):
            try:
                float(value if value is not None else "nan")
            except (ValueError, TypeError):
                return MalformedFile(
                    f"{self.path}, row {row}: {str(value)[:60]!r} in column {name!r} is not a "
                    "number"
                )
        return MalformedFile(f"{self.path}: column {name!r} holds {column.type}, not numbers")


def column_names(path: Path) -> list[str]:
    """The columns of a file.

    Raises:
        MalformedFile: It is empty, or not what its suffix says.
    """
    kind = _kind(path)
    if path.stat().st_size == 0:
        raise MalformedFile(f"{path} is empty; a table has named columns")
    with _Malformed(path):
        if kind == ".parquet":
            return list(pq.read_schema(path).names)
        if kind in (".csv", ".tsv"):
            return list(_csv(path, kind, None).schema.names)
        names = list(dict.fromkeys(key for row in islice(_json(path, kind), 1000) for key in row))
    if not names:
        raise MalformedFile(f"{path} holds no objects; a table has named columns")
    return names


def batches(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    """The rows of these columns, piece by piece.

    Raises:
        MalformedFile: The file breaks off or is not what its suffix says; the text says where.
    """
    kind, start = _kind(path), 1
    with _Malformed(path):
        total = _n_rows(path, kind)
        for table, written in _tables(path, kind, list(columns)):
            end = start + table.num_rows
            share = min(1.0, (end - 1) / total) if total else None
            yield Batch(path, table, written, start, share)
            start = end


def _n_rows(path: Path, kind: str) -> int | None:
    """How many rows a file has: Parquet says so; of text, a guess by its first megabyte."""
    if kind == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if kind == ".json" or path.suffix.lower() == ".gz":
        return None
    with path.open("rb") as stream:
        start = stream.read(1 << 20)
    return max(1, round(start.count(b"\n") / len(start) * path.stat().st_size))


def _tables(path: Path, kind: str, columns: list[str]) -> Iterator[tuple[pa.Table, str]]:
    if kind == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=SIZE, columns=columns):
                yield pa.Table.from_batches([batch]).select(columns), "native"
    elif kind in (".csv", ".tsv"):
        for batch in _csv(path, kind, columns):
            yield pa.Table.from_batches([batch]), "text"
    else:
        rows = _json(path, kind)
        while piece := list(islice(rows, SIZE)):
            yield pa.table({c: [_dumped(row.get(c)) for row in piece] for c in columns}), "json"


def _csv(path: Path, kind: str, columns: list[str] | None) -> pyarrow.csv.CSVStreamingReader:
    stream = pa.input_stream(path)  # unpacks .gz
    options = pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
    parse = pyarrow.csv.ParseOptions(
        delimiter="\t" if kind == ".tsv" else ",", newlines_in_values=True
    )
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(columns or [], pa.string()),
        include_columns=columns,
        strings_can_be_null=False,
    )
    return pyarrow.csv.open_csv(
        stream, read_options=options, parse_options=parse, convert_options=convert
    )


def _json(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, or one a line."""
    with _opened(path) as stream:
        if kind == ".json":
            text = stream.read(MAX_JSON_BYTES + 1)
            if len(text) > MAX_JSON_BYTES:
                raise MalformedFile(f"{path} is too large for JSON; write JSON lines or Parquet")
            content = json.loads(text)
            entries = enumerate(content if isinstance(content, list) else [content], start=1)
            lines = ((nth, entry) for nth, entry in entries)
        else:
            lines = ((nth, _line(path, nth, s)) for nth, s in enumerate(stream, 1) if s.strip())
        for nth, entry in lines:
            if not isinstance(entry, dict):
                raise MalformedFile(f"{path}, entry {nth}: {str(entry)[:60]!r} is no object")
            yield entry


def _line(path: Path, nth: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise MalformedFile(f"{path}, line {nth}: {error}") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _kind(path: Path) -> str:
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson"):
        raise MalformedFile(
            f"{path} ends in {suffix or 'no suffix'!r}; right is one of .csv, .tsv, .parquet, "
            ".json, .jsonl, .ndjson (text also with .gz)"
        )
    return suffix


class _Malformed:
    """Turns what a damaged file makes its reader raise into one MalformedFile."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        damage = (pa.ArrowException, ValueError, EOFError, gzip.BadGzipFile, RecursionError)
        if isinstance(error, (*damage, OSError)) and not isinstance(error, FileNotFoundError):
            why = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise MalformedFile(f"{self.path} cannot be read: {why}") from error


def _without_missing(column: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(text, value_set=pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _tidy(value: Any, whole: bool) -> str | None:
    """A hyperparameter's value as JSON; None and NaN say that it is inactive."""
    if value is None or value != value:  # NaN is not itself
        return None
    if whole and isinstance(value, float) and value % 1 == 0:
        value = int(value)
    return _dumped(value + 0.0 if isinstance(value, float) else value)


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _float_text(value: float | None) -> str | None:
    return None if value is None or value != value else str(int(value) if value % 1 == 0 else value)


def _canonical(text: str | None) -> str | None:
    """A config's text as the store keeps it; inactive hyperparameters given as null left out."""
    if text is None:
        return None
    try:
        config = json.loads(text)
        if isinstance(config, str):  # JSON text within a JSON cell
            config = json.loads(config)
        return canonical_config({k: v for k, v in config.items() if v is not None})
    except Exception:  # whatever a foreign text makes json raise, the store turns it away
        return text
