"""The leaderboard: best first in the user's direction, at the largest budget, nothing hidden."""

from __future__ import annotations

import csv
import io

import pytest

from api.leaderboard import Leaderboard
from metadb.metrics import METRICS
from metadb.records import Evaluation, Trial
from optimizers.learners import defaults
from optimizers.objective import CrossValidated

FOREST, TREES, BOOSTED, *_ = defaults("classification")


def evaluated(n, config, values, budget=1.0, *, sign=-1.0):
    folds = {"accuracy": values, "log_loss": values}
    loss = sign * sum(values) / len(values)
    return CrossValidated(Trial(config, budget, n), loss, 1.5, folds=folds)


SEARCH = [
    evaluated(0, FOREST, (0.8, 0.9)),
    evaluated(1, TREES, (0.9, 0.9)),
    evaluated(2, FOREST, (0.99, 0.99), budget=0.5),
    Evaluation(Trial(BOOSTED, id=3), None, 9.0, "timeout"),
    evaluated(4, dict(TREES) | {"extra_trees__n_estimators": 16}, (0.9, 0.9)),
]


def test_the_best_comes_first_and_small_budgets_do_not_count():
    board = Leaderboard.of(SEARCH, METRICS["accuracy"], folds=2, first=[FOREST])
    assert [(p.rank, p.trial, round(p.value, 9)) for p in board.places] == [
        (1, 1, 0.9), (2, 4, 0.9), (3, 0, 0.85),
    ]  # fmt: skip
    assert board.places[2].sd == pytest.approx(0.0707, abs=1e-4)
    assert [p.first for p in board.places] == [False, False, True]
    assert [p.learner for p in board.best_of_each] == ["extra_trees", "random_forest"]
    assert board.trials == {"random_forest": (2, 0), "extra_trees": (2, 0), "lightgbm": (1, 1)}
    assert board.without == ["lightgbm"]
    assert board.why == {"timeout": 1}
    text = "\n".join(board.lines())
    assert "best of 5 trials: extra_trees, accuracy 0.9 +- 0 (2 folds), trial 1" in text
    assert "lightgbm" in text


def test_a_loss_is_shown_as_it_is_and_the_smaller_is_the_better():
    told = [evaluated(0, FOREST, (0.5, 0.7), sign=1.0), evaluated(1, TREES, (0.3, 0.3), sign=1.0)]
    board = Leaderboard.of(told, METRICS["log_loss"], folds=2)
    assert [p.value for p in board.places] == pytest.approx([0.3, 0.6])


def test_where_nothing_reached_all_rows_the_largest_share_counts():
    board = Leaderboard.of([SEARCH[2]], METRICS["accuracy"], folds=2)
    assert (board.budget, len(board.places)) == (0.5, 1)
    assert "on 50% of the rows" in next(board.lines())


def test_nothing_usable_is_an_empty_board():
    board = Leaderboard.of([SEARCH[3]], METRICS["accuracy"], folds=2)
    assert board.places == ()
    assert board.best_of_each == []


def test_files_hold_every_configuration():
    board = Leaderboard.of(SEARCH, METRICS["accuracy"], folds=2)
    rows = list(csv.DictReader(io.StringIO(board.csv())))
    assert [int(r["trial"]) for r in rows] == [1, 4, 0]
    assert float(rows[0]["accuracy"]) == pytest.approx(0.9)
    plain = board.as_dict()
    assert [p["config"] for p in plain["places"]] == [dict(p.config) for p in board.places]
    assert plain["learners"][-1] == {
        "learner": "lightgbm", "value": None, "sd": None, "trial": None, "trials": 1, "failed": 1,
    }  # fmt: skip
