"""A latent Gaussian model of how configs do on tasks, and the next config by what it believes.

Probabilistic principal components (Tipping, Bishop 1999, "Probabilistic principal component
analysis") of the past tasks, conditioned on what was seen; expected improvement (Jones, Schonlau,
Welch 1998). `factorisation` says the model; `zero_shot` and `ranking` bring other prior means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from metadb.history import History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation
from recommenders.candidates import Places, Pool, Seen, pool
from recommenders.completion import Completion
from recommenders.evidence import CLOSE, Evidence
from recommenders.past import outside, past, ready
from recommenders.regret import extremes
from recommenders.remembered import Remembered
from recommenders.side import Side

NOISE = 1e-3
"""Variance of the root of a regret that is no config's and no task's own."""

OFFSET = 10.0
"""Standard deviation of a new task's best loss in units of its range: nothing is known of it."""

SCALES = 15
"""So many ranges that the losses of a new task may have are weighed."""

MOST_SCALES = 8
"""So many of them, those that matter most, are looked at for the next config."""

LATENTS = 32


def advise(
    completion: Completion, of: Pool, k: int, observed: Sequence[Evaluation],
    prior: Callable[[Pool], Floats], *, width: Floats, metric: str, latents: int = LATENTS,
    side: Side | None = None, share: Floats | None = None, leads: bool = True,
) -> list[Recommendation]:  # fmt: skip
    """The `k` next configs of a pool under a prior mean, the covariance that of past tasks.

    Args:
        prior: The root of the regret that a config of a pool is expected to have, (n,).
        width: Ranges that the losses may have.
        share: How much the prior mean has of each past task; default: all alike.
        leads: Whether the first config is that of the least prior mean, or of the least regret.
    """
    left, seen = of.left(observed), of.seen(observed)
    if not len(left) or k < 1:
        return []
    belief = believe(
        completion, of, seen, prior, width=width, latents=latents, side=side, share=share,
        leads=leads,
    )  # fmt: skip
    chosen: list[int] = []
    while len(chosen) < k and len(left):
        chosen.append(belief.take(left, first=not chosen and not seen.ok.any()))
        left = left[left != chosen[-1]]
    advice = past(completion, of).advice(
        chosen, metric, weight=belief.weight, note=outside(of, seen)
    )
    said = belief.evidence(np.array(chosen))
    return [
        replace(
            r,
            expected_loss=float(said.expected[i]),
            interval=(float(said.low[i]), float(said.high[i])),
            probability=float(said.probability[i]),
        )
        for i, r in enumerate(advice)
    ]


def believe(
    completion: Completion, of: Pool, seen: Seen, prior: Callable[[Pool], Floats], *,
    width: Floats, latents: int, side: Side | None, share: Floats | None, leads: bool,
) -> Belief:  # fmt: skip
    """What is believed of a pool after what was seen; the arguments are those of `advise`."""
    then = past(completion, of)
    latent = _latent(completion, of, latents, side)
    expected = prior(of)
    belief = Belief.begin(latent, expected, expected**2 if leads else then.alone, share)
    if seen.ok.any():
        there, psi = latent.position[seen.place], latent.psi[seen.place]
        before = expected[seen.place]
        if (seen.place < 0).any():  # some may not be advised, and do not stand in the pool
            there, psi = latent.place(np.sqrt(then.of(seen)))
            before = prior(Pool(of.known, seen.configs, seen.known))
        belief.condition(before, there, psi, seen.loss, width)
    return belief


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Where the configs of a pool lie.

    Args:
        mean: Over tasks, (n,).
        position: Such that position @ position' is the covariance, (n, q).
        psi: The variance that is the config's own, (n,).
        basis: Takes a config's deviations over tasks to its position, (tasks, q).
    """

    mean: Floats
    position: Floats
    psi: Floats
    basis: Floats
    side: Side | None

    @classmethod
    def fit(cls, x: Floats, latents: int, side: Side | None) -> Self:
        """Principal components of what the mean (or the side information) does not explain.

        Args:
            x: (n, tasks).
        """
        off = _deviation(x, side)  # (n, tasks)
        tasks = x.shape[1]
        if len(off) >= tasks:  # the smaller of the two Gram matrices
            values, vectors = np.linalg.eigh(off.T @ off)
            vectors = vectors[:, np.argsort(-values)[:latents]]
        else:
            values, left = np.linalg.eigh(off @ off.T)
            best = np.argsort(-values)[:latents]
            vectors = off.T @ left[:, best] / np.sqrt(np.maximum(values[best], 1e-12))
        basis = vectors / np.sqrt(max(tasks - 1, 1))
        position = off @ basis
        psi = (off**2).sum(axis=1) / max(tasks - 1, 1) - (position**2).sum(axis=1)
        return cls(x.mean(axis=1), position, np.maximum(psi, 0.0) + NOISE, basis, side)

    def place(self, x: Floats) -> tuple[Floats, Floats]:
        """Positions (m, q) and own variances (m,) of other configs, x (m, tasks)."""
        off = _deviation(x, self.side)
        position = off @ self.basis
        psi = (off**2).sum(axis=1) / max(x.shape[1] - 1, 1) - (position**2).sum(axis=1)
        return position, np.maximum(psi, 0.0) + NOISE


def _deviation(x: Floats, side: Side | None) -> Floats:
    """What of each task its mean, or the other tasks' side does not say, (n, tasks)."""
    off: Floats = x - x.mean(axis=1, keepdims=True) if side is None else x @ side.residual
    return off


