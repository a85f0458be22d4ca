"""From the data people have to a `Table`: arrays, sparse matrices, data frames, Arrow, files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from metadb.datafile import Data, check_kind, data_of, floats, plain
from metadb.errors import InvalidRows
from metadb.metafeatures.table import CELLS, Arrays, Codes, Table
from metadb.protocols import Floats
from metadb.tablefile import MAX_CELLS


def table_of(data: Data) -> Table:
    """A `Table` in memory over a data file or data frame that was read."""
    x = data.x
    categorical = set(data.categorical)
    numeric = [i for i in range(x.num_columns) if i not in categorical]
    numbers = np.empty((len(numeric), x.num_rows))  # (n_numbers, n)
    for row, i in enumerate(numeric):
        numbers[row] = floats(x.column(i).combine_chunks(), category=False)
    coded = [categories(x.column(i).combine_chunks()) for i in data.categorical]
    codes = np.stack([c for c, _, _ in coded]) if coded else np.empty((0, x.num_rows), np.int32)
    levels, incomplete = tuple(n for _, n, _ in coded), tuple(gone for _, _, gone in coded)
    notes = [*data.notes]
    if data.dropped:
        notes.append(f"{data.dropped:,} rows without target are left out")
    arrays = Arrays(finite(numbers, notes), codes, levels, incomplete)
    y = target_values(data)
    return Table(arrays, data.kind, y, target=data.target, notes=tuple(notes))


def table_from(
    X: Any,
    y: Any = None,
    *,
    kind: str | None = None,
    categorical: Sequence[int | str] | None = None,
) -> Table:
    """A `Table` in memory over attributes and a target, whatever holds them.

    Args:
        X: NumPy array, SciPy sparse matrix, pandas or polars data frame, Arrow table, or a list
            of rows; (n, d).
        y: The target, (n,), of any of these kinds; None for clustering. Instances without a
            target are left out.
        kind: `classification`, `regression` or `clustering`; default: the rule of `read_data`.
        categorical: Which attributes are categorical besides those of text and bool, by position
            from 0, by name, or a bool for each.

    Raises:
        NotFound: No such kind, or no such attribute.
        InvalidRows: X and y do not go together, hold what is no number, text, bool or time, or
            are too large for memory.
    """
    check_kind(kind)
    if kind in ("classification", "regression") and y is None:
        raise InvalidRows(f"a {kind} needs a target; give y, or say kind='clustering'")
    if isinstance(X, str | Path):
        raise InvalidRows(f"{X} is a path; extract_file reads a data file")
    if _is_sparse(X):
        X = _dense(X)
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(float), np.nan)
    if isinstance(X, list | tuple):
        X = _rows(X)
    if isinstance(X, np.ndarray) and X.ndim == 1:
        X = X[:, None]
    if isinstance(X, np.ndarray) and X.ndim != 2:
        raise InvalidRows(
            f"X has {X.ndim} dimensions; give a row an instance, a column an attribute"
        )
    target = None if y is None or kind == "clustering" else _array(y, "y")
    if isinstance(X, np.ndarray) and X.dtype.kind not in "fiubOUSMm":
        raise InvalidRows(f"X holds {X.dtype} values; give numbers, text, bool or times")
    named = () if categorical is None else categorical
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu" and not len(named) and _whole(target):
        return _table_of_numbers(X, target, kind)
    frame = _frame(X)
    _check_size(frame.num_rows, frame.num_columns)
    return table_of(data_of(frame, target, kind=kind, categorical=named))


def finite(numbers: Floats, notes: list[str]) -> Floats:
    """The numbers with NaN for infinite ones, in place, which is noted."""
    infinite = np.isinf(numbers)
    if n := int(infinite.sum()):
        numbers[infinite] = np.nan
        notes.append(f"{n:,} infinite values count as missing")
    return numbers


def categories(column: pa.Array) -> tuple[Codes, int, bool]:
    """A column as codes, (n,): the place of each text among the sorted ones, missing last.

    Returns:
        The codes, how many there are, and whether the last one stands for missing.
    """
    column = plain(column)
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    coded = column.dictionary_encode()
    texts = coded.dictionary  # in the order in which they occur
    place = np.empty(len(texts) + 1, np.int32)
    place[pc.array_sort_indices(texts).to_numpy()] = np.arange(len(texts), dtype=np.int32)
    place[-1] = len(texts)
    indices = coded.indices
    incomplete = indices.null_count > 0
    if incomplete:
        indices = indices.fill_null(len(texts))
    codes: NDArray[np.int32] = place[indices.to_numpy(zero_copy_only=False)]
    return codes, len(texts) + incomplete, incomplete


def target_values(data: Data) -> NDArray[np.int64] | Floats | None:
    """The target as a `Table` holds it, (n,): class codes, floats, or None."""
    if data.y is None:
        return None
    if data.kind == "classification":
        return floats(data.y, category=True).astype(np.int64)
    return floats(data.y, category=False)


def _table_of_numbers(X: NDArray[Any], target: pa.Array | None, kind: str | None) -> Table:
    """The short way for an array of numbers: no column is looked at alone."""
    _check_size(*X.shape)
    if target is not None and len(target) != len(X):
        raise InvalidRows(f"X has {len(X):,} rows and y {len(target):,}; give one target a row")
    notes: list[str] = []
    if X.dtype == np.float64 and X.size > CELLS and not np.isinf(_extremes(X)).any():
        x = X.T  # a large array is not copied, but read in blocks
    else:
        x = finite(np.array(X.T, dtype=np.float64, order="C"), notes)
    none = pa.table({})
    data = data_of(none, target, kind=kind, categorical=())
    arrays = Arrays(x, np.empty((0, len(X)), np.int32))
    return Table(arrays, data.kind, target_values(data), notes=tuple(notes))


def _extremes(X: NDArray[np.float64]) -> Floats:
    """The smallest and the largest number, NaN aside."""
    return np.array([np.fmin.reduce(X, axis=None), np.fmax.reduce(X, axis=None)])


def _whole(target: pa.Array | None) -> bool:
    """Whether no instance is without target."""
    if target is None or not pa.types.is_floating(target.type):
        return target is None or not target.null_count
    return bool(pc.all(pc.is_finite(target), skip_nulls=False).as_py())


def _check_size(n: int, d: int) -> None:
    if n == 0 or d == 0:
        raise InvalidRows(f"X has {n} rows and {d} columns; at least one of each is needed")


def _is_missing(value: Any) -> bool:
    return value is None or str(value) in ("nan", "<NA>", "NaT")


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "toarray") and hasattr(X, "nnz")


def _dense(X: Any) -> NDArray[np.float64]:
    if math.prod(X.shape) > MAX_CELLS:
        raise InvalidRows(
            f"X has {X.shape[0]:,} x {X.shape[1]:,} cells, more than the {MAX_CELLS:,} that are "
            "looked at; choose columns, or a sample of its rows"
        )
    return np.asarray(X.toarray(), dtype=np.float64)


def _rows(rows: Sequence[Any]) -> NDArray[Any]:
    """A list of rows as an array: of numbers, or of what its cells are."""
    cells = [cell for row in rows for cell in (row if isinstance(row, list | tuple) else (row,))]
    mixed = any(isinstance(cell, str) or cell is None for cell in cells)
    try:
        return np.asarray(rows, dtype=object if mixed else None)
    except ValueError:
        raise InvalidRows("the rows of X differ in length; give each one value a column") from None


def _frame(X: Any) -> pa.Table:
    """Columns of any kind as an Arrow table; names may be doubled."""
    if isinstance(X, pa.Table):
        return X
    if isinstance(X, np.ndarray):
        names = [f"column_{i}" for i in range(1, X.shape[1] + 1)]
        return pa.table([_array(X[:, i], names[i]) for i in range(X.shape[1])], names=names)
    if hasattr(X, "to_arrow"):  # polars
        return X.to_arrow()
    if hasattr(X, "iloc"):  # pandas
        names = [str(name) for name in X.columns]
        columns = [_array(X.iloc[:, i], names[i]) for i in range(X.shape[1])]
        return pa.table(columns, names=names)
    if hasattr(X, "__arrow_c_stream__"):
        return pa.table(X)
    raise InvalidRows(
        f"X is a {type(X).__name__}; give an array, a sparse matrix, a pandas or polars data frame "
        "or an Arrow table"
    )


def _array(values: Any, name: str) -> pa.Array:
    """One column as Arrow; mixed values become text, NaN stays a number."""
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    if hasattr(values, "sparse"):  # a pandas column
        values = values.sparse.to_dense()
    if hasattr(values, "to_arrow"):
        return _array(values.to_arrow(), name)
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if hasattr(values, "iloc") and getattr(values, "ndim", 1) == 2 and values.shape[1] == 1:
        values = values.iloc[:, 0]
    if getattr(values, "ndim", 1) != 1:
        raise InvalidRows(f"{name} has shape {values.shape}; give one value an instance")
    if isinstance(values, np.ndarray) and values.dtype in (np.int64, np.float64):
        # the short way: `pa.array` would load pandas
        kind, content = pa.from_numpy_dtype(values.dtype), np.ascontiguousarray(values)
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(content)])
    try:
        return _array(pa.array(values, from_pandas=True), name)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        try:  # a mixture, e.g. numbers and text
            return pa.array([None if _is_missing(v) else str(v) for v in values], pa.string())
        except (TypeError, ValueError) as error:
            raise InvalidRows(f"{name} cannot be read as a column of values: {error}") from None
