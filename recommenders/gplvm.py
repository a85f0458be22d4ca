"""How configs vary together on a new task: a Gaussian process latent variable model, learnt.

Lawrence 2005, "Probabilistic non-linear principal component analysis with Gaussian process latent
variable models"; variances by the method of Zhou, Hu, Zhou, Lange 2019, "MM algorithms for variance
components models"; the heavy tail of Shah, Wilson, Ghahramani 2014, "Student-t processes as
alternatives to Gaussian processes".
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np

from metadb.protocols import Floats
from recommenders.candidates import Pool
from recommenders.completion import Completion
from recommenders.past import past
from recommenders.side import Side

FREEDOM = 5.0
"""Degrees of freedom: how unlike in spread tasks are."""

FINE = 1e-3
"""Regrets that differ by less are alike: roots are of regret + this."""

TASKS, POINTS, STEPS = 16, 64, 30
"""So many past tasks stand in for new ones, each with so many of its results."""

LEAST = 1e-4
"""The smallest variance of what is no function of the config."""


def rooted(regret: Floats) -> Floats:
    """Roots see differences near the best."""
    root: Floats = np.sqrt(np.maximum(regret, 0.0) + FINE)
    return root


@dataclass(frozen=True, slots=True)
class Covariance:
    """cov(x_i, x_j) = linear C_ij + smooth Matern32(|u_i - u_j| / length), and on the diagonal
    own C_ii + noise; a scaled Student's t of `FREEDOM` degrees, one scale a task.

    C is the covariance of the roots of regrets x over past tasks, u_i the roots of config i on all
    past tasks, so configs that did alike in the past are near. The four variances are those of
    greatest likelihood on past tasks, each told by the mean and the C of the others: what the
    mean, the few tasks and surrogates got wrong of them is what they will get wrong of a new one.
    """

    linear: float = 1.0
    smooth: float = 0.02
    own: float = 0.0
    noise: float = 0.02
    length: float = 1.0

    @classmethod
    def fit(cls, completion: Completion, side: Side | None = None) -> Self:
        """The variances of greatest likelihood; those of the class where no task can tell."""
        told = list(_stand_ins(completion, side))
        if not told:
            return cls()
        length = float(np.median([np.sqrt(np.median(far[far > 0])) for _, _, far in told if (far > 0).any()] or [1.0]))
        n = max(len(off) for off, _, _ in told)
        off, there = np.zeros((len(told), n)), np.zeros((len(told), n))
        parts = np.zeros((len(told), 4, n * n))
        for b, (e, c, far) in enumerate(told):
            m = len(e)
            off[b, :m], there[b, :m] = e, 1.0
            for i, part in enumerate((c, matern(far, length), np.diag(np.diag(c)), np.eye(m))):
                whole = np.zeros((n, n))
                whole[:m, :m] = part
                parts[b, i] = whole.ravel()
        variance = _variances(off, there, parts)
        return cls(*np.round(variance, 9).tolist(), length)


def matern(square: Floats, length: float) -> Floats:
    """Matern-3/2 of squared distances."""
    s = np.sqrt(3 * np.maximum(square, 0.0)) / length
    bell: Floats = (1 + s) * np.exp(-s)
    return bell


def _variances(off: Floats, there: Floats, parts: Floats) -> Floats:
    """Of each part of the covariance, the one of greatest likelihood, (parts,).

    Each step multiplies each by the root of (its share of the squares seen) / (of those expected),
    which never lowers the likelihood; nothing becomes negative, what does not help goes to 0.

    Args:
        off: What was not expected, (tasks, n). there: 1, or 0 where padded, (tasks, n).
        parts: (tasks, parts, n * n).
    """
    tasks, n = off.shape
    variance = np.array([1.0, 0.02, 0.1, 0.01])
    count = there.sum(axis=1)
    pad = np.eye(n) * (1 - there)[:, None, :]
    for _ in range(STEPS):
        gram = (variance @ parts).reshape(tasks, n, n) + pad + 1e-9 * np.eye(n)
        inverse = np.linalg.inv(gram)
        alpha = (inverse @ off[:, :, None])[:, :, 0]
        scale = (FREEDOM + count) / (FREEDOM + (alpha * off).sum(axis=1))  # of Student's t
        outer = (np.sqrt(scale)[:, None] * alpha)
        outer = (outer[:, :, None] * outer[:, None, :]).reshape(tasks, 1, n * n)
        seen = (parts @ outer.transpose(0, 2, 1)).sum(axis=(0, 2))
        expected = (parts @ inverse.reshape(tasks, n * n, 1)).sum(axis=(0, 2))
        variance = variance * np.sqrt(seen / np.maximum(expected, 1e-300))
        variance[3] = max(variance[3], LEAST)
    return variance


def _stand_ins(completion: Completion, side: Side | None):
    """Of each chosen task what its others do not expect (m,), their C, squared distances (m, m)."""
    tasks = len(completion.tasks)
    drawn = [blake2b(task.encode(), digest_size=8).digest() for task in completion.tasks]
    if tasks < 2:
        return
    for t in sorted(range(tasks), key=drawn.__getitem__)[:TASKS]:
        rows = np.flatnonzero(completion.task == t)
        if len(rows) < 2 or np.ptp(completion.regret[rows]) == 0:
            continue
        rows = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:POINTS])]
        places = completion.config[rows]
        own = Pool(completion.configs, completion.configs.take(places), places)
        x = rooted(past(completion, own).regret)  # (m, tasks)
        others = np.delete(x, t, axis=1)
        each = others - others.mean(axis=1, keepdims=True)
        off = x[:, t] - others.mean(axis=1) if side is None else x @ side.residual[:, t]
        square = (others**2).sum(axis=1)
        far = (square[:, None] + square - 2 * others @ others.T) / (tasks - 1)
        yield off, each @ each.T / max(tasks - 2, 1), np.maximum(far, 0.0)
