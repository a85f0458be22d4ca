"""Eleven parametric shapes of a learning curve, with their least-squares fits.

Domhan, Springenberg, Hutter 2015, "Speeding Up Automatic Hyperparameter Optimization of Deep Neural
Networks by Extrapolation of Learning Curves", Table 1. They are of an accuracy, which rises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metadb.protocols import Floats

Array = Any
"""An array or a number; the formulas broadcast."""

STEPS = {1: (0.6180339887498949,), 2: (0.7548776662466927, 0.5698402909980532)}
"""Steps of Roberts' sequences, which fill an interval and a square evenly."""


@dataclass(frozen=True, slots=True)
class Bend:
    """Where a parameter that bends the curve lies, for times from 1 to `last`.

    Args:
        low, high: Its range.
        scale: How it fills the range: `log`, or evenly as it stands (`even`); for a parameter that
            goes with time, whose `high` is in units of `last`: `time`, `rate` (one over a time) or
            `log_time` (the logarithm of one), all evenly in the logarithm of time.
    """

    low: float
    high: float
    scale: str = "log"

    def at(self, u: Floats, last: float) -> Floats:
        """The parameter at `u`, from 0 to 1 along its range."""
        if self.scale == "even":
            return np.asarray(self.low + u * (self.high - self.low))
        high = self.high if self.scale == "log" else self.high * last
        place = np.log(self.low) + u * np.log(high / self.low)
        if self.scale == "log_time":
            return np.asarray(place)
        return np.asarray(np.exp(-place if self.scale == "rate" else place))


