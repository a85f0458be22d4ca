"""A user's data file as a table with a target: CSV, TSV, Parquet, Arrow IPC, JSON or ARFF."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from metadb.errors import MalformedFile, NotFound
from metadb.tablefile import MAX_CELLS, READERS

KINDS = ("classification", "regression", "clustering")


@dataclass(frozen=True, slots=True)
class Data:
    """A table of features and its target.

    Args:
        x: The features, a column each: numbers, text, bool, dictionary or time.
        y: The target, one value per row of `x`, none missing; None for clustering.
        target: The target's name; None for clustering.
        kind: `classification`, `regression` or `clustering`.
        categorical: Positions in `x` of the categorical columns: text, bool and dictionary.
        dropped: How many rows were left out because their target is missing.
    """

    x: pa.Table
    y: pa.Array | None
    target: str | None
    kind: str
    categorical: tuple[int, ...] = ()
    dropped: int = 0

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """The classes in the order of their codes; empty unless `kind` is classification."""
        if self.kind != "classification" or self.y is None:
            return ()
        return tuple(sorted(pc.unique(_plain(self.y)).to_pylist()))

    def to_numpy(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | NDArray[np.int64] | None]:
        """Features as floats and the target, as scikit-learn takes them with `categorical`.

        A category becomes its place among the sorted categories of its column, a time the
        seconds since 1970, a missing value NaN; classes become their place in `classes`.

        Returns:
            x of shape (rows, columns), and y of shape (rows,): class codes as integers, the
            regression target as floats, or None.
        """
        x = np.empty((self.x.num_rows, self.x.num_columns))
        for position, column in enumerate(self.x.columns):
            x[:, position] = _floats(column.combine_chunks(), position in self.categorical)
        if self.y is None:
            return x, None
        if self.kind == "classification":
            return x, _floats(self.y, True).astype(np.int64)
        return x, _floats(self.y, False)


def read_data(path: str | Path, *, target: str | None = None, kind: str | None = None) -> Data:
    """Read a data file; the suffix says what it is: csv, tsv, parquet, arrow, json, jsonl, arff.

    CSV, TSV, JSON and ARFF may end in `.gz`. A CSV file whose first row holds only numbers (or
    missing values) has no header: its columns become `column_1`, `column_2`, ...

    Where `kind` is not given: a target of text, bool or dictionary makes a classification, and so
    does one of whole numbers with at most `max(2, min(20, sqrt(rows)))` distinct values, except
    in an ARFF file, whose declaration (nominal or numeric) decides. All else is regression.

    The file is held in memory: text at most `arff.MAX_BYTES` (unpacked; the peak is about 8
    times that), a table at most `tablefile.MAX_CELLS`.

    Args:
        target: The target's name or, where no column has that name, its position from 1;
            default: the last column.
        kind: `classification`, `regression` or `clustering` (all columns are features).

    Raises:
        NotFound: There is no such file or no such target.
        MalformedFile: The file is not what its suffix says, or holds no rows and columns to
            learn from; the text says where.
    """
    path = Path(path)
    if kind not in (None, *KINDS):
        raise NotFound(f"no kind of task {kind!r}; there are {', '.join(KINDS)}")
    if not path.is_file():
        raise NotFound(f"there is no file {path}; give the path of a data file")
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix not in READERS:
        raise MalformedFile(
            f"{path} ends in {suffix or 'no suffix'!r}; right is one of {', '.join(READERS)}"
        )
    if path.stat().st_size == 0:
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    table = _checked(READERS[suffix](path), path)
    if kind == "clustering":
        return _data(table, None, None, kind)
    name = _target(table.column_names, target, path)
    features = table.drop_columns([name])
    y = _plain(table.column(name).combine_chunks())
    present = pc.is_valid(y)
    dropped = len(y) - pc.sum(present).as_py()
    if dropped:
        features, y = features.filter(present), y.filter(present)
    if len(y) == 0:
        raise MalformedFile(f"{path}: the target {name!r} is missing in every row; name another")
    if kind is None:
        kind = _kind(y, declared=suffix == ".arff")
    if kind == "regression" and _is_category(y.type):
        raise MalformedFile(f"{path}: the target {name!r} is text; regression needs numbers")
    return _data(features, y, name, kind, dropped)


def _data(x: pa.Table, y: pa.Array | None, target: str | None, kind: str, dropped: int = 0) -> Data:
    categorical = tuple(i for i, column in enumerate(x.columns) if _is_category(column.type))
    return Data(x, y, target, kind, categorical, dropped)


def _kind(y: pa.Array, *, declared: bool) -> str:
    """The rule of `read_data`; `declared`: the file itself says which targets are nominal."""
    if _is_category(y.type):
        return "classification"
    if declared or not (pa.types.is_integer(y.type) or pa.types.is_floating(y.type)):
        return "regression"
    distinct = pc.unique(y).to_numpy(zero_copy_only=False)
    few = len(distinct) <= max(2, min(20, math.isqrt(len(y))))
    return (
        "classification" if few and bool(np.all(distinct == np.floor(distinct))) else "regression"
    )


def _target(names: Sequence[str], target: str | None, path: Path) -> str:
    if target is None:
        return names[-1]
    if target in names:
        return target
    if target.isdecimal() and 1 <= int(target) <= len(names):
        return names[int(target) - 1]
    close = difflib.get_close_matches(target, names, n=5, cutoff=0.4) or list(names[:5])
    raise NotFound(
        f"{path} has no column {target!r} to be the target; close are "
        f"{', '.join(map(repr, close))} (of {len(names)}); a position counts from 1"
    )


def _checked(table: pa.Table, path: Path) -> pa.Table:
    """The table, if one can learn from it; NaN becomes null, nulls and decimals floats."""
    names = table.column_names
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        raise MalformedFile(
            f"{path} has more than one column named {doubled[0]!r}; rename all but one"
        )
    if table.num_columns < 2:
        raise MalformedFile(
            f"{path} has {table.num_columns} column(s); a target and at least one feature are "
            "needed: is the separator a comma (.csv) or a tab (.tsv)?"
        )
    if table.num_rows == 0:
        raise MalformedFile(f"{path} has columns but no rows; add the data")
    if table.num_rows * table.num_columns > MAX_CELLS:
        raise MalformedFile(f"{path} has more than {MAX_CELLS:,} cells; give a sample of its rows")
    for position, column in enumerate(table.columns):
        kind = column.type
        if pa.types.is_null(kind) or pa.types.is_decimal(kind) or kind == pa.float16():
            table = table.set_column(position, names[position], column.cast(pa.float64()))
        elif pa.types.is_floating(kind) and pc.any(pc.is_nan(column)).as_py():
            whole = pc.if_else(pc.is_nan(column), None, column)
            table = table.set_column(position, names[position], whole)
        elif not (_is_category(kind) or _is_number(kind) or pa.types.is_temporal(kind)):
            raise MalformedFile(
                f"{path}: column {names[position]!r} holds {kind} values; a feature is a number, "
                "text, bool or time"
            )
    return table


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_category(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_dictionary(kind)
    )


def _plain(column: pa.Array) -> pa.Array:
    """The column without dictionary encoding."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _floats(column: pa.Array, category: bool) -> NDArray[np.float64]:
    """The column as floats: the rank among sorted values for a category, NaN where missing."""
    column = _plain(column)
    if category:
        distinct = sorted(value for value in pc.unique(column).to_pylist() if value is not None)
        column = pc.index_in(column, value_set=pa.array(distinct, column.type))
    elif pa.types.is_temporal(column.type):
        return _seconds(column)
    floats: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy(
        zero_copy_only=False
    )
    return floats


def _seconds(column: pa.Array) -> NDArray[np.float64]:
    """Times and durations in seconds, NaN where missing."""
    kind = column.type
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    unit = (
        1e3 if pa.types.is_date64(kind) else per_second.get(getattr(kind, "unit", ""), 1 / 86_400)
    )
    ticks = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    seconds: NDArray[np.float64] = ticks.cast(pa.float64(), safe=False).to_numpy(
        zero_copy_only=False
    )
    return seconds / unit
