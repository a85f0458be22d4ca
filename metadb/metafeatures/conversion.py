"""A CSV file of any size as a Parquet file: two passes, a block of rows at a time.

It is Arrow's reader that `tablefile` uses too, so that every value means the same in both. The
first pass finds the type of each column over all rows, the second one writes.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from metadb.errors import MalformedFile
from metadb.metafeatures.table import CELLS
from metadb.tablefile import (
    MISSING,
    column_names,
    first_rows,
    is_headless,
    refuse_binary,
    separator_of,
)

CHUNK = 2**23
"""So many bytes are read in one go; no row may be longer."""

TYPES = (
    pa.int64(),
    pa.bool_(),
    pa.date32(),
    pa.time32("s"),
    pa.timestamp("s"),
    pa.timestamp("s", "UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
    pa.float64(),
    pa.string(),
)
"""A column has the first of these types that all its values fit: the order is Arrow's."""


@dataclass(frozen=True)
class _Layout:
    """How a text file is to be read: where its table starts, and what its columns are called."""

    path: Path
    encoding: str
    start: int
    separator: str
    headless: bool
    names: tuple[str, ...]


def as_parquet(path: Path, parquet: Path, *, header: bool | None = None) -> list[str]:
    """Write a CSV or TSV file as Parquet, its columns named by their positions; their names.

    Args:
        header: Whether the first row names the columns; default: it is noticed.

    Raises:
        MalformedFile: It is not a text file, or not a table.
    """
    layout = _layout(path, header)
    types = _types(layout)
    schema = pa.schema([(str(i), kind) for i, kind in enumerate(types)])
    texts = [field.name for field in schema if field.type == pa.string()]
    with pq.ParquetWriter(parquet, schema, use_dictionary=texts, write_statistics=False) as writer:
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in _batches(layout, types):
            waiting.append(batch)
            rows += batch.num_rows
            if rows * len(types) >= CELLS:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting, rows = [], 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
    return list(layout.names)


def _types(layout: _Layout) -> list[pa.DataType]:
    """The type of each column, by all of its values."""
    alive = [list(TYPES) for _ in layout.names]
    for batch in _batches(layout, [pa.string()] * len(layout.names)):
        for position, column in enumerate(batch.columns):
            kinds = alive[position]
            if any(map(pa.types.is_temporal, kinds)) and _holds_numbers(column):
                kinds = [kind for kind in kinds if not pa.types.is_temporal(kind)]
            alive[position] = [kind for kind in kinds if _fits(column, kind)]
    return [kinds[0] for kinds in alive]


def _holds_numbers(texts: pa.Array) -> bool:
    """Whether there are only numbers, and some: a number is no time, which saves the trials."""
    return texts.null_count < len(texts) and _fits(texts, pa.float64())


def _fits(texts: pa.Array, kind: pa.DataType) -> bool:
    """Whether Arrow's CSV reader makes values of this type of all these texts."""
    if kind == pa.string():
        return True
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        try:  # the short way; it does not know all ways to write a number
            texts.cast(kind)
        except pa.ArrowInvalid:
            pass
        else:
            return True
    content = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pa.table({"0": texts.unique().drop_null()}), content)
    written = content.getvalue()
    try:
        pyarrow.csv.read_csv(
            written,
            read_options=pyarrow.csv.ReadOptions(block_size=written.size + 1, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types={"0": kind}),
        )
    except pa.ArrowInvalid:
        return False
    return True


def _batches(layout: _Layout, types: Sequence[pa.DataType]) -> Iterator[pa.RecordBatch]:
    """The rows of the file as these types."""
    names = [str(position) for position in range(len(types))]
    with closing(_open(layout.path)) as stream:
        stream.seek(layout.start)
        try:
            yield from pyarrow.csv.open_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=names,
                    skip_rows_after_names=0 if layout.headless else 1,
                    block_size=CHUNK,
                    encoding=layout.encoding,
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=layout.separator, newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    null_values=list(MISSING),
                    strings_can_be_null=True,
                    column_types=dict(zip(names, types, strict=True)),
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise MalformedFile(f"{layout.path} is not a CSV file: {error}") from None


def _layout(path: Path, header: bool | None) -> _Layout:
    """What the first rows say, and whether all of the file is UTF-8."""
    try:
        with closing(_open(path)) as stream:
            head = stream.read(CHUNK)
            refuse_binary(head, path)
            encoding = "utf-8" if _is_utf8(head, stream) else "latin-1"
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MalformedFile(f"{path} cannot be unpacked: {error}; pack it again") from None
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) and encoding == "utf-8" else 0
    body = head[mark:].lstrip(b"\r\n")
    text = body.decode(encoding, errors="ignore")  # the last character may be cut
    if not text.strip():
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    separator = separator_of(text, path)
    first, *below = first_rows(text, separator, path)
    headless = not header if header is not None else is_headless(first, below)
    names = tuple(column_names(first, headless=headless))
    return _Layout(path, encoding, len(head) - len(body), separator, headless, names)


def _is_utf8(head: bytes, stream: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    chunk = head
    try:
        while chunk:
            decoder.decode(chunk)
            chunk = stream.read(CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        while stream.read(CHUNK):  # a packed file must be whole
            pass
        return False
    return True


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.GzipFile(path))
    return path.open("rb")
