"""TST-R: the mean of all surrogates, each weighted by how alike its task ranks what was run.

Wistuba, Schilling, Schmidt-Thieme 2016, "Two-stage transfer surrogate model for automatic
hyperparameter optimization"; -R: tasks are described by relative landmarks, that is by which of
two configurations is better.
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

BANDWIDTH = 0.9
OWN = 0.75
"""The weight of the task at hand: that of a past task which ranks no pair otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class TST:
    """Expected improvement on a mean of surrogates weighted by the likeness of their tasks.

    Stage one: a GP a task. Stage two: mu(x) = sum_i w_i mu_i(x) / sum_i w_i over past tasks and
    the task at hand, w_i = 3/4 max(0, 1 - (t_i / bandwidth)^2), where t_i is the share of pairs of
    observed configurations that the surrogate of task i ranks the other way, and 0 for the task at
    hand, whose GP alone gives the deviation. Before anything is observed, the mean decides.
    Use it where past tasks are many and alike. Cost of an advice: linear in past tasks.
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
        n = len(asked.x)
        if not len(asked.seen_x):
            mean, variance = mixture(asked.mean, asked.sd, weight)
            return Judged(-mean, mean, np.sqrt(variance), mean, weight)
        here, sd = asked.own(asked.scaled(weight), offset=asked.usual(weight))
        mean = (weight @ asked.both[0] + OWN * here) / (weight.sum() + OWN)  # (n + m,)
        gain = log_expected_improvement(mean[:n], sd[:n], float(mean[n:].min()))
        return Judged(gain, mean[:n], sd[:n], mean[:n], weight, OWN)


def likeness(asked: Asked, bandwidth: float) -> Floats:
    """Epanechnikov's kernel of the share of pairs that each past task ranks otherwise, (tasks,)."""
    t = discordance(asked.seen_mean[:, : asked.real], asked.loss)
    return OWN * np.maximum(0.0, 1 - (t / bandwidth) ** 2)


def discordance(mean: Floats, loss: Floats) -> Floats:
    """The share of pairs ranked otherwise than by the loss, ties half, (tasks,).

    Args:
        mean: What each past task says of what was run, (tasks, m).
        loss: inf where failed, (m,).
    """
    better, worse = np.nonzero(loss[:, None] < loss[None, :])
    if not len(better):
        return np.zeros(len(mean))
    off = mean[:, better] - mean[:, worse]  # (tasks, pairs)
    return np.asarray(((off > 0) + 0.5 * (off == 0)).mean(axis=1))
