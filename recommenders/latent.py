"""A latent model of how configs do on tasks, and the next config by what it believes.

A Student-t process (Shah, Wilson, Ghahramani 2014, "Student-t processes as alternatives to Gaussian
processes") with the covariance of `gplvm` over latent positions, conditioned on what was seen;
expected improvement (Jones, Schonlau, Welch 1998). `factorisation` says the model; `zero_shot` and
`ranking` bring other prior means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

import numpy as np

from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.completion import Completion
from recommenders.evidence import CLOSE, SHARE, Evidence
from recommenders.gplvm import FINE, FREEDOM, Covariance, matern, rooted
from recommenders.past import outside, past, ready
from recommenders.ranges import Ranges
from recommenders.remembered import Remembered

MOST = 16
"""So many pairs of best loss and range, those that matter most, are looked at."""

FAILED = 0.3
"""Standard deviation of how much worse than the worst a failed config is taken to be."""

LATENTS = 32

COLUMNS = 256
"""Of so many configs it is remembered how they vary with the others."""

_NODES = (np.arange(64) + 0.5) / 64
"""Probabilities at which a prediction is looked up."""


@cache
def _quantiles() -> Floats:
    """Of Student's t at the nodes, (nodes,)."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(FREEDOM, _NODES))


def advise(
    completion: Completion, of: Pool, k: int, observed: Sequence[Evaluation],
    prior: Callable[[Pool], Floats], *, ranges: Ranges, covariance: Covariance, metric: str,
    latents: int = LATENTS, share: Floats | None = None, leads: bool = True,
) -> list[Recommendation]:  # fmt: skip
    """The `k` next configs of a pool under a prior mean, the covariance that of past tasks.

    Args:
        prior: The root of the regret that a config of a pool is expected to have, (n,).
        ranges: How wide the losses of tasks range.
        share: How much the prior mean has of each past task; default: all alike.
        leads: Whether the first config is that of the least prior mean, or of the least regret.
    """
    left, seen = of.left(observed), of.seen(observed)
    if not len(left) or k < 1:
        return []
    belief = believe(
        completion, of, seen, prior, ranges=ranges, covariance=covariance, latents=latents,
        share=share, leads=leads,
    )  # fmt: skip
    chosen: list[int] = []
    while len(chosen) < k and len(left):
        chosen.append(belief.take(left))
        left = left[left != chosen[-1]]
    advice = past(completion, of).advice(
        chosen, metric, weight=belief.weight, note=outside(of, seen)
    )
    return said(advice, belief.evidence(chosen))


def said(advice: Sequence[Recommendation], evidence: Evidence) -> list[Recommendation]:
    """The same advice with what is believed of each in place of what past tasks say."""
    return [
        replace(
            r,
            expected_loss=float(evidence.expected[i]),
            interval=(float(evidence.low[i]), float(evidence.high[i])),
            probability=float(evidence.probability[i]),
        )
        for i, r in enumerate(advice)
    ]


