"""A3R against the paper's formula with a reference algorithm, in plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from recommenders.a3r import A3R
from recommenders.average_rank import AverageRank
from recommenders.candidates import pool
from recommenders.completion import Completion
from tests.contracts.test_recommenders import NEW, make_history


def timed(seed):
    history = make_history(seed)
    return replace(history, cost_s=np.exp(np.random.default_rng(seed).normal(size=len(history))))


def places(history, advice):
    return [history.configs.index(r.config) for r in advice]


@pytest.mark.parametrize("reference", [0, 7])
@pytest.mark.parametrize("power", [1 / 64, 0.25, 1.0])
def test_the_order_is_that_of_the_papers_formula(power, reference):
    history = timed(1)
    regret, seconds = Completion.fit(history).regrets(pool(history.configs)), history.costs()
    usable = [t for t in range(len(regret)) if regret[t, reference] < 1]  # a ratio to 0 is none
    assert len(usable) == len(regret)
    ranks = np.zeros(15)
    for t in usable:
        a3r = []
        for c in range(15):
            success = (1 - regret[t, c]) / (1 - regret[t, reference])
            time = seconds[t, c] / seconds[t, reference]
            a3r.append(success / time**power)
        for c in range(15):
            ranks[c] += sum(b > a3r[c] + 1e-12 for b in a3r)
    advice = A3R.fit(history, cost_power=power).recommend(NEW, 15)
    assert sorted(ranks) == [ranks[c] for c in places(history, advice)]


def test_without_a_power_it_is_average_rank():
    history = timed(2)
    one = A3R.fit(history, cost_power=0.0).recommend(NEW, 15)
    assert one == AverageRank.fit(history).recommend(NEW, 15)


def test_with_a_large_power_the_quickest_lead():
    history = make_history(3)
    history = replace(history, cost_s=np.where(history.config == 4, 0.5, 50.0 + history.config))
    assert places(history, A3R.fit(history, cost_power=9.0).recommend(NEW, 1)) == [4]


def test_a_history_without_seconds_says_so():
    with pytest.raises(NotFound, match="seconds"):
        A3R.fit(replace(make_history(), cost_s=np.full(120, np.nan)))
