"""Nearest tasks: what was best on the tasks that look most like this one.

Feurer, Springenberg, Hutter 2015, "Initializing Bayesian Hyperparameter Optimization via
Meta-Learning" (the warm start of auto-sklearn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Places, pool
from recommenders.completion import Completion
from recommenders.likeness import Likeness
from recommenders.past import Past, outside, past, ready


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The best configs of the nearest tasks: first the best of each, then the second best of each.

    `Likeness` says which tasks are near; `neighbours` of them are asked, and the i-th nearest of K
    weighs K - i as evidence (i from 0). What a neighbour did not run counts as its surrogate
    predicts; what was as bad as the worst (or failed) there, that neighbour does not name. A task
    that shares no meta-feature with any past one has no neighbours: all tasks speak alike, configs
    follow by mean regret, and the note says so. Cost: one pass over (tasks, features) and one sort
    a neighbour.
    """

    completion: Completion
    likeness: Likeness
    metric: str
    neighbours: int = 10

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, neighbours: int = 10) -> Self:
        """Keep regrets and meta-features; the seed is that of the surrogates."""
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        return cls(completion, Likeness.fit(history), history.metric, neighbours)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The configs that were best on the nearest tasks and were not run yet."""
        allowed = pool(self.completion.configs, candidates)
        told = past(self.completion, allowed)
        left = allowed.left(observed)
        note = outside(allowed, allowed.seen(observed))
        near = self._near(task)
        if not len(near):
            alike = f"task {task.id} shares no meta-feature with any past task; all speak alike"
            best = left[np.argsort(told.alone[left], kind="stable")][:k]
            return told.advice(best, self.metric, note="; ".join(filter(None, (alike, note))))
        weight = np.zeros(len(self.completion.tasks))
        weight[near] = np.arange(len(near), 0, -1)
        return told.advice(_turns(told, near, left, k), self.metric, weight=weight, note=note)

    def _near(self, task: Task) -> Places:
        """Indices of the nearest past tasks, nearest first."""
        distance: Floats = self.likeness.distance(task)  # (tasks,)
        far = np.inf
        if self.neighbours < len(distance):  # sort those only that may be among them
            far = np.partition(distance, self.neighbours - 1)[self.neighbours - 1]
        some = np.flatnonzero(distance <= far)
        near = some[np.argsort(distance[some], kind="stable")][: self.neighbours]
        return near[np.isfinite(distance[near])]


def _turns(told: Past, near: Places, left: Places, k: int) -> list[int]:
    """The neighbours name their best configs in turns, nearest first; what none names comes last.

    Of configs alike on a neighbour, the one of the smaller mean regret over all tasks is named.
    """
    there = np.zeros(len(told.pool), bool)
    there[left] = True
    order = [ranked[there[ranked]] for ranked in map(told.ranked, near.tolist())]  # each (left,)
    chosen: dict[int, None] = {}
    for nth in range(len(left)):
        for t, ranked in zip(near, order, strict=True):
            if told.regret[ranked[nth], t] < 1.0:
                chosen.setdefault(int(ranked[nth]))
        if len(chosen) >= k:
            return list(chosen)[:k]
    rest = left[np.argsort(told.alone[left], kind="stable")]
    return list(dict.fromkeys([*chosen, *(int(i) for i in rest)]))[:k]
