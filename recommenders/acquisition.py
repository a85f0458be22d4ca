"""Acquisition functions: how much is to be hoped of a point whose loss is predicted to be normal.

All take the predicted mean and standard deviation of a loss (smaller is better), in arrays of one
shape, and say more where more is to be hoped. With u = (best - mean) / sd, phi and Phi the density
and the distribution of the standard normal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metadb.protocols import Floats

_LEAST = 1e-300


def expected_improvement(mean: Floats, sd: Floats, best: float | Floats) -> Floats:
    """E[max(best - f, 0)] = sd (u Phi(u) + phi(u)); where sd is 0, max(best - mean, 0).

    Jones, Schonlau, Welch 1998, "Efficient global optimization of expensive black-box functions".
    """
    from scipy.special import ndtr

    gain = np.asarray(best - mean, float)
    with np.errstate(all="ignore"):
        u = gain / np.maximum(sd, _LEAST)
        value = gain * ndtr(u) + sd * _density(u)
    # Far below the best, the two terms cancel: the logarithm is exact there.
    far = (u < -5) & (sd > 0)
    value = np.where(far, np.exp(log_expected_improvement(mean, sd, best)), value)
    return np.where(sd > 0, value, np.maximum(gain, 0.0))


def log_expected_improvement(mean: Floats, sd: Floats, best: float | Floats) -> Floats:
    """log EI without underflow: log sd + log h(u), h(u) = u Phi(u) + phi(u).

    For u < -1, log h(u) = log phi(u) + log(1 - t), t = |u| Phi(u) / phi(u) = |u| R(|u|) with R the
    Mills ratio (pi / 2)^.5 erfcx(|u| / 2^.5); and for u < -1e3, where t is 1 but for rounding, its
    series 1 - t = u^-2 - 3 u^-4. So points of no measurable hope can still be told apart. Where sd
    is 0 and nothing is gained, -inf. Ament, Daulton, Eriksson, Balandat, Bakshy 2023, "Unexpected
    improvements to expected improvement for Bayesian optimization".
    """
    from scipy.special import erfcx, ndtr

    gain = np.asarray(best - mean, float)
    there = sd > 0
    with np.errstate(all="ignore"):  # each branch is computed where another is taken
        u = gain / np.where(there, sd, 1.0)
        low = np.minimum(u, -1.0)
        square = np.minimum(low * low, 1e300)
        t = -low * np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2))
        rest = np.where(low < -1e3, (1 - 3 / square) / square, np.maximum(1 - t, _LEAST))
        below = -0.5 * square - 0.5 * np.log(2 * np.pi) + np.log(rest)
        high = np.maximum(u, -1.0)
        above = np.log(high * ndtr(high) + _density(high))
        value = np.log(np.where(there, sd, 1.0)) + np.where(u < -1, below, above)
        certain = np.log(np.maximum(gain, 0.0))
    return np.asarray(np.where(there, value, certain))


def probability_of_improvement(mean: Floats, sd: Floats, best: float | Floats) -> Floats:
    """P(f < best) = Phi(u); where sd is 0, 1 if the mean is below the best.

    Kushner 1964, "A new method of locating the maximum point of an arbitrary multipeak curve".
    """
    from scipy.special import ndtr

    gain = np.asarray(best - mean, float)
    with np.errstate(over="ignore"):
        u = gain / np.where(sd > 0, sd, 1.0)
    return np.where(sd > 0, ndtr(u), (gain > 0).astype(float))


def lower_confidence_bound(mean: Floats, sd: Floats, *, beta: float = 2.0) -> Floats:
    """-(mean - beta sd): the loss as it may be with luck, its sign turned so that more is better.

    Srinivas, Krause, Kakade, Seeger 2010, "Gaussian process optimization in the bandit setting".
    """
    return np.asarray(beta * sd - mean)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What is to be hoped of points, and how that changes with what is predicted of them.

    Args:
        value: Of mean, standard deviation (m,) and the best loss so far, (m,).
        slope: The derivatives of the value in the mean and in the deviation, each (m,).
    """

    value: Callable[[Floats, Floats, float], Floats]
    slope: Callable[[Floats, Floats, float], tuple[Floats, Floats]]


def _ei_slope(mean: Floats, sd: Floats, best: float) -> tuple[Floats, Floats]:
    from scipy.special import ndtr

    u = (best - mean) / sd
    return -ndtr(u), _density(u)


def _log_ei_slope(mean: Floats, sd: Floats, best: float) -> tuple[Floats, Floats]:
    """-Phi / (h sd) and phi / (h sd); for u < -1, h / phi = 1 - t as above, Phi / phi = R."""
    from scipy.special import erfcx, ndtr

    u = (best - mean) / sd
    low, high = np.minimum(u, -1.0), np.maximum(u, -1.0)
    mills = np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2))
    square = np.minimum(low * low, 1e300)
    rest = np.where(low < -1e3, (1 - 3 / square) / square, np.maximum(1 + low * mills, _LEAST))
    h = high * ndtr(high) + _density(high)
    of_mean = np.where(u < -1, mills / rest, ndtr(high) / h)
    of_sd = np.where(u < -1, 1 / rest, _density(high) / h)
    return -of_mean / sd, of_sd / sd


def _pi_slope(mean: Floats, sd: Floats, best: float) -> tuple[Floats, Floats]:
    u = (best - mean) / sd
    return -_density(u) / sd, -u * _density(u) / sd


BETA = 2.0
"""How many deviations of luck the confidence bound counts on."""

ACQUISITIONS = {
    "ei": Acquisition(expected_improvement, _ei_slope),
    "log_ei": Acquisition(log_expected_improvement, _log_ei_slope),
    "pi": Acquisition(probability_of_improvement, _pi_slope),
    "ucb": Acquisition(
        lambda mean, sd, best: lower_confidence_bound(mean, sd, beta=BETA),
        lambda mean, sd, best: (np.full_like(mean, -1.0), np.full_like(sd, BETA)),
    ),
}
"""Functions of the prediction at one point each; Thompson sampling is none: it draws jointly."""


def _density(u: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * np.square(np.clip(u, -1e10, 1e10))) / np.sqrt(2 * np.pi))
