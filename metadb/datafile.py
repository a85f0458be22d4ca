"""A user's data file as a table with a target: CSV, TSV, Parquet, Arrow IPC, JSON or ARFF."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from metadb.errors import InvalidRows, MalformedFile, NotFound
from metadb.tablefile import MAX_CELLS, READERS, TEXTS, bare_suffix, is_unnamed, read_csv

KINDS = ("classification", "regression", "clustering")

HEADLESS = "the first row holds data, so columns are called column_1, column_2, ..."
"""What is noted where a header was missing."""


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
        notes: What else was done to it, a sentence each.
    """

    x: pa.Table
    y: pa.Array | None
    target: str | None
    kind: str
    categorical: tuple[int, ...] = ()
    dropped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """The classes in the order of their codes; empty unless `kind` is classification."""
        if self.kind != "classification" or self.y is None:
            return ()
        return tuple(sorted(pc.unique(plain(self.y)).to_pylist()))

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
            x[:, position] = floats(column.combine_chunks(), position in self.categorical)
        if self.y is None:
            return x, None
        if self.kind == "classification":
            return x, floats(self.y, True).astype(np.int64)
        return x, floats(self.y, False)


def read_data(
    path: str | Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    header: bool | None = None,
) -> Data:
    """Read a data file; the suffix says what it is: csv, tsv, parquet, arrow, json, jsonl, arff.

    CSV, TSV, JSON and ARFF may end in `.gz`. Where a CSV file has no header its columns become
    `column_1`, `column_2`, ... A column without a name becomes one of these too, and of several
    columns with one name each becomes `name@position`.

    Where `kind` is not given: a target of text, bool or dictionary makes a classification, and so
    does one of whole numbers with at most `max(2, min(20, sqrt(rows)))` distinct values, except
    in an ARFF file, whose declaration (nominal or numeric) decides. All else is regression.

    The file is held in memory: text at most `arff.MAX_BYTES` (unpacked; the peak is about 8
    times that), a table at most `tablefile.MAX_CELLS`.

    Args:
        target: The target's name or, where no column has that name, its position from 1;
            default: the last column.
        kind: `classification`, `regression` or `clustering` (all columns are features).
        header: Whether the first row of a CSV file names the columns; default: unless it holds
            only numbers and missing values, or numbers and what does not stand above numbers.

    Raises:
        NotFound: There is no such file or no such target.
        MalformedFile: The file is not what its suffix says, or holds no rows and columns to
            learn from; the text says where.
    """
    path = Path(path)
    suffix = suffix_of(path, kind, header, READERS)
    table, notes = checked(_read(suffix, path, header), path)
    if header is None and suffix in TEXTS and is_unnamed(table.column_names):
        notes = (HEADLESS, *notes)
    if kind == "clustering":
        return replace(data_of(table, None), notes=notes)
    name = target_of(table.column_names, target, path)
    try:
        data = data_of(
            table.drop_columns([name]),
            table.column(name).combine_chunks(),
            kind=kind,
            name=name,
            declared=suffix == ".arff",
        )
    except InvalidRows as error:
        raise MalformedFile(f"{path}: {error}") from None
    return replace(data, notes=notes)


def read_columns(
    path: str | Path, *, header: bool | None = None
) -> tuple[pa.Table, tuple[str, ...]]:
    """A data file's columns as `read_data` has them, and its notes; none is a target, one will do.

    Raises:
        NotFound: There is no such file.
        MalformedFile: The file is not what its suffix says, or holds no rows.
    """
    path = Path(path)
    suffix = suffix_of(path, None, header, READERS)
    return checked(_read(suffix, path, header), path, least=1)


def check_kind(kind: str | None) -> None:
    """Refuse what is no kind of task; None is to be found out.

    Raises:
        NotFound: It is none of `KINDS`.
    """
    if kind not in (None, *KINDS):
        raise NotFound(f"no kind of task {kind!r}; there are {', '.join(KINDS)}")


def suffix_of(path: Path, kind: str | None, header: bool | None, suffixes: Iterable[str]) -> str:
    """The suffix that says what a file is, `.gz` aside; what cannot be read is refused.

    Raises:
        NotFound: There is no such file or kind, or only a CSV file could lack a header.
        MalformedFile: Its suffix is none of `suffixes`, or it is empty.
    """
    check_kind(kind)
    if not path.is_file():
        raise NotFound(f"there is no file {path}; give the path of a data file")
    suffix = bare_suffix(path)
    if suffix not in suffixes:
        raise MalformedFile(
            f"{path} ends in {suffix or 'no suffix'!r}; right is one of {', '.join(suffixes)}"
        )
    if path.stat().st_size == 0:
        raise MalformedFile(f"{path} is empty; a data file has named columns and rows")
    if header is not None and suffix not in TEXTS:
        raise NotFound(f"{path} names its columns itself; only .csv and .tsv may have no header")
    return suffix