@dataclass(slots=True, eq=False)
class Belief:
    """The posterior over the configs of a pool on one task; `take` adds what it believes.

    Args:
        mean: Of loss / range less the offset, for each range, (n, ranges).
        best: The smallest so far, for each range, (ranges,); inf at first.
        share: How likely each range is, (ranges,).
        regret: Expected root of the regret, and `spread` its variance, (n,).
        half: Solved covariances with what was seen or taken, (m, n).
        weight: How much each past task counts, (tasks,).
        alone: The regret expected with nothing seen, (n,).
    """

    latent: Latent
    mean: Floats
    best: Floats
    share: Floats
    regret: Floats
    spread: Floats
    variance: Floats
    half: Floats
    weight: Floats
    alone: Floats

    @classmethod
    def begin(cls, latent: Latent, prior: Floats, alone: Floats, share: Floats | None) -> Self:
        """What is believed with nothing seen: range 1, the offset unknown."""
        own = (latent.position**2).sum(axis=1) + latent.psi  # (n,)
        tasks = len(latent.basis)
        weight = np.full(tasks, 1 / tasks) if share is None else np.abs(share)
        return cls(
            latent, prior[:, None], np.array([np.inf]), np.ones(1), prior, own, own + OFFSET**2,
            np.empty((0, len(prior))), weight, alone,
        )  # fmt: skip

    def condition(
        self, prior: Floats, place: Floats, psi: Floats, loss: Floats, width: Floats
    ) -> None:
        """Learn losses (m,) of configs at `place` (m, q) with own variances `psi`."""
        ok = np.isfinite(loss)
        s = _scales(width, loss[ok])  # (ranges,)
        z = (np.where(ok, loss, 0.0)[:, None] - loss[ok].min()) / s  # (m, ranges)
        z = np.where(ok[:, None], z, np.maximum(z[ok].max(axis=0), 1.0))  # failed: the worst
        inner = place @ place.T + np.diag(psi)
        root = np.linalg.cholesky(inner + OFFSET**2)  # (m, m)
        across = place @ self.latent.position.T  # (m, n)
        self.half = np.linalg.solve(root, across + OFFSET**2)
        off = z - prior[:, None]
        shift = off.mean(axis=0)  # the offset is unknown: nothing is lost
        white = np.linalg.solve(root, off - shift)  # (m, ranges)
        likely = -len(z) * np.log(s) - (white**2).sum(axis=0) / 2
        share = np.exp(likely - likely.max())
        share /= share.sum()
        keep = np.argsort(-share, kind="stable")[:MOST_SCALES]
        alpha = np.linalg.solve(root.T, white) @ share  # (m,)
        self.mean = self.regret[:, None] + shift[keep] + self.half.T @ white[:, keep]
        self.best, self.share = z.min(axis=0)[keep], share[keep]
        self.regret = self.regret + across.T @ alpha
        plain = np.linalg.solve(root, across)
        self.spread = np.maximum(self.variance - OFFSET**2 - (plain**2).sum(axis=0), NOISE)
        self.variance = self.variance - (self.half**2).sum(axis=0)
        self.weight = np.abs(self.weight + self.latent.basis @ (place.T @ alpha))

    def take(self, left: Places, *, first: bool) -> int:
        """The best of those left, from now on believed to be as good as expected."""
        if first:
            i = int(left[np.argmin(self.alone[left])])
        else:
            i = int(left[np.argmax(self._gain(left))])
        self.best = np.minimum(self.best, self.mean[i])
        position, half = self.latent.position, self.half
        along = position @ position[i] + OFFSET**2 - half.T @ half[:, i]
        along[i] = self.variance[i]
        along /= np.sqrt(max(self.variance[i], NOISE))
        self.half = np.vstack([half, along])
        self.variance = np.maximum(self.variance - along**2, 1e-12)
        return i

    def _gain(self, left: Places) -> Floats:
        """Expected improvement as a share of the range, averaged over ranges, (left,)."""
        from scipy.special import ndtr

        sd = np.sqrt(np.maximum(self.variance[left], 1e-12))[:, None]
        u = (self.best - self.mean[left]) / sd  # (left, ranges)
        density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
        gain: Floats = (sd * (u * ndtr(u) + density)) @ self.share
        return gain

    def evidence(self, chosen: Places) -> Evidence:
        """Of the regret, the square of a normal cut to [0, 1]."""
        from scipy.stats import norm

        m, s = self.regret[chosen], np.sqrt(self.spread[chosen])
        a, b = (0 - m) / s, (1 - m) / s
        inside = (m**2 + s**2) * (norm.cdf(b) - norm.cdf(a))
        inside += s * (m * norm.pdf(a) - (m + 1) * norm.pdf(b))
        low, high = (np.clip(m + q * s, 0.0, 1.0) ** 2 for q in norm.ppf([0.1, 0.9]))
        expected = np.clip(inside + norm.sf(b), 0.0, 1.0)
        return Evidence(expected, low, high, norm.cdf((np.sqrt(CLOSE) - m) / s))


