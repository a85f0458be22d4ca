"""How strongly many columns go with one other, whatever the size of their numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metadb.protocols import Floats


@dataclass(frozen=True, slots=True)
class Scaled:
    """Rows of numbers as deviations from their mean, in units of their span (largest - smallest).

    No number is too large or too small to be squared then.

    Args:
        x: The deviations, (m, n), from -1 to 1; 0 where the number is missing or all are equal.
        low: The smallest number of each row, (m,).
        span: Its span, (m,); 1 if all are equal.
        mean: The mean of (number - low) / span, (m,).
        length: The root of the sum of the squared deviations, (m,); 0 if all are equal.
    """

    x: Floats
    low: Floats
    span: Floats
    mean: Floats
    length: Floats

    @classmethod
    def rows(cls, x: Floats) -> Scaled:
        """`x`, (m, n), scaled; it is left as it is."""
        with np.errstate(all="ignore"):
            low, high = np.fmin.reduce(x, axis=1), np.fmax.reduce(x, axis=1)
            varies = (high > low) & np.isfinite(high - low)
            span = np.where(varies, high - low, 1.0)
            x = (x - low[:, None]) / span[:, None]
        missing = np.isnan(x)
        x[missing] = 0.0
        x[~varies] = 0.0
        mean = x.sum(axis=1) / np.maximum(1, x.shape[1] - missing.sum(axis=1))
        x -= mean[:, None]
        x[missing] = 0.0
        length = np.sqrt(np.einsum("ij,ij->i", x, x))
        return cls(x, low, span, mean, length)

    def correlation(self, other: Scaled) -> Floats:
        """|r| of each row with the one row of `other`, (m,); NaN where one does not vary."""
        lengths = self.length * other.length
        r: Floats = np.abs(self.x @ other.x[0]) / np.where(lengths > 0, lengths, np.nan)
        return np.minimum(r, 1.0)


def correlations(x: Floats, y: Floats) -> tuple[float, float]:
    """|r| and |rho| of two variables without missing values, (n,) each."""
    if len(x) < 2:
        return np.nan, np.nan
    both = np.stack([x, y])
    r, rho = (
        float(Scaled.rows(pair[:1]).correlation(Scaled.rows(pair[1:]))[0])
        for pair in (both, ranks(both))
    )
    return r, rho


def ranks(x: Floats) -> Floats:
    """The ranks from 0 of the numbers of each row, (m, n), none missing; ties have their mean."""
    m, n = x.shape
    order = np.argsort(x, axis=1)
    ordered = np.take_along_axis(x, order, axis=1)
    first = np.ones((m, n), bool)  # of those that are equal
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    start = np.flatnonzero(first)
    size = np.diff(start, append=m * n)
    found = np.empty((m, n))
    np.put_along_axis(found, order, np.repeat(start % n + (size - 1) / 2, size).reshape(m, n), 1)
    return found
