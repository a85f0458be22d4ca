"""A Gaussian process whose prior was learnt from past tasks: mean, covariance and kernel.

Wang, Dahl, Swersky, Lee, Nado, Gilmer, Snoek, Ghahramani 2021, "Pre-trained Gaussian processes for
Bayesian optimization" (HyperBO); a Gaussian process that follows past tasks closely as far as they
agree, and its own results where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.acquisition import expected_improvement
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.completion import Completion, needs_results
from recommenders.evidence import CLOSE, SHARE, Evidence
from recommenders.likeness import Likeness
from recommenders.past import Past, outside, past
from recommenders.pretraining import Kernel, moments, pretrained_kernel, scores
from recommenders.ranges import student
from recommenders.regret import extremes

NEAR = 0.1
"""The distance of the nearest tenth of the tasks is the width of the weights by likeness."""

FAITH = 0.8
"""Of the weight so much goes by likeness, the rest to all tasks alike."""

OFFSETS = np.append([0, 0.003, 0.006, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15], np.arange(2, 11) / 10)
"""How far, in ranges, the best loss of the task may lie below the best one seen."""

RANGES = 24
"""So many ranges that the losses of a new task may have are weighed."""

MOST = 16
"""Of pairs of an offset and a range, those that matter most are looked at for the next config."""

GRID = np.linspace(-4.0, 4.0, 81)
"""Scores at which the regret is tabulated."""

_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """Expected improvement under z ~ N(a m, b C + c Matern52 + noise), learnt from past tasks.

    z are the standardised roots of regrets; m and C are the mean and the covariance of the past
    tasks' z (holes completed), weighted by likeness of meta-features where past tasks are likelier
    so. a, b, c, the noise and a length scale for each column of the encoded space are those of
    greatest likelihood on 16 past tasks, each told by the others: where tasks have little in
    common, a and b shrink and c grows, and this becomes a search with a learnt kernel.

    A new task's losses are y = o + s Q(z), Q the past tasks' mean regret at a score. Best loss o
    and range s are unknown: pairs are weighed by how likely they make what was seen, and by how
    near they are to the pairs of past tasks (Student's t around each). Next is the config of the
    largest improvement of z, in losses, averaged over pairs; with nothing seen the one of the least
    expected regret. Of several asked at once each next one is chosen as if the last had come out as
    expected. Failed configs count as the worst seen. Cost: 60 gradients over 16 x 80 results to
    fit; O(m n) to recommend among n after m.
    """

    completion: Completion
    kernel: Kernel
    likeness: Likeness | None
    low: Floats
    width: Floats
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, device: str = "cpu") -> Self:
        """Learn the kernel, with and without meta-features.

        Args:
            device: Where torch computes.

        Raises:
            NotFound: There is no evaluation.
        """
        needs_results(history)
        completion = Completion.fit(history, seed=seed)
        tasks = len(history.tasks)
        alike = np.where(np.eye(tasks, dtype=bool), 0.0, 1.0)
        kernel, likely = pretrained_kernel(completion, alike, device=device)
        likeness = Likeness.fit(history) if tasks > 2 and history.described else None
        if likeness is not None and likeness.names:
            near = np.array([_near(row, i) for i, row in enumerate(likeness.among())])
            by_likeness, likelier = pretrained_kernel(completion, near, device=device)
            if likelier > likely:
                kernel, likely = by_likeness, likelier
            else:
                likeness = None
        return cls(completion, kernel, likeness, *_ranges(history), history.metric)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The `k` configs of the largest expected improvement, one after the other."""
        allowed = pool(self.completion.configs, candidates)
        seen, left = allowed.seen(observed), allowed.left(observed)
        told = past(self.completion, allowed)
        if k < 1 or not len(left):
            return []
        if not told.regret.shape[1]:
            return told.advice(left[:k], self.metric, note=outside(allowed, seen))
        weight = self.weights(task)
        if not np.ptp(told.regret, axis=0).any():  # one config, or none unlike another: no scores
            return told.advice(left[:k], self.metric, weight=weight, note=outside(allowed, seen))
        belief = Belief.of(self, told, seen, weight)
        chosen: list[int] = []
        while len(chosen) < k and len(left):
            chosen.append(belief.take(left))
            left = left[left != chosen[-1]]
        said = belief.evidence()
        advice = told.advice(chosen, self.metric, weight=weight, note=outside(allowed, seen))
        return [
            replace(
                r,
                expected_loss=float(said.expected[i]),
                interval=(float(said.low[i]), float(said.high[i])),
                probability=float(said.probability[i]),
            )
            for i, r in enumerate(advice)
        ]

    def weights(self, task: Task) -> Floats:
        """How much each past task says of a new one, sum 1, (tasks,)."""
        weight = np.full(len(self.completion.tasks), 1.0)
        if self.likeness is not None:
            weight = _near(self.likeness.distance(task))
        return np.asarray(weight / weight.sum())


@dataclass(slots=True, eq=False)
class Belief:
    """What is believed of a pool on one task; `take` adds what it expects.

    Args:
        regret: Of a score, at `GRID`, and its slope, each (grid,).
        alone: The regret expected with nothing seen, (n,).
        mean: Of the scores, a column a pair of offset and range, (n, pairs).
        variance: (n,). half: Solved covariances with what was seen or taken, (m, n).
        share: How likely each pair is, (pairs,). unit: The loss a unit of regret is, (pairs,).
        best: The smallest score so far, inf at first, (pairs,).
        deviation: Of the past tasks, D'D is their covariance, (tasks, n).
        taken: Mean (pairs,) and variance of each config taken, as believed before.
    """

    kernel: Kernel
    x: Floats
    regret: Floats
    slope: Floats
    alone: Floats
    mean: Floats
    variance: Floats
    half: Floats
    share: Floats
    unit: Floats
    best: Floats
    deviation: Floats
    taken: list[tuple[Floats, float]] = field(default_factory=list)
    sure: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, fitted: Pretrained, told: Past, seen: Seen, weight: Floats) -> Self:
        """What past tasks lead to expect, and what was seen says of it."""
        past_regret = told.regret.T  # (tasks, n)
        z = scores(past_regret)
        if (seen.place < 0).any():  # seen, but not to be advised: told of separately
            own = past(fitted.completion, Pool(told.pool.known, seen.configs, seen.known))
            seen_z = scores(np.hstack([past_regret, own.regret.T]))[:, z.shape[1] :]
        else:
            seen_z = z[:, seen.place]
        curve = regret_curve(z, past_regret, weight)
        made = cls.prior(fitted, told.pool.x, past_regret, z, curve, weight)
        made.condition(fitted, seen.x, seen_z, seen.loss, weight)
        return made

    @classmethod
    def prior(
        cls, fitted: Pretrained, x: Floats, regret: Floats, z: Floats, curve: Floats, weight: Floats
    ) -> Self:
        """What past tasks lead to expect.

        Args:
            x: (n, width). regret: On each past task, (tasks, n). z: Its scores, (tasks, n).
            curve: The regret that belongs to a score, (grid,). weight: (tasks,).
        """
        kernel = fitted.kernel
        mean, deviation = moments(z, weight)
        variance = kernel.shared * (deviation**2).sum(axis=0) + kernel.own
        return cls(
            kernel, x, curve, np.gradient(curve, GRID), weight @ regret,
            (kernel.trust * mean)[:, None], variance, np.empty((0, z.shape[1])), np.ones(1),
            np.ones(1), np.full(1, np.inf), deviation,
        )  # fmt: skip

    def condition(
        self, fitted: Pretrained, seen_x: Floats, seen_z: Floats, loss: Floats, weight: Floats
    ) -> None:
        """Take in what was seen (m, width), its past scores (tasks, m) and its losses (m,)."""
        ok = np.isfinite(loss)
        if not ok.any():
            return
        seen_mean, deviation = moments(seen_z, weight)
        mean = self.kernel.trust * seen_mean
        loss = np.where(ok, loss, loss[ok].max())  # (m,)
        loss = np.clip(loss, -1e150, 1e150)  # so that no range overflows
        failed = ~ok[:, None]
        offset, unit, prior = _pairs(fitted.low, fitted.width, weight, loss)  # (pairs,)
        regret = (loss[:, None] - offset) / unit  # (m, pairs)
        regret = np.where(failed, np.maximum(regret, 1.0), regret)  # failed: the worst
        z = np.interp(regret, self.regret, GRID)
        slope = np.interp(z, GRID, self.slope)
        z = z + np.maximum(regret - self.regret[-1], 0.0) / self.slope[-1]
        kernel = self.kernel
        across = kernel.shared * deviation.T @ self.deviation + kernel.smooth(seen_x, self.x)
        inner = kernel.shared * deviation.T @ deviation + kernel.smooth(seen_x, seen_x)
        factor = np.linalg.cholesky(inner + kernel.noise * np.eye(len(loss)))
        white = np.linalg.solve(factor, z - mean[:, None])  # (m, pairs)
        likely = prior - (white**2).sum(axis=0) / 2 - np.log(slope * unit).sum(axis=0)
        keep = np.argsort(-likely, kind="stable")[:MOST]
        share = np.exp(likely[keep] - likely.max())
        self.share, self.unit = share / share.sum(), unit[keep]
        self.half = np.linalg.solve(factor, across)
        self.mean = self.mean + self.half.T @ white[:, keep]
        self.variance = np.maximum(self.variance - (self.half**2).sum(axis=0), 1e-9)
        self.best = z[ok][:, keep].min(axis=0)

    def take(self, left: Places) -> int:
        """The best of those left, from now on believed to be as good as expected."""
        i = int(left[np.lexsort((self.mean[left] @ self.share, -self.gain(left)))[0]])
        if not self.taken:
            self.sure = self.variance  # what was imagined since is no evidence
        self.taken.append((self.mean[i], float(self.sure[i])))
        self.best = np.minimum(self.best, self.mean[i])
        kernel = self.kernel
        along = kernel.shared * self.deviation[:, i] @ self.deviation
        along += kernel.smooth(self.x[[i]], self.x)[0] - self.half[:, i] @ self.half
        along /= np.sqrt(self.variance[i] + kernel.noise)
        self.half = np.vstack([self.half, along])
        self.variance = np.maximum(self.variance - along**2, 1e-9)
        return i

    def gain(self, left: Places) -> Floats:
        """What is to be hoped of some: the improvement in losses, (left,); at first less regret."""
        if np.isinf(self.best).any():
            return -self.alone[left]
        sd = np.sqrt(self.variance[left])[:, None]
        gain = expected_improvement(self.mean[left], sd, self.best)  # (left, pairs)
        slope = np.interp(self.best, GRID, self.slope)
        return np.asarray(gain @ (self.share * self.unit * slope))

    def expected(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the regret of the pool, without noise, each (n,)."""
        sd = np.sqrt(self.variance)[:, None, None]
        z = self.mean[:, :, None] + sd * _NODES  # (n, pairs, nodes)
        regret = np.interp(z, GRID, self.regret)
        weight = self.share[:, None] * _SHARES / _SHARES.sum()  # (pairs, nodes)
        mean = (regret * weight).sum(axis=(1, 2))
        square = (regret**2 * weight).sum(axis=(1, 2))
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def evidence(self) -> Evidence:
        """Of the regrets of what was taken: mixtures over pairs of normal scores with noise."""
        from scipy.stats import norm

        mean = np.array([m for m, _ in self.taken])  # (k, pairs)
        sd = np.sqrt(np.array([v for _, v in self.taken]) + self.kernel.noise)[:, None]
        z = mean[:, :, None] + sd[:, :, None] * _NODES  # (k, pairs, nodes)
        regret = np.clip(np.interp(z, GRID, self.regret), 0.0, 1.0)
        weight = self.share[:, None] * _SHARES / _SHARES.sum()  # (pairs, nodes)
        expected = (regret * weight).sum(axis=(1, 2))
        fine = np.linspace(GRID[0], GRID[-1], 801)
        below = norm.cdf((fine[:, None, None] - mean) / sd) @ self.share  # (fine, k)
        low, high = (
            np.clip(
                [np.interp(np.interp(q, b, fine), GRID, self.regret) for b in below.T], 0.0, 1.0
            )
            for q in ((1 - SHARE) / 2, (1 + SHARE) / 2)
        )
        close = float(np.interp(CLOSE, self.regret, GRID))
        return Evidence(expected, low, high, norm.cdf((close - mean) / sd) @ self.share)


def _near(distance: Floats, itself: int | None = None) -> Floats:
    """The weight of each past task by its likeness, 0 for the task itself, sum 1, (tasks,)."""
    others = np.ones(len(distance), bool)
    if itself is not None:
        others[itself] = False
    weight = others / max(int(others.sum()), 1)
    known = others & np.isfinite(distance)
    if known.any():
        ordered = np.sort(distance[known])
        width = max(float(ordered[min(len(ordered) - 1, max(3, int(NEAR * len(ordered))))]), 1e-6)
        near = np.where(known, np.exp(-((np.where(known, distance, 0.0) / width) ** 2) / 2), 0.0)
        weight = FAITH * near / near.sum() + (1 - FAITH) * weight
    return np.asarray(weight, float)


def regret_curve(z: Floats, regret: Floats, weight: Floats) -> Floats:
    """The regret that belongs to a score, a mean over tasks, growing from 0, (grid,)."""
    w = weight / weight.sum()
    heavy = np.argsort(-w, kind="stable")[:200]
    curves = [np.interp(GRID, np.sort(z[t]), np.sort(regret[t])) for t in heavy]
    curve = np.maximum.accumulate((w[heavy] / w[heavy].sum()) @ np.array(curves))
    rising: Floats = curve - curve[0] + 2e-5 * np.arange(len(GRID))
    return rising


def _ranges(history: History) -> tuple[Floats, Floats]:
    """The best loss and the range of each past task that has a range, each (tasks,)."""
    low, high = extremes(history.task, history.loss, len(history.tasks))
    low, high = np.clip(low, -1e150, 1e150), np.clip(high, -1e150, 1e150)  # no range overflows
    there = high > low
    # Tasks without a range stand in with what is usual, so that weights and ranges stay aligned.
    width = np.where(there, high - low, np.median((high - low)[there]) if there.any() else 1.0)
    usual = float(np.median(low[there])) if there.any() else 0.0
    return np.where(there, low, usual), np.maximum(width, 1e-12)


def _pairs(
    low: Floats, width: Floats, weight: Floats, loss: Floats
) -> tuple[Floats, Floats, Floats]:
    """Pairs of a best loss and a range, and the logarithm of how likely each is, each (pairs,)."""
    seen, best = float(np.ptp(loss)), float(loss.min())
    logs = np.log(width)
    least = max(float(logs.min()) - 1, np.log(seen / 1.5 + 1e-12))
    most = max(float(logs.max()) + 0.5, np.log(3 * seen + 1e-12))
    unit = np.repeat(np.exp(np.linspace(least, most, RANGES)), len(OFFSETS))
    below = np.tile(OFFSETS, RANGES)
    cell = np.tile(np.gradient(OFFSETS), RANGES) * unit
    offset = best - below * unit
    heavy = np.argsort(-weight, kind="stable")[:200]
    low, width, logs = low[heavy], width[heavy], logs[heavy]
    near = student((offset[:, None] - low) / (0.1 * width)) / (0.1 * width)
    near *= student((np.log(unit)[:, None] - logs) / 0.3)
    prior: Floats = np.log(near @ weight[heavy] + 1e-300) + np.log(cell)
    return offset, unit, prior