def widths(history: History) -> Floats:
    """The ranges of the past tasks' losses, cut to 15 quantiles; 1 where no task has one."""
    low, high = extremes(history.task, history.loss, len(history.tasks))
    width = high[high > low] - low[high > low]
    if not len(width):
        return np.ones(1)
    logs = np.log(width)
    if len(width) < 4:  # too few to say how far they spread: to a factor e on either side
        return np.exp(np.linspace(logs.min() - 1, logs.max() + 1, SCALES))
    cut: Floats = np.exp(np.quantile(logs, np.linspace(0.02, 0.98, SCALES)))
    return cut


def _scales(width: Floats, loss: Floats) -> Floats:
    """The ranges to weigh: those of the past that hold what was seen, and the seen one, doubled."""
    seen = float(np.ptp(loss))
    fits = width[width >= seen]
    if not seen:
        return width
    return np.concatenate([fits, seen * np.array([1.0, 2.0])])


_latents: Remembered[Latent] = Remembered(
    16, 256_000_000, lambda kept: kept.position.nbytes + kept.basis.nbytes
)


def _latent(completion: Completion, of: Pool, latents: int, side: Side | None) -> Latent:
    """The latent positions of a pool; the last few are remembered."""
    return _latents.get(
        (completion, of.configs),
        lambda: Latent.fit(np.sqrt(past(completion, of).regret), latents, side),
        latents, side is None,
    )  # fmt: skip


def prepared(completion: Completion, *, latents: int = LATENTS, side: Side | None = None) -> None:
    """Bring to memory now what recommendations need, where nothing is to be predicted."""
    if len(completion.task) == len(completion.tasks) * len(completion.configs):
        ready(completion)
        _latent(completion, pool(completion.configs), latents, side)
