"""NePS, the real package: first trials, priors, imports, its spaces, recording."""

from __future__ import annotations

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, NotFound, WrongUsage
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, space_id
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.searching import brought
from tests.api.hooks.spaces import CONFIGS, FOREIGN, everything, svm

pytest.importorskip("neps", reason="neps is not installed: pip install neural-pipeline-search")

import neps
import torch
from neps.space.neps_spaces.neps_space import convert_neps_to_classic_search_space

from api.hooks.neps import (
    First,
    active,
    add_observed,
    priors,
    record,
    to_pipeline_space,
    to_space,
    warm_start,
)

TASK = Task("mine:churn")
pytestmark = pytest.mark.filterwarnings("ignore")


def run(root, optimizer, n, space=None, pipeline_space=None, **more):
    """What the objective is asked."""
    torch.manual_seed(0)
    asked = []
    space = space or svm()

    def evaluate_pipeline(**drawn):
        config = active(drawn, space)
        asked.append(config)
        return config["C"] / 10

    neps.run(
        evaluate_pipeline, pipeline_space or to_pipeline_space(space), root_directory=root,
        optimizer=optimizer, total_evaluations_to_spend=n, **more,
    )  # fmt: skip
    return asked


def test_the_first_trials_are_exactly_the_recommendation_in_a_conditional_space(tmp_path):
    first, report = warm_start(svm(), Fixed(*CONFIGS), TASK, k=3, optimizer="random_search")
    asked = run(tmp_path / "run", first, 2)
    asked += run(tmp_path / "run", first, 6)  # goes on where it was
    assert asked[:3] == CONFIGS
    assert report.sent == tuple(CONFIGS)
    assert len(asked) == 6
    assert check(svm(), asked) == [None] * 6


def test_several_are_asked_for_at_once_with_constants_and_every_kind(tmp_path):
    space = everything()
    drawn = [dict(one) for one in space.sample_configuration(3)]
    first, report = warm_start(space, Fixed(*drawn), TASK, optimizer="random_search")
    asked = run(tmp_path / "run", first, 5, space, sample_batch_size=2)
    assert asked[:3] == drawn == list(report.sent)
    assert len({str(one) for one in asked}) == 5


def test_what_is_foreign_is_projected(tmp_path):
    first, report = warm_start(svm(), Fixed(*FOREIGN), TASK, optimizer="random_search")
    asked = run(tmp_path / "run", first, 2)
    default = report.filled[0].after
    assert asked == [{"C": 10.0, "kernel": "rbf"}, {"C": 2.0, "kernel": "poly", "degree": default}]
    assert "'kernel' is 'tanh'" in report.why[2]


def test_neps_hands_on_as_it_is_what_is_projected_here(tmp_path):
    bad = {"C": 99.0, "kernel": "rbf", "degree": 3}
    seen = []

    def evaluate_pipeline(**drawn):
        seen.append(drawn)
        return 0.0

    neps.run(
        evaluate_pipeline, to_pipeline_space(svm()), root_directory=tmp_path / "run",
        optimizer=First([bad], "random_search"), total_evaluations_to_spend=1,
    )  # fmt: skip
    assert seen == [bad]


def test_the_best_config_becomes_the_priors_of_the_space():
    made, report = priors(svm(), Fixed(*CONFIGS), TASK, confidence="high")
    space = convert_neps_to_classic_search_space(made).elements
    assert {k: one.prior for k, one in space.items()} == CONFIGS[0]
    assert space["C"].prior_confidence == "high"
    assert report.sent == (CONFIGS[0],)
    made, _ = priors(svm(), Fixed({"C": 3.0, "kernel": "rbf"}), TASK)
    space = convert_neps_to_classic_search_space(made).elements
    assert space["degree"].prior is None
    with pytest.raises(WrongUsage, match="no config"):
        priors(svm(), Fixed({"kernel": "tanh"}), TASK)


def test_priors_are_where_nepss_own_optimizers_begin(tmp_path):
    made, _ = priors(svm(), Fixed(*CONFIGS), TASK, confidence="high")
    own = ("pibo", {"sample_prior_first": True})
    assert run(tmp_path / "pibo", own, 2, pipeline_space=made)[0] == CONFIGS[0]
    drawing = ("random_search", {"use_priors": True})
    first, _ = warm_start(made, Fixed(CONFIGS[1]), TASK, optimizer=drawing)
    asked = run(tmp_path / "both", first, 9, pipeline_space=made)
    assert asked[0] == CONFIGS[1]
    assert sum(one["kernel"] == "poly" for one in asked[1:]) >= 5


