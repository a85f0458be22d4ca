"""A Parquet or CSV file larger than memory as a `Table`: DuckDB brings a block at a time.

The values are those of `table_of(read_data(path))`. What is held in memory:

- the target, 8 bytes an instance (and its texts while it is read);
- a few blocks of `table.CELLS` numbers, or of one attribute where that is more;
- what DuckDB uses, about `memory`: sorting the texts of an attribute goes to disk beyond that,
  however many of them are different.

On disk, in a folder that is removed at the end: 4 bytes for each value of a categorical attribute
(its code, computed once), 8 for each number of a file with more than `WIDE` numeric attributes,
and of a CSV file a copy in Parquet.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import sleep
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from metadb.datafile import (
    HEADLESS,
    checked,
    data_of,
    floats,
    is_category,
    suffix_of,
    target_of,
)
from metadb.errors import DiskFull, InvalidRows, MalformedFile
from metadb.metafeatures.conversion import as_parquet
from metadb.metafeatures.inputs import target_values
from metadb.metafeatures.table import CELLS, Arrays, Codes, Table
from metadb.protocols import Floats
from metadb.snapshot import connect
from metadb.tablefile import TEXTS, is_unnamed

BATCH = CELLS // 8
"""DuckDB hands over about so many values at a time."""

WIDE = 100
"""Of more numeric attributes than this, DuckDB cannot read all side by side in little memory (it
holds a page of each, about 1 MB): their numbers are unpacked into a file, some attributes at a
time."""

PREFIX = "metadb-scan-"
"""What the temporary folders are called, then the process."""

CODES, NUMBERS = "codes", "numbers"
"""The files in the temporary folder."""

# Each text's place among the sorted ones (by its UTF-8 bytes), a missing one last. Both sorts go
# to disk where memory ends; `instance` brings the rows back into the order of the file.
PLACES = """
select (place - 1)::integer as code, v is null as missing
from (
    select v, instance, dense_rank() over (order by v nulls last) as place
    from (select cast({column} as varchar) as v, instance from kept)
) order by instance
"""


@dataclass(frozen=True)
class Scanned:
    """Columns in a Parquet file, read through DuckDB when they are asked for; see `Columns`.

    Args:
        engine: Has the view `kept` with the instances in order.
        path: What an error names.
        numeric: The numeric attributes: column of `kept` and type.
        n: Instances.
        levels: Categories of each categorical attribute that occur.
        incomplete: Whether the last category of each stands for a missing value.
        code_file: The codes, (categorical attributes, n), row by row.
        number_file: The numbers, (numeric attributes, n), row by row; None: ask DuckDB for them.
    """

    engine: _Engine
    path: Path
    numeric: tuple[tuple[str, pa.DataType], ...]
    n: int
    levels: tuple[int, ...]
    incomplete: tuple[bool, ...]
    code_file: Path
    number_file: Path | None = None

    @property
    def n_numbers(self) -> int:
        """Numeric attributes."""
        return len(self.numeric)

    def numbers(self, start: int, stop: int) -> Floats:
        """See `Columns`; it reads no other column."""
        with closing(self._numbers(slice(start, stop), self.n)) as found:
            x = next(found)
        x[np.isinf(x)] = np.nan
        return x

    def codes(self, position: int) -> Codes:
        """See `Columns`."""
        codes: Codes = self._codes([position], slice(0, self.n))[0]
        return codes

    def blocks(self, size: int) -> Iterator[tuple[slice, Floats, Codes]]:
        """See `Columns`; one pass over the file."""
        start = 0
        for x in self._numbers(slice(None), size):
            x[np.isinf(x)] = np.nan
            which = slice(start, start + x.shape[1])
            yield which, x, self._codes(range(len(self.levels)), which)
            start = which.stop

    def missing(self) -> tuple[NDArray[np.int64], int]:
        """See `Columns`."""
        return self.survey[:2]

    @cached_property
    def survey(self) -> tuple[NDArray[np.int64], int, int]:
        """Missing values of each attribute, instances that miss any, infinite values; one pass."""
        counts = np.zeros(self.n_numbers + len(self.levels), np.int64)
        holed = np.flatnonzero(self.incomplete)
        instances = infinite = start = 0
        for x in self._numbers(slice(None), self.size):
            gone = ~np.isfinite(x)  # (n_numbers, size)
            infinite += int(np.isinf(x).sum())
            counts[: len(x)] += gone.sum(axis=1)
            anywhere = gone.any(axis=0)  # (size,)
            which = slice(start, start + x.shape[1])
            absent = self._codes(holed, which) == np.array(self.levels, np.int32)[holed, None] - 1
            counts[len(x) + holed] += absent.sum(axis=1)
            anywhere |= absent.any(axis=0)
            instances += int(anywhere.sum())
            start = which.stop
        return counts, instances, infinite

    def take(self, instances: NDArray[np.intp]) -> Arrays:
        """See `Columns`; one pass over the file."""
        x = np.empty((self.n_numbers, len(instances)))
        c = np.empty((len(self.levels), len(instances)), np.int32)
        for which, numbers, codes in self.blocks(self.size):
            first, last = np.searchsorted(instances, (which.start, which.stop))
            chosen = instances[first:last] - which.start
            x[:, first:last] = numbers[:, chosen]
            c[:, first:last] = codes[:, chosen]
        none = np.empty((0, len(instances)))
        coded = Arrays(none, c, self.levels, self.incomplete).take(np.arange(len(instances)))
        return replace(coded, x=x)

    @property
    def size(self) -> int:
        """How many instances hold about `CELLS` values."""
        return max(1, CELLS // max(1, self.n_numbers + len(self.levels)))

    def _numbers(self, attributes: slice, size: int) -> Generator[Floats, None, None]:
        """Numeric attributes of `size` instances at a time, (attributes, size), infinite or not."""
        numeric = self.numeric[attributes]
        if not numeric:
            yield from (np.empty((0, min(size, self.n - i))) for i in range(0, self.n, size))
            return
        if self.number_file is not None:
            positions = range(self.n_numbers)[attributes]
            for start in range(0, self.n, size):
                which = slice(start, min(start + size, self.n))
                yield _cut(self.number_file, np.float64, self.n, positions, which)
            return
        columns = ", ".join(column for column, _ in numeric)
        rows = max(1, min(size, BATCH // len(numeric)))
        done = filled = 0
        block = np.empty((len(numeric), min(size, self.n)))
        for batch in self.engine.stream(f"select {columns} from kept", rows, self.path):
            start = 0
            if done + filled + batch.num_rows > self.n:
                raise _changed(self.path)
            while start < batch.num_rows:
                part = batch.slice(start, block.shape[1] - filled)
                stop = filled + part.num_rows
                for row, column, (_, kind) in zip(block, part.columns, numeric, strict=True):
                    row[filled:stop] = floats(_as(column, kind), category=False)
                start, filled = start + part.num_rows, stop
                if filled == block.shape[1]:
                    yield block
                    done, filled = done + filled, 0
                    block = np.empty((len(numeric), min(size, self.n - done)))
        if done < self.n:
            raise _changed(self.path)

    def _codes(self, positions: Iterable[int], which: slice) -> Codes:
        return _cut(self.code_file, np.int32, self.n, positions, which)


@contextmanager
def scan_file(
    path: str | Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    header: bool | None = None,
    memory: str = "512MB",
    folder: str | Path | None = None,
) -> Iterator[Table]:
    """A data file of any size as a `Table`, for as long as the context lasts.

    Target, kind, header and types are those of `datafile.read_data`. It costs about two passes
    over a Parquet file, and two more over a CSV file.

    Args:
        target: The target's name or, where no column has that name, its position from 1;
            default: the last column.
        kind: `classification`, `regression` or `clustering` (all columns are attributes).
        header: Whether the first row of a CSV file names the columns; default: it is noticed.
        memory: What DuckDB may use beside the blocks, such as `512MB`.
        folder: Where the temporary folder is made; default: the system's.

    Raises:
        NotFound: There is no such file, target or kind.
        DiskFull: There is no room for the temporary files.
        MalformedFile: The file is not what its suffix says, or holds nothing to learn from; a
            later read of the table raises it too, where the file turns out to be broken there.
    """
    path = Path(path)
    _sweep(Path(folder or tempfile.gettempdir()))
    text = suffix_of(path, kind, header, (*TEXTS, ".parquet")) in TEXTS
    with (
        tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=folder) as scratch,
        closing(_Engine(memory, Path(scratch))) as engine,
    ):
        source = _Source(
            engine, path, Path(scratch, "data.parquet") if text else path, Path(scratch)
        )
        try:
            names = as_parquet(path, source.parquet, header=header) if text else []
            table = _table(source, names, target=target, kind=kind)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"no room in {scratch} to unpack {path}; make some, or give another `folder`"
                ) from None
            raise
        if header is None and is_unnamed(names):
            table = replace(table, notes=(HEADLESS, *table.notes))
        yield table


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left behind."""
    for left in folder.glob(f"{PREFIX}*"):
        process = left.name.removeprefix(PREFIX).partition("-")[0]
        try:
            if process.isdecimal():
                os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, OverflowError):  # it lives, and is another user's
            continue


