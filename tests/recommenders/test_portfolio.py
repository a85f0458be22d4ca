"""The greedy portfolio against trying every set that has one member more."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.history import Configs
from metadb.records import Evaluation, Trial
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.portfolio import Portfolio
from tests.contracts.test_recommenders import NEW, make_history, told


def plain(regret, k, taken=()):
    """The places of `k` members after those taken; it begins anew when nothing can be gained."""
    chosen, reached = [], np.ones(len(regret))
    while len(chosen) < k + len(taken):
        rest = [c for c in range(regret.shape[1]) if c not in (*chosen, *taken)]
        if len(chosen) < len(taken):
            chosen.append(taken[len(chosen)])
        else:
            gained = np.minimum(reached[:, None], regret).sum(axis=0).round(9)
            chosen.append(min(rest, key=lambda c: (gained[c], regret[:, c].sum())))
        reached = np.minimum(reached, regret[:, chosen[-1]])
        left = [c for c in range(regret.shape[1]) if c not in chosen]
        if not (regret[:, left] < reached[:, None]).any():
            reached = np.ones(len(regret))
    return chosen[len(taken) :]


def few(history, tasks):
    return history.without(*history.tasks[tasks:])


def places(history, advice):
    return [history.configs.index(r.config) for r in advice]


@pytest.mark.parametrize("taken", [(), (4,), (1, 8)])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tasks", [2, 3, 10])
def test_the_portfolio_is_the_greedy_one(tasks, seed, taken):
    history = few(make_history(seed, share=0.8, failed=0.1), tasks)
    regret = Completion.fit(history).regrets(pool(history.configs))
    advice = Portfolio.fit(history).recommend(NEW, 8, observed=told(history, *taken))
    assert places(history, advice) == plain(regret, 8, taken)


@pytest.mark.parametrize("tasks", [1, 2, 10])
def test_asked_one_by_one_or_at_once_it_is_the_same(tasks):
    history = few(make_history(3), tasks)
    fitted = Portfolio.fit(history)
    run = []
    for _ in range(10):
        run += places(history, fitted.recommend(NEW, 1, observed=told(history, *run)))
    assert run == places(history, fitted.recommend(NEW, 10))


def test_what_failed_on_the_task_helps_nothing_there():
    history = make_history(4)
    fitted = Portfolio.fit(history)
    first, second = places(history, fitted.recommend(NEW, 2))
    failed = [Evaluation(Trial(history.configs[first]), None, status="failed")]
    regret = Completion.fit(history).regrets(pool(history.configs))
    alone = regret.mean(axis=0)
    alone[first] = np.inf
    assert places(history, fitted.recommend(NEW, 1, observed=failed)) == [int(alone.argmin())]
    assert int(alone.argmin()) != second  # the case parts the two


def test_an_observed_config_outside_the_candidates_counts_as_a_member():
    history = make_history(5)
    regret = Completion.fit(history).regrets(pool(history.configs))
    regret[:, 2] = 2.0  # the reference never chooses it
    advice = Portfolio.fit(history).recommend(
        NEW, 4, observed=told(history, 0, 1), candidates=history.configs.take(range(3, 15))
    )
    assert places(history, advice) == plain(regret, 4, (0, 1))


def test_new_candidates_are_advised_by_the_surrogates_and_it_says_so():
    history = make_history(6)
    new = Configs.of("toy", [{"x": 3.5, "kind": "a"}, {"x": 8.5, "kind": "b"}])
    advice = Portfolio.fit(history).recommend(NEW, 5, candidates=new)
    regret = Completion.fit(history).regrets(pool(history.configs, new))
    assert [new.index(r.config) for r in advice] == plain(regret, 2)
    assert all("surrogates" in r.because.note for r in advice)
