"""A data set as the groups of meta-features read it: encoded once, read in blocks.

Every group sees a data set through a `Table`: the numbers of its numeric attributes, the codes of
its categorical ones, the target. What lies below it is a `Columns`: arrays in memory, or a file
that is larger than memory (`metadb.metafeatures.scan`). Three rules hold everywhere:

- An infinite number counts as missing.
- Attribute by attribute, missing numbers are left out. Where attributes are taken together (and
  for trees and landmarkers) a missing number counts as the mean of its attribute.
- A missing category is a category of its own, the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.ordered import bins
from metadb.protocols import Floats

Codes = NDArray[np.int32]
T = TypeVar("T")

CELLS = 4_000_000
"""About so many numbers are looked at in one go (32 MB, and a few times that while at work)."""

LEVELS = 256
"""Of a categorical attribute at most so many categories become a column of their own."""


class Columns(Protocol):
    """Where the attributes of a data set lie."""

    @property
    def n(self) -> int:
        """Instances."""

    @property
    def n_numbers(self) -> int:
        """Numeric attributes."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Categories that occur in each categorical attribute, a missing one counted too."""

    def numbers(self, start: int, stop: int) -> Floats:
        """The numeric attributes from `start` to `stop`, (stop - start, n); NaN is missing."""

    def codes(self, position: int) -> Codes:
        """The categorical attribute at `position`, (n,): a place among its sorted categories."""

    def blocks(self, size: int) -> Iterator[tuple[slice, Floats, Codes]]:
        """All instances in order, at most `size` at a time: which, their numbers
        (n_numbers, size) and codes (categorical attributes, size)."""

    def missing(self) -> tuple[NDArray[np.int64], int]:
        """Missing values of each attribute, the numeric ones first; instances that miss any."""

    def take(self, instances: NDArray[np.intp]) -> Columns:
        """Only these instances (sorted), in memory."""


