"""SMAC, the real package: its initial design, what it is told, recording; and its traps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ConfigSpace as cs
import pytest
from ConfigSpace.exceptions import (
    ActiveHyperparameterNotSetError,
    IllegalValueError,
    InactiveHyperparameterSetError,
)

from metadb.errors import InvalidMetric, NotFound, WrongUsage
from metadb.records import Evaluation, Task, Trial
from tests.api.hooks.recommending import Fixed

pytest.importorskip("smac", reason="smac is not installed: pip install smac")

from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario

from api.hooks.smac import Record, add_observed, warm_start

TASK = Task("mine:churn")


def svm():
    space = cs.ConfigurationSpace(
        "svm", seed=0, space={"C": (0.0, 10.0), "kernel": ["rbf", "poly"]}
    )
    space.add(cs.Integer("degree", (2, 5)))
    space.add(cs.EqualsCondition(space["degree"], space["kernel"], "poly"))
    return space


CONFIGS = [
    {"C": 5.0, "kernel": "poly", "degree": 4},
    {"C": 1.0, "kernel": "rbf"},
    {"C": 3.0, "kernel": "rbf"},
]


@pytest.fixture
def scenario(tmp_path):
    options = {"n_trials": 12, "deterministic": True, "seed": 1, "name": "s"}
    return lambda **more: Scenario(svm(), output_directory=tmp_path / "out", **(options | more))


def optimize(scenario, **more):
    """A facade, and what its target function was asked."""
    asked = []

    def cost(config, seed=0):
        asked.append(dict(config))
        return config["C"] / 10

    return Facade(scenario, cost, overwrite=True, logging_level=False, **more), asked


def told(configs, losses):
    return [Evaluation(Trial(c), loss) for c, loss in zip(configs, losses, strict=True)]


# -- the initial design --------------------------------------------------------------------------


def test_the_first_trials_are_exactly_the_recommendation(scenario):
    one = scenario()
    design, report = warm_start(one, Fixed(*CONFIGS), TASK, k=3)
    facade, asked = optimize(one, initial_design=design)
    facade.optimize()
    assert asked[:3] == CONFIGS
    assert report.sent == tuple(CONFIGS)
    assert len(asked) == 12


def test_its_own_design_comes_before_what_is_added_to_it_and_is_paid_for(scenario):
    one = scenario()
    added = [cs.Configuration(one.configspace, values=c) for c in CONFIGS]
    facade, asked = optimize(
        one, initial_design=Facade.get_initial_design(one, additional_configs=added)
    )
    facade.optimize()
    assert asked[:3] != CONFIGS


def test_configspace_raises_for_what_is_projected_here(scenario):
    one = scenario()
    bad = {
        InactiveHyperparameterSetError: {"C": 1.0, "kernel": "rbf", "degree": 3},
        ActiveHyperparameterNotSetError: {"C": 2.0, "kernel": "poly"},
        IllegalValueError: {"C": 99.0, "kernel": "rbf"},
    }
    for error, config in bad.items():
        with pytest.raises(error):
            cs.Configuration(one.configspace, values=config)
    design, report = warm_start(one, Fixed(*bad.values(), {"C": 1, "kernel": "tanh"}), TASK)
    facade, asked = optimize(one, initial_design=design)
    facade.optimize()
    default = one.configspace["degree"].default_value
    assert asked[:3] == [
        {"C": 1.0, "kernel": "rbf"},
        {"C": 2.0, "kernel": "poly", "degree": default},
        {"C": 10.0, "kernel": "rbf"},
    ]
    assert [c.name for c in (*report.dropped, *report.filled, *report.clipped)] == [
        "degree", "degree", "C",
    ]  # fmt: skip
    assert "'kernel' is 'tanh'" in report.why[3]


def test_more_than_the_trials_and_nothing_are_refused(scenario):
    with pytest.raises(WrongUsage, match="smaller k"):
        warm_start(scenario(n_trials=2), Fixed(*CONFIGS), TASK)
    with pytest.raises(WrongUsage, match="nothing to begin with"):
        warm_start(scenario(), Fixed({"kernel": "tanh"}), TASK)


# -- what is known -------------------------------------------------------------------------------


def test_what_is_told_counts_among_the_trials_and_is_not_run_again(scenario):
    one = scenario()
    design, _ = warm_start(one, Fixed(CONFIGS[2]), TASK)
    facade, asked = optimize(one, initial_design=design)
    known = told([*CONFIGS[:2], {"C": 99.0, "kernel": "rbf"}], [0.5, 0.1, 0.0])
    report = add_observed(facade, known)
    facade.optimize()
    assert len(facade.runhistory) == 12
    assert len(asked) == 10
    assert not any(config in CONFIGS[:2] for config in asked)
    assert "its score would be another one's" in report.why[2]


def test_seeds_that_are_not_smacs_are_refused(scenario):
    facade, _ = optimize(scenario(deterministic=False))
    with pytest.raises(WrongUsage, match="deterministic=True"):
        add_observed(facade, told(CONFIGS[:1], [0.5]))


# -- recording -----------------------------------------------------------------------------------


def test_what_is_recorded_is_what_reading_the_run_history_gives(scenario, store, tmp_path):
    from ingest.load import load
    from ingest.smac import Smac

    one = scenario(n_trials=8)
    record = Record(one, store, TASK, metric="error_rate")
    design, _ = warm_start(one, Fixed(*CONFIGS), TASK)
    facade, _ = optimize(one, initial_design=design, callbacks=[record])
    add_observed(facade, told([{"C": 4.0, "kernel": "rbf"}], [0.4]))
    facade.optimize()
    assert record.lost == []
    values = store.sql("select value from evaluations").column("value")
    assert len(values) == 7  # what was told is not recorded as run
    source = Smac([tmp_path / "out"], task=TASK.id, metric="error_rate", space="svm")
    (loaded,) = load("smac", source, store, store.path / "cache")
    assert loaded.added.added.get("evaluations", 0) == 1  # the one that was told
    assert store.history("svm", "error_rate").tasks == ("mine:churn",)


def test_a_crash_has_no_score(scenario, store):
    def broken(config, seed=0):
        if config["kernel"] == "poly":
            raise ValueError("it broke")
        return config["C"] / 10

    one = scenario(n_trials=3)
    design, _ = warm_start(one, Fixed(*CONFIGS), TASK)
    record = Record(one, store)
    Facade(
        one, broken, initial_design=design, callbacks=[record], overwrite=True, logging_level=False
    ).optimize()
    rows = store.sql(
        "select status, value, metric, task from evaluations order by value nulls first"
    )
    assert [(r["status"], r["value"]) for r in rows] == [("failed", None), ("ok", 0.1), ("ok", 0.3)]
    assert {(r["metric"], r["task"]) for r in rows} == {("s/cost", "smac:s")}


def test_a_score_that_is_better_the_higher_is_refused(scenario, store):
    with pytest.raises(InvalidMetric, match="minimises a cost"):
        Record(scenario(), store, metric="accuracy")
    with pytest.raises(NotFound, match="no task"):
        Record(scenario(), store, "mine:nothing")


def test_the_import_brings_neither_ingest_nor_servers():
    code = "import sys, api.hooks.smac; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
