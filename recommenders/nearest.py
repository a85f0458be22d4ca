"""Nearest tasks: what was best on the tasks that look most like this one.

Feurer, Springenberg, Hutter 2015, "Initializing Bayesian Hyperparameter Optimization via
Meta-Learning" (the warm start of auto-sklearn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Because, Evaluation, Recommendation, Task
from recommenders.candidates import eligible
from recommenders.likeness import Likeness
from recommenders.regret import normalised_regret


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best configs of the nearest tasks: first the best of each, then the second best of each.

    `Likeness` says which tasks are near; `neighbours` of them are asked. `expected_loss` is the
    mean normalised regret of the config over the neighbours that ran it. Cost: one pass over
    (tasks, features).
    """

    configs: Configs
    tasks: tuple[str, ...]
    regret: Floats
    likeness: Likeness
    metric: str
    neighbours: int = 10

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, neighbours: int = 10) -> Self:
        """Keep regrets and meta-features; the seed is not used, nothing here is random."""
        return cls(
            history.configs,
            history.tasks,
            normalised_regret(history.matrix()),
            Likeness.fit(history),
            history.metric,
            neighbours,
        )

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The configs that were best on the nearest tasks and were not run yet.

        Raises:
            NotFound: The task shares no meta-feature with any past task.
        """
        places = eligible(self.configs, observed, candidates)
        near = self._near(task)
        # Each neighbour's configs from best to worst, those it never ran last and left out.
        order = [places[np.argsort(self.regret[t, places], kind="stable")] for t in near]
        chosen: dict[int, int] = {}
        for nth in range(len(places)):
            for t, ranked in zip(near, order, strict=True):
                config = int(ranked[nth])
                if config not in chosen and self.regret[t, config] < 1.0:
                    chosen[config] = int(t)
                if len(chosen) == k:
                    return self._recommendations(chosen, near)
        return self._recommendations(chosen, near)

    def _recommendations(
        self, chosen: dict[int, int], near: NDArray[np.intp]
    ) -> list[Recommendation]:
        return [
            Recommendation(
                self.configs[config],
                expected_loss=float(np.nanmean(self.regret[near, config])),
                because=Because((self.tasks[t],), (self.configs.ids[config],), self.metric),
            )
            for config, t in chosen.items()
        ]

    def _near(self, task: Task) -> NDArray[np.intp]:
        """Indices of the nearest past tasks, nearest first."""
        distance = self.likeness.distance(task)  # (tasks,)
        near = np.argsort(distance, kind="stable")[: self.neighbours]
        near = near[np.isfinite(distance[near])]
        if not len(near):
            raise NotFound(
                f"task {task.id} shares no meta-feature with the {len(self.tasks)} past tasks; "
                "describe it (--data FILE), or use a recommender that needs none, e.g. portfolio"
            )
        return near
