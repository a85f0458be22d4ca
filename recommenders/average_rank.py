"""Average rank: the configs that do well on most tasks, the classic baseline of meta-learning.

Brazdil, Soares 2000, "A Comparison of Ranking Methods for Classification Algorithm Selection".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Because, Evaluation, Recommendation, Task
from recommenders.candidates import eligible


@dataclass(frozen=True, slots=True)
class AverageRank:
    """Configs in the order of their mean rank over past tasks.

    On task t the configs run there are ranked by loss, ties sharing the mean of their ranks and
    failed ones sharing the last, and ranks are scaled to [0, 1]: r = (rank - 1) / (n - 1). The
    score of a config is (sum of r over its m tasks + 1/2) / (m + 1): one imagined middling task
    keeps a config with a single lucky run from leading, and changes no order where all configs ran
    on the same tasks. `expected_loss` is this score. Cost: one sort a task.
    """

    configs: Configs
    tasks: tuple[str, ...]
    score: Floats
    was_run: NDArray[np.bool_]
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Rank every task's configs; the seed is not used, nothing here is random."""
        rank = scaled_ranks(history.matrix())  # (tasks, configs)
        was_run = ~np.isnan(rank)
        score = (np.nansum(rank, axis=0) + 0.5) / (was_run.sum(axis=0) + 1)  # (configs,)
        return cls(history.configs, history.tasks, score, was_run, history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the smallest mean rank that were not run yet, whatever the task."""
        places = eligible(self.configs, observed, candidates)
        best = places[np.argsort(self.score[places], kind="stable")][:k]
        return [
            Recommendation(
                self.configs[i],
                expected_loss=float(self.score[i]),
                because=Because(
                    tuple(
                        t for t, there in zip(self.tasks, self.was_run[:, i], strict=True) if there
                    ),
                    (self.configs.ids[i],),
                    self.metric,
                ),
            )
            for i in best
        ]


def scaled_ranks(loss: Floats) -> Floats:
    """Ranks of each row scaled to [0, 1], ties shared, NaN where not run, (tasks, configs)."""
    from scipy.stats import rankdata

    ranks = np.full_like(loss, np.nan)
    for row, losses in zip(ranks, loss, strict=True):  # a task's configs differ from the next one's
        there = ~np.isnan(losses)
        if there.any():
            row[there] = (rankdata(losses[there]) - 1) / max(1, there.sum() - 1)
    return ranks