@dataclass(frozen=True)
class _Source:
    """The file that was given, the Parquet file that is read, and where there is room."""

    engine: _Engine
    path: Path
    parquet: Path
    scratch: Path

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """The answer in batches."""
        return self.engine.stream(query, BATCH, self.path)


class _Engine:
    """DuckDB over the file; its streams end when it is closed, also those of other threads."""

    def __init__(self, memory: str, scratch: Path) -> None:
        self.con = connect(
            memory,
            threads=min(2, os.cpu_count() or 1),  # each holds a page of every column it reads
            temp_directory=str(scratch / "spill"),
            autoload_known_extensions=False,
            preserve_insertion_order=True,  # instances have an order
            enable_external_file_cache=False,  # the system has one
        )
        # or it would hold whole row groups
        self.con.execute("set global disable_parquet_prefetching = true")
        self.con.execute("set global parquet_metadata_cache = true")
        self._reading: set[duckdb.DuckDBPyConnection] = set()
        self._closed = False

    def stream(self, query: str, rows: int, path: Path) -> Iterator[pa.RecordBatch]:
        """The answer in batches of about `rows`, over a connection of its own: two may be open."""
        with closing(self.con.cursor()) as cursor:
            self._reading.add(cursor)
            try:
                for batch in cursor.sql(query).to_arrow_reader(rows):
                    if self._closed:
                        return
                    yield batch
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise _broken(path, error) from None
            finally:
                self._reading.discard(cursor)

    def close(self) -> None:
        """End what is still being read (by a thread that a time limit left behind), then close."""
        self._closed = True
        for _ in range(200):
            for cursor in list(self._reading):
                with suppress(duckdb.Error):
                    cursor.interrupt()
            if not self._reading:
                break
            sleep(0.01)
        with suppress(duckdb.Error):
            self.con.close()
        del self.con  # a thread that was left behind may outlive it, and the interpreter