def believe(
    completion: Completion, of: Pool, seen: Seen, prior: Callable[[Pool], Floats], *,
    ranges: Ranges, covariance: Covariance, latents: int = LATENTS, share: Floats | None = None,
    leads: bool = True,
) -> Belief:  # fmt: skip
    """What is believed of a pool after what was seen; the arguments are those of `advise`."""
    then = past(completion, of)
    latent = _latent(completion, of, latents)
    expected = prior(of)
    belief = Belief.begin(latent, covariance, expected, expected if leads else then.alone, share)
    if seen.ok.any():
        there, before = latent.at(seen.place), expected[seen.place]
        if (seen.place < 0).any():  # some may not be advised, and do not stand in the pool
            there = latent.place(rooted(then.of(seen)))
            before = prior(Pool(of.known, seen.configs, seen.known))
        belief.condition(before, there, seen.loss, ranges)
    return belief


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Where the configs of a pool lie.

    Args:
        mean: Over tasks, (n,).
        position: Such that position @ position' is the covariance, (n, q).
        rest: The variance over tasks that the positions leave out, (n,).
        size: The square of mean and position together, (n,).
        basis: Takes a config's deviations over tasks to its position, (tasks, q).
    """

    mean: Floats
    position: Floats
    rest: Floats
    basis: Floats
    size: Floats = field(default_factory=lambda: np.empty(0))
    _columns: dict[tuple[int, Covariance], Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(cls, x: Floats, latents: int) -> Latent:
        """Principal components of what the mean does not explain.

        Args:
            x: (n, tasks).
        """
        off = x - x.mean(axis=1, keepdims=True)  # (n, tasks)
        tasks = x.shape[1]
        if len(off) >= tasks:  # the smaller of the two Gram matrices
            values, vectors = np.linalg.eigh(off.T @ off)
            vectors = vectors[:, np.argsort(-values)[:latents]]
        else:
            values, left = np.linalg.eigh(off @ off.T)
            best = np.argsort(-values)[:latents]
            vectors = off.T @ left[:, best] / np.sqrt(np.maximum(values[best], 1e-12))
        basis = vectors / np.sqrt(max(tasks - 1, 1))
        return cls(np.empty(0), np.empty((0, 0)), np.empty(0), basis).place(x)

    def place(self, x: Floats) -> Latent:
        """Other configs by the same components, x (m, tasks)."""
        mean = x.mean(axis=1)
        off = x - mean[:, None]
        position = off @ self.basis
        square = (position**2).sum(axis=1)
        rest = np.maximum((off**2).sum(axis=1) / max(x.shape[1] - 1, 1) - square, 0.0)
        return Latent(mean, position, rest, self.basis, mean**2 + square)

    def at(self, places: Places | int) -> Latent:
        """Some of the configs."""
        i = np.atleast_1d(places)
        return Latent(self.mean[i], self.position[i], self.rest[i], self.basis, self.size[i])

    def covariance(self, other: Latent, c: Covariance) -> Floats:
        """Between these configs and others, what is a config's own left out, (n, m)."""
        inner = self.position @ other.position.T
        far = self.size[:, None] + other.size - 2 * (inner + np.outer(self.mean, other.mean))
        both: Floats = c.linear * inner + c.smooth * matern(far, c.length)
        return both

    def column(self, i: int, c: Covariance) -> Floats:
        """Between these configs and one of them, (n,); remembered for some."""
        column = self._columns.get((i, c))
        if column is None:
            if len(self._columns) >= COLUMNS:
                self._columns.clear()
            column = self._columns[i, c] = self.covariance(self.at(i), c)[:, 0]
        return column

    def alone(self, c: Covariance) -> Floats:
        """What is each config's own, (n,)."""
        own = (self.position**2).sum(axis=1) + self.rest
        alone: Floats = c.linear * self.rest + c.own * own + c.noise
        return alone

    def variance(self, c: Covariance) -> Floats:
        """All of it, (n,); the last few are remembered."""

        def make() -> Floats:
            shared: Floats = c.linear * (self.position**2).sum(axis=1) + c.smooth
            return shared + self.alone(c)

        return _variances.get((self, c), make)


