"""The Pareto portfolio against areas counted on a fine grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.pareto import Pareto, added
from recommenders.portfolio import Portfolio
from tests.contracts.test_recommenders import NEW, make_history, told


def area(points):
    """The area of the unit square that the points dominate, by inclusion and exclusion."""
    if not points:
        return 0.0
    (r, u), rest = points[0], points[1:]
    # The part of the first that the rest does not have: cut them to its box.
    cut = [(max(r, s), max(u, v)) for s, v in rest]
    return (1 - r) * (1 - u) - area(cut) + area(rest)


@pytest.mark.parametrize("m", [0, 1, 2, 5])
def test_what_a_config_adds_is_the_difference_of_two_areas(m):
    rng = np.random.default_rng(m)
    members = [(rng.random(3), rng.random(3)) for _ in range(m)]
    regret, time = rng.random((6, 3)), rng.random((6, 3))
    expected = [
        [
            area([(regret[c, t], time[c, t]), *((r[t], u[t]) for r, u in members)])
            - area([(r[t], u[t]) for r, u in members])
            for t in range(3)
        ]
        for c in range(6)
    ]
    np.testing.assert_allclose(added(regret, time, members), expected, atol=1e-12)


def timed(seed):
    history = make_history(seed)
    return replace(history, cost_s=np.exp(np.random.default_rng(seed).normal(size=len(history))))


@pytest.mark.parametrize("taken", [(), (2, 11)])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_greedy_choice_by_mean_area(seed, taken):
    history = timed(seed)
    regret = Completion.fit(history).regrets(pool(history.configs))
    log_s = np.log(history.costs())
    low, high = log_s.min(axis=1, keepdims=True), log_s.max(axis=1, keepdims=True)
    time = (log_s - low) / (high - low)
    chosen = list(taken)
    while len(chosen) < 6 + len(taken):
        rest = [c for c in range(15) if c not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda c: sum(
                    area([(regret[t, i], time[t, i]) for i in (*chosen, c)]) for t in range(8)
                ),
            )
        )
    advice = Pareto.fit(history).recommend(NEW, 6, observed=told(history, *taken))
    assert [history.configs.index(r.config) for r in advice] == chosen[len(taken) :]


def test_where_all_take_the_same_time_it_is_the_portfolio():
    history = make_history(5)  # a second each
    assert Pareto.fit(history).recommend(NEW, 9) == Portfolio.fit(history).recommend(NEW, 9)


def test_a_history_without_seconds_says_so():
    with pytest.raises(NotFound, match="seconds"):
        Pareto.fit(replace(make_history(), cost_s=np.full(120, np.nan)))
