"""Random order: what every other recommender must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import pool
from recommenders.evidence import from_tasks


@dataclass(frozen=True, slots=True, eq=False)
class Random:
    """The candidates in a random order, another one for each task, fixed by the seed.

    It learns nothing: its recommendations rest on nothing and say of each config what is known of
    any, a regret anywhere between 0 and 1.
    """

    configs: Configs
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep the configs; cost: none."""
        return cls(history.configs, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The first `k` of the order that were not run yet."""
        allowed = pool(self.configs, candidates)
        order = np.random.default_rng([self.seed, *task.id.encode()]).permutation(len(allowed))
        order = order[np.isin(order, allowed.left(observed))]
        none = from_tasks(np.empty((0, 1)))
        return [
            Recommendation(
                allowed.configs[int(i)],
                expected_loss=float(none.expected[0]),
                interval=(float(none.low[0]), float(none.high[0])),
                probability=float(none.probability[0]),
            )
            for i in order[:k]
        ]
