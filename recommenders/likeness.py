"""Likeness: the one place where the meta-features of tasks are made comparable.

Every recommender that looks at meta-features does it through `Likeness`: it says which of them take
part, brings them to one scale, and knows what to do with those that are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.history import History
from metadb.metafeatures import group_of
from metadb.protocols import Floats
from metadb.records import Task
from recommenders.remembered import Remembered

KNOWN = 0.1
"""A meta-feature takes part if at least this share of the past tasks has it, and two of them."""

RANDOM = 1 / 3
"""How far two random tasks are apart: the mean of |a - b| for a, b uniform between 0 and 1."""

DOUBT = 0.2
"""What only one of two tasks has counts this much, and then as if they were random ones."""

BITS = 30
"""Values are compared to so many bits (nine digits), so that rounding does not part equal ones."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like tasks are, judged by the meta-features that both have.

    - **Which take part.** Those that a tenth of the past tasks has, at least two, and in which they
      differ.
    - **Scale.** A value becomes its place among the past tasks: the share of them below it, plus
      half the share that equals it. So counts over decades and ratios weigh alike, the median is
      0.5, and outliers cannot stretch the scale.
    - **Families.** The family of a meta-feature is its group in `metadb.metafeatures`; all names
      that no group knows (OpenML's own ones, ASLib's) are one more. A family of n weighs sqrt(n):
      200 summaries do not drown 20 simple ones, and yet say more than one. Within a family all
      weigh alike; weights against correlated ones were tried and made nothing better.
    - **Unknown.** A distance is over what both have. What only the new task has counts as much as
      two random tasks differ, at a fifth of the weight: sharing 3 of 100 is no luck to be near.
      What only the past task has does not count. For learners, `encode` says 0.5 instead and tells
      for each family how much of it is unknown.

    Leave one out on real tasks, against the plain mean over all that both have. Where everything is
    known (OPENML-WEKA accuracy and AUC, OpenML's study 1, TabRepo AUC and RMSE, MIP-2016, CSP-2016)
    the rank correlation of the distance with how differently configs do on two tasks is 0.183 (was
    0.170), the regret of `Nearest` after 1, 3, 5 configs 19.3, 6.1, 4.2 % (18.7, 6.6, 4.2): alike.
    Where half of the past tasks lack OpenML's own names and 15 % have 3 values only (first three
    sets, the new task with both or ours only) it is 0.33 (0.28), and 7.4, 2.4, 1.2 % (9.5, 2.5,
    1.3).

    Args:
        tasks: Ids of the past tasks, (tasks,).
        names: The meta-features that take part, (names,).
        families: The family of each, (names,).
        ladders: The values of the past tasks in order, for each name.
        places: Where the past tasks lie, 0 to 1, NaN where unknown, (tasks, names).
    """

    tasks: tuple[str, ...]
    names: tuple[str, ...]
    families: tuple[str, ...]
    ladders: tuple[Floats, ...]
    places: Floats

    @classmethod
    def fit(cls, history: History) -> Likeness:
        """Choose and scale the meta-features of the tasks of a history; remembered for it."""
        return _fitted.get((history,), lambda: cls.of(history.tasks, history.described))

    @classmethod
    def of(cls, tasks: tuple[str, ...], described: Mapping[str, Floats]) -> Likeness:
        """The same of tasks by their meta-features alone: name to values, (tasks,)."""
        enough = max(2, KNOWN * len(tasks))
        rungs = {}  # name to the values that are known, in order
        for name in sorted(described):
            values = described[name]
            rungs[name] = np.sort(_rounded(values[~np.isnan(values)]))
        chosen = [n for n, rung in rungs.items() if len(rung) >= enough and rung[0] < rung[-1]]
        if not chosen:  # too few tasks to choose: what is known at all
            chosen = [name for name, rung in rungs.items() if len(rung)]
        ladders = tuple(rungs[name] for name in chosen)
        values = np.array([described[name] for name in chosen]).reshape(len(chosen), len(tasks)).T
        places = _places(ladders, values)
        return cls(tasks, tuple(chosen), families(chosen), ladders, places)

    def place(self, task: Task) -> Floats:
        """Where a task lies among the past ones, 0 to 1, NaN where unknown, (names,)."""
        told = [task.metafeatures.get(name, np.nan) for name in self.names]
        values = _rounded(np.array(told, float))
        place = np.full(len(values), np.nan)
        for j in map(int, np.flatnonzero(~np.isnan(values))):  # a task may have a few names only
            place[j] = _stands(self.ladders[j], values[j])
        return place

    def distance(self, task: Task) -> Floats:
        """How unlike each past task is to this one, 0 to 1, (tasks,); inf where nothing is shared.

        The distance to a past task t is the weighted mean over the names j of this task of
        |place of t - place of this one|, weight 1 / sqrt(names of the family of j that it has);
        of a name that t lacks it is 1/3 and the weight a fifth. A search asks for the same task
        again and again, so the last few answers are remembered.
        """
        return _distances.get((self, task), lambda: self._distance(task))

    def among(self) -> Floats:
        """The distance of each past task (a row) to each, as `distance` has it, (tasks, tasks)."""
        return _amongs.get((self,), lambda: np.array([self._far(place) for place in self.places]))

    def _distance(self, task: Task) -> Floats:
        return self._far(self.place(task))

    def _far(self, place: Floats) -> Floats:
        """The distance of each past task to a place (names,), (tasks,)."""
        known = ~np.isnan(place)
        weight = self._weights(known)  # (names,)
        there, lacking = _known.get((self,), self._there)  # each (tasks, names)
        gap = np.abs(self.places - place)  # (tasks, names)
        if lacking is not None or not known.all():
            gap[np.isnan(gap)] = 0.0
        shared = there @ weight  # (tasks,)
        doubt = 0.0 if lacking is None else DOUBT * (lacking @ weight)
        with np.errstate(invalid="ignore"):
            far = (gap @ weight + RANDOM * doubt) / (shared + doubt)
        return np.where(shared > 0, far, np.inf)

    def _there(self) -> tuple[Floats, Floats | None]:
        """1 where a past task has a name; and 1 where it lacks it, None where none lacks any."""
        lacking = np.isnan(self.places)  # (tasks, names)
        return (~lacking).astype(float), lacking.astype(float) if lacking.any() else None

    def _weights(self, known: NDArray[np.bool_]) -> Floats:
        """The weight of each name, 0 where it is unknown, (names,)."""
        sizes = dict.fromkeys(self.families, 0)
        for family, there in zip(self.families, known, strict=True):
            sizes[family] += bool(there)
        weights = [1 / sqrt(max(1, sizes[family])) for family in self.families]
        return np.where(known, weights, 0.0)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of `matrix`: those that take part, then `unknown:family`."""
        return (*self.names, *(f"unknown:{family}" for family in sorted(set(self.families))))

    def encode(self, task: Task) -> Floats:
        """A task for learners, (columns,), nothing unknown.

        Places, 0.5 (the median) where unknown; then the share of each family that is unknown.
        """
        encoded: Floats = self._encoded(self.place(task)[None])[0]
        return encoded

    def matrix(self) -> Floats:
        """All past tasks as `encode` gives them, (tasks, columns)."""
        return self._encoded(self.places)

    def _encoded(self, places: Floats) -> Floats:
        unknown = np.isnan(places)  # (n, names)
        member, size = _members(self.families)
        shares = unknown @ member / size  # (n, families)
        return np.concatenate([np.where(unknown, 0.5, places), shares], axis=1)


