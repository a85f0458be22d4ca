"""Naive Bayes with a normal density for each attribute within each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

SMOOTHING = 1e-9
"""The variances are raised by so much of the largest one, as in scikit-learn."""


def predict(x: Floats, y: NDArray[np.int64], new: Floats) -> NDArray[np.int64]:
    """The most probable class of each instance of `new` (q, d), shape (q,).

    With the shares of the classes in `y` (n,) as priors, and mean and variance (ddof 0) of each
    attribute of `x` (n, d) in each class. Where no attribute varies it is the largest class.

    Duda & Hart 1973, Pattern Classification and Scene Analysis.
    """
    sizes = np.bincount(y)
    present = np.flatnonzero(sizes)
    varies = (x != x[0]).any(axis=0)  # (d,): the variance of a constant is rounding
    x, new = x[:, varies], new[:, varies]
    smallest = SMOOTHING * float(x.var(axis=0).max(initial=0.0))
    if smallest == 0:
        return np.full(len(new), sizes.argmax())
    log_density = np.empty((len(present), len(new)))
    for row, label in enumerate(present):
        own = x[y == label]
        variance = own.var(axis=0) + smallest  # (d,)
        from_mean = new - own.mean(axis=0)
        from_mean *= from_mean
        constant = np.log(sizes[label] / len(y)) - 0.5 * np.log(2 * np.pi * variance).sum()
        log_density[row] = constant - 0.5 * (from_mean @ (1 / variance))
    found: NDArray[np.int64] = present[log_density.argmax(axis=0)]
    return found
