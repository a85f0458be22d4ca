"""Pareto portfolio: few configs that trade loss against seconds well on any task.

Greedy maximisation of the mean hypervolume (Zitzler, Thiele 1998, "Multiobjective optimization
using evolutionary algorithms"). The hypervolume is monotone and submodular in the set (Ulrich,
Thiele 2012, "Bounding the effectiveness of hypervolume-based (mu + lambda)-archiving algorithms"),
so the greedy set has at least 1 - 1/e of the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Places, Pool, pool
from recommenders.completion import Completion
from recommenders.greedy import greedy
from recommenders.past import outside, past, ready
from recommenders.remembered import Remembered
from recommenders.runtime import RunTime


@dataclass(frozen=True, slots=True, eq=False)
class Pareto:
    """Configs in the order in which they raise the hypervolume of (regret, seconds) most.

    On each past task a config is a point (R, u): its normalised regret and its log seconds scaled
    to [0, 1] between the task's quickest and slowest config that may be advised. The hypervolume
    of a set is the share of the unit square that its points dominate (at most their regret after
    at most their time); the next member is the config that adds most to its mean over the tasks.
    Without the second axis it is `Portfolio`. The configs observed that did not fail are members
    already. When nothing is left to gain the choice begins anew among the rest. What was never
    timed counts as `RunTime` predicts. Cost: as many passes over a (configs, tasks) matrix as there
    are members, the lazy choice sparing most, and the fit of `RunTime`.
    """

    completion: Completion
    runtime: RunTime
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep every task's regrets and seconds; the seed is that of the surrogates.

        Raises:
            NotFound: No evaluation of the history has its seconds.
        """
        runtime = RunTime.fit(history, seed=seed)
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        return cls(completion, runtime, history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs that add most to what was run already, whatever the task."""
        allowed = pool(self.completion.configs, candidates)
        told = past(self.completion, allowed)
        time = self._time(allowed)
        seen = allowed.seen(observed)
        worked = seen.place[seen.ok & (seen.place >= 0)]
        members = [(told.regret[i], time[i]) for i in worked]

        def gain(places: Places) -> Floats:
            return np.asarray(added(told.regret[places], time[places], members).sum(axis=1))

        def take(place: int) -> None:
            members.append((told.regret[place], time[place]))

        chosen = greedy(k, gain, take, members.clear, told.alone, allowed.left(observed))
        return told.advice(chosen, self.metric, note=outside(allowed, seen))

    def _time(self, allowed: Pool) -> Floats:
        """Log seconds on each past task scaled to [0, 1], (n, tasks)."""

        def make() -> Floats:
            log_s = np.log(self.runtime.seconds(allowed))
            low = log_s.min(axis=0, initial=np.inf)
            width = log_s.max(axis=0, initial=-np.inf) - low
            return np.asarray((log_s - low) / np.where(width > 0, width, 1.0))

        return _times.get((self, allowed.configs), make)


def added(regret: Floats, time: Floats, members: Sequence[tuple[Floats, Floats]]) -> Floats:
    """What each config adds to the area that the members dominate, (n, tasks).

    The members' best regret by time u is a staircase f(u), 1 before the first; a config at (r, c)
    adds the integral over u from c to 1 of max(0, f(u) - r).

    Args:
        regret: (n, tasks). time: (n, tasks).
        members: Regret and time of each member, each (tasks,).
    """
    if not members:
        return np.asarray((1.0 - regret) * (1.0 - time))
    levels, steps = _staircase(members)
    area = np.zeros_like(regret)
    for level, start, end in zip(levels, steps[:-1], steps[1:], strict=True):
        area += np.maximum(level - regret, 0.0) * np.maximum(end - np.maximum(start, time), 0.0)
    return area


def _staircase(members: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The best regret in each stretch of time, (m + 1, tasks), and their ends, (m + 2, tasks)."""
    regret = np.array([r for r, _ in members])  # (m, tasks)
    time = np.array([u for _, u in members])
    order = np.argsort(time, axis=0, kind="stable")
    best = np.minimum.accumulate(np.take_along_axis(regret, order, axis=0), axis=0)
    edge = np.ones((1, regret.shape[1]))
    return (
        np.concatenate([edge, best]),
        np.concatenate([0 * edge, np.take_along_axis(time, order, axis=0), edge]),
    )


_times: Remembered[Floats] = Remembered(16, 512_000_000, lambda time: time.nbytes)
