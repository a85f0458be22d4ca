"""Counts of categories that occur together, for many attributes at a time, and what they tell.

All logarithms are to base 2 and 0 log 0 = 0: empty cells are never looked at, so that the formulas
hold as they stand, without a small number added to every cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.table import Codes
from metadb.protocols import Floats

Ints = NDArray[np.int64]

Coded = tuple[Codes | Ints, int]
"""A variable as categories: the code of each instance, (n,), and how many codes there are."""

BATCH = 2**16
"""About so many codes are counted in one go: half a megabyte, which a core's cache holds."""


def batches(attributes: Iterable[Coded]) -> Iterator[list[Coded]]:
    """The attributes in their order, as many at a time as have about `BATCH` codes together."""
    batch: list[Coded] = []
    for coded in attributes:
        batch.append(coded)
        if len(batch) * len(coded[0]) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def entropy(count: Ints) -> float:
    """The entropy of a variable with so many instances in each category, (k,), in bits."""
    share = count[count > 0] / count.sum()
    return abs(float(share @ np.log2(share)))  # abs: a single category has 0, not -0


@dataclass(frozen=True, slots=True)
class Joint:
    """The filled cells of the contingency tables of several attributes with one other variable.

    A cell's row is its category among those of all attributes, one attribute after the other;
    its column is the category of the other variable. Both occur: no margin is 0.

    Args:
        n: Instances.
        count: Instances in each cell, (cells,).
        row: Instances in its row, (cells,).
        column: Instances in its column, (cells,).
        of: Its attribute, (cells,).
        rows: Instances in each row, (rows,).
        rows_of: The attribute of each row, (rows,); rising from 0 to the last attribute.
        columns: Instances in each column, (columns,).
    """

    n: int
    count: Ints
    row: Ints
    column: Ints
    of: Ints
    rows: Ints
    rows_of: Ints
    columns: Ints

    @classmethod
    def counted(cls, attributes: Sequence[Coded], other: Coded) -> Joint:
        """Count them; a table much larger than the data is never made, its cells are sorted."""
        levels = np.array([n_levels for _, n_levels in attributes])
        first = np.cumsum(levels) - levels  # the first row of each attribute
        y, k = other
        code = np.empty((len(attributes), len(y)), np.int64)  # (m, n)
        for line, (codes, _), start in zip(code, attributes, first, strict=True):
            np.multiply(codes, k, out=line, dtype=np.int64)
            line += y + start * k
        n_cells = int(levels.sum()) * k
        if n_cells <= 4 * code.size:
            table = np.bincount(code.ravel(), minlength=n_cells)
            cell = np.flatnonzero(table)
            count = table[cell]
        else:
            cell, count = np.unique(code, return_counts=True)
        row, column = np.divmod(cell, k)
        rows = np.bincount(row, count, int(levels.sum())).astype(np.int64)
        rows_of = np.repeat(np.arange(len(levels)), levels)
        columns = np.bincount(y, minlength=k)
        return cls(
            n=len(y),
            count=count,
            row=rows[row],
            column=columns[column],
            of=rows_of[row],
            rows=rows[rows > 0],
            rows_of=rows_of[rows > 0],
            columns=columns[columns > 0],
        )

    def attribute_entropy(self) -> Floats:
        """H(x) of each attribute, (m,), in bits."""
        share = self.rows / self.n
        return np.abs(_sums(self.rows_of, share * np.log2(share)))

    def entropy(self) -> Floats:
        """H(x, y) of each attribute with the other variable, (m,), in bits."""
        share = self.count / self.n
        return np.abs(_sums(self.of, share * np.log2(share)))

    def information(self) -> Floats:
        """I(x, y) of each attribute with the other variable, (m,), in bits.

        From the ratio of what is and what independence expects, whole numbers both: it is 0, not
        nearly 0, where they are independent.
        """
        ratio = (self.count * self.n) / (self.row * self.column)
        return np.maximum(0.0, _sums(self.of, self.count / self.n * np.log2(ratio)))

    def concentration(self) -> Floats:
        """Goodman & Kruskal's tau of each attribute given the other variable, (m,).

        NaN for a constant attribute.
        """
        alone = _sums(self.rows_of, (self.rows / self.n) ** 2)
        return _tau(_sums(self.of, self.count / self.n * (self.count / self.column)), alone)

    def concentration_of_other(self) -> Floats:
        """Goodman & Kruskal's tau of the other variable given each attribute, (m,).

        NaN if the other variable is constant.
        """
        alone = np.sum((self.columns / self.n) ** 2)
        return _tau(_sums(self.of, self.count / self.n * (self.count / self.row)), alone)


def _sums(of: Ints, values: Floats) -> Floats:
    """The sum of the values of each attribute, (m,)."""
    return np.bincount(of, values).astype(np.float64, copy=False)


def _tau(knowing: Floats, alone: Floats | np.float64) -> Floats:
    """The share of guesses in proportion that knowing the other variable puts right."""
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = np.where(alone < 1, (knowing - alone) / (1 - alone), np.nan)
    return np.clip(tau, 0, 1)