def _table(source: _Source, names: list[str], *, target: str | None, kind: str | None) -> Table:
    schema, n, notes = _schema(source, names)
    _create_view(source, len(schema))
    attributes = [(f"c{i}", field.type) for i, field in enumerate(schema)]
    name, where, y = None, "", None
    if kind != "clustering":
        name = target_of(schema.names, target, source.path)
        y, where = _read_target(source, *attributes.pop(schema.names.index(name)))
    try:
        data = data_of(pa.table({}), y, kind=kind, name=name or "")
    except InvalidRows as error:
        raise MalformedFile(f"{source.path}: {error}") from None
    source.engine.con.execute(f"create view kept as from file {where if data.dropped else ''}")
    levels, incomplete = _write_codes(source, [c for c, of in attributes if is_category(of)])
    columns = Scanned(
        source.engine,
        source.path,
        tuple((column, of) for column, of in attributes if not is_category(of)),
        n - data.dropped,
        levels,
        incomplete,
        source.scratch / CODES,
    )
    if columns.n_numbers > WIDE:
        columns = replace(columns, number_file=_write_numbers(columns, source.scratch))
    if data.dropped:
        notes.append(f"{data.dropped:,} rows without target are left out")
    if infinite := columns.survey[2]:
        notes.append(f"{infinite:,} infinite values count as missing")
    return Table(columns, data.kind, target_values(data), target=name, notes=tuple(notes))


