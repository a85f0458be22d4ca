"""Average rank: the configs that do well on most tasks, the classic baseline of meta-learning.

Brazdil, Soares 2000, "A Comparison of Ranking Methods for Classification Algorithm Selection".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.past import outside, past, ready


@dataclass(frozen=True, slots=True, eq=False)
class AverageRank:
    """Configs in the order of their mean rank over past tasks.

    On task t the configs that may be advised are ranked by regret, ties sharing the mean of their
    ranks and failed ones sharing the last; ranks are scaled to [0, 1], r = (rank - 1) / (n - 1),
    and the score of a config is the mean of r over the tasks. What a task did not run counts as
    its surrogate predicts. Cost: one sort a task, once for a set of candidates.
    """

    completion: Completion
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep every task's regrets; the seed is that of the surrogates."""
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        return cls(completion, history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the smallest mean rank that were not run yet, whatever the task."""
        allowed = pool(self.completion.configs, candidates)
        told = past(self.completion, allowed)
        left = allowed.left(observed)
        best = left[np.argsort(told.mean_rank[left], kind="stable")][:k]
        return told.advice(best, self.metric, note=outside(allowed, allowed.seen(observed)))
