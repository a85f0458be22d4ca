"""Parzen densities over mixed hyperparameters: one product kernel a point, and one for the prior.

For points x_1 .. x_n and a prior x_0 of the weight of one point,

    p(x) = sum_i w_i prod_d k_d(x_d; x_id),

with k a normal truncated to [0, 1] for a number (an integer has the mass of its cell), of standard
deviation max(0.08 n^(-1 / (d + 4)), 0.01), and of 1 for the prior; and smoothed frequencies for a
categorical: k(c; c_i) = (1[c = c_i] + a p(c)) / (1 + a), a = choices / (n + 1), k(c; c_0) = p(c),
with p the space's own probabilities; a = 1 / (n + 1) where other hyperparameters hang on the
choice, as each leap to another branch forgets what the old one's were.

Falkner, Klein, Hutter 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale";
Watanabe 2023, "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metadb.axes import Axis
from metadb.protocols import Floats

SPREAD, NARROWEST = 0.08, 0.01
"""Of a kernel; chosen on Branin, Hartmann-6, Ackley-10; .06 was as good there, .2 was worse."""

CELLS = 1_000_000
"""An integer of more values than this is as good as continuous."""

TINY = 1e-12
"""The least prior of a choice: one that is never drawn may still be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Where the numbers of a hyperparameter lie: in [0, 1], or at the index of their choice.

    An integer lies in the middle of its cell; the cells of all its values fill [0, 1].

    Args:
        kind: `float`, `integer` (an ordinal too) or `categorical`.
        bounds: The least and the greatest number.
        lower, upper: The numbers at 0 and at 1, after the logarithm where `log`.
        mean, std: Of the prior's normal in [0, 1].
        p: The prior of the choices, (choices,).
        opens: Whether other hyperparameters hang on it.
    """

    axis: Axis
    kind: str
    bounds: tuple[float, float]
    lower: float
    upper: float
    log: bool
    mean: float
    std: float
    p: Floats
    opens: bool = False

    @classmethod
    def of(cls, axis: Axis, opens: bool = False) -> Scale:
        """The scale of a hyperparameter that is no constant."""
        from ConfigSpace import hyperparameters as cs

        known, none = axis.hyperparameter, np.empty(0)
        if axis.kind == "categorical":
            prior = dict(zip(known.choices, known.probabilities, strict=True))
            p = np.array([max(prior[choice], TINY) for choice in axis.choices])
            return cls(axis, axis.kind, (0, len(p) - 1), 0, 1, False, 0, 1, p / p.sum(), opens)
        ends = (0, len(axis.choices) - 1) if axis.choices else (known.lower, known.upper)
        log, half = bool(getattr(known, "log", False)), 0.0 if axis.kind == "float" else 0.5
        low, high = ends[0] - half, ends[1] + half
        low, high = (float(np.log(low)), float(np.log(high))) if log else (low, high)
        kind = "integer" if half and ends[1] - ends[0] < CELLS else "float"
        flat = cls(axis, kind, ends, low, high, log, 0.5, 1.0, none, opens)
        even = cs.UniformFloatHyperparameter | cs.UniformIntegerHyperparameter
        if axis.choices or isinstance(known, even):
            return flat
        drawn = flat.place(axis.sample(1000, np.random.RandomState(0)))  # a normal or beta prior
        return replace(flat, mean=float(drawn.mean()), std=float(drawn.std()))

    def place(self, numbers: Floats) -> Floats:
        """The places of numbers (n,), NaN where they are."""
        if self.kind == "categorical":
            return numbers
        moved = np.log(numbers) if self.log else numbers
        return np.asarray((moved - self.lower) / (self.upper - self.lower))

    def number(self, places: Floats) -> Floats:
        """The legal numbers nearest to places (n,)."""
        if self.kind == "categorical":
            return places
        if self.axis.kind == "float":
            return self.axis.from_unit(np.clip(places, 0.0, 1.0))
        moved = self.lower + places * (self.upper - self.lower)
        return np.clip(np.rint(np.exp(moved) if self.log else moved), *self.bounds)


class Density(Protocol):
    """What can be drawn from and looked up over hyperparameters."""

    @property
    def scales(self) -> Sequence[Scale]:
        """Of its hyperparameters, (d,)."""

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Places drawn from it, (n, d)."""

    def logpdf(self, x: Floats) -> Floats:
        """Its logarithm at places `x` (m, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class Parzen:
    """A mixture of product kernels; made by `fit`.

    Args:
        centres, std: Of the kernels, the prior last, (n + 1, d). weights: Sum to 1, (n + 1,).
    """

    scales: tuple[Scale, ...]
    centres: Floats
    std: Floats
    weights: Floats

    @classmethod
    def fit(cls, scales: Sequence[Scale], x: Floats, weights: Floats | None = None) -> Parzen:
        """The density around places `x` (n, d), whose weights (n,) are scaled to a mean of 1."""
        n, d = x.shape
        std = np.ones((n + 1, d))
        std[:n] = max(SPREAD * max(n, 1) ** (-1 / (d + 4)), NARROWEST)
        std[n] = [scale.std for scale in scales]
        w = np.ones(n + 1)
        if weights is not None and n:
            w[:n] = weights * (n / weights.sum())
        return cls(tuple(scales), np.vstack([x, [s.mean for s in scales]]), std, w / w.sum())

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Places drawn from the density, (n, d); those of an integer in the middle of its cell."""
        from scipy.special import ndtr, ndtri

        kernel = rng.choice(len(self.weights), n, p=self.weights)
        mu, std, u = self.centres[kernel], self.std[kernel], rng.random((n, len(self.scales)))
        below, up_to = ndtr(-mu / std), ndtr((1 - mu) / std)
        x: Floats = np.clip(mu + std * ndtri(below + u * (up_to - below)), 0.0, 1.0)
        for j, scale in enumerate(self.scales):
            if scale.kind == "categorical":
                cumulated = self._choices(j)[kernel].cumsum(axis=1)  # (n, choices)
                x[:, j] = (u[:, j, None] * cumulated[:, -1:] >= cumulated).sum(axis=1)
            elif scale.kind == "integer":
                x[:, j] = scale.place(scale.number(x[:, j]))
        return x

    def logpdf(self, x: Floats) -> Floats:
        """The logarithm of the density at places `x` (m, d); integers and choices have a mass."""
        with np.errstate(divide="ignore"):  # the mass of a far kernel is 0, that of the prior not
            logs = np.log(self.weights) + np.zeros((len(x), 1))  # (m, n + 1)
            for j, scale in enumerate(self.scales):
                logs += self._log_kernels(j, scale, x[:, j])
        most = logs.max(axis=1)
        return np.asarray(most + np.log(np.exp(logs - most[:, None]).sum(axis=1)))

    def _log_kernels(self, j: int, scale: Scale, x: Floats) -> Floats:
        """Of places `x` (m,) of hyperparameter `j`, (m, n + 1)."""
        from scipy.special import ndtr

        if scale.kind == "categorical":
            return np.asarray(np.log(self._choices(j).T[x.astype(np.intp)]))
        mu, std = self.centres[:, j], self.std[:, j]
        inside = ndtr((1 - mu) / std) - ndtr(-mu / std)
        if scale.kind == "float":
            z = (x[:, None] - mu) / std
            return np.asarray(-0.5 * z * z - np.log(inside * std * (2 * np.pi) ** 0.5))
        places, which = np.unique(x, return_inverse=True)
        numbers = scale.number(places)
        low, high = scale.place(numbers - 0.5), scale.place(numbers + 0.5)
        mass = ndtr((high[:, None] - mu) / std) - ndtr((low[:, None] - mu) / std)
        return np.asarray(np.log(mass / inside)[which])

    def _choices(self, j: int) -> Floats:
        """The kernels of a categorical, (n + 1, choices)."""
        p, n = self.scales[j].p, len(self.centres) - 1
        a = (1 if self.scales[j].opens else len(p)) / (n + 1)
        k = np.tile(a * p / (1 + a), (n + 1, 1))
        k[np.arange(n), self.centres[:n, j].astype(np.intp)] += 1 / (1 + a)
        k[n] = p
        return k


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Densities of hyperparameters that do not hang on one another, multiplied.

    Args:
        scales: Of all, (d,).
        factors: The columns of some of them and their density; each column is in one factor.
    """

    scales: Sequence[Scale]
    factors: tuple[tuple[NDArray[np.intp], Parzen], ...]

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Places drawn from it, (n, d), as if all hyperparameters were active."""
        x = np.empty((n, len(self.scales)))
        for columns, density in self.factors:
            x[:, columns] = density.sample(n, rng)
        return x

    def logpdf(self, x: Floats) -> Floats:
        """The logarithm of the density at places `x` (m, d); inactive factors have no say."""
        total = np.zeros(len(x))
        for columns, density in self.factors:
            there = ~np.isnan(x[:, columns]).any(axis=1)
            total[there] += density.logpdf(x[there][:, columns])
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A share of one density and the rest of another, of the same hyperparameters."""

    one: Density
    other: Density
    share: float

    @property
    def scales(self) -> Sequence[Scale]:
        """Of its hyperparameters, (d,)."""
        return self.one.scales

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Places drawn from the mixture, (n, d)."""
        of_one = rng.random(n) < self.share
        x = np.empty((n, len(self.scales)))
        for density, mine in ((self.one, of_one), (self.other, ~of_one)):
            x[mine] = density.sample(int(mine.sum()), rng)
        return x

    def logpdf(self, x: Floats) -> Floats:
        """The logarithm of the mixture's density at places `x` (m, d)."""
        with np.errstate(divide="ignore"):
            shares = np.log([self.share, 1 - self.share])
        one, other = self.one.logpdf(x), self.other.logpdf(x)
        return np.asarray(np.logaddexp(shares[0] + one, shares[1] + other))