@dataclass(slots=True, eq=False)
class Belief:
    """The posterior over the configs of a pool on one task; `take` adds what it believes.

    Args:
        alone: What the first is chosen by, (n,).
        weight: How much each past task counts, (tasks,).
        mean: Of the root of the regret, for each pair of best loss and range, (n, pairs).
        variance: To be multiplied by `scale` of the pair, (n,) and (pairs,).
        best: The smallest root so far, for each pair, inf at first. share: How likely it is. Each
            (pairs,).
        half: Solved covariances with what was seen or taken, (m, n).
        sure: The variance before any was taken: what was imagined since is no evidence, (n,).
    """

    latent: Latent
    covariance: Covariance
    alone: Floats
    weight: Floats
    mean: Floats
    variance: Floats
    half: Floats
    scale: Floats = field(default_factory=lambda: np.ones(1))
    best: Floats = field(default_factory=lambda: np.full(1, np.inf))
    share: Floats = field(default_factory=lambda: np.ones(1))
    sure: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def begin(
        cls, latent: Latent, covariance: Covariance, prior: Floats, alone: Floats,
        share: Floats | None,
    ) -> Self:  # fmt: skip
        """What is believed with nothing seen."""
        tasks = len(latent.basis)
        weight = np.full(tasks, 1 / tasks) if share is None else np.abs(share)
        own = latent.variance(covariance)
        return cls(
            latent, covariance, alone, weight, prior[:, None], own, np.empty((0, len(prior))),
            sure=own,
        )  # fmt: skip

    def condition(self, prior: Floats, there: Latent, loss: Floats, ranges: Ranges) -> None:
        """Learn losses (m,) of configs `there`, whose roots were expected to be `prior`."""
        ok = np.isfinite(loss)
        c = self.covariance
        offset, unit, likely = ranges.pairs(loss[ok])  # (pairs,)
        regret = (np.where(ok, loss, loss[ok].max())[:, None] - offset) / unit  # (m, pairs)
        regret = np.where(ok[:, None], regret, np.maximum(regret, 1.0))  # failed: the worst
        x = rooted(regret)
        own = there.alone(c) + np.where(ok, 0.0, FAILED**2)
        root = np.linalg.cholesky(there.covariance(there, c) + np.diag(own))  # (m, m)
        white = np.linalg.solve(root, x - prior[:, None])  # (m, pairs)
        square = (white**2).sum(axis=0)
        likely = likely - (FREEDOM + len(loss)) / 2 * np.log1p(square / FREEDOM)
        likely -= np.log(x * unit)[ok].sum(axis=0)  # d loss / d root, but for a factor
        keep = np.argsort(-likely, kind="stable")[:MOST]
        share = np.exp(likely[keep] - likely[keep[0]])
        self.share = share / share.sum()
        self.scale = (FREEDOM + square[keep]) / (FREEDOM + len(loss))
        self.half = np.linalg.solve(root, there.covariance(self.latent, c))
        self.mean = self.mean + self.half.T @ white[:, keep]
        self.variance = np.maximum(self.variance - (self.half**2).sum(axis=0), c.noise)
        self.sure, self.best = self.variance, x[ok][:, keep].min(axis=0)
        alpha = np.linalg.solve(root.T, white[:, keep]) @ self.share  # (m,)
        moved = c.linear * self.latent.basis @ (there.position.T @ alpha)
        self.weight = np.abs(self.weight + moved)

    def take(self, left: Places) -> int:
        """The best of those left, from now on believed to be as good as expected."""
        first = bool(np.isinf(self.best).any())
        by = self.alone[left] if first else -self._gain(left)
        i = int(left[np.argmin(by)])
        self.best = np.minimum(self.best, np.maximum(self.mean[i], FINE**0.5))
        along = self.latent.column(i, self.covariance) - self.half.T @ self.half[:, i]
        along[i] = self.variance[i]
        along /= np.sqrt(self.variance[i])
        self.half = np.concatenate([self.half, along[None]])
        self.variance = np.maximum(self.variance - along**2, 1e-9)
        return i

    def _gain(self, left: Places) -> Floats:
        """Expected improvement of the root, averaged over pairs, the tail a normal's, (left,).

        Of the root and not of the loss: it goes on to look where little is left to be won.
        """
        from scipy.special import ndtr

        sd = np.sqrt(self.variance[left, None] * self.scale)  # (left, pairs)
        u = (self.best - self.mean[left]) / sd
        density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
        gain: Floats = (sd * (u * ndtr(u) + density)) @ self.share
        return gain

    def evidence(self, chosen: Sequence[int] | Places) -> Evidence:
        """Of the regrets of the chosen: a mixture over pairs of Student's t, cut to [0, 1].

        The tail is kept however much was seen, as the covariance was learnt from few tasks.
        """
        from scipy.special import stdtr

        chosen = np.asarray(chosen, np.intp)
        mean = self.mean[chosen]  # (k, pairs)
        sd = np.sqrt(self.sure[chosen, None] * self.scale)
        x = mean[..., None] + sd[..., None] * _quantiles()  # (k, pairs, nodes)
        regret = np.clip(np.maximum(x, 0.0) ** 2 - FINE, 0.0, 1.0).reshape(len(mean), -1)
        weight = np.repeat(self.share, len(_NODES)) / len(_NODES)
        order = np.argsort(regret, axis=1)
        below = np.cumsum(weight[order], axis=1)
        tail = (1 - SHARE) / 2
        ordered = np.take_along_axis(regret, order, axis=1)
        low, high = (
            ordered[np.arange(len(mean)), (below < q).sum(axis=1)] for q in (tail, 1 - tail)
        )
        close = stdtr(FREEDOM, ((CLOSE + FINE) ** 0.5 - mean) / sd)
        # Sums and not products: so that of 3 and of 7 chosen the last digits are the same.
        return Evidence((regret * weight).sum(axis=1), low, high, (close * self.share).sum(axis=1))


_variances: Remembered[Floats] = Remembered(16, 64_000_000, lambda kept: kept.nbytes)
_latents: Remembered[Latent] = Remembered(
    16, 256_000_000, lambda kept: kept.position.nbytes + kept.basis.nbytes
)


def roots(completion: Completion, of: Pool) -> Floats:
    """The roots of the regrets of a pool on past tasks, (n, tasks); the last few are remembered."""
    then = past(completion, of)
    return _roots.get((then,), lambda: rooted(then.regret))


_roots: Remembered[Floats] = Remembered(8, 256_000_000, lambda kept: kept.nbytes)


def _latent(completion: Completion, of: Pool, latents: int) -> Latent:
    """The latent positions of a pool; the last few are remembered."""
    return _latents.get(
        (completion, of.configs),
        lambda: Latent.fit(roots(completion, of), latents),
        latents,
    )  # fmt: skip


def prepared(completion: Completion, *, latents: int = LATENTS) -> None:
    """Bring to memory now what recommendations need, where nothing is to be predicted."""
    if len(completion.task) == len(completion.tasks) * len(completion.configs):
        ready(completion)
        _latent(completion, pool(completion.configs), latents)
