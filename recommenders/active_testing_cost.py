"""Active testing that minds the seconds: the largest expected gain for the time it takes.

Abdulrahman, Brazdil, van Rijn, Vanschoren 2018, "Speeding up algorithm selection using average
ranking and active testing by introducing runtime" (AT*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from metadb.history import Configs, History
from metadb.records import Evaluation, Recommendation, Task
from recommenders.active_testing import ActiveTesting
from recommenders.candidates import pool
from recommenders.runtime import RunTime


@dataclass(frozen=True, slots=True, eq=False)
class ActiveTestingCost:
    """Repeatedly the config with the largest expected gain per second^P.

    The gain is that of `ActiveTesting`; the seconds are those that `RunTime` predicts on this
    task from its meta-features and the seconds of what was observed. P (`cost_power`) says how
    much they count: 0 is active testing, 1 gain per second. Cost: that of active testing and a
    pass of the trees, once for a task and a set of candidates.
    """

    testing: ActiveTesting
    runtime: RunTime
    cost_power: float = 1 / 2

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        seed: int = 0,
        cost_power: float = 1 / 2,
        similarity: str = "likelihood",
    ) -> Self:
        """Keep every task's regrets and seconds; the seed is that of the surrogates.

        Raises:
            NotFound: No evaluation of the history has its seconds, or there is no such similarity.
        """
        runtime = RunTime.fit(history, seed=seed)
        return cls(
            ActiveTesting.fit(history, seed=seed, similarity=similarity), runtime, cost_power
        )

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the largest expected gain for their time."""
        allowed = pool(self.testing.completion.configs, candidates)
        seconds = self.runtime.predict(task, allowed, observed=observed)
        seen, left = allowed.seen(observed), allowed.left(observed)
        return self.testing.advise(k, allowed, seen, left, seconds**self.cost_power)
