"""OBOE: run first what tells tasks apart, then what the low-rank model of the errors says is best.

Yang, Akimoto, Kim, Udell 2019, "OBOE: Collaborative filtering for AutoML model selection".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, Seen, pool
from recommenders.completion import Completion, needs_results
from recommenders.gplvm import Covariance
from recommenders.latent import believe, roots, said
from recommenders.past import Past, outside, past, ready
from recommenders.ranges import Ranges
from recommenders.remembered import Remembered
from recommenders.runtime import RunTime
from recommenders.side import Side

DESIGN = "chosen to tell how the task differs from past ones (D-optimal), not for its own loss"
DOUBTS = np.array([100.0, 1.0])
"""Prior standard deviation of a task's best loss and of its range, in typical ranges."""


@dataclass(frozen=True, slots=True, eq=False)
class Oboe:
    """Low-rank errors, a D-optimal design to place a task among them, then the predicted best.

    The root of the normalised regret of config j on task t is m_j + p_j' b_t (holes completed; p
    the first `rank` principal components, b with unit variance over tasks), so a new task's losses
    are, up to the root,

        y_j = a + s (m_j + p_j' b) = phi_j' theta,   phi_j = (1, m_j, p_j),   theta = (a, s, s b),

    and theta is the ridge solution with precision A = sum of phi phi' / noise^2 over what was run,
    plus that of the prior (a free, s near the median range of past tasks, b ~ N(0, 1)). First is
    the config of the least mean regret; then, at the places `designs`, the one that raises log det
    A most (phi' A^-1 phi; without prior this is QR with pivoting on phi), at every other place the
    one of the least predicted loss. The paper takes the plain errors; the roots of regrets are
    robust to unlike ranges, and did better (docs). With `cost_power` > 0
    designs are chosen by gain over predicted seconds to this power. Where leaving tasks out says
    that meta-features help (`Side`), the mean over tasks gives way to the mixture of tasks that
    they predict. Failed evaluations count as the worst seen. What is said to be expected of a
    config is the posterior of `Factorisation`. Cost: principal components once a pool; then
    O(configs * rank^2) a config.

    Args:
        runtime: Predicts seconds; None where time does not count.
    """

    completion: Completion
    ranges: Ranges
    covariance: Covariance
    side: Side | None
    runtime: RunTime | None
    metric: str
    rank: int = 10
    noise: float = 0.05
    designs: tuple[int, ...] = (1, 3, 6, 10, 15)
    cost_power: float = 0.0

    @classmethod
    def fit(
        cls, history: History, *, seed: int = 0, rank: int = 10, noise: float = 0.05,
        designs: tuple[int, ...] = (1, 3, 6, 10, 15), cost_power: float = 0.0,
    ) -> Self:  # fmt: skip
        """Complete the matrix, and find out whether meta-features help.

        Raises:
            NotFound: `cost_power` is above 0, and the history knows no seconds.
            NotFound: There is no evaluation.
        """
        needs_results(history)
        completion = Completion.fit(history, seed=seed)
        ready(completion)
        if len(completion.task) == len(completion.tasks) * len(completion.configs):
            tasks = len(completion.tasks)
            _design(past(completion, pool(completion.configs)), rank, np.full(tasks, 1 / tasks))
        side = Side.fit(history, completion, seed=seed)
        return cls(
            completion, Ranges.fit(history),
            Covariance.fit(completion, side if side is not None and side.leads else None), side,
            RunTime.fit(history, seed=seed) if cost_power > 0 else None,
            history.metric, rank, noise, designs, cost_power,
        )  # fmt: skip

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The next designs and the predicted best, by turns, each design counted as run."""
        of = pool(self.completion.configs, candidates)
        left, seen = of.left(observed), of.seen(observed)
        if not len(left) or k < 1:
            return []
        then = past(self.completion, of)
        share = self._share(task)  # (tasks,)
        basis, phi = _design(then, self.rank, share)  # (tasks, rank), (n, 2 + rank)
        theta, inverse, told = self._solve(_features(then.of(seen), share, basis), seen)
        predicted, price = (
            phi @ theta if seen.ok.any() else then.regret @ share,
            self._price(task, of, observed),
        )
        weight = np.abs(share + basis @ theta[2:] / max(theta[1], 1e-12))
        chosen: list[int] = []
        design: list[bool] = []
        while len(chosen) < k and len(left):
            design.append(len(seen) + len(chosen) in self.designs)
            if design[-1]:
                some = left[then.alone[left] < 1 - 1e-9]  # no design fails on every task
                some = some if len(some) else left
                spread = np.einsum("ij,jk,ik->i", phi[some], inverse, phi[some])  # (some,)
                i = int(some[np.argmax(np.log1p(spread / told**2) / price[some])])
            else:
                i = int(left[np.argmin(predicted[left])])
            along = inverse @ phi[i]
            inverse = inverse - np.outer(along, along) / (told**2 + along @ phi[i])
            chosen.append(i)
            left = left[left != i]
        belief = believe(
            self.completion, of, seen,
            lambda some: roots(self.completion, some) @ share,
            ranges=self.ranges, covariance=self.covariance, share=share,
        )  # fmt: skip
        advice = said(
            then.advice(chosen, self.metric, weight=weight, note=outside(of, seen)),
            belief.evidence(chosen),
        )
        return [
            replace(r, because=replace(r.because, note=_joined(DESIGN, r.because.note))) if d else r
            for r, d in zip(advice, design, strict=True)
        ]

    def _share(self, task: Task) -> Floats:
        """The mixture of past tasks that the new one is expected to be, (tasks,)."""
        tasks = len(self.completion.tasks)
        told = self.side.weights(task) if self.side is not None and self.side.leads else None
        return np.full(tasks, 1 / tasks) if told is None else told

    def _solve(self, phi: Floats, seen: Seen) -> tuple[Floats, Floats, float]:
        """The mean and covariance of theta given what was seen, and the noise; units of the loss.

        The second column of `phi` is the mean regret: with nothing seen the loss is that, scaled.
        """
        ok = seen.ok
        y = np.where(ok, seen.loss, seen.loss[ok].max(initial=-np.inf) if ok.any() else 0.0)
        phi, y = (phi, y) if ok.any() else (phi[:0], y[:0])
        centre = float(y.mean()) if len(y) else 0.0
        typical = max(float(np.median(self.ranges.width)), float(np.ptp(y)) if len(y) else 0.0)
        deviation = typical * np.concatenate([DOUBTS, np.ones(phi.shape[1] - 2)])
        start = np.zeros(phi.shape[1])
        start[1] = typical
        noise = self.noise * typical
        precision = phi.T @ phi / noise**2 + np.diag(deviation**-2.0)
        inverse = np.asarray(np.linalg.inv(precision), np.float64)
        theta = start + inverse @ (phi.T @ (y - centre - phi @ start)) / noise**2
        theta[0] += centre
        return theta, inverse, noise

    def _price(self, task: Task, of: Pool, observed: Sequence[Evaluation]) -> Floats:
        """Predicted seconds to `cost_power`, 1 where time does not count, (n,)."""
        if self.runtime is None:
            return np.ones(len(of))
        seconds = self.runtime.predict(task, of, observed=observed)
        return np.maximum(seconds, 1e-6) ** self.cost_power


def _design(then: Past, rank: int, share: Floats) -> tuple[Floats, Floats]:
    """The components (tasks, rank) and the features of a pool (n, 2 + rank), remembered."""

    def make() -> tuple[Floats, Floats]:
        basis = _bases.get((then,), lambda: _components(then, rank), rank)
        return basis, _features(then.regret, share, basis)

    return _designs.get((then,), make, rank, share.tobytes())


_designs: Remembered[tuple[Floats, Floats]] = Remembered(
    16, 128_000_000, lambda kept: kept[0].nbytes + kept[1].nbytes
)


_bases: Remembered[Floats] = Remembered(16, 64_000_000, lambda kept: kept.nbytes)


def _components(then: Past, rank: int) -> Floats:
    """From the deviations of a config over tasks to its components, (tasks, rank)."""
    x = np.sqrt(then.regret)  # (n, tasks)
    off = x - x.mean(axis=1, keepdims=True)
    tasks = off.shape[1]
    values, vectors = np.linalg.eigh(off.T @ off)
    best = np.argsort(-values, kind="stable")[: min(rank, max(tasks - 1, 0))]
    components: Floats = vectors[:, best] / np.sqrt(max(tasks - 1, 1))
    return components


def _features(regret: Floats, share: Floats, basis: Floats) -> Floats:
    """(1, expected regret, components) of configs, regret (n, tasks)."""
    x = np.sqrt(regret)
    off = x - x.mean(axis=1, keepdims=True)
    return np.column_stack([np.ones(len(regret)), x @ share, off @ basis])


def _joined(*said: str | None) -> str:
    return "; ".join(s for s in said if s)
