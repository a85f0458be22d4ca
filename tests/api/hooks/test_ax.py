"""Ax, the real package: attached trials, its spaces, recording, other tasks; and its traps."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import ConfigSpace as cs
import numpy as np
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, NotFound, WrongUsage
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, space_id
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.spaces import CONFIGS, FOREIGN, everything, past, svm

pytest.importorskip("ax", reason="ax is not installed: pip install ax-platform")

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, DerivedParameterConfig, RangeParameterConfig

from api.hooks.ax import (
    add_observed,
    add_sources,
    record,
    space_of,
    to_parameters,
    to_space,
    waiting,
    warm_start,
)

TASK = Task("mine:churn")
logging.getLogger("ax").setLevel(logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore")


def client(space=None, objective="-loss"):
    made = Client(random_seed=0)
    made.configure_experiment(parameters=to_parameters(space or svm()), name="s")
    made.configure_optimization(objective=objective)
    return made


def run(one, n, sign=1.0):
    """What a loop asks: first what waits, then what Ax draws."""
    asked = []
    trials = waiting(one)
    for _ in range(n):
        trials = trials or dict(one.get_next_trials(1))
        index, parameters = trials.popitem() if len(trials) == 1 else (min(trials), None)
        parameters = parameters or trials.pop(index)
        asked.append(dict(parameters))
        one.complete_trial(index, raw_data={"loss": sign * parameters["C"] / 10})
    return asked


def test_the_first_trials_are_exactly_the_recommendation_in_a_conditional_space():
    one = client()
    report = warm_start(one, Fixed(*CONFIGS), TASK, k=3)
    asked = run(one, 5)
    assert asked[:3] == CONFIGS
    assert report.sent == tuple(CONFIGS)
    assert check(svm(), asked) == [None] * 5
    again = warm_start(one, Fixed(*CONFIGS), TASK)
    assert list(again.why) == [0, 1, 2]
    assert waiting(one) == {}


def test_ax_takes_as_it_is_what_is_projected_here():
    bad = client(svm(conditional=False))
    bad.attach_trial({"C": 99.0, "kernel": "rbf"})
    bad.attach_trial({"C": 1.0, "kernel": "tanh"})
    with pytest.raises((KeyError, ValueError), match="depth"):
        bad.attach_trial({"C": 1.0, "kernel": "rbf", "depth": 7})
    with pytest.raises(ValueError, match="hierarchical"):
        client().attach_trial({"C": 1.0, "kernel": "rbf", "degree": 3})
    one = client()
    report = warm_start(one, Fixed(*FOREIGN), TASK)
    assert list(waiting(one).values()) == [
        {"C": 10.0, "kernel": "rbf"},
        {"C": 2.0, "kernel": "poly", "degree": report.filled[0].after},
    ]
    assert sorted(c.name for c in report.dropped) == ["degree", "depth"]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_what_was_measured_here_is_completed_in_the_objectives_direction():
    one = client(objective="loss")
    told = [Evaluation(Trial(c), v) for c, v in zip(CONFIGS, (0.5, 0.1, 0.3), strict=True)]
    report = add_observed(one, [*told, Evaluation(Trial(FOREIGN[0]), 0.0)])
    assert list(one._experiment.lookup_data().df["mean"]) == [-0.5, -0.1, -0.3]
    assert "its score would be another one's" in report.why[3]
    assert waiting(one) == {}


def test_other_tasks_never_enter_the_experiment():
    one = client(svm(conditional=False))
    reports = add_sources(one, past(), ["past:low", "past:high"], seed=0)
    (sources,) = one._experiment.auxiliary_experiments_by_purpose.values()
    assert len(one._experiment.trials) == 0
    assert [len(r.sent) for r in reports.values()] == [4, 5]
    for source in sources:
        values = source.experiment.lookup_data().df["mean"]
        assert values.mean() == pytest.approx(0.0, abs=1e-9)
        assert values.std(ddof=0) == pytest.approx(1.0)


def test_the_model_of_other_tasks_draws_after_the_recommendation():
    configs = [{"C": c, "kernel": k} for c in (0.5, 2.0, 5.0, 9.0) for k in ("rbf", "poly")]
    loss = np.array([c["C"] for c in configs]) + np.random.default_rng(0).standard_normal(8)
    noisy = History(  # a GP without noise takes Ax 50 s to fit
        "error_rate", ("past:noisy",), Configs.of("svm", configs), np.zeros(8, np.int32),
        np.arange(8, dtype=np.int32), loss, np.full(8, np.nan), np.ones(8),
    )  # fmt: skip
    one = client(svm(conditional=False))
    add_sources(one, noisy, ["past:noisy"], seed=0)
    first = [{"C": 9.0, "kernel": "rbf"}, {"C": 7.0, "kernel": "poly"}]
    warm_start(one, Fixed(*first), TASK)
    asked = run(one, 3)
    assert asked[:2] == first
    assert asked[2]["C"] < 7.0  # of both tasks, smaller is better
    nodes = [t.generator_runs[0]._generation_node_name for t in one._experiment.trials.values()]
    assert nodes[2] == "transfer"


def test_other_tasks_are_refused_where_ax_cannot_take_them():
    with pytest.raises(InvalidSpace, match="without conditions"):
        add_sources(client(), past(), ["past:low"])
    with pytest.raises(NotFound, match="no task"):
        add_sources(client(svm(conditional=False)), past(), ["past:none"])


# -- spaces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditional", [True, False])
def test_a_space_goes_to_ax_and_back(conditional):
    space = everything(conditional=conditional)
    back = to_space(to_parameters(space), name="all")
    of = space_of(client(space), name="all")
    assert space_id(back) == space_id(of)
    assert space_id(back) == space_id(space)


def test_parameters_become_a_space_and_what_is_none_is_refused():
    space = to_space([
        RangeParameterConfig(name="a", bounds=(0, 1), parameter_type="float", step_size=0.25),
        ChoiceParameterConfig(name="b", values=["x"], parameter_type="str"),
    ])  # fmt: skip
    assert space["a"].sequence == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert space["b"].value == "x"
    derived = DerivedParameterConfig(name="d", expression_str="2 * a", parameter_type="float")
    with pytest.raises(InvalidSpace, match="derived"):
        to_space([derived])
    with pytest.raises(InvalidSpace, match="several types"):
        to_parameters(cs.ConfigurationSpace(space={"a": [1, "x"]}))
    space = svm()
    space.add(cs.ForbiddenEqualsClause(space["kernel"], "poly"))
    with pytest.raises(InvalidSpace, match="forbidden"):
        to_parameters(space)
    space = cs.ConfigurationSpace(space={"a": (0.0, 1.0), "b": (0.0, 1.0)})
    space.add(cs.GreaterThanCondition(space["b"], space["a"], 0.5))
    with pytest.raises(InvalidSpace, match="no words for the condition"):
        to_parameters(space)
    space = cs.ConfigurationSpace(space={"kernel": ["rbf", "poly", "linear"], "gamma": (0.0, 1.0)})
    space.add(cs.InCondition(space["gamma"], space["kernel"], ["rbf", "poly"]))
    with pytest.raises(InvalidSpace, match="trees of conditions"):
        to_parameters(space)
    with pytest.raises(WrongUsage, match="no experiment"):
        space_of(Client())


# -- recording -----------------------------------------------------------------------------------


def test_trials_are_recorded_once(store):
    one = client()
    add_observed(one, [Evaluation(Trial({"C": 4.0, "kernel": "rbf"}), 0.4)])
    warm_start(one, Fixed(*CONFIGS), TASK)
    run(one, 4)
    failed = one.attach_trial({"C": 7.0, "kernel": "rbf"})
    one.mark_trial_failed(failed)
    assert record(one, store, TASK, metric="error_rate", space=svm()) == {}
    assert record(one, store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql("select status, value, run from evaluations order by run")
    assert [r["status"] for r in rows] == ["ok"] * 4 + ["failed"]
    assert [r["value"] for r in rows][:3] == [0.5, 0.1, 0.3]
    assert store.history("svm", "error_rate").tasks == ("mine:churn",)


def test_the_direction_must_be_that_of_the_metric(store):
    with pytest.raises(InvalidMetric):
        record(client(), store, TASK, metric="accuracy")
    with pytest.raises(WrongUsage, match="not one metric"):
        record(client(objective="-loss, -time"), store, TASK)


def test_the_import_brings_neither_ax_nor_ingest_nor_servers():
    code = "import sys, api.hooks.ax; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {"ax", "torch", "ingest", "fastapi", "openml"}