_fitted: Remembered[Likeness] = Remembered(8, 64_000_000, lambda made: made.places.nbytes)
_amongs: Remembered[Floats] = Remembered(8, 64_000_000, lambda made: made.nbytes)
_distances: Remembered[Floats] = Remembered(64, 16_000_000, lambda made: made.nbytes)
_known: Remembered[tuple[Floats, Floats | None]] = Remembered(
    8, 64_000_000, lambda made: 2 * made[0].nbytes
)


@lru_cache(maxsize=64)
def _members(families: tuple[str, ...]) -> tuple[Floats, Floats]:
    """1 where a name is of a family, these by name, (names, families), and the size of each."""
    there = sorted(set(families))
    member = np.array([[float(one == family) for family in there] for one in families])
    member = member.reshape(len(families), len(there))
    return member, member.sum(axis=0)


def families(names: Sequence[str]) -> tuple[str, ...]:
    """The group of each meta-feature, `other` where no group has it."""
    return tuple(group_of(name) or "other" for name in names)


def _places(ladders: Sequence[Floats], values: Floats) -> Floats:
    """The place of each value on the ladder of its column, NaN where unknown, (n, names)."""
    places = np.full(values.shape, np.nan)
    rounded = _rounded(values)
    there = ~np.isnan(rounded)
    for j, ladder in enumerate(ladders):
        known = there[:, j]
        places[known, j] = _stands(ladder, rounded[known, j])
    return places


def _stands(ladder: Floats, rounded: Any) -> Any:
    """The share of a ladder below a value (or each of several), and half of what equals it."""
    below = ladder.searchsorted(rounded, side="left")
    upto = ladder.searchsorted(rounded, side="right")
    return (below + upto) / (2 * len(ladder))


def _rounded(values: Floats) -> Floats:
    """The values to `BITS` binary digits; no power of ten, which could overflow."""
    mantissa, exponent = np.frexp(values)
    rounded: Floats = np.ldexp(np.round(np.ldexp(mantissa, BITS)), exponent - BITS)
    return rounded
