"""Random orders."""

from __future__ import annotations

from metadb.records import Task
from recommenders.random import Random
from tests.contracts.test_recommenders import NEW, make_history, told


def test_random_orders_differ_between_tasks_and_seeds():
    history = make_history()
    orders = {
        tuple(r.config["x"] for r in Random.fit(history, seed=s).recommend(Task(t), 15))
        for s in (0, 1)
        for t in ("toy:a", "toy:b")
    }
    assert len(orders) == 4


def test_asking_one_by_one_follows_the_same_order():
    history = make_history()
    fitted = Random.fit(history, seed=3)
    at_once = [history.configs.index(r.config) for r in fitted.recommend(NEW, 15)]
    run = []
    for _ in range(15):
        (one,) = fitted.recommend(NEW, 1, observed=told(history, *run))
        run.append(history.configs.index(one.config))
    assert run == at_once


def test_every_config_comes_first_about_as_often():
    history = make_history()
    n = 600
    firsts = [0] * 15
    for seed in range(n):
        (one,) = Random.fit(history, seed=seed).recommend(NEW, 1)
        firsts[history.configs.index(one.config)] += 1
    # Chi-square with 14 degrees of freedom: 36.1 is passed once in a thousand; seeds are fixed.
    assert sum((f - n / 15) ** 2 / (n / 15) for f in firsts) < 36.1
