"""The nearest neighbour of many instances among many others, exactly, and fast.

All distances of a block come from one matrix product in single precision; those within its
rounding error of the smallest are computed again, exactly. Of several instances that are equally
near, none is preferred: what is said is the mean over them, which is what is to be expected of
one drawn at random. Whichever comes first in the data would favour the classes that do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.table import CELLS, Table
from metadb.protocols import Floats

Places = NDArray[np.intp]

BLOCK = 1_000_000
"""So many distances are computed in one go: they should stay in the cache."""

EQUAL = 1 + 1e-12
"""Squared distances up to so many times the smallest are as small: they differ by rounding."""

MANY = 16
"""With more candidates for an instance single precision was too coarse for these data."""

FEW_COLUMNS, MANY_ROWS = 5, 5_000
"""Up to so many columns, from so many rows on, a k-d tree is faster than all distances."""


@dataclass(frozen=True)
class Space:
    """Instances as points, for distances in single and in double precision.

    Args:
        x: Their coordinates, (d, n), scaled together by a power of two.
        z: The same around 0, (n, d).
        single, double: Whether products of `z` are exact in that precision.
    """

    x: Floats
    z: Floats
    single: bool
    double: bool


def level(x: Floats) -> Floats:
    """`x`, all scaled by one power of two where a square would overflow or vanish."""
    peak = float(np.abs(x).max(initial=0.0))
    if peak == 0 or 1e-100 < peak < 1e100:
        return x
    return np.ldexp(x, -int(np.frexp(peak)[1]))


def space(table: Table) -> Space:
    """The instances of a table as points, by the columns of `Table.matrix`."""
    return table.once("space", lambda: space_of(table.matrix))


def space_of(matrix: Floats) -> Space:
    """The rows of `matrix` (n, width) as points; constant columns are left out."""
    x = np.ascontiguousarray(level(matrix[:, (matrix != matrix[:1]).any(axis=0)]).T)
    centre = x.mean(axis=1, keepdims=True)
    whole = bool((x == np.rint(x)).all())
    z = x - (np.rint(centre) if whole else centre)
    most = float((z * z).sum(axis=0).max(initial=0.0))
    double = whole and 4 * most < 2**52
    if not double:  # whole numbers may also be too large for single precision
        z = np.ldexp(z, -int(np.frexp(np.abs(z).max(initial=1.0))[1]))
    return Space(x, np.ascontiguousarray(z.T), whole and 4 * most < 2**24, double)


def nearest(
    points: Space, pool: Places, wanted: Places, y: NDArray[Any], *, classes: bool
) -> Floats:
    """What the nearest instances of `pool` say of each instance `wanted` (q,), shape (q,).

    Args:
        pool: Instances, sorted; at least one.
        y: The target of all instances, (n,).
        classes: Say the share of the nearest ones that have the class of the instance itself;
            otherwise the mean of their targets.

    Cover & Hart 1967, Nearest Neighbor Pattern Classification.
    """
    left = np.arange(len(wanted))
    said = np.empty(len(wanted))
    if 0 < len(points.x) <= FEW_COLUMNS and len(pool) >= MANY_ROWS:
        row, place, more = _by_tree(points, pool, wanted)
        said = _say(y, wanted[row], pool[place], row, classes)
        left = np.flatnonzero(more)
    for start, row, place in _by_product(points, pool, wanted[left]):
        at = left[start : start + int(row[-1]) + 1]
        said[at] = _say(y, wanted[left[start + row]], pool[place], row, classes)
    return said


def _say(y: NDArray[Any], of: Places, neighbour: Places, row: Places, classes: bool) -> Floats:
    value = y[neighbour] == y[of] if classes else y[neighbour]
    return np.bincount(row, value) / np.bincount(row)


def nearest_number(
    values: Floats, pool: Places, wanted: Places, y: NDArray[Any], *, classes: bool
) -> Floats:
    """The same by one attribute, `values` (n,): look-ups in its sorted values."""
    there, at = np.unique(values[pool], return_inverse=True)
    above = np.searchsorted(there, values[wanted])
    below = np.maximum(above - 1, 0)
    above = np.minimum(above, len(there) - 1)
    to_below = np.abs(values[wanted] - there[below])
    to_above = np.abs(there[above] - values[wanted])
    if classes:  # how many of each class have each value
        n_classes = int(y.max()) + 1
        keys, sizes = np.unique(at * n_classes + y[pool], return_counts=True)

        def total(place: Places) -> Floats:
            key = place * n_classes + y[wanted]
            found = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            hits: Floats = np.where(keys[found] == key, sizes[found], 0).astype(float)
            return hits
    else:
        sums = np.bincount(at, y[pool])

        def total(place: Places) -> Floats:
            return np.asarray(sums[place])

    size = np.bincount(at)
    lower, upper = to_below <= to_above * EQUAL, to_above <= to_below * EQUAL
    said: Floats = (lower * total(below) + upper * total(above)) / (
        lower * size[below] + upper * size[above]
    )
    return said


Pairs = Iterator[tuple[int, Places, Places]]
"""Of some of the wanted instances at a time all that are nearest: the place of the first of them,
and pairs of a place from there on, ascending, and a place in the pool."""


def _by_product(points: Space, pool: Places, wanted: Places) -> Pairs:
    """|a - b|^2 = |a|^2 + (|b|^2 - 2 a b): the bracket is one product of matrices."""
    precisions: list[Any] = [np.float32, np.float64]
    if points.double and not points.single:
        del precisions[0]
    z = points.z[pool]
    square = (z * z).sum(axis=1)
    rights: dict[Any, NDArray[Any]] = {}  # (d + 1, pool); of double precision if needed
    rows = max(1, min(len(wanted), BLOCK // len(pool)))
    kept: dict[Any, NDArray[Any]] = {}
    is_close = np.empty((rows, len(pool)), bool)
    for start in range(0, len(wanted), rows):
        some = wanted[start : start + rows]
        a = points.z[some]
        left = np.hstack([a, np.ones((len(a), 1))])
        for precision in precisions:
            if precision not in rights:
                rights[precision] = np.vstack([-2 * z.T, square], dtype=precision, casting="unsafe")
                kept[precision] = np.empty((rows, len(pool)), precision)
            value = kept[precision][: len(some)]
            np.matmul(left.astype(precision), rights[precision], out=value)
            bound = value.min(axis=1)
            exact = points.single if precision is np.float32 else points.double
            if not exact:
                error = _error((a * a).sum(axis=1), bound, len(points.x), precision)
                bound = (bound + error).astype(precision)
            near = is_close[: len(some)]
            close = np.flatnonzero(np.less_equal(value, bound[:, None], out=near))
            if exact or precision is np.float64 or len(close) <= MANY * len(some):
                break
        row, place = np.divmod(close, len(pool))
        if not exact:
            row, place = _closest(points.x, some, row, pool, place)
        yield start, row, place


def _error(square: Floats, least: NDArray[Any], d: int, precision: Any) -> Floats:
    """By how much two of the smallest products of a row may be wrong together, (rows,).

    What is as near as `least` is not further from 0 than a and that distance together.
    """
    a = np.sqrt(square)
    b = 1.1 * (a + np.sqrt(np.maximum(least + square, 0)))
    limits = np.finfo(precision)
    rounding: Floats = 2 * (d + 4) * (limits.eps * (b * b + 2 * a * b) + limits.tiny)
    return rounding


def _closest(
    x: Floats, some: Places, row: Places, pool: Places, place: Places
) -> tuple[Places, Places]:
    """Of the candidates of each row (sorted by row) those that are nearest."""
    unsure = np.flatnonzero(np.bincount(row)[row] > 1)
    if not len(unsure):
        return row, place
    square = np.empty(len(unsure))
    step = max(1, CELLS // (8 * len(x)))
    for at in range(0, len(unsure), step):
        which = unsure[at : at + step]
        difference = x[:, some[row[which]]] - x[:, pool[place[which]]]
        difference *= difference
        square[at : at + step] = difference.sum(axis=0)
    begin = np.flatnonzero(np.diff(row[unsure], prepend=-1))
    least = np.minimum.reduceat(square, begin)
    further = square > np.repeat(least, np.diff(begin, append=len(unsure))) * EQUAL
    row, place = np.delete(row, unsure[further]), np.delete(place, unsure[further])
    return row, place


def _by_tree(points: Space, pool: Places, wanted: Places) -> tuple[Places, Places, Floats]:
    """A k-d tree finds the four nearest.

    Returns:
        All nearest as pairs, and which of `wanted` may have more: all four are as near.
    """
    from scipy.spatial import cKDTree

    x = np.ascontiguousarray(points.x.T)
    distance, place = cKDTree(x[pool]).query(x[wanted], k=4)
    close = distance <= distance[:, :1] * (1 + 1e-9)
    row, column = np.nonzero(close)
    row, place = _closest(points.x, wanted, row, pool, place[row, column])
    return row, place, close[:, -1]
