"""Random order: what every other recommender must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import eligible


@dataclass(frozen=True, slots=True)
class Random:
    """The configs of the history in a random order, another one for each task, fixed by the seed.

    It learns nothing, so its recommendations rest on nothing.
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
        """At most `k` configs, drawn without replacement from those not run yet."""
        places = eligible(self.configs, observed, candidates)
        rng = np.random.default_rng([self.seed, *task.id.encode()])
        return [Recommendation(self.configs[i]) for i in rng.permutation(places)[:k]]
