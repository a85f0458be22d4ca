"""TAF: expected improvement on the task at hand, and improvements predicted on past tasks, summed.

Wistuba, Schilling, Schmidt-Thieme 2018, "Scalable Gaussian process-based transfer surrogates for
hyperparameter optimization" (transfer acquisition function, -R: weights by relative landmarks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.acquisition import expected_improvement
from recommenders.sources import Sources
from recommenders.transfer import Asked, Judged, advise, mixture
from recommenders.tst import BANDWIDTH, OWN, likeness


@dataclass(frozen=True, slots=True, eq=False)
class TAF:
    """The config that improves most over what was run: here as expected, on past tasks as known.

    a(x) = (w EI(x) + sum_i w_i max(0, b_i - mu_i(x))) / (w + sum_i w_i), where b_i is the least
    of the regrets that past task i's surrogate mu_i gives to what was run, and 1 (the worst)
    before anything was run: then this is the greedy portfolio on the completed regrets. The
    weights are those of TST-R, with 3/4 for the task at hand. As more is known to be good on past
    tasks, their improvements vanish and the task's own EI decides. Cost: linear in past tasks.
    """

    sources: Sources
    seed: int = 0
    bandwidth: float = BANDWIDTH

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        seed: int = 0,
        device: str = "cpu",
        bandwidth: float = BANDWIDTH,
    ) -> Self:
        """Fit the GPs of the past tasks as one batch.

        Args:
            device: Where torch fits and predicts.
            bandwidth: The share of pairs ranked the other way from which on a task is not heard.
        """
        return cls(Sources.fit(history, seed=seed, device=device), seed, bandwidth)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of greatest weighted improvement, one after the other."""
        return advise(
            self.sources, self.judge, k, observed=observed, candidates=candidates, seed=self.seed
        )

    def weigh(self, asked: Asked) -> Floats:
        """How much each past task counts, by what was seen, (tasks,)."""
        return asked.once("weight", lambda: likeness(asked, self.bandwidth))

    def judge(self, asked: Asked) -> Judged:
        """The weighted improvement of candidates, and what is expected of them."""
        weight = self.weigh(asked)
        best = asked.seen_mean.min(axis=1, initial=1.0)  # (tasks,)
        gain = weight @ np.maximum(0.0, best[:, None] - asked.mean)
        mean, variance = mixture(asked.mean, asked.sd, weight)
        if not asked.real:
            return Judged(gain, mean, np.sqrt(variance), mean, weight)
        n = len(asked.x)
        here, sd = asked.own(asked.scaled(weight), offset=asked.usual(weight))
        gain = gain + OWN * expected_improvement(here[:n], sd[:n], float(here[n:].min()))
        # What is expected here: the two predictions, each by its precision.
        trust = variance / np.maximum(variance + sd[:n] ** 2, 1e-300)
        expected = trust * here[:n] + (1 - trust) * mean
        return Judged(gain, expected, np.sqrt(trust) * sd[:n], expected, weight, OWN)