@dataclass(frozen=True)
class Arrays:
    """Columns in memory.

    Args:
        x: The numeric attributes, (n_numbers, n), finite or NaN; in any order in memory.
        c: The categorical attributes, (categorical attributes, n).
        levels: Categories of each that occur.
        incomplete: Whether the last category of each stands for a missing value.
    """

    x: Floats
    c: Codes
    levels: tuple[int, ...] = ()
    incomplete: tuple[bool, ...] = ()

    @property
    def n(self) -> int:
        """Instances."""
        return int(self.x.shape[1])

    @property
    def n_numbers(self) -> int:
        """Numeric attributes."""
        return int(self.x.shape[0])

    def numbers(self, start: int, stop: int) -> Floats:
        """See `Columns`."""
        return np.ascontiguousarray(self.x[start:stop])

    def codes(self, position: int) -> Codes:
        """See `Columns`."""
        row: Codes = self.c[position]
        return row

    def blocks(self, size: int) -> Iterator[tuple[slice, Floats, Codes]]:
        """See `Columns`."""
        for start in range(0, self.n, size):
            which = slice(start, min(self.n, start + size))
            yield which, self.x[:, which], self.c[:, which]

    def missing(self) -> tuple[NDArray[np.int64], int]:
        """See `Columns`."""
        counts = np.zeros(self.n_numbers + len(self.levels), np.int64)
        anywhere = np.zeros(self.n, bool)  # (n,)
        for which, x, _ in self.blocks(max(1, CELLS // max(1, self.n_numbers))):
            holes = np.isnan(x)  # (n_numbers, size)
            counts[: self.n_numbers] += holes.sum(axis=1)
            anywhere[which] = holes.any(axis=0)
        for position, row in enumerate(self.c):
            if self.incomplete[position]:
                gone = row == self.levels[position] - 1
                counts[self.n_numbers + position] = gone.sum()
                anywhere |= gone
        return counts, int(anywhere.sum())

    def take(self, instances: NDArray[np.intp]) -> Arrays:
        """See `Columns`; a category that no longer occurs is gone."""
        c = np.empty((len(self.c), len(instances)), np.int32)
        levels, incomplete = [], []
        for position, row in enumerate(self.c):
            there, c[position] = np.unique(row[instances], return_inverse=True)
            levels.append(len(there))
            last = self.levels[position] - 1
            incomplete.append(self.incomplete[position] and bool(there[-1] == last))
        x = np.ascontiguousarray(self.x[:, instances])
        return Arrays(x, c, tuple(levels), tuple(incomplete))


@dataclass(frozen=True)
class Table:
    """A data set: its attributes, its target, and what several groups need of them.

    Args:
        columns: The attributes.
        kind: `classification`, `regression` or `clustering`.
        y: The target, (n,): codes 0 .. k - 1 of the classes that occur, each at least once;
            floats for regression; None for clustering.
        target: The target's name, where it has one.
        of: Instances of the data set this is a sample of; None: it is all of them.
        notes: What a reader of the values should know of how the data were read.
    """

    columns: Columns
    kind: str
    y: NDArray[np.int64] | Floats | None
    target: str | None = None
    of: int | None = None
    notes: tuple[str, ...] = ()
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def n(self) -> int:
        """Instances."""
        return self.columns.n

    @property
    def d(self) -> int:
        """Attributes, the target not counted."""
        return self.columns.n_numbers + len(self.columns.levels)

    @cached_property
    def missing(self) -> tuple[NDArray[np.int64], int]:
        """Missing values of each attribute, the numeric ones first; instances that miss any."""
        return self.columns.missing()

    @cached_property
    def class_sizes(self) -> NDArray[np.int64]:
        """Instances of each class, (k,); empty without classes."""
        if self.kind != "classification" or self.y is None:
            return np.empty(0, np.int64)
        return np.bincount(self.y)

    @cached_property
    def kept_levels(self) -> tuple[NDArray[np.int32], ...]:
        """The categories of each categorical attribute that have a column in `matrix`.

        As in a linear model with one mean for all: the first attribute has one for each category,
        every other one for each but its first. Of more than `LEVELS` the most frequent ones.
        """
        kept = []
        for position, n_levels in enumerate(self.columns.levels):
            codes = np.arange(0 if position == 0 else 1, n_levels, dtype=np.int32)
            if len(codes) > LEVELS:
                sizes = np.bincount(self.columns.codes(position), minlength=n_levels)
                codes = np.sort(np.argsort(-sizes, kind="stable")[:LEVELS].astype(np.int32))
            kept.append(codes)
        return tuple(kept)

    @cached_property
    def width(self) -> int:
        """Columns of `matrix`: the numeric attributes, and one for each kept category."""
        return self.columns.n_numbers + sum(map(len, self.kept_levels))

    def encoded(self) -> Iterator[Floats]:
        """The columns of `matrix` as rows, (m, n), about `CELLS` values at a time; NaN = missing.

        The numeric attributes in order, then the kept categories as 0 and 1.
        """
        m = max(1, CELLS // max(1, self.n))
        for start in range(0, self.columns.n_numbers, m):
            yield self.columns.numbers(start, min(start + m, self.columns.n_numbers))
        for position, kept in enumerate(self.kept_levels):
            codes = self.columns.codes(position) if len(kept) else None
            for start in range(0, len(kept), m):
                yield (kept[start : start + m, None] == codes).astype(np.float64)

    @cached_property
    def means(self) -> Floats:
        """The mean of each numeric attribute over its present values, 0 where there is none."""
        means = np.zeros(self.columns.n_numbers)  # (n_numbers,)
        m = max(1, CELLS // max(1, self.n))
        for start in range(0, self.columns.n_numbers, m):
            x = self.columns.numbers(start, min(start + m, self.columns.n_numbers))  # (m, n)
            n_present = self.n - self.missing[0][start : start + len(x)]
            x = np.nan_to_num(x, nan=0.0) if (n_present < self.n).any() else x
            with np.errstate(over="ignore", invalid="ignore"):
                found = x.sum(axis=1) / np.maximum(1, n_present)
            for row in np.flatnonzero(~np.isfinite(found)):  # the sum was too large, no value is
                found[row] = (x[row] / max(1, n_present[row])).sum()
            means[start : start + len(x)] = found
        return means

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """All instances in order, about `CELLS` values at a time: which, and `matrix` of them,
        transposed, (width, size)."""
        size = max(1, CELLS // max(1, self.width))
        for which, x, c in self.columns.blocks(size):
            rows = np.empty((self.width, x.shape[1]))
            rows[: len(x)] = np.where(np.isnan(x), self.means[:, None], x)
            end = len(x)
            for row, kept in zip(c, self.kept_levels, strict=True):
                rows[end : end + len(kept)] = kept[:, None] == row
                end += len(kept)
            yield which, rows

    @cached_property
    def matrix(self) -> Floats:
        """All attributes as numbers, (n, width), nothing missing; only for what fits in memory."""
        whole = np.empty((self.width, self.n))
        for which, rows in self.blocks():
            whole[:, which] = rows
        return np.ascontiguousarray(whole.T)

    def discrete(self) -> Iterator[tuple[Codes, int]]:
        """Every attribute as categories, (n,), and their number: the categorical ones first.

        A number becomes the place of its bin among ``int(n ** (1 / 3))`` bins of equal frequency
        (bins whose ends are closer than 1e-8 are one); missing is a category of its own.
        """
        for position, n_levels in enumerate(self.columns.levels):
            yield self.columns.codes(position), n_levels
        m = max(1, CELLS // max(1, self.n))
        for start in range(0, self.columns.n_numbers, m):
            x = self.columns.numbers(start, min(start + m, self.columns.n_numbers))
            yield from bins(x, np.sort(x, axis=1), int(self.n ** (1 / 3)))

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for this table; for what several groups share."""
        if key not in self._memo:
            self._memo[key] = compute()
        value: T = self._memo[key]
        return value

    def sample(self, size: int, seed: int) -> Table:
        """A random sample without replacement, in the order of the data; itself if small enough.

        Classes keep their shares, each at least one instance (where they are not more than
        `size`): what the rounded-down shares leave open goes to the largest remainders.
        """
        if self.n <= size:
            return self
        if size * self.d > CELLS:  # too large to be kept for the next who asks
            return self._drawn(size, seed)
        return self.once(("sample", size, seed), lambda: self._drawn(size, seed))

    def in_memory(self, seed: int) -> Table:
        """Itself, or if it lies in a file the sample of it that has about `CELLS` values."""
        small = isinstance(self.columns, Arrays)
        return self if small else self.sample(max(1, CELLS // max(1, self.d)), seed)

    def _drawn(self, size: int, seed: int) -> Table:
        rng = np.random.default_rng(seed)
        if len(self.class_sizes):
            chosen = _stratified(np.asarray(self.y), size, rng)
        else:
            chosen = rng.choice(self.n, size, replace=False)
        chosen = np.sort(chosen)
        y = None if self.y is None else self.y[chosen]
        if len(self.class_sizes) > size:  # not all classes are in it
            y = np.unique(np.asarray(y), return_inverse=True)[1]
        return Table(
            self.columns.take(chosen),
            self.kind,
            y,
            target=self.target,
            of=self.n if self.of is None else self.of,
            notes=self.notes,
        )


def _stratified(y: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`size` instances with the classes in their shares; one pass, whatever the classes."""
    sizes = np.bincount(y)  # (k,)
    if len(sizes) > size:
        return rng.choice(len(y), size, replace=False)
    seats = _seats(sizes, size)
    drawn = _by_class(y, rng.choice(len(y), min(len(y), 3 * size), replace=False), seats)
    short = np.bincount(y[drawn], minlength=len(sizes)) < seats
    if short.any():  # rare classes: not enough of them were drawn
        there = np.flatnonzero(short[y])
        rare = _by_class(y, rng.permutation(there), seats)
        drawn = np.concatenate([drawn[~short[y[drawn]]], rare])
    return drawn


def _seats(sizes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How many of each class: their shares of `size` by largest remainder, but one at least."""
    single = np.zeros(len(sizes), bool)
    share = size * sizes / sizes.sum()
    while (below := ~single & (share < 1)).any():
        single |= below
        share = (size - single.sum()) * sizes / max(1, sizes[~single].sum())
    seats = np.where(single, 1, np.floor(share)).astype(np.int64)
    remainder = np.where(single, -1.0, share - np.floor(share))
    seats[np.argsort(-remainder, kind="stable")[: size - seats.sum()]] += 1
    return seats


def _by_class(
    y: NDArray[np.int64], drawn: NDArray[np.intp], seats: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Of the instances drawn, at random order, the first so many of each class."""
    drawn = drawn[np.argsort(y[drawn], kind="stable")]
    of = y[drawn]
    start = np.searchsorted(of, np.arange(len(seats)))
    kept: NDArray[np.intp] = drawn[np.arange(len(drawn)) - start[of] < seats[of]]
    return kept
