"""Active testing by gain per second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from metadb.records import Evaluation, Trial
from recommenders.active_testing import ActiveTesting
from recommenders.active_testing_cost import ActiveTestingCost
from tests.contracts.test_recommenders import NEW, make_history


def observed(history):
    return [
        Evaluation(Trial(history.configs[c], id=c), loss, 1.0)
        for c, loss in {2: 0.4, 6: 0.1, 11: 0.7}.items()
    ]


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_without_a_power_or_with_equal_seconds_it_is_active_testing(power):
    history = make_history(1)  # a second each
    if power == 0.0:
        noise = np.random.default_rng(0).normal(size=len(history))
        history = replace(history, cost_s=np.exp(noise))
    fitted = ActiveTestingCost.fit(history, cost_power=power)
    plain = ActiveTesting.fit(history)
    for told in ([], observed(history)):
        assert fitted.recommend(NEW, 5, observed=told) == plain.recommend(NEW, 5, observed=told)


def test_of_two_alike_the_quick_one_comes_first():
    history = make_history(2)
    loss = history.loss.copy()
    loss[np.isin(history.config, (3, 8))] = -1.0  # both are the best everywhere
    for quick, slow in ((3, 8), (8, 3)):
        seconds = np.where(history.config == slow, 1000.0, 10.0)
        timed = replace(history, loss=loss, cost_s=seconds)
        (first,) = ActiveTestingCost.fit(timed).recommend(NEW, 1)
        assert history.configs.index(first.config) == quick


def test_a_history_without_seconds_says_so():
    with pytest.raises(NotFound, match="seconds"):
        ActiveTestingCost.fit(replace(make_history(), cost_s=np.full(120, np.nan)))
