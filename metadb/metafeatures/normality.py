"""Whether numbers look normal: the test of Shapiro & Wilk for many attributes at a time."""

from __future__ import annotations

from functools import lru_cache
from math import erfc, sqrt
from statistics import NormalDist

import numpy as np

from metadb.protocols import Floats

# Royston 1995, table 1: polynomials, the constant first.
LAST = (0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056)
LAST_BUT_ONE = (0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633)
MEAN_SMALL = (0.544, -0.39978, 0.025054, -6.714e-4)
LOG_SD_SMALL = (1.3822, -0.77857, 0.062767, -0.0020322)
MEAN_LARGE = (-1.5861, -0.31082, -0.083751, 0.0038915)
LOG_SD_LARGE = (-0.4803, -0.082676, 0.0030302)
SHIFT = (-2.273, 0.459)


@lru_cache(maxsize=64)
def coefficients(n: int) -> Floats:
    """The weights a of the ordered numbers in W, (n,), n >= 3: antisymmetric, a'a = 1.

    Royston 1995: normal scores over their length, the outer one or two corrected.
    """
    score = NormalDist().inv_cdf  # about 1 ms for 5,000; to import SciPy's takes 100
    upper = -np.array([score((i - 0.375) / (n + 0.25)) for i in range(1, n // 2 + 1)])  # falling
    length = 2 * float(upper @ upper)
    a = np.empty(n // 2)
    if n == 3:
        a[0] = np.sqrt(0.5)
    else:
        corrected = (LAST, LAST_BUT_ONE) if n > 5 else (LAST,)
        k = len(corrected)
        for i, polynomial in enumerate(corrected):
            a[i] = upper[i] / np.sqrt(length) + _polynomial(polynomial, 1 / np.sqrt(n))
        rest = (length - 2 * upper[:k] @ upper[:k]) / (1 - 2 * a[:k] @ a[:k])
        a[k:] = upper[k:] / np.sqrt(rest)
    weights = np.zeros(n)
    weights[: n // 2], weights[n - n // 2 :] = -a, a[::-1]
    weights.flags.writeable = False
    return weights


def shapiro_wilk(ordered: Floats) -> tuple[Floats, Floats]:
    """W and its p-value of each row of `ordered` (m, n), sorted, nothing missing, n >= 3.

    Both are NaN for a row of equal numbers: nothing that does not vary is normal.

    Royston 1995, "Remark AS R94: A Remark on Algorithm AS 181: The W-test for Normality".
    """
    n = ordered.shape[1]
    with np.errstate(all="ignore"):
        # W does not change with the scale: numbers from -1 to 1 neither overflow nor vanish.
        top = np.maximum(np.abs(ordered[:, 0]), np.abs(ordered[:, -1]))[:, None]  # (m, 1)
        z = ordered / top
        z -= z[:, n // 2, None]
        z -= z.mean(axis=1, keepdims=True)
        length = np.sqrt(np.einsum("mn,mn->m", z, z))
        length[ordered[:, 0] == ordered[:, -1]] = np.nan
        along = z @ coefficients(n)
        less = np.maximum(0.0, (length - along) * (length + along) / length**2)  # 1 - W
        return 1 - less, _p_value(less, n)


def _p_value(less: Floats, n: int) -> Floats:
    """The p-value of W = 1 - `less` of `n` numbers."""
    if n == 3:
        exact = 6 / np.pi * (np.arcsin(np.sqrt(1 - less)) - np.arcsin(np.sqrt(0.75)))
        return np.asarray(np.maximum(0.0, exact))
    y = np.log(less)
    if n <= 11:
        room = _polynomial(SHIFT, n) - y  # where there is none, W is smaller than it can be
        y = np.where(room > 0, -np.log(room), np.inf)
        mean, log_sd = _polynomial(MEAN_SMALL, n), _polynomial(LOG_SD_SMALL, n)
        y[np.isnan(less)] = np.nan
    else:
        mean, log_sd = _polynomial(MEAN_LARGE, np.log(n)), _polynomial(LOG_SD_LARGE, np.log(n))
    z = (y - mean) / np.exp(log_sd)  # (m,)
    return np.array([erfc(each / sqrt(2)) / 2 for each in z.tolist()])


def _polynomial(coefficients: tuple[float, ...], at: float) -> float:
    return float(sum(c * at**power for power, c in enumerate(coefficients)))
