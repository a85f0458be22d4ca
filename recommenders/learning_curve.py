"""Where a learning curve will end, from its beginning: eleven families weighted by their evidence.

Domhan, Springenberg, Hutter 2015, "Speeding Up Automatic Hyperparameter Optimization of Deep Neural
Networks by Extrapolation of Learning Curves", has the families and the idea; they sample all
parameters by MCMC (minutes a curve). Here what is linear is integrated in closed form and what is
not is summed over fixed nodes (milliseconds, the same each time), and the truth may stray from
every formula: see `LearningCurve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metadb.errors import WrongUsage
from metadb.protocols import Floats
from recommenders.curve_family import FAMILIES

Numbers = Sequence[float] | Floats

WINDOW = 6.0
"""Only budgets of at least the last one over this are fitted (but four points where there are):
how a curve begins says little of how it ends."""

NOISE = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Standard deviations of the noise, in units of the range of the fitted losses."""

STRAY = (0.2, 0.5, 1.2)
"""How far the truth strays from a formula over the fitted budgets, in the same unit."""

NODES = {0: 1, 1: 16, 2: 48}
"""Settings of a family with so many bends."""

SD = 2.0, 0.7
"""Prior standard deviations of a curve's first value and of its change up to the last budget."""

FURTHEST = 4.0
"""A setting is out by which the curve moves, up to `WINDOW` times the last budget, this many times
as far as it has moved so far."""


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """The loss at any budget as a mixture of normal distributions, in the unit of the losses.

    A curve is p + q s(x) + w(log x) + noise. The shape s is of one of the 11 families, each equally
    likely beforehand, bent as one of 48 settings that fill the ranges of its bends; p and q, of
    either sign, have normal priors; w is a random walk over the logarithm of the budget, by which
    the truth strays from the formula; noise and w have a few possible sizes. Given shape and sizes,
    all is normal: marginal likelihood and prediction are in closed form (universal kriging), and
    the likelihoods weigh some 6,000 predictions.

    What is predicted moves and stretches with the losses, whatever their scale; losses may rise,
    jump or stay. A fit and a prediction take 1 to 2 ms, the first with its budgets 15 ms more.

    On curves as smooth as a surrogate's its interval of 80 % holds some 60 % of the ends; on real
    ones (LCDB 1.1) 84 to 90 %.

    Args:
        weights: Family to its posterior probability.
        last: The last of the fitted losses.
    """

    weights: dict[str, float]
    last: float
    _plan: _Plan
    _size: float
    _z: Floats
    _of: tuple[NDArray[np.intp], NDArray[np.intp]]
    _line: Floats
    _weight: Floats

    @classmethod
    def fit(
        cls, budget: Sequence[float] | Floats, value: Sequence[float] | Floats
    ) -> LearningCurve:
        """Learn from losses (n,) at budgets (n,), in any order.

        What is not finite is left out, several losses at one budget count as their mean.

        Raises:
            WrongUsage: Fewer than three different budgets have a finite loss, or one is 0 or less.
        """
        x, y = np.asarray(budget, float), np.asarray(value, float)
        if x.shape != y.shape or x.ndim != 1:
            raise WrongUsage(f"a curve has one loss a budget, not {y.shape} at {x.shape} budgets")
        usable = np.isfinite(x) & np.isfinite(y)
        x, which = np.unique(x[usable], return_inverse=True)
        if len(x) < 3 or x[0] <= 0:
            raise WrongUsage(
                "a learning curve needs finite losses at three or more different budgets above 0, "
                f"not at {x.tolist()}"
            )
        y = np.bincount(which, y[usable]) / np.bincount(which)
        kept = x >= x[-1] / WINDOW
        kept[-4:] = True
        x, y = x[kept], y[kept]
        plan = _plan(tuple(x.tolist()))
        size = float(np.ptp(y))
        if size <= 1e-9 * float(np.abs(y).max()):  # a constant: nothing says what it may change by
            size = max(0.01 * abs(float(y[-1])), 1e-12)
        z = plan.rotation.T @ ((y - y[-1]) / size)  # (n,)
        by, line = plan.evidence(z)  # log posterior (nodes, sizes), p and q (2, nodes, sizes)
        weight = np.exp(by - by.max())
        weight /= weight.sum()
        node, sort = np.nonzero(weight >= 1e-4 * weight.max())
        share = weight.sum(axis=1)
        weights = {name: float(share[plan.family == i].sum()) for i, name in enumerate(FAMILIES)}
        few = weight[node, sort] / weight[node, sort].sum()
        return cls(weights, float(y[-1]), plan, size, z, (node, sort), line[:, node, sort], few)

    def predict(self, at: float | Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the loss at budgets `at`, each of its shape.

        A budget below the fitted ones counts as the smallest of them.
        """
        mean, sd = self._mixture(at)
        whole = mean @ self._weight
        spread = (sd**2 + (mean - whole[..., None]) ** 2) @ self._weight
        return whole, np.sqrt(spread)

    def probability_below(self, at: float | Floats, level: float) -> Floats:
        """The probability that the loss at budgets `at` is below `level`, of the shape of `at`."""
        from scipy.special import ndtr

        mean, sd = self._mixture(at)
        return np.asarray(ndtr((level - mean) / sd) @ self._weight)

    def quantile(self, at: float, share: float) -> float:
        """What the loss at budget `at` is below with probability `share`; takes some ms."""
        from scipy.special import ndtr

        mean, sd = self._mixture(at)
        low, high = float((mean - 9 * sd).min()), float((mean + 9 * sd).max())
        for _ in range(50):
            middle = (low + high) / 2
            if ndtr((middle - mean) / sd) @ self._weight < share:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _mixture(self, at: float | Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of the parts, (*at.shape, parts)."""
        budgets = np.asarray(at, float)
        if not (budgets > 0).all():
            raise WrongUsage(f"budgets are above 0, not {at}")
        found = [self._plan.predict(b, self._z, self._of, self._line) for b in budgets.ravel()]
        parts = np.array(found).reshape(*budgets.shape, 2, -1)
        return self.last + self._size * parts[..., 0, :], self._size * parts[..., 1, :]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What does not depend on the losses: m nodes of all families and h sizes at n budgets.

    Budgets are seen along the eigenvectors of the walk's covariance, where noise and walk of all
    sizes are independent.

    Args:
        family: Of each node, by number, (m,). nodes: The bends of each family.
        rotation: Eigenvectors, (n, n). basis: Ones and shapes, rotated, (2, m, n).
        start, change: What makes a shape of each node go from 0 to 1, (m,).
        noise, walk: Variances, (h,). precision: Of the rotated losses, (h, n).
        normal: The two variances and the covariance of p and q, (3, m, h).
        prior: Log prior and what else of the likelihood does not depend on the losses, (m, h).
    """

    budgets: Floats
    family: NDArray[np.intp]
    nodes: tuple[Floats, ...]
    start: Floats
    change: Floats
    rotation: Floats
    basis: Floats
    noise: Floats
    walk: Floats
    precision: Floats
    normal: Floats
    prior: Floats

    def evidence(self, z: Floats) -> tuple[Floats, Floats]:
        """Log posteriors (m, h) of nodes and sizes, and the means of p and q, (2, m, h)."""
        toward = self.basis @ (self.precision * z).T  # (2, m, h)
        pp, qq, pq = self.normal
        line = np.stack([pp * toward[0] + pq * toward[1], pq * toward[0] + qq * toward[1]])
        misfit = (self.precision * z**2).sum(axis=1) - (toward * line).sum(axis=0)
        return self.prior - misfit / 2, line

    def predict(
        self, at: float, z: Floats, of: tuple[NDArray[np.intp], NDArray[np.intp]], line: Floats
    ) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each part at one budget, in units of the losses' range."""
        node, size = of
        x, time = max(at / self.budgets[0], 1.0), _time(self.budgets)
        here = np.log(x) / np.log(self.budgets[-1] / self.budgets[0])
        shape = (_shapes(self.nodes, np.array([x]))[:, 0] - self.start) / self.change
        like = self.walk[:, None] * (np.minimum(here, time) @ self.rotation)  # (h, n)
        gain = like * self.precision
        left = np.stack([np.ones_like(shape), shape])[..., None] - self.basis @ gain.T  # (2, m, h)
        left = left[:, node, size]
        pp, qq, pq = self.normal[:, node, size]
        mean = (gain @ z)[size] + (left * line).sum(axis=0)
        own = self.noise + self.walk * here - (gain * like).sum(axis=1)
        spread = own[size] + pp * left[0] ** 2 + qq * left[1] ** 2 + 2 * pq * left[0] * left[1]
        return mean, np.sqrt(np.maximum(spread, 1e-12))


@lru_cache(maxsize=64)
def _plan(budgets: tuple[float, ...]) -> _Plan:
    x = np.array(budgets) / budgets[0]  # (n,)
    nodes, family = [], []
    for i, one in enumerate(FAMILIES.values()):
        bent = one.nodes(NODES[len(one.bends)], float(x[-1]))
        begin, end, far = one.shape(np.array([1.0, x[-1], x[-1] * WINDOW]), bent).T
        with np.errstate(all="ignore"):
            so_far, later = np.abs(end - begin), np.abs(far - begin)
            fine = (so_far > 1e-12) & (later < FURTHEST * so_far)
        nodes.append(bent[fine])
        family += [i] * int(fine.sum())
    number = np.array(family)
    shapes = _shapes(tuple(nodes), x)
    start, change = shapes[:, 0], shapes[:, -1] - shapes[:, 0]
    shapes = (shapes - start[:, None]) / change[:, None]
    time = _time(np.array(budgets))
    strength, rotation = np.linalg.eigh(np.minimum(time[:, None], time))
    noise, walk = (a.ravel() ** 2 for a in np.meshgrid(NOISE, STRAY))
    variance = noise[:, None] + walk[:, None] * np.maximum(strength, 0.0)  # (h, n)
    basis = np.stack([np.ones_like(shapes), shapes]) @ rotation
    pp, qq, pq = (basis[a] * basis[b] @ (1 / variance).T for a, b in ((0, 0), (1, 1), (0, 1)))
    pp, qq = pp + SD[0] ** -2, qq + SD[1] ** -2
    det = pp * qq - pq**2
    times = np.bincount(number)[number]
    prior = -np.log(times)[:, None] - (np.log(det) + np.log(variance).sum(axis=1)) / 2
    return _Plan(
        np.array(budgets), number, tuple(nodes), start, change, rotation, basis,
        noise, walk, 1 / variance, np.stack([qq, pp, -pq]) / det, prior,
    )  # fmt: skip


def _shapes(nodes: tuple[Floats, ...], x: Floats) -> Floats:
    """The shapes of all families at times `x` (n,), (m, n)."""
    of = zip(FAMILIES.values(), nodes, strict=True)
    return np.concatenate([one.shape(x, bent) for one, bent in of])


def _time(budgets: Floats) -> Floats:
    """The walk's time: the logarithm of the budget, from 0 to 1 over the fitted ones."""
    return np.asarray(np.log(budgets / budgets[0]) / np.log(budgets[-1] / budgets[0]))
