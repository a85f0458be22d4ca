"""Histories and questions that have next to nothing in them: an honest answer, never a crash."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from metadb.errors import NotFound
from metadb.history import Configs
from metadb.records import Evaluation, Task, Trial
from recommenders import RECOMMENDERS
from tests.contracts.test_recommenders import NEW, make_history

FULL = make_history(2)


def only(history, rows):
    columns = ("task", "config", "loss", "cost_s", "budget")
    return replace(history, **{name: getattr(history, name)[rows] for name in columns})


HISTORIES = {
    "one task": FULL.without(*FULL.tasks[1:]),
    "all failed": replace(FULL, loss=np.full(len(FULL), np.inf)),
    "constant": replace(FULL, loss=np.zeros(len(FULL))),
    "no loss known": replace(FULL, loss=np.full(len(FULL), np.nan)),
    "nothing described": replace(FULL, described={"nr_inst": np.full(8, np.nan)}),
    "half timed": replace(FULL, cost_s=np.where(np.arange(len(FULL)) % 2, 3.0, np.nan)),
    "nothing shared": only(FULL, np.flatnonzero(FULL.config % 8 == FULL.task)),
}
STRANGE = [
    Evaluation(Trial(FULL.configs[0]), None, status="failed"),
    Evaluation(Trial(FULL.configs[0]), 0.3, 2.0),
    Evaluation(Trial(FULL.configs[1]), float("nan"), float("nan")),
    Evaluation(Trial({"x": 99.0, "kind": "a"}), 0.1),
    Evaluation(Trial({"unheard": 1}), 0.1, 1.0),
    Evaluation(Trial({"x": 3.25, "kind": "b"}), 0.2, 1.0),
]
CANDIDATES = Configs.of("toy", [{"x": 1.0, "kind": "b"}, {"x": 2.5, "kind": "a"}, {"x": -9.0}])


MAY_SAY_NEVER = {"auto", "pretrained"}
"""Whose probability may come out as 0 or 1 in floating point."""


@cache
def fitted(name, history):
    return RECOMMENDERS[name].fit(HISTORIES[history])


@pytest.mark.parametrize("observed", [[], STRANGE], ids=["nothing observed", "strange"])
@pytest.mark.parametrize(
    ("name", "history"),
    # No member of `auto` weighs time, and judging them takes some.
    [(n, h) for n in RECOMMENDERS for h in HISTORIES if (n, h) != ("auto", "half timed")],
)
def test_it_answers_in_figures(name, history, observed):
    recommender = fitted(name, history)
    # Where all that was run failed, `auto` leaves out the one candidate that was.
    hopeless = name == "auto" and not np.isfinite(HISTORIES[history].loss).any()
    for task in (NEW, Task("toy:bare"), Task("toy:nan", metafeatures={"nr_inst": float("nan")})):
        for candidates, n in ((None, 4), (CANDIDATES, 1 if observed or hopeless else 2)):
            advice = recommender.recommend(task, 4, observed=observed, candidates=candidates)
            assert n <= len(advice) <= 4
            for r in advice:
                low, high = r.interval
                assert 0 <= low <= high <= 1
                assert 0 <= r.expected_loss <= 1
                assert 0 <= r.probability <= 1
                assert name in MAY_SAY_NEVER or 0 < r.probability < 1
                assert all(0 < w < np.inf for w in r.because.weights)


WEIGH_TIME = ("a3r", "pareto", "active_testing_cost")
NEED_TASKS = ("pretrained", "factorisation", "oboe", "zero_shot", "ranking")
NEED_RESULTS = ("tst", "stacked", *NEED_TASKS)


@pytest.mark.parametrize("name", NEED_RESULTS)
def test_who_needs_results_says_that_there_are_none(name):
    with pytest.raises(NotFound, match="no evaluation"):
        RECOMMENDERS[name].fit(FULL.at(np.empty(0, np.intp)))
    if name in NEED_TASKS:
        with pytest.raises(NotFound, match="no evaluation"):
            RECOMMENDERS[name].fit(FULL.without(*FULL.tasks))


@pytest.mark.parametrize(
    "name", [name for name in RECOMMENDERS if name not in (*WEIGH_TIME, *NEED_TASKS)]
)
def test_without_any_task_it_says_that_nothing_is_known(name):
    advice = RECOMMENDERS[name].fit(FULL.without(*FULL.tasks)).recommend(NEW, 3)
    assert len(advice) == 3
    assert all(r.expected_loss == 0.5 for r in advice)
    if name != "random":
        assert all("no past task" in r.because.note for r in advice)


@pytest.mark.parametrize("name", WEIGH_TIME)
def test_who_weighs_time_says_that_none_is_known(name):
    with pytest.raises(NotFound, match="seconds"):
        RECOMMENDERS[name].fit(FULL.without(*FULL.tasks))


@pytest.mark.parametrize(
    "name", [name for name in RECOMMENDERS if name not in (*WEIGH_TIME, *NEED_RESULTS)]
)
def test_of_tasks_that_ran_nothing_nothing_is_promised(name):
    for r in RECOMMENDERS[name].fit(FULL.at(np.empty(0, np.intp))).recommend(NEW, 3):
        assert 0.3 <= r.expected_loss <= 0.7
