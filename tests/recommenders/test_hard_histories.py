"""Histories and questions that have next to nothing in them: an honest answer, never a crash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.history import Configs
from metadb.records import Evaluation, Task, Trial
from recommenders.a3r import A3R
from recommenders.active_testing import ActiveTesting
from recommenders.active_testing_cost import ActiveTestingCost
from recommenders.average_rank import AverageRank
from recommenders.nearest import Nearest
from recommenders.pareto import Pareto
from recommenders.portfolio import Portfolio
from recommenders.random import Random
from tests.contracts.test_recommenders import NEW, make_history

FAMILIES = (
    Random, AverageRank, Portfolio, Nearest, ActiveTesting, A3R, Pareto, ActiveTestingCost,
)  # fmt: skip
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


@pytest.mark.parametrize("observed", [[], STRANGE], ids=["nothing observed", "strange"])
@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_answers_in_figures(family, name, observed):
    fitted = family.fit(HISTORIES[name])
    for task in (NEW, Task("toy:bare"), Task("toy:nan", metafeatures={"nr_inst": float("nan")})):
        for candidates, n in ((None, 4), (CANDIDATES, 1 if observed else 2)):
            advice = fitted.recommend(task, 4, observed=observed, candidates=candidates)
            assert n <= len(advice) <= 4
            for r in advice:
                low, high = r.interval
                assert 0 <= low <= high <= 1
                assert 0 <= r.expected_loss <= 1
                assert 0 < r.probability < 1
                assert all(0 < w < np.inf for w in r.because.weights)


@pytest.mark.parametrize("family", [AverageRank, Portfolio, Nearest, ActiveTesting])
def test_without_any_task_it_says_that_nothing_is_known(family):
    advice = family.fit(FULL.without(*FULL.tasks)).recommend(NEW, 3)
    assert len(advice) == 3
    assert all("no past task" in r.because.note for r in advice)
    assert all(r.expected_loss == 0.5 for r in advice)
