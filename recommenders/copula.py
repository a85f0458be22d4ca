"""Gaussian-copula transfer: losses of all tasks as normal scores, a prior over all of them.

Salinas, Shen, Perrone 2020, "A quantile-based approach for hyperparameter transfer learning".
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
from recommenders.regret import regret_within
from recommenders.sources import Sources
from recommenders.transfer import Asked, Judged, advise, mixture


@dataclass(frozen=True, slots=True, eq=False)
class Copula:
    """A GP of what the task leaves of a prior learnt on all tasks' normal scores (GCP).

    Each past task's losses become z = Phi^-1(rank / (n + 1)), so tasks of any scale can be pooled.
    The prior of z at x is normal with the mean mu(x) of the past tasks and their deviation
    sigma(x): the paper fits both by a neural network; here they are mean and deviation of the past
    tasks' GPs, one imagined task of the typical deviation among them. The task's results, brought
    to the scale of z, leave (z - mu(x)) / sigma(x), which has a GP; expected improvement decides.
    With `thompson` (CTS) the config with the least draw from the prior is advised instead,
    whatever came out. Use it where tasks' losses differ in scale and shape. Cost: linear in past
    tasks.

    Args:
        levels: Normal scores, ascending, (levels,).
        curve: The regret that past tasks have at each, their mean, (levels,).
    """

    sources: Sources
    levels: Floats
    curve: Floats
    seed: int = 0
    thompson: bool = False

    @classmethod
    def fit(
        cls, history: History, *, seed: int = 0, device: str = "cpu", thompson: bool = False
    ) -> Self:
        """Fit the GPs of the past tasks' normal scores as one batch.

        Args:
            device: Where torch fits and predicts.
            thompson: Draw from the prior (CTS) instead of modelling what it leaves (GCP).
        """
        sources = Sources.fit(history, seed=seed, device=device, normal=True)
        levels = np.linspace(-3.0, 3.0, 61)
        return cls(sources, levels, _curve(sources, history, levels), seed, thompson)

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
        """All past tasks count alike, (tasks,)."""
        return np.ones(len(asked.seen_mean))

    def judge(self, asked: Asked) -> Judged:
        """The expected improvement of candidates, and what is expected of them."""
        weight = self.weigh(asked)
        mu, variance = mixture(*asked.both, weight)  # (n + m,)
        mean = np.hstack([asked.panel[0], asked.seen_mean])
        sd = np.hstack([asked.panel[1], asked.seen_sd])
        typical = max(float(mixture(mean, sd, weight)[1].mean()), 1e-6)
        sigma = np.sqrt((len(weight) * variance + typical) / (len(weight) + 1))
        n, m = len(asked.x), len(asked.seen_x)
        if not m:
            return self._judged(-mu, mu, sigma, weight, 0.0)
        if self.thompson:
            rng = np.random.default_rng((self.seed, m))
            draw = mu[:n] + sigma[:n] * rng.standard_normal(n)
            return self._judged(-draw, mu[:n], sigma[:n], weight, 0.0)
        left, sd = asked.own((asked.scaled(weight) - mu[n:]) / sigma[n:], width=1.0)
        mean, sd = mu + sigma * left, sigma * sd
        gain = log_expected_improvement(mean[:n], sd[:n], float(mean[n:].min()))
        return self._judged(gain, mean[:n], sd[:n], weight, float(asked.real))

    def _judged(self, gain: Floats, z: Floats, sd: Floats, weight: Floats, own: float) -> Judged:
        """The same with z said in regret: its mean and deviation along the curve."""
        node, share = np.polynomial.hermite_e.hermegauss(9)
        share = share / share.sum()
        regret = np.interp(z[:, None] + sd[:, None] * node, self.levels, self.curve)  # (n, nodes)
        mean = regret @ share
        variance = (regret - mean[:, None]) ** 2 @ share
        return Judged(gain, mean, np.sqrt(variance), z, weight, own)


def _curve(sources: Sources, history: History, levels: Floats) -> Floats:
    """The mean over past tasks of the regret at each normal score, ascending, (levels,)."""
    every = regret_within(history.task, history.loss, len(history.tasks))  # (n,)
    curves = []
    for t in range(len(history.tasks)):
        z = np.sort(sources.y[sources.task == t])
        regret = np.sort(every[history.task == t])
        if len(z) and len(z) <= len(regret):
            # Several budgets of one config leave more losses than scores: taken at the same shares.
            at = np.linspace(0, len(regret) - 1, len(z)).round().astype(int)
            curves.append(np.interp(levels, z, regret[at]))
    return np.mean(curves, axis=0) if curves else np.linspace(0.0, 1.0, len(levels))
