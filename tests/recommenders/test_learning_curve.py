"""Extrapolated learning curves: closed forms, real and made-up curves, and strange ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metadb.errors import WrongUsage
from recommenders import learning_curve
from recommenders.curve_family import FAMILIES
from recommenders.learning_curve import LearningCurve
from tests.recommenders.test_curve_family import TABLE_1

LCDB = Path(__file__).resolve().parents[3] / "shared" / "data" / "lcdb11"
EPOCHS = np.arange(1.0, 21.0)


def falling(n=20, seed=0, noise=0.01):
    x = np.arange(1.0, n + 1)
    return x, 0.2 + 0.7 * x**-0.6 + noise * np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_end_of_a_curve_of_each_family_is_within_its_interval(name):
    """And nearer than the last value, which misses it by what is left to gain."""
    letters, _ = TABLE_1[name]
    loss = 1 - FAMILIES[name].curve(EPOCHS, **letters)
    end = 1 - float(FAMILIES[name].curve(52.0, **letters))
    curve = LearningCurve.fit(EPOCHS, loss)
    mean, _ = curve.predict(52.0)
    assert abs(mean - end) < 0.7 * (loss[-1] - end)
    assert curve.quantile(52.0, 0.1) < end < curve.quantile(52.0, 0.9)
    assert sum(curve.weights.values()) == pytest.approx(1)
    assert set(curve.weights) == set(FAMILIES)


def test_evidence_and_prediction_are_those_of_dense_normal_distributions():
    """Each part by the plain formulas for a joint normal of the losses and the end, n + 1 wide."""
    x = np.array([2.0, 3.0, 4.0, 6.0, 7.0, 9.0])
    y = np.array([0.9, 0.7, 0.65, 0.5, 0.52, 0.45])
    at, size = 20.0, float(np.ptp(y))
    t = np.log(np.append(x, at) / 2) / np.log(9 / 2)
    logs, means, variances = [], [], []
    for family in FAMILIES.values():
        nodes = family.nodes(learning_curve.NODES[len(family.bends)], 4.5)
        s = family.shape(np.append(np.append(x, at), 9 * learning_curve.WINDOW) / 2, nodes)
        s = s[s[:, 5] - s[:, 0] != 0]
        s = (s - s[:, :1]) / (s[:, [5]] - s[:, :1])
        s = s[np.abs(s[:, -1]) < learning_curve.FURTHEST][:, :-1]
        for shape in s:
            for noise in learning_curve.NOISE:
                for stray in learning_curve.STRAY:
                    cov = (
                        2.0**2
                        + 0.7**2 * np.outer(shape, shape)
                        + stray**2 * np.minimum(t[:, None], t)
                        + noise**2 * np.eye(7)
                    )
                    z = (y - y[-1]) / size
                    solved = np.linalg.solve(cov[:6, :6], np.column_stack([z, cov[:6, 6]]))
                    logs.append(
                        -np.log(len(s)) - (np.linalg.slogdet(cov[:6, :6])[1] + z @ solved[:, 0]) / 2
                    )
                    means.append(cov[6, :6] @ solved[:, 0])
                    variances.append(cov[6, 6] - cov[6, :6] @ solved[:, 1])
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    mean = weight @ means
    sd = np.sqrt(weight @ (np.array(variances) + (np.array(means) - mean) ** 2))
    ours = LearningCurve.fit(x, y).predict(at)
    assert ours[0] == pytest.approx(
        y[-1] + size * mean, rel=1e-2
    )  # parts of small weight are left out
    assert ours[1] == pytest.approx(size * sd, rel=3e-2)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 5.0), (250.0, -3.0), (-1.0, 1.0), (1e-6, 0.0)])
def test_the_prediction_moves_and_stretches_with_the_losses(scale, offset):
    x, y = falling()
    one, two = LearningCurve.fit(x, y), LearningCurve.fit(3 * x, offset + scale * y)
    mean, sd = one.predict(np.array([25.0, 60.0]))
    means, sds = two.predict(3 * np.array([25.0, 60.0]))
    np.testing.assert_allclose(means, offset + scale * mean, rtol=1e-6)
    np.testing.assert_allclose(sds, abs(scale) * sd, rtol=1e-6)


def test_order_repetition_and_gaps_do_not_matter():
    x, y = falling()
    expected = LearningCurve.fit(x, y).predict(50.0)
    mixed = np.random.default_rng(1).permutation(20)
    assert LearningCurve.fit(x[mixed], y[mixed]).predict(50.0) == expected
    gappy = LearningCurve.fit([*x, 21.0, 22.0, np.nan], [*y, np.nan, np.inf, 0.1])
    assert gappy.predict(50.0) == expected
    assert LearningCurve.fit([*x, 20.0], [*y, y[-1]]).predict(50.0) == expected


def test_quantiles_probabilities_and_moments_agree():
    curve = LearningCurve.fit(*falling())
    shares = np.linspace(0.0025, 0.9975, 200)
    draws = np.array([curve.quantile(60.0, share) for share in shares])
    mean, sd = curve.predict(60.0)
    assert draws.mean() == pytest.approx(mean, abs=0.05 * sd)
    assert draws.std() == pytest.approx(sd, rel=0.15)
    for share, value in zip(shares[::20], draws[::20], strict=True):
        assert curve.probability_below(60.0, value) == pytest.approx(share, abs=1e-6)
    assert curve.probability_below(60.0, np.inf) == pytest.approx(1)
    assert curve.probability_below(60.0, -np.inf) == 0


def test_the_further_the_less_certain():
    curve = LearningCurve.fit(*falling())
    _, sd = curve.predict(np.array([21.0, 30.0, 60.0, 200.0]))
    assert (np.diff(sd) > 0).all()


def test_what_is_seen_is_known_up_to_the_noise():
    x, y = falling(noise=0.0)
    mean, _ = LearningCurve.fit(x, y).predict(x[10:])
    np.testing.assert_allclose(mean, y[10:], atol=0.005)


@pytest.mark.parametrize(
    "loss",
    [
        [0.5, 0.5, 0.5],
        [0.0, 0.0, 0.0, 0.0],
        [0.5, 0.4, 0.35],
        [0.3, 0.4, 0.5, 0.6, 0.9],
        [0.5, 0.1, 0.6, 0.2, 0.7, 0.1],
        [1e9, 1e3, 1.0, 0.9, 0.8],
        [-1e-9, -2e-9, -3e-9],
        [2.3, 2.3, 2.3, 2.2999999999],
    ],
)
def test_strange_curves_are_extrapolated_to_finite_numbers(loss):
    curve = LearningCurve.fit(np.arange(1, len(loss) + 1), loss)
    mean, sd = curve.predict(np.array([0.5, len(loss), 10.0, 1000.0]))
    assert np.isfinite(mean).all()
    assert (sd > 0).all()
    assert 0 <= curve.probability_below(10.0, float(mean[2])) <= 1


def test_a_constant_stays_and_a_rise_goes_on():
    mean, sd = LearningCurve.fit([1, 2, 3, 4], [0.5] * 4).predict(20.0)
    assert mean == pytest.approx(0.5)
    assert sd < 0.02
    curve = LearningCurve.fit([1, 2, 3, 4, 5], [0.3, 0.4, 0.5, 0.6, 0.7])
    assert curve.predict(10.0)[0] > 0.7
    assert curve.probability_below(10.0, 0.3) < 0.01


@pytest.mark.parametrize(
    ("budget", "loss"),
    [
        ([], []),
        ([1, 2], [0.3, 0.2]),
        ([1, 1, 1, 2], [0.3, 0.2, 0.3, 0.1]),
        ([1, 2, 3], [0.3, np.nan, 0.2]),
        ([0, 1, 2], [0.3, 0.2, 0.1]),
        ([1, 2, 3], [0.3, 0.2]),
    ],
)
def test_too_little_to_say_anything_is_an_error(budget, loss):
    with pytest.raises(WrongUsage):
        LearningCurve.fit(budget, loss)


def test_a_budget_of_nothing_is_an_error():
    with pytest.raises(WrongUsage):
        LearningCurve.fit(*falling()).predict(0.0)


@pytest.mark.skipif(not LCDB.is_dir(), reason="the real curves of LCDB 1.1 are not at hand")
def test_real_curves_end_nearer_than_their_last_value_and_mostly_inside():
    """One curve each of 59 data sets, from the sizes up to half of the largest."""
    anchors = np.array(json.loads((LCDB / "meta.json").read_text())["anchors"], float)
    files = sorted((LCDB / "er").glob("*.json"), key=lambda file: int(file.stem))[::3]
    ours, last, inside = [], [], []
    for nth, file in enumerate(files):
        loss = np.array(json.loads(file.read_text())[nth % 23][0], float)[:, 1]
        there = ~np.isnan(loss)
        x, y = anchors[there], loss[there]
        seen = x <= x.max(initial=0) / 2
        if seen.sum() < 8:
            continue
        curve = LearningCurve.fit(x[seen], y[seen])
        ours.append(abs(curve.predict(x[-1])[0] - y[-1]))
        last.append(abs(y[seen][-1] - y[-1]))
        inside.append(0.1 <= curve.probability_below(x[-1], y[-1]) <= 0.9)
    assert len(ours) > 40
    assert np.median(ours) < np.median(last)
    assert np.mean(ours) < np.mean(last)
    assert 0.7 <= np.mean(inside) <= 1.0
