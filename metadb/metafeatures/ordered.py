"""What sorted numbers tell: quantiles and bins of equal frequency, many attributes at a time.

Every function takes `ordered`, (m, n): each row sorted, missing values (NaN) last, as `np.sort`
gives them, and `present`, (m,): how many values of each row are there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

PIECE = 2**15
"""So many numbers are compared in one go: 256 KB, which a core's own cache holds."""


def count_present(ordered: Floats) -> NDArray[np.int64]:
    """How many values of each row are there, (m,)."""
    if not np.isnan(ordered[:, -1:]).any():
        return np.full(len(ordered), ordered.shape[1])
    present: NDArray[np.int64] = (~np.isnan(ordered)).sum(axis=1)
    return present


def quantiles(ordered: Floats, present: NDArray[np.int64], shares: Floats) -> Floats:
    """The quantiles at `shares` by linear interpolation, (m, shares); NaN where a row is empty.

    Hyndman, Fan 1996, "Sample Quantiles in Statistical Packages", type 7; bit by bit what
    `np.quantile` gives, so that a value on the edge of a bin falls on the same side.
    """
    last = np.maximum(present - 1, 0)[:, None]  # (m, 1)
    place = shares * last  # (m, shares)
    below = np.floor(place).astype(np.intp)
    share = place - below
    low = np.take_along_axis(ordered, below, axis=1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last), axis=1)
    step = high - low
    found: Floats = np.where(share >= 0.5, high - step * (1 - share), low + step * share)
    return found


def bins(
    x: Floats, ordered: Floats, n_bins: int, *, closer: float = 1e-8
) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Each row of `x` (m, n) as codes of `n_bins` bins of equal frequency, and their number.

    Bin i ends at quantile (i + 1) / n_bins, its end included; an end that is not more than
    `closer` above the one before it is dropped; missing values have the last code.
    """
    n = x.shape[1]
    present = count_present(ordered)
    shares = np.linspace(0, 1, max(1, n_bins) + 1)[1:]
    ends = quantiles(ordered, present, shares)  # (m, n_bins)
    ends[:, 1:][~(np.diff(ends, axis=1) > closer)] = np.nan  # nothing is above NaN
    m = max(1, PIECE // max(1, n))
    for start in range(0, len(x), m):
        which = slice(start, start + m)
        yield from _dense(_above(x[which], ends[which]), x[which], present[which] < n)


def _above(x: Floats, ends: Floats) -> NDArray[np.integer]:
    """How many ends of its row, (m, n_bins), each value is above, (m, n).

    One comparison for each end: a tenth of the time of a binary search, whose branches cannot be
    foretold; in pieces that stay in the cache.
    """
    small = ends.shape[1] < 256
    codes = np.zeros(x.shape, np.uint8 if small else np.uint16)
    piece = max(1, PIECE // len(x))
    for start in range(0, x.shape[1], piece):
        values, counts = x[:, start : start + piece], codes[:, start : start + piece]
        above = np.empty(values.shape, bool)
        for end in ends.T:
            np.greater(values, end[:, None], out=above)
            np.add(counts, above.view(np.uint8), out=counts)
    return codes


def _dense(
    codes: NDArray[np.integer], x: Floats, incomplete: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int32], int]]:
    """The codes without those that do not occur, missing values last; and how many there are."""
    for row, values, gaps in zip(codes.astype(np.int32), x, incomplete, strict=True):
        if gaps:
            row[np.isnan(values)] = row.max() + 1
        occur = np.bincount(row) > 0
        if not occur.all():
            row = (np.cumsum(occur, dtype=np.int32) - 1)[row]
        yield row, int(np.count_nonzero(occur))