def _read_target(source: _Source, column: str, kind: pa.DataType) -> tuple[pa.Array, str]:
    """All values of the target, missing ones too, and the SQL that leaves these out."""
    of = kind.value_type if pa.types.is_dictionary(kind) else kind
    known = f"{column} is not null"
    if pa.types.is_floating(of):
        known = f"isfinite(cast({column} as double))"
    batches = source.stream(f"select {column} from file")
    return pa.concat_arrays([_as(batch.column(0), of) for batch in batches]), f"where {known}"


def _schema(source: _Source, names: list[str]) -> tuple[pa.Schema, int, list[str]]:
    """Names and types as `read_data` has them, rows, and notes; what it refuses is refused."""
    try:
        with pq.ParquetFile(source.parquet) as file:
            schema, n = file.schema_arrow, file.metadata.num_rows
    except Exception as error:  # foreign bytes: Arrow raises nearly anything
        raise MalformedFile(
            f"{source.path} is not a whole Parquet file: {error}; write it again"
        ) from None
    if "file_row_number" in schema.names:
        raise MalformedFile(
            f"{source.path} has a column named 'file_row_number', which is DuckDB's own word; "
            "rename it"
        )
    row = [pa.nulls(min(n, 1), field.type) for field in schema]
    table, notes = checked(pa.table(row, names=names or schema.names), source.path)
    return table.schema, n, list(notes)


def _create_view(source: _Source, width: int) -> None:
    """The view `file`: columns c0, c1, ... whatever their names are, and `instance`."""
    path = re.sub(r"([*?\[])", r"[\1]", str(source.parquet.resolve()))  # no pattern
    quoted = path.replace("'", "''")
    columns = ", ".join(f"c{i}" for i in range(width))
    try:
        source.engine.con.execute(
            f"create view file({columns}, instance) as from "
            f"read_parquet('{quoted}', file_row_number = true, hive_partitioning = false)"
        )
    except duckdb.Error as error:
        raise _broken(source.path, error) from None


def _write_codes(source: _Source, columns: list[str]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """The codes of these columns one after the other; their levels, and which miss values."""
    levels, incomplete = [], []
    with (source.scratch / CODES).open("wb") as file:
        for column in columns:
            highest, missing = -1, False
            for batch in source.stream(PLACES.format(column=column)):
                codes: Codes = batch.column("code").to_numpy()
                codes.tofile(file)
                highest = max(highest, int(codes.max()))
                missing |= batch.column("missing").true_count > 0
            levels.append(highest + 1)
            incomplete.append(missing)
    return tuple(levels), tuple(incomplete)


def _write_numbers(columns: Scanned, scratch: Path) -> Path:
    """The file of the numbers, written some attributes at a time."""
    number_file = scratch / NUMBERS
    m = max(1, CELLS // columns.n)
    with number_file.open("wb") as file:
        for start in range(0, columns.n_numbers, m):
            for x in columns._numbers(slice(start, start + m), columns.n):
                x.tofile(file)
    return number_file


def _cut(
    file: Path, dtype: type[np.generic], n: int, positions: Iterable[int], which: slice
) -> NDArray[Any]:
    """The instances `which` of these rows of an array (rows, n) that lies in a file."""
    rows = list(positions)
    piece = np.empty((len(rows), which.stop - which.start), dtype)
    with file.open("rb") as stream:
        for row, position in zip(piece, rows, strict=True):
            stream.seek((position * n + which.start) * piece.itemsize)
            stream.readinto(row)
    return piece


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column in the type that Arrow reads, where DuckDB reads another one."""
    if pa.types.is_floating(kind) or pa.types.is_duration(kind):
        return column.cast(kind)
    return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column


def _changed(path: Path) -> MalformedFile:
    return MalformedFile(
        f"{path} changed while it was read; let nothing write to it, and try again"
    )


def _broken(path: Path, error: Exception) -> MalformedFile:
    reason = " ".join(str(error).split("Possible solutions:")[0].split())
    if "Out of Memory" in reason:
        return MalformedFile(f"{path} needs more memory than it was given: {reason}")
    return MalformedFile(f"{path} cannot be read: {reason}; write it again")
