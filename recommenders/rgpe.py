"""RGPE: surrogates of past tasks and of the task at hand, weighted by how well they rank.

Feurer, Letham, Hutter, Bakshy 2018, "Practical transfer learning for Bayesian optimization"
(ranking-weighted Gaussian process ensemble).
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
from recommenders.candidates import Places
from recommenders.gp import GP
from recommenders.matern import Prior
from recommenders.sources import Sources
from recommenders.transfer import Asked, Judged, advise, mixture

MOST = 32
"""Results that weights are found with; comparisons grow with its square."""

STEPS = 20
"""Of the search for the own GP's hyperparameters, from those of the past tasks."""

_CELLS = 30_000
"""So many pairs are compared at once: they fit into the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class RGPE:
    """Expected improvement on an ensemble whose members count as often as they rank best.

    Each past task's GP draws losses of the observed configs from its prediction, the GP of the task
    at hand from its leave-one-out prediction; the loss of a draw is the number of pairs that it
    ranks wrongly. w_i is the share of draws in which member i has the least loss (equal ones share
    it). A past task whose median loss is above the 95 % quantile of the own GP's is left out, so
    that many bad ones do not dilute the weights. Mean sum_i w_i mu_i, variance
    sum_i w_i^2 sd_i^2. With less than two results past tasks count alike. Cost of an advice:
    samples * tasks * m^2 / 2 comparisons, m at most 32: of more results, so many of all ranks.
    """

    sources: Sources
    seed: int = 0
    samples: int = 256

    @classmethod
    def fit(
        cls, history: History, *, seed: int = 0, device: str = "cpu", samples: int = 256
    ) -> Self:
        """Fit the GPs of the past tasks as one batch.

        Args:
            device: Where torch fits and predicts.
            samples: How many times losses are drawn to find the weights.
        """
        return cls(Sources.fit(history, seed=seed, device=device), seed, samples)

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

    def judge(self, asked: Asked) -> Judged:
        """The expected improvement of candidates, and what is expected of them."""
        n = len(asked.x)
        weight = self._weight(asked)
        if not len(asked.seen_x):
            centre, variance = mixture(asked.mean, asked.sd, weight[:-1])
            return Judged(-centre, centre, np.sqrt(variance), centre, weight[:-1])
        here = self._own(asked).predict(np.vstack([asked.x, asked.seen_x]))
        means, sds = (np.vstack(pair) for pair in zip(asked.both, here, strict=True))
        mean, sd = weight @ means, np.sqrt(weight**2 @ sds**2)
        gain = log_expected_improvement(mean[:n], sd[:n], float(mean[n:].min()))
        # How far past tasks are apart says more of the error than sum w^2 sd^2, which shrinks with
        # their number though they err alike: it is the evidence, not what chooses.
        apart = np.sqrt(mixture(means[:, :n], sds[:, :n], weight)[1])
        return Judged(gain, mean[:n], apart, mean[:n], weight[:-1], float(weight[-1]))

    def weigh(self, asked: Asked) -> Floats:
        """How much each past task counts, by what was seen, (tasks,)."""
        return self._weight(asked)[:-1]

    def _weight(self, asked: Asked) -> Floats:
        """That of each past task and of the task at hand, (tasks + 1,)."""
        if asked.real < 2:
            return np.append(_equal(asked), 0.0)
        return asked.once("weight", lambda: self._ranking(asked))

    def _ranking(self, asked: Asked) -> Floats:
        out = self._own(asked).leave_one_out()
        told = _spread(asked.loss)
        return weights(
            np.vstack([asked.seen_mean[:, told], out[0][:, told]]),
            np.vstack([asked.seen_sd[:, told], out[1][:, told]]),
            asked.loss[told], samples=self.samples, seed=self.seed,
        )  # fmt: skip

    def _own(self, asked: Asked) -> GP:
        """The GP of the task at hand."""
        past, equal = asked.sources.gp, _equal(asked)
        return asked.once("own", lambda: GP.fit(
            asked.seen_x, asked.scaled(equal), prior=Prior.learnt(past.hyper), steps=STEPS,
            scaling=(asked.usual(equal), float(np.median(past.width))), seed=self.seed,
            max_points=len(asked.seen_x),
        ))  # fmt: skip


def _equal(asked: Asked) -> Floats:
    """All past tasks alike."""
    tasks = len(asked.seen_mean)
    return np.full(tasks, 1 / tasks)


def _spread(loss: Floats) -> Places:
    """At most `MOST` results, from the best to the worst in even steps of rank, in their order."""
    if len(loss) <= MOST:
        return np.arange(len(loss))
    order = np.argsort(loss, kind="stable")
    return np.sort(order[np.linspace(0, len(loss) - 1, MOST).round().astype(np.intp)])


def weights(mean: Floats, sd: Floats, loss: Floats, *, samples: int, seed: int = 0) -> Floats:
    """The share of draws in which each member ranks best, (members,).

    Args:
        mean: Of each member's prediction of what was run, (members, m); the last is the task's
            own, the only one that cannot be left out. sd: Likewise.
        loss: What came out, inf where it failed, (m,).
    """
    rng = np.random.default_rng((seed, len(loss)))
    better, worse = np.nonzero(loss[:, None] < loss[None, :])
    luck = rng.standard_normal((samples, len(loss)))  # the same for all members
    wrong = np.empty((len(mean), samples))
    step = max(1, _CELLS // max(1, len(mean) * len(better)))
    for draws in (slice(start, start + step) for start in range(0, samples, step)):
        f = mean[:, None] + sd[:, None] * luck[draws]  # (members, draws, m)
        wrong[:, draws] = (f[..., better] >= f[..., worse]).sum(axis=-1)
    diluting = np.median(wrong, axis=1) > np.quantile(wrong[-1], 0.95)
    diluting[-1] = False
    wrong[diluting] = np.inf
    first = wrong == wrong.min(axis=0)
    return np.asarray((first / first.sum(axis=0)).mean(axis=1))
