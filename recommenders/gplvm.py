"""How configs vary together on a new task: a Gaussian process latent variable model, learnt.

Lawrence 2005, "Probabilistic non-linear principal component analysis with Gaussian process latent
variable models", as Fusi, Sheth, Elibol 2018 use it; variances by Zhou, Hu, Zhou, Lange 2019, "MM
algorithms for variance components models"; the tail of Shah, Wilson, Ghahramani 2014, "Student-t
processes as alternatives to Gaussian processes".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np

from metadb.protocols import Floats
from recommenders.candidates import Pool
from recommenders.completion import Completion
from recommenders.side import Side

FREEDOM = 5.0
"""Degrees of freedom of Student's t: how unlike in spread tasks are."""

FINE = 1e-3
"""Regrets that differ by less are alike."""

TASKS, POINTS = 16, 64
"""So many past tasks stand in for new ones, each with so many of its results."""

STEPS = 30
"""Few: what few tasks say of the variances is not followed to the end."""

START, LEAST = (1.0, 0.02, 0.1, 0.01), 1e-4
"""The variances before the first step, and the least one of noise."""


def rooted(regret: Floats) -> Floats:
    """sqrt(regret + .001): sees differences near the best, and has a slope there."""
    root: Floats = np.sqrt(np.maximum(regret, 0.0) + FINE)
    return root


def matern(square: Floats, length: float) -> Floats:
    """Matern-3/2 of squared distances."""
    s = np.sqrt(3 * np.maximum(square, 0.0)) / length
    bell: Floats = (1 + s) * np.exp(-s)
    return bell


@dataclass(frozen=True, slots=True)
class Covariance:
    """What is believed of the roots x of regrets on a new task, less their mean, is Student's t:

        cov(x_i, x_j) = linear C_ij + smooth Matern32(|u_i - u_j| / length)
                        + (own C_ii + noise where i = j),

    C the covariance over past tasks and u_i the roots of config i on them, so configs that did
    alike in the past are near. The four variances are those of greatest likelihood on past tasks,
    each told by the mean and the C of the others: so what few tasks do not know, meta-features do
    not say and surrogates get wrong of a task widens what is said of a new one, and each part is as
    large as it helps. `length` is the median distance. Cost: 30 steps of 16 inverses of 64 x 64.
    """

    linear: float = 1.0
    smooth: float = 0.02
    own: float = 0.0
    noise: float = 0.02
    length: float = 1.0

    @classmethod
    def fit(cls, completion: Completion, side: Side | None = None) -> Self:
        """The variances of greatest likelihood; those of the class where no task can tell.

        Args:
            side: What is expected of a task by its meta-features; default: the mean of the others.
        """
        told = list(_stand_ins(completion, side))
        if not told:
            return cls()
        apart = [float(np.median(far[far > 0])) for _, _, far in told if (far > 0).any()]
        length = float(np.median(apart)) ** 0.5 if apart else 1.0
        most = max(len(off) for off, _, _ in told)
        off, parts = np.zeros((len(told), most)), np.zeros((len(told), 4, most, most))
        for b, (e, c, far) in enumerate(told):
            n = len(e)
            off[b, :n] = e
            parts[b, :, :n, :n] = c, matern(far, length), np.diag(np.diag(c)), np.eye(n)
        linear, smooth, own, noise = np.round(_variances(off, parts), 9).tolist()
        return cls(linear, smooth, own, noise, length)


def _variances(off: Floats, parts: Floats) -> Floats:
    """The variance of each part of the covariance, of greatest likelihood, (parts,).

    Each step multiplies them by sqrt(sum of s a' K_i a / sum of tr K^-1 K_i), a = K^-1 off, with
    s = (v + n) / (v + off' a) of Student's t: the likelihood never falls, no variance becomes
    negative, and one that does not help goes to 0.

    Args:
        off: What was not expected, 0 where padded, (tasks, n).
        parts: K_i, the last the identity; 0 where padded, (tasks, parts, n, n).
    """
    tasks, k, n, _ = parts.shape
    flat = parts.reshape(tasks, k, n * n)
    there = np.diagonal(parts[:, -1], axis1=1, axis2=2)  # (tasks, n)
    pad = np.eye(n) * (1 - there)[:, None, :]
    variance = np.array(START)
    for _ in range(STEPS):
        inverse = np.linalg.inv((variance @ flat).reshape(tasks, n, n) + pad)
        a = (inverse @ off[:, :, None])[:, :, 0]
        scale = (FREEDOM + there.sum(axis=1)) / (FREEDOM + (a * off).sum(axis=1))
        outer = (scale[:, None] * a)[:, :, None] * a[:, None, :]
        seen, expected = (
            (flat @ each.reshape(tasks, n * n, 1)).sum(axis=(0, 2)) for each in (outer, inverse)
        )
        told = expected > 0  # no task tells of a part that is 0 on all
        variance[told] *= np.sqrt(np.maximum(seen[told], 0.0) / expected[told])
        variance[-1] = max(variance[-1], LEAST)
    return variance


def _stand_ins(
    completion: Completion, side: Side | None
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Of each chosen task, told by the others: what they do not expect (m,), C, |u_i - u_j|^2.

    Tasks are drawn by their names: leaving one out changes the choice little.
    """
    tasks = len(completion.tasks)
    drawn = [blake2b(task.encode(), digest_size=8).digest() for task in completion.tasks]
    for t in sorted(range(tasks), key=drawn.__getitem__)[: TASKS if tasks > 1 else 0]:
        rows = np.flatnonzero(completion.task == t)
        if len(rows) < 2 or np.ptp(completion.regret[rows]) == 0:
            continue
        rows = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:POINTS])]
        places = completion.config[rows]
        own = Pool(completion.configs, completion.configs.take(places), places)
        x = rooted(completion.regrets(own)).T  # (m, tasks)
        others = np.delete(x, t, axis=1)
        mean = others.mean(axis=1)
        each = others - mean[:, None]
        off = x[:, t] - mean if side is None else x @ side.residual[:, t]
        square = (others**2).sum(axis=1)
        far = (square[:, None] + square - 2 * others @ others.T) / (tasks - 1)
        yield off, each @ each.T / max(tasks - 2, 1), np.maximum(far, 0.0)
