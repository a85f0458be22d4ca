"""Active testing against plain loops, peers' statistics and its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from metadb.errors import NotFound
from metadb.records import Evaluation, Trial
from recommenders.active_testing import (
    BETA,
    MOST,
    SIMILARITIES,
    SPREAD,
    ActiveTesting,
    discordance,
    expected_gain,
)  # fmt: skip
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.portfolio import Portfolio
from tests.contracts.test_recommenders import NEW, make_history


def observe(history, losses):
    """Evaluations of configs by place; None is a failure."""
    return [Evaluation(Trial(history.configs[c], id=c), loss) for c, loss in losses.items()]


def places(history, advice):
    return [history.configs.index(r.config) for r in advice]


def plain(regret, losses, similarity):
    """The next config, by the formulas of the docstring written as loops."""
    tasks, n = regret.shape
    told = {c: math.inf if loss is None else loss for c, loss in losses.items()}
    order = sorted(told, key=lambda c: told[c])
    best, second = order[:2]

    def discord(t):
        wrong = pairs = 0.0
        for i, a in enumerate(order):
            for b in order[i + 1 :]:
                here = int(told[a] > told[b]) - int(told[a] < told[b])
                there = int(regret[t, a] > regret[t, b]) - int(regret[t, a] < regret[t, b])
                wrong, pairs = wrong + abs(here - there) / 2, pairs + 1
        return wrong / pairs

    weight = []
    for t in range(tasks):
        weight.append(
            {
                "likelihood": math.exp(-BETA * len(told) * discord(t)),
                "ws": 1 - discord(t),
                "x": float(discord(t) == 0),
                "1": float(regret[t, best] < regret[t, second]),
                "0": 1.0,
            }[similarity]
        )
    if not any(weight):
        weight = [1.0] * tasks

    def gain(c):
        total = 0.0
        for t in range(tasks):
            d = regret[t, best] - regret[t, c]
            e = np.linspace(-SPREAD, SPREAD, 2001)
            total += weight[t] * np.trapezoid(np.maximum(0, d + e), e) / (2 * SPREAD)
        return total

    return max((c for c in range(n) if c not in told), key=gain)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("seed", range(4))
def test_the_next_config_is_that_of_the_plain_loops(seed, similarity):
    history = make_history(seed, failed=0.05)
    regret = Completion.fit(history).regrets(pool(history.configs))
    rng = np.random.default_rng(seed)
    losses = dict(zip(rng.choice(15, 4, replace=False).tolist(), rng.random(4), strict=True))
    losses[next(iter(losses))] = None
    fitted = ActiveTesting.fit(history, similarity=similarity)
    (first,) = fitted.recommend(NEW, 1, observed=observe(history, losses))
    assert places(history, [first])[0] == plain(regret, losses, similarity)


def test_expected_gain_is_the_integral():
    d = np.linspace(-0.1, 0.1, 41)
    e = np.linspace(-SPREAD, SPREAD, 20_001)
    integral = np.trapezoid(np.maximum(0, d[:, None] + e), e, axis=1) / (2 * SPREAD)
    np.testing.assert_allclose(expected_gain(d), integral, atol=1e-9)


def test_discordance_is_kendalls_tau():
    rng = np.random.default_rng(0)
    regret, loss = rng.random((9, 20)), rng.random(9)
    tau = [kendalltau(regret[:, t], loss).statistic for t in range(20)]
    np.testing.assert_allclose(discordance(regret, loss), (1 - np.array(tau)) / 2)


def test_ties_and_failures_are_compared_too():
    regret = np.array([[0.0, 1.0, 0.5], [0.5, 0.5, 0.5], [1.0, 0.0, 0.5]])
    loss = np.array([0.1, np.inf, np.inf])
    # Pairs: first < second, first < third, second = third.
    np.testing.assert_allclose(discordance(regret, loss), [0.5 / 3, 2.5 / 3, 1 / 3])


def test_many_observations_are_thinned():
    rng = np.random.default_rng(1)
    regret = rng.random((MOST * 5, 3))
    np.testing.assert_allclose(discordance(regret, regret[:, 1])[1], 0.0)
    assert discordance(regret, regret[:, 1])[0] == pytest.approx(0.5, abs=0.1)


def test_the_first_is_that_of_the_portfolio():
    for seed in range(5):
        history = make_history(seed)
        one, two = (F.fit(history).recommend(NEW, 1)[0] for F in (ActiveTesting, Portfolio))
        assert one.config == two.config


def test_a_task_that_agrees_takes_over():
    """The new task is task 3 again: after six observations its best config is advised."""
    history = make_history(8)
    regret = Completion.fit(history).regrets(pool(history.configs))
    best = int(regret[3].argmin())
    run = [c for c in range(15) if c != best][:6]
    observed = observe(history, {c: float(history.matrix()[3, c]) for c in run})
    (first,) = ActiveTesting.fit(history).recommend(NEW, 1, observed=observed)
    assert places(history, [first]) == [best]
    assert first.because.tasks[0] == history.tasks[3]


def test_only_the_order_of_the_losses_counts():
    history = make_history(9)
    fitted = ActiveTesting.fit(history)
    losses = {1: 0.3, 5: 0.2, 9: 0.9}
    stretched = {c: math.exp(20 * v) for c, v in losses.items()}
    one, two = (fitted.recommend(NEW, 9, observed=observe(history, o)) for o in (losses, stretched))
    assert one == two


def test_when_all_observed_failed_it_still_answers():
    history = make_history(10)
    observed = observe(history, {1: None, 5: None})
    advice = ActiveTesting.fit(history).recommend(NEW, 13, observed=observed)
    assert sorted(places(history, advice)) == [c for c in range(15) if c not in (1, 5)]
    assert all(0 <= r.expected_loss <= 1 for r in advice)


def test_an_unknown_similarity_is_named_with_those_that_exist():
    with pytest.raises(NotFound, match="no similarity 'AT9'; there are likelihood, ws"):
        ActiveTesting.fit(make_history(), similarity="AT9")
