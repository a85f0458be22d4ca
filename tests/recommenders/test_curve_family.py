"""The eleven families: the formulas of the paper's Table 1, and fits that find them again."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recommenders.curve_family import FAMILIES

e, log = math.exp, math.log

TABLE_1 = {  # the value at x = 3, by hand
    "vapor_pressure": ({"a": -0.2, "b": -1.1, "c": 0.05}, e(-0.2 - 1.1 / 3 + 0.05 * log(3))),
    "pow3": ({"c": 0.84, "a": 0.52, "alpha": 0.4}, 0.84 - 0.52 * 3**-0.4),
    "log_log_linear": ({"a": 0.4, "b": 1.6}, log(0.4 * log(3) + 1.6)),
    "hill3": ({"y_max": 0.86, "eta": 0.6, "kappa": 3.5}, 0.86 * 3**0.6 / (3.5**0.6 + 3**0.6)),
    "log_power": ({"a": 0.9, "b": 1.2, "c": -0.7}, 0.9 / (1 + (3 / e(1.2)) ** -0.7)),
    "pow4": ({"c": 0.9, "a": 2.0, "b": 5.0, "alpha": 0.6}, 0.9 - (2 * 3 + 5) ** -0.6),
    "mmf": (
        {"alpha": 0.7, "beta": 0.1, "kappa": 0.1, "delta": 1.5},
        0.7 - (0.7 - 0.1) / (1 + (0.1 * 3) ** 1.5),
    ),
    "exp4": ({"c": 0.75, "a": 0.4, "b": -0.8, "alpha": 0.6}, 0.75 - e(-0.4 * 3**0.6 - 0.8)),
    "janoschek": (
        {"alpha": 0.73, "beta": 0.07, "kappa": 0.3, "delta": 0.5},
        0.73 - (0.73 - 0.07) * e(-0.3 * 3**0.5),
    ),
    "weibull": (
        {"alpha": 0.92, "beta": 0.02, "kappa": 0.08, "delta": 0.8},
        0.92 - (0.92 - 0.02) * e(-((0.08 * 3) ** 0.8)),
    ),
    "ilog2": ({"c": 0.82, "a": 0.33}, 0.82 - 0.33 / log(4)),  # epochs counted from 2
}


def test_there_are_the_eleven_of_the_paper():
    assert list(TABLE_1) == list(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_formula_is_that_of_table_1(name):
    letters, value = TABLE_1[name]
    family = FAMILIES[name]
    assert family.curve(3.0, **letters) == pytest.approx(value, rel=1e-12)
    assert set(family.bends) | set(family.plain) == set(letters)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_curve_without_noise_is_found_again(name):
    """As a loss in another unit and over budgets that do not begin at 1."""
    family, (letters, _) = FAMILIES[name], TABLE_1[name]
    times, later = np.arange(1.0, 21.0), np.array([26.0, 52.0, 80.0])
    fit = family.fit(0.25 * times, 3 - 2 * family.curve(times, **letters))
    expected = 3 - 2 * family.curve(later, **letters)
    np.testing.assert_allclose(fit.predict(0.25 * later), expected, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_start_of_scipys_own_search_fits_noise_better(name):
    """The bends within the same ranges, offset and factor free, from 4 random starts."""
    from scipy.optimize import least_squares

    family = FAMILIES[name]
    times = np.geomspace(1.0, 60.0, 15)
    rng = np.random.default_rng(3)
    loss = 0.2 + 0.6 * times**-0.5 + 0.01 * rng.standard_normal(15)
    ours = np.square(family.fit(times, loss).predict(times) - loss).sum()
    ends = np.sort(
        [[b.at(np.array(u), 60.0) for b in family.bends.values()] for u in (0, 1)], axis=0
    )
    ends = ends.reshape(2, -1)

    def residual(p):
        return p[0] + p[1] * family.shape(times, p[None, 2:])[0] - loss

    theirs = min(
        2
        * least_squares(
            residual,
            np.concatenate([[0.0, 0.0], ends[0] + rng.random(len(ends[0])) * (ends[1] - ends[0])]),
            bounds=([-np.inf, -np.inf, *ends[0]], [np.inf, np.inf, *ends[1]]),
            x_scale="jac",
        ).cost
        for _ in range(4)
    )
    assert ours <= theirs * (1 + 1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_nodes_fill_the_ranges_of_the_bends(name):
    family = FAMILIES[name]
    nodes = family.nodes(48, 30.0)
    shapes = family.shape(np.geomspace(1, 30, 9), nodes)
    assert shapes.shape == (len(nodes), 9)
    assert np.isfinite(shapes).all()
    for place, bend in zip(nodes.T, family.bends.values(), strict=True):
        low, high = sorted(
            [float(bend.at(np.array(0.0), 30.0)), float(bend.at(np.array(1.0), 30.0))]
        )
        assert low <= place.min() < place.max() <= high
        if bend.scale == "log":
            counts, _ = np.histogram(np.log(place), 6, (np.log(low), np.log(high)))
            assert counts.min() >= len(nodes) / 6 - 3


def test_what_is_constant_is_fitted_as_constant():
    for family in FAMILIES.values():
        fit = family.fit(np.arange(1.0, 6.0), np.full(5, 0.3))
        np.testing.assert_allclose(fit.predict(np.array([50.0])), 0.3, atol=1e-9)