def data_of(
    x: pa.Table,
    y: pa.Array | None,
    *,
    kind: str | None = None,
    categorical: Sequence[int | str] = (),
    name: str = "y",
    declared: bool = False,
) -> Data:
    """Features and a target as `Data`; rows without target are left out.

    Args:
        y: One value a row of `x`; None for clustering. An infinite number is no target.
        kind: Default: the rule of `read_data`.
        categorical: Features that are categorical besides text, bool and dictionary, by position
            from 0, by name, or a bool for each.
        name: The target's name.
        declared: The type of `y` says whether it is nominal.

    Raises:
        NotFound: There is no such feature.
        InvalidRows: x and y do not go together, a feature is no number, text, bool or time, or
            the target is text and `kind` regression.
    """
    x = _coded(_columns(x), categorical)
    nominal = tuple(i for i, column in enumerate(x.columns) if is_category(column.type))
    if y is None:
        return Data(x, None, None, "clustering", nominal)
    y = plain(y)
    if pa.types.is_null(y.type) or pa.types.is_decimal(y.type) or y.type == pa.float16():
        y = y.cast(pa.float64())
    if x.num_columns and len(y) != x.num_rows:
        raise InvalidRows(f"X has {x.num_rows:,} rows and y {len(y):,}; give one target a row")
    present = pc.is_finite(y) if pa.types.is_floating(y.type) else pc.is_valid(y)
    present = present.fill_null(False)
    dropped = len(y) - (pc.sum(present).as_py() or 0)
    if dropped:
        x, y = (x.filter(present) if x.num_columns else x), y.filter(present)
    if len(y) == 0:
        raise InvalidRows(f"the target {name!r} is missing in every row; name another")
    if kind is None:
        kind = kind_of(y, declared=declared)
    if kind == "regression" and is_category(y.type) and not pa.types.is_boolean(y.type):
        raise InvalidRows(f"the target {name!r} is text; regression needs numbers")
    if not (is_category(y.type) or _is_number(y.type) or pa.types.is_temporal(y.type)):
        raise InvalidRows(f"the target {name!r} holds {y.type}; give numbers, text, bool or times")
    return Data(x, y, name, kind, nominal, dropped)


def _coded(x: pa.Table, categorical: Sequence[int | str]) -> pa.Table:
    """The table with the named features as text."""
    names = x.column_names
    if len(categorical) == len(names) and all(isinstance(c, bool | np.bool_) for c in categorical):
        categorical = [i for i, nominal in enumerate(categorical) if nominal]
    for which in categorical:
        place = names.index(which) if isinstance(which, str) and which in names else which
        if (
            isinstance(place, bool)
            or not isinstance(place, int | np.integer)
            or not 0 <= place < len(names)
        ):
            raise NotFound(
                f"no feature {which!r} to be categorical; positions go from 0 to {len(names) - 1}"
            )
        if not is_category(x.column(int(place)).type):
            text = x.column(int(place)).cast(pa.string())
            x = x.set_column(int(place), names[int(place)], text)
    return x


def kind_of(y: pa.Array, *, declared: bool = False) -> str:
    """The rule of `read_data`; `declared`: the file itself says which targets are nominal."""
    if is_category(y.type):
        return "classification"
    if declared or not (pa.types.is_integer(y.type) or pa.types.is_floating(y.type)):
        return "regression"
    distinct = pc.unique(y).to_numpy(zero_copy_only=False)
    few = len(distinct) <= max(2, min(20, math.isqrt(len(y))))
    return (
        "classification" if few and bool(np.all(distinct == np.floor(distinct))) else "regression"
    )


def _read(suffix: str, path: Path, header: bool | None) -> pa.Table:
    return read_csv(path, header=header) if suffix in TEXTS else READERS[suffix](path)


def target_of(names: Sequence[str], target: str | None, path: Path) -> str:
    """The name of the target: as given, by its position from 1, or the last column.

    Raises:
        NotFound: There is no such column.
    """
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


def checked(table: pa.Table, path: Path, *, least: int = 2) -> tuple[pa.Table, tuple[str, ...]]:
    """The table, if one can learn from it, with names of its own for each column; and notes.

    Raises:
        MalformedFile: It has no rows, fewer than `least` columns, too many cells, or nested values.
    """
    names = table.column_names
    notes = []
    if doubled := sorted(name for name, times in Counter(names).items() if times > 1):
        notes.append(
            f"{len(doubled)} names stand for several columns ({', '.join(map(repr, doubled[:3]))}"
            f"{', ...' if len(doubled) > 3 else ''}); each such column is called name@position"
        )
        again = set(doubled)
        names = [f"{n}@{i}" if n in again else n for i, n in enumerate(names, start=1)]
        table = table.rename_columns(names)
    if table.num_columns < least:
        raise MalformedFile(
            f"{path} has {table.num_columns} column(s); a target and at least one feature are "
            "needed: is the separator a comma (.csv) or a tab (.tsv)?"
        )
    if table.num_rows == 0:
        raise MalformedFile(f"{path} has columns but no rows; add the data")
    if table.num_rows * table.num_columns > MAX_CELLS:
        raise MalformedFile(f"{path} has more than {MAX_CELLS:,} cells; give a sample of its rows")
    try:
        return _columns(table), tuple(notes)
    except InvalidRows as error:
        raise MalformedFile(f"{path}: {error}") from None


def _columns(table: pa.Table) -> pa.Table:
    """NaN becomes null, nulls and decimals floats.

    Raises:
        InvalidRows: A column is no number, text, bool or time.
    """
    names = table.column_names
    for position, column in enumerate(table.columns):
        kind = column.type
        if pa.types.is_null(kind) or pa.types.is_decimal(kind) or kind == pa.float16():
            table = table.set_column(position, names[position], column.cast(pa.float64()))
        elif pa.types.is_floating(kind) and pc.any(pc.is_nan(column)).as_py():
            whole = pc.if_else(pc.is_nan(column), None, column)
            table = table.set_column(position, names[position], whole)
        elif not (is_category(kind) or _is_number(kind) or pa.types.is_temporal(kind)):
            raise InvalidRows(
                f"column {names[position]!r} holds {kind} values; a feature is a number, text, "
                "bool or time"
            )
    return table


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_category(kind: pa.DataType) -> bool:
    """Whether values of this type are categories: text, bool and dictionary."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_dictionary(kind)
    )


def plain(column: pa.Array) -> pa.Array:
    """The column without dictionary encoding."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def floats(column: pa.Array, category: bool) -> NDArray[np.float64]:
    """The column as floats: the rank among sorted values for a category, NaN where missing."""
    column = plain(column)
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