@dataclass(frozen=True, slots=True)
class Family:
    """One formula f(x, ...) with the paper's letters.

    What is left of it up to an offset and a factor, its shape, is bent by at most two letters. Any
    loss is an offset and a factor (of either sign) away from an accuracy, so these are fitted
    freely, also where the formula by itself has none.

    Args:
        curve: The formula, of times x and its letters by name.
        bends: The letters that bend the shape.
        plain: Values of the other letters, that give the shape.
    """

    curve: Callable[..., Array]
    bends: Mapping[str, Bend] = field(default_factory=dict)
    plain: Mapping[str, float] = field(default_factory=dict)

    def shape(self, x: Floats, bent: Floats) -> Floats:
        """The shape at times `x` (n,) for bends (m, letters), (m, n); NaN where undefined."""
        letters = {name: bent[:, i, None] for i, name in enumerate(self.bends)}
        with np.errstate(all="ignore"):
            y = np.asarray(self.curve(x, **self.plain, **letters), float)
        return np.broadcast_to(y, (len(bent), len(x)))

    def nodes(self, n: int, last: float) -> Floats:
        """`n` settings that fill the bends' ranges evenly, (n, letters); one without bends."""
        if not self.bends:
            return np.empty((1, 0))
        u = (0.5 + np.outer(np.arange(n), STEPS[len(self.bends)])) % 1.0
        return np.stack([b.at(u[:, i], last) for i, b in enumerate(self.bends.values())], axis=1)

    def fit(self, x: Floats, y: Floats, *, starts: int = 64) -> Fit:
        """The offset, factor and bends of the least squares, from the best four of `starts` nodes.

        Bends stay in their ranges; offset and factor are solved for inside (variable projection:
        Golub, Pereyra 1973). Takes about 20 ms. Times are divided by the first.

        Args:
            x: Positive times, (n,), at least two of them different. y: (n,).
        """
        from scipy.optimize import least_squares

        times = x / x.min()
        last = float(times.max())
        nodes = self.nodes(starts, last)
        ends = np.array([[b.at(np.array(u), last) for b in self.bends.values()] for u in (0, 1)])
        loss = [float(np.square(self._residual(times, y, node)).sum()) for node in nodes]
        best = nodes[int(np.argmin(loss))]
        if self.bends:
            found = [
                least_squares(
                    lambda node: self._residual(times, y, node),
                    nodes[i],
                    bounds=(ends.min(axis=0), ends.max(axis=0)),
                    x_scale=np.maximum(np.abs(nodes[i]), 0.1),
                    xtol=1e-12,
                    ftol=1e-12,
                    gtol=1e-12,
                    max_nfev=100,
                )
                for i in np.argsort(loss)[:4]
            ]
            best = min(found, key=lambda one: float(one.cost)).x
        return Fit(self, float(x.min()), best, *_line(self.shape(times, best[None])[0], y)[:2])

    def _residual(self, times: Floats, y: Floats, node: Floats) -> Floats:
        """What offset and factor leave of `y`; as much as a constant where the shape fails."""
        return _line(self.shape(times, node[None])[0], y)[2]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted curve, offset + factor * shape(x / first)."""

    family: Family
    first: float
    bent: Floats
    offset: float
    factor: float

    def predict(self, x: Floats) -> Floats:
        """The curve at times `x` (n,)."""
        y = self.family.shape(x / self.first, self.bent[None])[0]
        return np.asarray(self.offset + self.factor * y)


def _line(shape: Floats, y: Floats) -> tuple[float, float, Floats]:
    """Offset, factor and residuals of the straight line from `shape` to `y`."""
    if not np.isfinite(shape).all():
        return float(y.mean()), 0.0, y - y.mean()
    there = shape - shape.mean()
    size = float(there @ there)
    factor = float(there @ y) / size if size > 0 else 0.0
    return float(y.mean() - factor * shape.mean()), factor, y - y.mean() - factor * there


_TIME = Bend(0.1, 5.0, "time")
_RATE = Bend(0.1, 5.0, "rate")

FAMILIES = {
    "vapor_pressure": Family(
        lambda x, a, b, c: np.exp(a + b / x + c * np.log(x)),
        {"b": Bend(-4.0, 0.5, "even"), "c": Bend(-0.5, 0.5, "even")},
        {"a": 0.0},
    ),
    "pow3": Family(
        lambda x, a, alpha, c: c - a * x**-alpha, {"alpha": Bend(0.03, 5.0)}, {"a": 1.0, "c": 0.0}
    ),
    "log_log_linear": Family(
        lambda x, a, b: np.log(a * np.log(x) + b), {"b": Bend(0.03, 30.0)}, {"a": 1.0}
    ),
    "hill3": Family(
        lambda x, y_max, eta, kappa: y_max * x**eta / (kappa**eta + x**eta),
        {"eta": Bend(0.1, 5.0), "kappa": _TIME},
        {"y_max": 1.0},
    ),
    "log_power": Family(
        lambda x, a, b, c: a / (1 + (x / np.exp(b)) ** c),
        {"b": Bend(0.1, 5.0, "log_time"), "c": Bend(-3.0, -0.1, "even")},
        {"a": 1.0},
    ),
    "pow4": Family(
        lambda x, a, b, c, alpha: c - (a * x + b) ** -alpha,
        {"b": _TIME, "alpha": Bend(0.05, 5.0)},
        {"a": 1.0, "c": 0.0},
    ),
    "mmf": Family(
        lambda x, alpha, beta, kappa, delta: alpha - (alpha - beta) / (1 + (kappa * x) ** delta),
        {"kappa": _RATE, "delta": Bend(0.1, 5.0)},
        {"alpha": 1.0, "beta": 0.0},
    ),
    "exp4": Family(
        lambda x, a, b, c, alpha: c - np.exp(-a * x**alpha + b),
        {"a": Bend(0.01, 5.0), "alpha": Bend(0.1, 2.0)},
        {"b": 0.0, "c": 0.0},
    ),
    "janoschek": Family(
        lambda x, alpha, beta, kappa, delta: alpha - (alpha - beta) * np.exp(-kappa * x**delta),
        {"kappa": Bend(0.01, 5.0), "delta": Bend(0.1, 2.0)},
        {"alpha": 1.0, "beta": 0.0},
    ),
    "weibull": Family(
        lambda x, alpha, beta, kappa, delta: (
            alpha - (alpha - beta) * np.exp(-((kappa * x) ** delta))
        ),
        {"kappa": _RATE, "delta": Bend(0.1, 3.0)},
        {"alpha": 1.0, "beta": 0.0},
    ),
    "ilog2": Family(lambda x, a, c: c - a / np.log(x + 1), {}, {"a": 1.0, "c": 0.0}),
}