@pytest.mark.parametrize("warm", [False, True])
def test_what_is_imported_counts_and_is_not_recorded_as_run(tmp_path, store, warm):
    root, optimizer = tmp_path / "run", "random_search"
    if warm:
        optimizer, _ = warm_start(svm(), Fixed(*CONFIGS), TASK, optimizer=optimizer)
    told = [Evaluation(Trial(CONFIGS[0]), 0.5), Evaluation(Trial(FOREIGN[0]), 0.0)]
    report = add_observed(root, svm(), told, optimizer=optimizer)
    assert "its score would be another one's" in report.why[1]
    asked = run(root, optimizer, 4)
    assert len(asked) == 3
    assert CONFIGS[0] not in asked
    assert not warm or asked[:2] == CONFIGS[1:]
    record(root, store, TASK, metric="error_rate", space=svm())
    rows = store.sql("select value from evaluations")
    assert sorted(rows.column("value")) == pytest.approx(sorted(c["C"] / 10 for c in asked))


def test_a_directory_that_neps_cannot_begin_in_is_refused(tmp_path):
    with pytest.raises(WrongUsage, match="remove it or name another"):
        add_observed(tmp_path, svm(), [Evaluation(Trial(CONFIGS[0]), 0.5)])


# -- spaces --------------------------------------------------------------------------------------


def test_a_space_goes_to_neps_and_back():
    space = everything(conditional=False, ordered=False)
    assert space_id(to_space(to_pipeline_space(space), name="all")) == space_id(space)


def test_what_is_no_list_of_hyperparameters_is_refused():
    class Flat(neps.PipelineSpace):
        a = neps.Float(0.1, 1.0, log=True)
        b = neps.Integer(1, 9)
        c = neps.Categorical(("x", "y"))

    space = to_space(Flat())
    assert (space["a"].log, space["b"].upper, set(space["c"].choices)) == (True, 9, {"x", "y"})
    with pytest.raises(InvalidSpace, match="fidelity"):
        to_space(type("Slow", (neps.PipelineSpace,), {"e": neps.IntegerFidelity(1, 9)})())
    forbidden = svm()
    forbidden.add(cs.ForbiddenEqualsClause(forbidden["kernel"], "poly"))
    with pytest.warns(UserWarning, match="forbidden clauses"):
        to_pipeline_space(forbidden)
    with pytest.raises(InvalidSpace, match="several types"):
        to_pipeline_space(cs.ConfigurationSpace(space={"a": [1, "x"]}))


# -- recording -----------------------------------------------------------------------------------


def test_trials_are_recorded_once(tmp_path, store):
    root = tmp_path / "run"
    first, _ = warm_start(svm(), Fixed(*CONFIGS), TASK, optimizer="random_search")
    run(root, first, 3)
    for _ in range(2):
        assert record(root, store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql("select value from evaluations order by run")
    assert rows.column("value") == [0.5, 0.1, 0.3]
    with pytest.raises(InvalidMetric):
        record(root, store, TASK, metric="accuracy", space=svm())
    with pytest.raises(NotFound, match="no run"):
        record(tmp_path / "none", store, TASK, space=svm())


def test_curves_and_failures_are_recorded(tmp_path, store):
    root = tmp_path / "run"
    first, _ = warm_start(svm(), Fixed(*CONFIGS), TASK, optimizer="random_search")

    def evaluate_pipeline(C, kernel, degree):
        if kernel == "poly":
            raise ValueError("it broke")
        return {"objective_to_minimize": C / 10, "learning_curve": [0.9, C / 10]}

    neps.run(
        evaluate_pipeline, to_pipeline_space(svm()), root_directory=root, optimizer=first,
        total_evaluations_to_spend=2, ignore_errors=True,
    )  # fmt: skip
    assert record(root, store, TASK, metric="error_rate", space=svm()) == {}
    rows = store.sql(
        "select status, value, budget_unit, budget from evaluations order by run, budget_unit desc, budget"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("failed", None, "fraction", 1.0), ("ok", 0.9, "steps", 1.0), ("ok", 0.1, "steps", 2.0),
        ("ok", 0.1, "fraction", 1.0),
    ]  # fmt: skip


def test_several_objectives_are_refused(tmp_path, store):
    def evaluate_pipeline(C, kernel, degree):
        return [C, 1.0]

    neps.run(
        evaluate_pipeline, to_pipeline_space(svm()), root_directory=tmp_path / "run",
        optimizer="random_search", total_evaluations_to_spend=1,
    )  # fmt: skip
    with pytest.raises(WrongUsage, match="2 objectives"):
        record(tmp_path / "run", store, TASK, space=svm())


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.neps", "sys")
    assert not found & {"neps", "torch", "ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
