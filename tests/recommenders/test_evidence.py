"""Expected regret, interval and chance, against sorting, integration and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommenders.evidence import CLOSE, SHARE, from_model, from_tasks


def plainly(regret, weight):
    """Of one config: the mean and the quantiles of a mixture of points and one uniform task."""
    known = [(r, w) for r, w in zip(regret, weight, strict=True) if r == r and w > 0]
    total = sum(w for _, w in known)
    squares = sum(w * w for _, w in known)
    doubt = squares / total if known else 1.0  # s / n with n = s^2 / sum of w^2
    whole = total + doubt
    expected = (sum(r * w for r, w in known) + doubt * 0.5) / whole
    probability = (sum(w for r, w in known if r <= CLOSE) + doubt * CLOSE) / whole

    def quantile(share):
        """The smallest r with F(r) >= share: F is linear between the points, and jumps at them."""
        below, at = 0.0, 0.0
        for r, w in [*sorted(known), (1.0, 0.0)]:
            if below + doubt * r >= share * whole:  # reached on the way to r
                return max(at, (share * whole - below) / doubt)
            below, at = below + w, r
            if below + doubt * r >= share * whole:
                return r
        return 1.0

    tail = (1 - SHARE) / 2
    return expected, quantile(tail), quantile(1 - tail), probability


REGRETS = st.lists(
    st.tuples(
        st.one_of(st.just(float("nan")), st.sampled_from([0.0, 0.01, 1.0]), st.floats(0, 1)),
        st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-3, 1e3)),
    ),
    max_size=8,
)


@given(REGRETS)
def test_it_is_what_a_plain_computation_says(rows):
    regret, weight = np.array(rows, float).reshape(-1, 2).T
    said = from_tasks(regret[:, None], weight)
    expected, low, high, probability = plainly(regret, weight)
    assert said.expected[0] == pytest.approx(expected, rel=1e-12)
    assert said.probability[0] == pytest.approx(probability, rel=1e-12)
    assert said.low[0] == pytest.approx(low, abs=1e-8)
    assert said.high[0] == pytest.approx(high, abs=1e-8)
    assert 0 <= said.low[0] <= said.high[0] <= 1


def test_the_quantiles_are_those_of_draws():
    rng = np.random.default_rng(0)
    regret, weight = rng.random((12, 3)) ** 2, rng.random(12) + 0.1
    regret[rng.random((12, 3)) < 0.3] = np.nan
    said = from_tasks(regret, weight)
    for c in range(3):
        there = ~np.isnan(regret[:, c])
        w = weight[there]
        doubt = (w**2).sum() / w.sum()
        share = np.append(w, doubt) / (w.sum() + doubt)
        n = 400_000
        task = rng.choice(len(share), n, p=share)
        drawn = np.where(task == len(w), rng.random(n), np.append(regret[there, c], 0)[task])
        assert said.expected[c] == pytest.approx(drawn.mean(), abs=3e-3)
        assert said.probability[c] == pytest.approx((drawn <= CLOSE).mean(), abs=2e-3)
        for q in ((1 - SHARE) / 2, (1 + SHARE) / 2):
            value = said.low[c] if q < 0.5 else said.high[c]
            assert (drawn <= value + 1e-6).mean() >= q - 3e-3
            assert (drawn < value - 1e-6).mean() <= q + 3e-3


def test_one_task_that_knows_it_best_is_believed_by_three_quarters():
    said = from_tasks(np.zeros((1, 1)))
    assert said.expected[0] == pytest.approx(0.25)
    assert said.probability[0] == pytest.approx((1 + CLOSE) / 2)
    assert (said.low[0], said.high[0]) == pytest.approx((0.0, 0.8), abs=1e-8)


def test_nothing_known_is_uniform():
    for regret in (np.empty((0, 2)), np.full((3, 2), np.nan)):
        said = from_tasks(regret)
        assert said.expected.tolist() == [0.5, 0.5]
        np.testing.assert_allclose(said.low, 0.1, atol=1e-8)
        np.testing.assert_allclose(said.high, 0.9, atol=1e-8)
        np.testing.assert_allclose(said.probability, CLOSE)


@given(st.floats(1e-6, 1e6))
def test_the_unit_of_the_weights_says_nothing(unit):
    rng = np.random.default_rng(1)
    regret, weight = rng.random((6, 4)), rng.random(6)
    one, other = from_tasks(regret, weight), from_tasks(regret, unit * weight)
    np.testing.assert_allclose(other.expected, one.expected, rtol=1e-12)
    np.testing.assert_allclose(other.low, one.low, atol=1e-8)
    np.testing.assert_allclose(other.high, one.high, atol=1e-8)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_not_even_one_whose_square_is_no_float(unit):
    regret = np.array([[0.1], [0.2]])
    said = from_tasks(regret, np.full(2, unit))
    assert said.expected[0] == pytest.approx(from_tasks(regret).expected[0])


def test_a_task_of_no_weight_is_as_if_it_were_not_there():
    rng = np.random.default_rng(2)
    regret, weight = rng.random((5, 3)), np.array([1.0, 0.0, 2.0, 0.0, 0.5])
    one, other = from_tasks(regret, weight), from_tasks(regret[::2], weight[::2])
    np.testing.assert_array_equal(one.expected, other.expected)
    np.testing.assert_array_equal(one.high, other.high)


def test_more_tasks_that_agree_make_it_surer():
    few, many = (from_tasks(np.full((n, 1), 0.2)) for n in (2, 50))
    assert many.high[0] - many.low[0] < few.high[0] - few.low[0]
    assert abs(many.expected[0] - 0.2) < abs(few.expected[0] - 0.2)


CASES = [
    (0.3, 0.1, 0.0, 1.0), (0.0, 0.5, 0.0, 1.0), (-3.0, 1.0, -2.0, 4.0), (9.0, 0.5, 0.0, 1.0),
    (12.0, 3.0, 10.0, 20.0), (0.005, 0.002, 0.0, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("mean", "sd", "best", "worst"), CASES)
def test_a_normal_prediction_agrees_with_draws(mean, sd, best, worst):
    drawn = np.random.default_rng(0).normal(mean, sd, 1_000_000)
    regret = np.clip((drawn - best) / (worst - best), 0, 1)
    said = from_model(np.array([mean]), np.array([sd]), best=best, worst=worst)
    assert said.expected[0] == pytest.approx(regret.mean(), abs=5 * regret.std() / 1000 + 1e-9)
    assert said.probability[0] == pytest.approx((regret <= CLOSE).mean(), abs=3e-3)
    low, high = np.quantile(regret, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    assert said.low[0] == pytest.approx(low, abs=4e-3)
    assert said.high[0] == pytest.approx(high, abs=4e-3)


def test_a_certain_prediction_is_a_point():
    said = from_model(np.array([2.0, 1.0, 5.0]), np.zeros(3), best=1.0, worst=3.0)
    np.testing.assert_allclose(said.expected, [0.5, 0.0, 1.0], atol=1e-8)
    np.testing.assert_allclose(said.low, said.high, atol=1e-8)
    np.testing.assert_allclose(said.probability, [0.0, 1.0, 0.0])


def test_a_task_without_a_range_gives_no_nan():
    said = from_model(np.array([0.0, 1.0]), np.array([0.1, 0.0]), best=0.5, worst=0.5)
    assert np.isfinite([said.expected, said.low, said.high, said.probability]).all()
