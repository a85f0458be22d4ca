"""A3R: average ranking by success for its time, so that good and quick configs come first.

Abdulrahman, Brazdil, van Rijn, Vanschoren 2018, "Speeding up algorithm selection using average
ranking and active testing by introducing runtime".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion
from recommenders.past import Past, outside, past, ready
from recommenders.remembered import Remembered
from recommenders.runtime import RunTime


@dataclass(frozen=True, slots=True, eq=False)
class A3R:
    """Configs in the order of their mean rank by A3R over past tasks.

    On task t, A3R of config c against a reference r is (S_tc / S_tr) / (T_tc / T_tr)^P with S the
    success rate and T the seconds; the reference changes no rank within a task, so configs are
    ranked by S / T^P. The success rate is 1 - regret (1 the best of the task, 0 the worst): it is
    the same for accuracies, errors and losses without a bound, where the paper has accuracies.
    P (`cost_power`) says how much seconds count: 0 is average ranking. The paper's choice for
    accuracies is 1/64; as regrets spread over all of [0, 1] it has to be larger here: the area
    under loss over log seconds on TabRepo LightGBM and text-classification is .63 .54 for P = 0,
    .62 .54 for 1/64, .56 .35 for 1/8, .50 .35 for 1/4, .51 .35 for 1.
    What was never timed counts as `RunTime` predicts. Cost: one sort a task, once for a set of
    candidates, and the fit of `RunTime`.
    """

    completion: Completion
    runtime: RunTime
    metric: str
    cost_power: float = 1 / 4

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, cost_power: float = 1 / 4) -> Self:
        """Keep every task's regrets and seconds; the seed is that of the surrogates.

        Raises:
            NotFound: No evaluation of the history has its seconds.
        """
        runtime = RunTime.fit(history, seed=seed)
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        return cls(completion, runtime, history.metric, cost_power)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the best mean rank that were not run yet, whatever the task."""
        allowed = pool(self.completion.configs, candidates)
        told = past(self.completion, allowed)
        left = allowed.left(observed)
        best = left[np.argsort(self._score(told, allowed)[left], kind="stable")][:k]
        return told.advice(best, self.metric, note=outside(allowed, allowed.seen(observed)))

    def _score(self, told: Past, allowed: Pool) -> Floats:
        """The sum over tasks of the rank by A3R, smallest best, (n,)."""

        def make() -> Floats:
            from scipy.stats import rankdata

            seconds = self.runtime.seconds(allowed)
            a3r = (1.0 - told.regret) / seconds**self.cost_power  # (n, tasks)
            return np.asarray(rankdata(-a3r, axis=0).sum(axis=1))

        return _scores.get((self, allowed.configs), make)


_scores: Remembered[Floats] = Remembered(64, 64_000_000, lambda score: score.nbytes)
