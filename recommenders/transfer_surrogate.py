"""Surrogate transfer at any point of a space: its judges, asked by a search.

A recommender is asked of all its candidates at once; a search asks of any points, many times over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from metadb.errors import InvalidRows
from metadb.history import Configs
from metadb.protocols import Floats
from recommenders.candidates import Places
from recommenders.gp import GP
from recommenders.posteriors import Posteriors
from recommenders.sources import Sources
from recommenders.transfer import Asked, Judged, believe, know_nothing

PANEL = 500
"""So many configs of the past stand for all of the space."""

MOST_CELLS = 32_000_000
"""Of the past tasks' factorised kernel matrices, 256 MB."""


class Judge(Protocol):
    """A fitted family of surrogate transfer, for example `RGPE`."""

    @property
    def sources(self) -> Sources:
        """The past tasks."""

    def weigh(self, asked: Asked) -> Floats:
        """How much each past task counts, by what was seen; it hangs on no candidate."""

    def judge(self, asked: Asked) -> Judged:
        """What is to be hoped of candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The configs of a history by their encoding."""

    configs: Configs
    place: dict[bytes, int]

    @classmethod
    def of(cls, configs: Configs) -> Self:
        """Those of a history."""
        return cls(configs, {row.tobytes(): i for i, row in enumerate(configs.x)})

    def places(self, x: Floats) -> Places:
        """Where points (n, width) stand in the history, -1 where new or named before, (n,).

        Raises:
            InvalidRows: They are of another space.
        """
        width = self.configs.x.shape[1]
        if x.ndim != 2 or x.shape[1] != width:
            raise InvalidRows(
                f"the past tasks' space {self.configs.space_name!r} encodes to {width} columns, "
                f"but x is {x.shape}; search the space of the history (history.configs.space)"
            )
        first: dict[int, int] = {}
        found = [self.place.get(row.tobytes(), -1) for row in np.ascontiguousarray(x, float)]
        for i, place in enumerate(found):
            first.setdefault(place, i)
        return np.array([p if first[p] == i else -1 for i, p in enumerate(found)], np.intp)


def drawn_panel(n: int, seed: int) -> Places:
    """At most `PANEL` of n places, drawn, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:PANEL]).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class TransferFitter:
    """A family of surrogate transfer as a fitter: what past tasks and results say of any point.

    Args:
        family: Fitted on the history; its own judge decides.
        known: The history's configs.
        panel: Mean and deviation of some of them on each past task, each (tasks, panel).
        past: The past tasks' GPs, factorised unless that takes more memory than `MOST_CELLS`.
        scaled: What the losses are passed through; it keeps their order.
    """

    family: Judge
    known: Known
    panel: tuple[Floats, Floats]
    past: GP | Posteriors
    scaled: Callable[[Floats], Floats] | None = None
    startup: int = 0

    @classmethod
    def of(
        cls,
        family: Judge,
        *,
        seed: int = 0,
        scaled: Callable[[Floats], Floats] | None = None,
    ) -> Self:
        """Look up a panel of the past's configs, drawn where they are many."""
        sources = family.sources
        drawn = drawn_panel(len(sources.configs), seed)
        tasks, points, _ = sources.gp.x.shape
        few = tasks * points**2 <= MOST_CELLS
        past = Posteriors.of(sources.gp) if few else sources.gp
        told = sources.at(sources.configs.x[drawn], drawn, past)
        return cls(family, Known.of(sources.configs), told, past, scaled)

    def __call__(self, x: Floats, loss: Floats, seed: int = 0) -> TransferSurrogate:
        """The surrogate of results (n, width), (n,); none are needed.

        Raises:
            InvalidRows: The points are of another space.
        """
        sources = self.family.sources
        ok = np.isfinite(loss)
        loss = np.where(ok, loss, np.inf)
        if self.scaled is not None and ok.any():
            loss[ok] = self.scaled(loss[ok])
        none = np.empty((len(sources.tasks), 0))
        seen = sources.at(x, self.known.places(x), self.past)
        asked = Asked(sources, x[:0], none, none, x, *seen, loss, (), seed, self.panel)
        return TransferSurrogate(self, asked)


@dataclass(frozen=True, slots=True, eq=False)
class TransferSurrogate:
    """What a family of surrogate transfer says of any point of one task, as normalised regret.

    The task's own process and the weights of past tasks are found once; each call costs a
    prediction of the past tasks that have a weight.
    """

    fitter: TransferFitter
    asked: Asked

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """The regret expected at x (n, width) and its deviation, each (n,)."""
        judged = self._judged(self._about(x))
        return judged.mean, judged.sd

    def gain(self, x: Floats) -> Floats:
        """What the family hopes of points, more is better, (n,)."""
        return self._judged(self._about(x)).gain

    def believe(self, x: Floats) -> Self:
        """The same as if points (k, width) had come out as expected, one after the other."""
        asked = self._about(x)
        for i in range(len(x)):
            asked = believe(asked, i, float(self._judged(asked).belief[i]))
        return replace(self, asked=asked)

    def _about(self, x: Floats) -> Asked:
        tasks, gp = self.asked.once("heard", self._heard)
        mean, sd = self.asked.sources.at(x, self.fitter.known.places(x), gp, tasks)
        return replace(self.asked, x=x, mean=mean, sd=sd)

    def _heard(self) -> tuple[Places, GP | Posteriors]:
        """The past tasks that count, and their GPs: the others need not be asked."""
        asked = self.asked
        if not asked.sources.tasks:
            return np.empty(0, np.intp), self.fitter.past
        weight = self.fitter.family.weigh(asked)
        # Where none counts, a mixture is of all.
        tasks = np.flatnonzero(weight) if weight.any() else np.arange(len(weight))
        return tasks, self.fitter.past.take(tasks)

    def _judged(self, asked: Asked) -> Judged:
        return (self.fitter.family.judge if asked.sources.tasks else know_nothing)(asked)
