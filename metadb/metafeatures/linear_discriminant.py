"""Linear discriminant analysis, and least squares for a regression, from sums of products.

Both are solved by the eigenvalues of a correlation matrix of the attributes (d, d), or of the
instances where these are fewer: that costs less than the singular values of all data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

RANK = 1e-4
"""Directions with a relative standard deviation up to this count as none, as in scikit-learn."""

FLAT = 1e-5
"""The same for a line: of the largest standard deviation."""


def predict(x: Floats, y: NDArray[np.int64], new: Floats) -> NDArray[np.int64] | None:
    """The class of each instance of `new` (q, d) by linear discriminant analysis, (q,).

    Every class is normal with its own mean and one covariance for all (of maximum likelihood:
    divided by n), its share in `y` (n,) the prior: the `LinearDiscriminantAnalysis` of
    scikit-learn 1.9. What does not vary within the classes of `x` (n, d) is left out.

    Returns:
        None where there is no covariance to estimate: one class, or one instance in each.

    Fisher 1936, The Use of Multiple Measurements in Taxonomic Problems; Hastie, Tibshirani &
    Friedman 2009, The Elements of Statistical Learning, 4.3.
    """
    sizes = np.bincount(y)
    present = np.flatnonzero(sizes)
    n, k = len(y), len(present)
    if k == 1 or n <= k:
        return None
    x, new = _standard(x, new)
    share = sizes[present] / n
    means = np.empty((k, x.shape[1]))
    for row, label in enumerate(present):
        means[row] = x[y == label].mean(axis=0)
    within = x - means[np.searchsorted(present, y)]
    scaling = _whitening(within)  # (d, rank)
    centre = share @ means
    apart = (means - centre) @ scaling  # (k, rank): the means where covariance is 1
    apart = apart @ _span(np.sqrt(n * share / (k - 1))[:, None] * apart)
    score = ((new - centre) @ scaling) @ apart.T
    score += np.log(share) - 0.5 * (apart * apart).sum(axis=1)
    found: NDArray[np.int64] = present[score.argmax(axis=1)]
    return found


def fit_line(x: Floats, y: Floats, new: Floats) -> Floats:
    """The targets of `new` (q, d) by least squares with a constant, (q,).

    Of several solutions for `x` (n, d) and `y` (n,) it is the one with the smallest coefficients
    of the standardised attributes.

    Gauss 1809, Theoria motus; Penrose 1956, On best approximate solutions of linear equations.
    """
    x, new = _standard(x, new)
    offset = float(y.mean())
    size, vector = _directions(x)
    kept = size > FLAT * size.max(initial=0.0)
    size, vector = size[kept], vector[kept]
    weight = vector.T @ ((vector @ (x.T @ (y - offset) / len(x))) / size**2)
    found: Floats = new @ weight + offset
    return found


def _standard(x: Floats, new: Floats) -> tuple[Floats, Floats]:
    """Both with the attributes of `x` at mean 0 and variance 1; constant ones are left out."""
    peak = np.abs(x).max(axis=0, initial=0.0)
    power = -np.frexp(peak)[1]  # so that no square overflows or vanishes
    kept = (x != x[:1]).any(axis=0)
    x, new = (np.ldexp(part[:, kept], power[kept]) for part in (x, new))
    for _ in range(2):  # the second time what rounding left of the mean
        mean = x.mean(axis=0)
        x -= mean
        new -= mean
    deviation = x.std(axis=0)
    x /= deviation
    new /= deviation
    return x, new


def _whitening(within: Floats) -> Floats:
    """The directions in which `within` (n, d) varies, scaled to variance 1, (d, rank)."""
    deviation = within.std(axis=0)
    deviation[deviation < 1e-12] = np.inf  # of 1 in all: nothing within the classes
    z = within / deviation
    size, vector = _directions(z)
    kept = size > RANK
    scaling: Floats = (vector[kept] / deviation).T / size[kept]
    return scaling


def _directions(z: Floats) -> tuple[Floats, Floats]:
    """In which orthogonal directions `z` (n, d) varies around 0, (r, d), and how much, (r,).

    The singular values and vectors of ``z / sqrt(n)``, by the eigenvalues of the smaller of
    ``z' z`` (d, d) and ``z z'`` (n, n).
    """
    n, d = z.shape
    if d <= n:
        value, vector = np.linalg.eigh(z.T @ z / n)
        return np.sqrt(np.maximum(value, 0)), vector.T
    value, vector = np.linalg.eigh(z @ z.T / n)
    kept = value > np.finfo(float).eps * n * value.max(initial=0.0)
    size = np.sqrt(value[kept])
    return size, (z.T @ vector[:, kept] / (size * np.sqrt(n))).T


def _span(apart: Floats) -> Floats:
    """The projection on what the rows of `apart` (k, rank) span, (rank, rank)."""
    _, size, vector = np.linalg.svd(apart, full_matrices=False)
    vector = vector[size > RANK * size.max(initial=0.0)]
    projection: Floats = vector.T @ vector
    return projection
