"""Stacked Gaussian processes: on top of the past tasks, one that models what they leave.

After Golovin, Solnik, Moitra, Kochanski, Karro, Sculley 2017, "Google Vizier: a service for
black-box optimization", section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.acquisition import log_expected_improvement
from recommenders.completion import needs_results
from recommenders.sources import Sources
from recommenders.transfer import Asked, Judged, advise, mixture
from recommenders.tst import BANDWIDTH, OWN, likeness


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """Expected improvement on the past tasks' mean plus a GP of the residuals from it.

    In the paper each past study is a floor: mu_i = mu_(i-1) + GP(y_i - mu_(i-1)), so that a floor
    replaces all below it wherever it has results, and of many tasks only the last counts (tried on
    openml-pimp and hp-transfer with the ten likest tasks: twice the regret after one to five
    configs). Here each floor moves the stack by its share of the weight up to it,
    mu_i = mu_(i-1) + w_i / (w_1 + ... + w_i) (GP_i - mu_(i-1)), which is their weighted mean
    whatever their order; w as in TST-R. The top floor, the task at hand, moves it fully:
    mu = mu_T + GP(y - mu_T), and its deviation is that of the whole. Cost: linear in past tasks.
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

        Raises:
            NotFound: There are past tasks, but no evaluation of them.
        """
        if history.tasks:
            needs_results(history)
        return cls(Sources.fit(history, seed=seed, device=device), seed, bandwidth)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of greatest expected improvement, one after the other."""
        return advise(
            self.sources, self.judge, k, observed=observed, candidates=candidates, seed=self.seed
        )

    def weigh(self, asked: Asked) -> Floats:
        """How much each past task counts, by what was seen, (tasks,)."""
        return asked.once("weight", lambda: likeness(asked, self.bandwidth))

    def judge(self, asked: Asked) -> Judged:
        """The expected improvement of candidates, and what is expected of them."""
        weight = self.weigh(asked)
        below, variance = mixture(*asked.both, weight)  # (n + m,)
        n = len(asked.x)
        if not len(asked.seen_x):
            return Judged(-below, below, np.sqrt(variance), below, weight)
        off, sd = asked.own(asked.scaled(weight) - below[n:])
        mean = below + off
        gain = log_expected_improvement(mean[:n], sd[:n], float(mean[n:].min()))
        return Judged(gain, mean[:n], sd[:n], mean[:n], weight, OWN)
