"""KerasTuner, the real package: an oracle's first trials, its spaces, what it is told, recording."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, WrongUsage
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, space_id
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.spaces import CONFIGS, FOREIGN, everything, svm

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("keras_tuner", reason="keras_tuner is not installed: pip install keras-tuner")

import keras_tuner as kt

from api.hooks.keras_tuner import (
    add_observed,
    record,
    to_hyperparameters,
    to_space,
    warm_start,
)

TASK = Task("mine:churn")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def tuner(tmp_path):
    """A tuner whose trials are scored by their C, and what it was asked."""

    class Tuner(kt.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            values = trial.hyperparameters
            asked = {"C": values.get("C"), "kernel": values.get("kernel")}
            if asked["kernel"] == "poly":
                asked["degree"] = values.get("degree")
            self.asked.append(asked)
            return values.get("C") / 10

    def make(oracle=kt.oracles.BayesianOptimizationOracle, n=8, direction="min", **more):
        one = oracle(
            objective=kt.Objective("default_objective", direction), max_trials=n, seed=1,
            hyperparameters=to_hyperparameters(svm()), **more,
        )  # fmt: skip
        made = Tuner(oracle=one, directory=tmp_path, project_name="p", overwrite=True)
        made.asked = []
        return made

    return make


def test_the_first_trials_are_exactly_the_recommendation_in_a_conditional_space(tuner):
    one = tuner()
    report = warm_start(one, Fixed(*CONFIGS), TASK, k=3)
    one.search(verbose=0)
    assert one.asked[:3] == CONFIGS
    assert report.sent == tuple(CONFIGS)
    assert len(one.asked) == 8
    assert check(svm(), one.asked) == [None] * 8
    assert list(warm_start(one, Fixed(*CONFIGS), TASK).why) == [0, 1, 2]


def test_what_is_foreign_is_projected(tuner):
    one = tuner(kt.oracles.RandomSearchOracle, n=2)
    report = warm_start(one, Fixed(*FOREIGN), TASK)
    one.search(verbose=0)
    default = report.filled[0].after
    assert one.asked == [
        {"C": 10.0, "kernel": "rbf"},
        {"C": 2.0, "kernel": "poly", "degree": default},
    ]
    assert sorted(c.name for c in report.dropped) == ["degree", "depth"]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_a_search_with_an_order_of_its_own_is_refused(tuner):
    with pytest.raises(WrongUsage, match="own order"):
        warm_start(tuner(kt.oracles.GridSearchOracle), Fixed(*CONFIGS), TASK)
    with pytest.raises(WrongUsage, match="no tuner"):
        warm_start(object(), Fixed(*CONFIGS), TASK)


def test_what_is_told_counts_among_the_trials_and_bayesian_search_uses_it(tuner):
    one = tuner(n=8, num_initial_points=2)
    told = [Evaluation(Trial(c), v) for c, v in zip(CONFIGS, (0.5, 0.1, 0.3), strict=True)]
    report = add_observed(one, [*told, Evaluation(Trial(FOREIGN[0]), 0.0)])
    assert "its score would be another one's" in report.why[3]
    _, y = one.oracle._vectorize_trials()
    assert sorted(y) == [0.1, 0.3, 0.5]
    one.search(verbose=0)
    assert len(one.asked) == 5
    assert not any(asked in CONFIGS for asked in one.asked)
    high = tuner(direction="max")
    add_observed(high, told)
    assert [t.score for t in high.oracle.trials.values()] == [-0.5, -0.1, -0.3]


# -- spaces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditional", [True, False])
def test_a_space_goes_to_keras_tuner_and_back(conditional):
    space = everything(conditional=conditional)
    assert space_id(to_space(to_hyperparameters(space), name="all")) == space_id(space)


def test_hyperparameters_become_a_space():
    made = kt.HyperParameters()
    made.Int("n", 2, 32, step=2, sampling="log")
    made.Float("a", 0, 1, step=0.25)
    made.Fixed("k", "x")
    made.Choice("c", ["u", "v", "w"])
    with made.conditional_scope("c", ["u", "v"]):
        made.Boolean("b")
    space = to_space(made)
    assert space["n"].sequence == (2, 4, 8, 16, 32)
    assert space["a"].sequence == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert check(space, [{"n": 2, "a": 0.0, "k": "x", "c": "w"}]) == [None]
    assert check(space, [{"n": 2, "a": 0.0, "k": "x", "c": "u", "b": True}]) == [None]


def test_what_keras_tuner_cannot_say_is_refused():
    with pytest.raises(InvalidSpace, match="one type"):
        to_hyperparameters(cs.ConfigurationSpace(space={"a": [1, "x"]}))
    space = cs.ConfigurationSpace()
    space.add(cs.OrdinalHyperparameter("o", ["low", "high"]))
    with pytest.raises(InvalidSpace, match="only numbers an order"):
        to_hyperparameters(space)
    made = kt.HyperParameters()
    made.Choice("c", ["u", "v"])
    for value in ("u", "v"):
        with made.conditional_scope("c", [value]):
            made.Int("n", 1, 9 if value == "u" else 3)
    with pytest.raises(InvalidSpace, match="declared twice"):
        to_space(made)


# -- recording -----------------------------------------------------------------------------------


def test_trials_are_recorded_once(tuner, store):
    one = tuner(n=5)
    add_observed(one, [Evaluation(Trial({"C": 4.0, "kernel": "rbf"}), 0.4)])
    warm_start(one, Fixed(*CONFIGS), TASK)
    one.search(verbose=0)
    for _ in range(2):
        assert record(one, store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql("select value from evaluations order by run")
    assert len(rows) == 4
    assert [r["value"] for r in rows][:3] == [0.5, 0.1, 0.3]
    assert store.history("svm", "error_rate").tasks == ("mine:churn",)
    with pytest.raises(InvalidMetric):
        record(one, store, TASK, metric="accuracy")


def test_the_import_brings_neither_keras_nor_ingest_nor_servers():
    code = "import sys, api.hooks.keras_tuner; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {"keras", "torch", "ingest", "fastapi", "openml"}
