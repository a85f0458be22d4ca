"""Acquisition functions against integrals, draws, and the high-precision tail."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from recommenders.acquisition import (
    expected_improvement,
    log_expected_improvement,
    lower_confidence_bound,
    probability_of_improvement,
)

CASES = [(0.3, 0.2, 0.4), (1.0, 0.5, 0.2), (-2.0, 1.0, 0.0), (5.0, 1.0, 0.0), (0.1, 3.0, 0.1)]


@pytest.mark.parametrize(("mean", "sd", "best"), CASES)
def test_expected_improvement_is_the_integral(mean, sd, best):
    integral, _ = quad(
        lambda f: (best - f) * norm.pdf(f, mean, sd), mean - 40 * sd, best,
        points=[mean] if mean < best else None, limit=200, epsabs=1e-14,
    )  # fmt: skip
    value = expected_improvement(np.array([mean]), np.array([sd]), best)
    assert value[0] == pytest.approx(integral, rel=1e-7)
    log = log_expected_improvement(np.array([mean]), np.array([sd]), best)
    assert log[0] == pytest.approx(np.log(integral), rel=1e-7)


@pytest.mark.parametrize(("mean", "sd", "best"), CASES)
def test_all_agree_with_draws(mean, sd, best):
    f = np.random.default_rng(0).normal(mean, sd, 1_000_000)
    m, s = np.array([mean]), np.array([sd])
    gain = np.maximum(best - f, 0)
    assert expected_improvement(m, s, best)[0] == pytest.approx(
        gain.mean(), abs=5 * gain.std() / 1000 + 1e-6
    )
    assert probability_of_improvement(m, s, best)[0] == pytest.approx((f < best).mean(), abs=3e-3)
    assert -lower_confidence_bound(m, s, beta=norm.ppf(0.9))[0] == pytest.approx(
        np.quantile(f, 0.1), abs=0.01 * sd
    )


def exact_tail(u: int, terms: int = 12) -> float:
    """log h(-u) = log phi(u) + log(1 - u R(u)) by the asymptotic series, in exact fractions."""
    t, term = Fraction(0), Fraction(1)
    for i in range(1, terms):
        term *= -Fraction(2 * i - 1, u * u)
        t -= term
    return float(-0.5 * u * u - 0.5 * np.log(2 * np.pi)) + float(np.log(float(t)))


@pytest.mark.parametrize("u", [20, 50, 300, 999, 1001, 10_000])
def test_the_logarithm_holds_where_the_value_underflows(u):
    value = log_expected_improvement(np.array([float(u)]), np.array([1.0]), 0.0)[0]
    assert value == pytest.approx(exact_tail(u), rel=1e-9, abs=1e-6)


def test_the_logarithm_rises_everywhere_as_the_mean_falls():
    mean = np.linspace(2000, -50, 200_001)
    value = log_expected_improvement(mean, np.ones_like(mean), 0.0)
    assert np.isfinite(value).all()
    assert (np.diff(value) > 0).all()


def test_without_doubt_it_is_what_is_gained():
    mean, sd = np.array([0.2, 0.6]), np.zeros(2)
    assert expected_improvement(mean, sd, 0.5) == pytest.approx([0.3, 0.0])
    assert log_expected_improvement(mean, sd, 0.5).tolist() == [np.log(0.3), -np.inf]
    assert probability_of_improvement(mean, sd, 0.5).tolist() == [1.0, 0.0]


def test_extremes_make_no_nan():
    mean = np.array([1e300, -1e300, 1e-300, 0.0])
    sd = np.array([1e-300, 1e300, 1e300, 1e-12])
    for f in (expected_improvement, log_expected_improvement, probability_of_improvement):
        assert not np.isnan(f(mean, sd, 0.0)).any()
