"""Side information: which past tasks a new one takes after, by its meta-features alone.

Kernel ridge regression from meta-features to how tasks deviate from the mean task; for a cold start
of factorisations (Fusi, Sheth, Elibol 2018, section 4.3; Yang et al. 2019, section 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from metadb.history import History
from metadb.protocols import Floats
from metadb.records import Task
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.likeness import Likeness
from recommenders.remembered import Remembered

CONFIGS = 300
"""So many configs at most (drawn with the seed, of those that were run) tell whether the
meta-features help."""

GAIN = 0.05
"""The squared error must fall by this share, else the meta-features are left out."""

_RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A new task as a mixture of past ones: x_new = sum_t w_t x_t, w = 1/T + centred ridge weights.

    With k = exp(-d^2 / 2 l^2), d the distance of `Likeness` and C the centring matrix,
    w = 1/T + C (C K C + ridge I)^-1 C (k_new - K 1/T). Length l (a quantile of the distances) and
    ridge are those of the least leave-one-task-out squared error, in closed form
    e_t = (x - H x)_t / (1 - H_tt).

    Args:
        solved: C (C K C + ridge I)^-1 C, (tasks, tasks).
        centre: Row means of K, (tasks,).
        residual: Turns x (n, tasks) into leave-one-task-out residuals, (tasks, tasks).
        gain: The share of the mean task's squared error that it takes away.
        leads: Whether it also finds better first configs than the mean task, by one standard error.
    """

    likeness: Likeness
    length: float
    solved: Floats
    centre: Floats
    residual: Floats
    gain: float
    leads: bool = False

    @classmethod
    def fit(cls, history: History, completion: Completion, *, seed: int = 0) -> Self | None:
        """Choose length and ridge; None where no choice beats the mean task by 5 %."""
        tasks = len(history.tasks)
        if tasks < 5 or not history.described:
            return None
        likeness = Likeness.fit(history)
        if not likeness.names:
            return None
        far = likeness.among()
        far = np.minimum(np.where(np.isfinite(far), far, 1.0), 1.0)
        x = _some(completion, seed)  # (configs, tasks)
        gram = x.T @ x
        apart = far[~np.eye(tasks, dtype=bool)]
        none = float(np.trace(_centred(gram))) * (tasks / (tasks - 1)) ** 2
        if none <= 0 or apart.max() <= 0:
            return None
        best: Self | None = None
        for share in (0.1, 0.3, 0.6):
            length = max(float(np.quantile(apart, share)), 1e-3)
            kernel = np.exp(-(((far + far.T) / 2) ** 2) / (2 * length**2))
            values, vectors = np.linalg.eigh(_centred(kernel))
            for ridge in _RIDGES:
                solved = _centred((vectors / (np.maximum(values, 0) + ridge)) @ vectors.T)
                hat = 1 / tasks + _centred(kernel) @ solved
                residual = (np.eye(tasks) - hat).T / np.maximum(1 - np.diag(hat), 1e-6)
                gain = (
                    1
                    - float(np.einsum("ij,ik,kj->", residual, gram, residual, optimize=True)) / none
                )
                if gain > (GAIN if best is None else best.gain):
                    best = cls(likeness, length, solved, kernel.mean(axis=1), residual, gain)
        if best is not None:
            return replace(best, leads=_leads(x, best.residual))
        return None

    def weights(self, task: Task) -> Floats | None:
        """How much of each past task the new one has, sum 1, (tasks,); None: not described."""
        return _weights.get((self, task), lambda: self._weighed(task))

    def _weighed(self, task: Task) -> Floats | None:
        far = self.likeness.distance(task)
        if not np.isfinite(far).any():
            return None
        near = np.exp(-(np.minimum(far, 1.0) ** 2) / (2 * self.length**2))
        weight: Floats = 1 / len(far) + self.solved @ (near - self.centre)
        return weight


_weights: Remembered[Floats | None] = Remembered(
    64, 16_000_000, lambda made: 0 if made is None else made.nbytes
)


def _some(completion: Completion, seed: int) -> Floats:
    """The roots of the regrets of some of the configs, (configs, tasks)."""
    ran = np.unique(completion.config)  # of others nothing is known, a forest a task would be grown
    few = np.sort(np.random.default_rng(seed).permutation(ran)[:CONFIGS])
    few_configs = completion.configs.take(few)
    return np.sqrt(completion.regrets(pool(completion.configs, few_configs))).T


def _leads(x: Floats, residual: Floats) -> bool:
    """Whether the first config is better chosen with meta-features than without, left out."""
    tasks = np.arange(x.shape[1])
    regret = x**2
    without = regret.sum(axis=1, keepdims=True) - regret  # (configs, tasks)
    won = regret[without.argmin(axis=0), tasks] - regret[(x - x @ residual).argmin(axis=0), tasks]
    return bool(won.mean() > won.std() / np.sqrt(len(tasks)))


def _centred(matrix: Floats) -> Floats:
    """Rows and columns less their means."""
    off = matrix - matrix.mean(axis=0)
    centred: Floats = off - off.mean(axis=1, keepdims=True)
    return centred
