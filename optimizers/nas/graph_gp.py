"""A Gaussian process of architectures with the Weisfeiler-Lehman kernel.

Ru, Wan, Dong, Osborne 2021, "Interpretable Neural Architecture Search via Bayesian Optimisation
with Weisfeiler-Lehman Kernels" (NAS-BOWL).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from metadb.protocols import Floats
from optimizers.nas.wl import DEPTHS, Counts, Patterns, kernel

NOISES = (1e-3, 1e-2, 1e-1, 1.0)
"""Variances of the noise to choose from, relative to that of the process."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphGP:
    """y = f(graph) + noise, f ~ GP(0, variance * kernel), at architectures given by their counts.

    Args:
        patterns: That counted.
        depth: Of the kernel's patterns. noise: Variance relative to `variance`.
        x: Unit rows, sparse (n, patterns). y: (n,).
        factor: Lower Cholesky factor of kernel + noise, (n, n).
        weights: (kernel + noise)^-1 y, (n,).
    """

    patterns: Patterns
    depth: int
    noise: float
    variance: float
    counts: tuple[Counts, ...]
    x: Any
    y: Floats
    factor: Floats
    weights: Floats

    @classmethod
    def fit(cls, patterns: Patterns, counts: Sequence[Counts], y: Floats) -> Self:
        """The depth and the noise of the greatest likelihood, the variance being the best one.

        Cost: n^3 / 3 for each of the depths and noises.
        """
        made = []
        for depth in range(DEPTHS):
            x = patterns.matrix(counts, depth)
            k = kernel(x, x)
            for noise in NOISES:
                factor, weights = _solved(k, noise, y)
                variance = max(float(y @ weights) / len(y), 1e-12)
                made.append(
                    cls(patterns, depth, noise, variance, tuple(counts), x, y, factor, weights)
                )
        return max(made, key=lambda gp: gp.log_likelihood)

    @property
    def log_likelihood(self) -> float:
        """Of y, with the variance as it is."""
        n = len(self.y)
        half_log_determinant = float(np.log(np.diag(self.factor)).sum())
        misfit = float(self.y @ self.weights) / self.variance
        constant = n * np.log(2 * np.pi * self.variance)
        return float(-half_log_determinant - (misfit + constant) / 2)

    def predict(self, counts: Sequence[Counts]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f, each (m,)."""
        from scipy.linalg import solve_triangular

        cross = self._cross(counts)
        reduced = solve_triangular(self.factor, cross, lower=True)
        left = np.maximum(1.0 - (reduced**2).sum(axis=0), 0.0)
        return cross.T @ self.weights, np.sqrt(self.variance * left)

    def mean(self, counts: Sequence[Counts]) -> Floats:
        """The mean alone, (m,), which is quicker."""
        return self._cross(counts).T @ self.weights

    @property
    def fitted(self) -> Floats:
        """The mean at the architectures it knows, (n,): y without the noise's part of it."""
        return self.y - self.noise * self.weights

    def _cross(self, counts: Sequence[Counts]) -> Floats:
        """The kernel of what was told and what is asked, (n, m)."""
        new = self.patterns.matrix(counts, self.depth)
        return kernel(self.x, new[:, : self.x.shape[1]])  # patterns found later meet none here

    def believe(self, counts: Sequence[Counts]) -> Self:
        """The process as if these had come out as it predicts; its hyperparameters stay.

        What is predicted adds nothing to the weights; the factor gets m rows. Cost: n^2 m.
        """
        from scipy.linalg import cholesky, solve_triangular

        if not counts:
            return self
        cross = self._cross(counts)  # (n, m)
        x = self.patterns.matrix((*self.counts, *counts), self.depth)
        new, (n, m) = x[len(self.y) :], cross.shape
        rows = solve_triangular(self.factor, cross, lower=True).T  # (m, n)
        corner = kernel(new, new) + self.noise * np.eye(m) - rows @ rows.T
        factor = np.block([[self.factor, np.zeros((n, m))], [rows, cholesky(corner, lower=True)]])
        return replace(
            self,
            counts=(*self.counts, *counts),
            x=x,
            y=np.append(self.y, cross.T @ self.weights),
            factor=factor,
            weights=np.append(self.weights, np.zeros(m)),
        )


def _solved(k: Floats, noise: float, y: Floats) -> tuple[Floats, Floats]:
    from scipy.linalg import cho_solve, cholesky

    factor = np.asarray(cholesky(k + noise * np.eye(len(k)), lower=True))
    return factor, np.asarray(cho_solve((factor, True), y))
