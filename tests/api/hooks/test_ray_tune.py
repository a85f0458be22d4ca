"""Ray Tune, the real package: first points of its searchers, spaces, recording; and its traps.

A searcher suggests without a cluster, so only the tests that record start one.
"""

from __future__ import annotations

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, WrongUsage
from metadb.space import check
from tests.api.cluster import cluster
from tests.api.hooks.recommending import Fixed
from tests.api.hooks.searching import (
    CONFIGS,
    PROJECTED,
    STRANGE,
    TASK,
    brought,
    loss_of,
    shape,
    svm,
    told,
)

pytest.importorskip("ray.tune", reason="Ray Tune is not installed: pip install 'ray[tune]'")

from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator

from api.hooks.ray_tune import (
    Record,
    active,
    add_observed,
    to_domains,
    to_space,
    warm_start,
)

SPACE = svm()


def searcher(name, **more):
    """A searcher of Ray that knows the space, the metric and the mode."""
    library, module = {"OptunaSearch": ("optuna", "optuna"), "HyperOptSearch": ("hyperopt", "hyperopt")}[name]  # fmt: skip
    pytest.importorskip(library, reason=f"{library} is not installed: pip install {library}")
    kind = getattr(__import__(f"ray.tune.search.{module}", fromlist=[name]), name)
    space, mode = more.pop("space", None) or to_domains(SPACE), more.pop("mode", "min")
    made = kind(**more)
    assert made.set_search_properties("loss", mode, space)
    return made


def asked(made, n):
    return [active(made.suggest(str(i)) | {"k": "v"}, SPACE) for i in range(n)]


@pytest.mark.parametrize("name", ["OptunaSearch", "HyperOptSearch"])
def test_the_first_suggestions_are_exactly_the_recommendation(name):
    points, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, k=2)
    found = asked(searcher(name, points_to_evaluate=points), 6)
    assert found[:2] == CONFIGS[:2] == list(report.sent)
    assert check(SPACE, found) == [None] * 6


@pytest.mark.parametrize("name", ["OptunaSearch", "HyperOptSearch"])
def test_what_is_strange_is_projected_and_told(name):
    points, report = warm_start(SPACE, Fixed(*STRANGE), TASK)
    assert asked(searcher(name, points_to_evaluate=points), 2) == PROJECTED
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


# -- its traps ------------------------------------------------------------------------------------


def test_hyperopts_searcher_takes_values_and_not_indices():
    space = {"kernel": tune.choice(["rbf", "poly"]), "x": tune.uniform(0, 1)}
    points, _ = warm_start(space, Fixed({"kernel": "poly", "x": 0.25}), TASK)
    assert points == [{"kernel": "poly", "x": 0.25}]
    made = searcher("HyperOptSearch", points_to_evaluate=points, space=space)
    assert made.suggest("1") == points[0]


def test_a_space_that_is_a_function_needs_a_configspace_beside_it():
    """Older versions of Ray ignored points there (ray#35319)."""
    pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")
    from ray.tune.search.optuna import OptunaSearch

    def define(trial):
        trial.suggest_float("x", 0.0, 1.0)

    with pytest.raises(WrongUsage, match="does not say what is in it"):
        warm_start(define, Fixed({"x": 0.25}), TASK)
    space = cs.ConfigurationSpace("x", space={"x": (0.0, 1.0)})
    points, _ = warm_start(space, Fixed({"x": 0.25}), TASK)
    made = OptunaSearch(space=define, metric="loss", mode="min", points_to_evaluate=points)
    assert made.suggest("1")["x"] == 0.25


def test_optunas_searcher_refuses_a_point_with_a_constant_and_ours_has_none():
    space = {"x": tune.uniform(0, 1), "k": "v"}
    with pytest.raises(ValueError, match="do not match"):
        searcher("OptunaSearch", points_to_evaluate=[{"x": 0.25, "k": "v"}], space=space)
    points, _ = warm_start(space, Fixed({"x": 0.25, "k": "v"}), TASK)
    made = searcher("OptunaSearch", points_to_evaluate=points, space=space)
    assert made.suggest("1")["x"] == 0.25


@pytest.mark.parametrize("mode", ["min", "max"])
def test_scores_are_told_in_the_direction_of_the_mode(mode):
    made = searcher("OptunaSearch", mode=mode)
    losses = [0.5, 0.25, 0.75, 0.0]
    report = add_observed(made, told([*CONFIGS, STRANGE[0]], losses), space=SPACE)
    assert "its score would be another one's" in report.why[3]
    assert made._ot_study.best_trial.params["n"] == CONFIGS[1]["n"]
    assert len(made._ot_study.trials) == 3


def test_other_searchers_take_no_scores():
    made = searcher("HyperOptSearch")
    with pytest.raises(WrongUsage, match="HyperOptSearch of Ray Tune takes no scores"):
        add_observed(made, told(CONFIGS, [0.5, 0.25, 0.75]), space=SPACE)


# -- spaces ---------------------------------------------------------------------------------------


def test_a_space_becomes_domains_and_comes_back():
    assert shape(to_space(to_domains(SPACE))) == shape(SPACE, ordered=False)


def test_its_own_domains_are_read_and_points_are_nested_as_they_are():
    space = {
        "a": {"b": tune.randint(1, 9), "c": tune.choice(["p", None])},
        "g": tune.grid_search([1, 2]),
        "n": tune.qrandint(2, 8, 2),
        "q": tune.quniform(0, 1, 0.25),
        "k": 3,
    }
    assert shape(to_space(space)) == {
        "a/b": ("integer", 1.0, 8.0, False),
        "a/c": ("categorical", ("'None'", "'p'")),
        "g": ("categorical", ("1", "2")),
        "k": ("constant", ("3",)),
        "n": ("ordinal", (2, 4, 6, 8)),
        "q": ("ordinal", (0.0, 0.25, 0.5, 0.75, 1.0)),
    }
    points, _ = warm_start(space, Fixed({"a/b": 9, "a/c": "None", "g": 2, "n": 4, "q": 0.2}), TASK)
    assert points == [{"a": {"b": 8, "c": None}, "g": 2, "n": 4, "q": 0.25}]


def test_what_cannot_be_said_is_refused_in_words():
    with pytest.raises(InvalidSpace, match="'x' is drawn by Normal"):
        to_space({"x": tune.randn(0, 1)})
    with pytest.raises(InvalidSpace, match="'x' is a choice of domains"):
        to_space({"x": tune.choice([{"y": tune.uniform(0, 1)}, 3])})
    with pytest.raises(InvalidSpace, match="'x' is drawn by"):
        to_space({"x": tune.sample_from(lambda spec: 1)})
    space = cs.ConfigurationSpace("clause", space={"a": (0, 9)})
    space.add(cs.ForbiddenEqualsClause(space["a"], 3))
    with pytest.warns(UserWarning, match="Ray Tune has no place for its forbidden clauses"):
        to_domains(space)


# -- recording ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray():
    with cluster():
        yield


def fit(objective, points, n, tmp_path, store, **more):
    """A real search of one trial at a time, its trials in order, and what recorded them."""
    generator = BasicVariantGenerator(points_to_evaluate=points, max_concurrent=1)
    config = tune.TuneConfig(metric="loss", mode="min", num_samples=n, search_alg=generator)
    record = Record(config, store, TASK, metric="mae", space=SPACE, **more)
    run = tune.RunConfig(
        name="mine", storage_path=str(tmp_path / "ray"), callbacks=[record], verbose=0
    )
    tuner = tune.Tuner(objective, param_space=to_domains(SPACE), tune_config=config, run_config=run)
    return [one.config for one in tuner.fit()], record


def test_a_search_runs_the_recommendation_first_and_is_recorded(ray, store, tmp_path):
    from ingest.load import load
    from ingest.ray_tune import RayTune

    space, lossy = SPACE, loss_of

    def objective(config):
        mine = active(config, space)
        if mine["n"] == 1:
            raise ValueError("it broke")
        tune.report({"loss": lossy(mine)})

    points, report = warm_start(SPACE, Fixed(*CONFIGS), TASK)
    configs, record = fit(objective, points, 4, tmp_path, store)
    ran = [active(one, SPACE) for one in configs]
    assert ran[:3] == CONFIGS == list(report.sent)
    assert record.lost == {}
    rows = store.sql("select status, value from evaluations order by value nulls first")
    broken = sum(one["n"] == 1 for one in ran)  # the third, and what is drawn after it may be too
    assert [row["status"] for row in rows] == ["failed"] * broken + ["ok"] * (4 - broken)
    assert [row["value"] for row in rows][broken:] == pytest.approx(
        sorted(loss_of(one) for one in ran if one["n"] != 1)
    )
    source = RayTune([tmp_path / "ray"], task=TASK.id, metric="loss=mae", space="svm")
    (loaded,) = load("ray-tune", source, store, store.path / "cache")
    assert loaded.load["n_read"] >= 4


def test_reports_of_a_trial_are_its_learning_curve(store):
    """Called as Ray calls it: a trial that reports twice."""

    class Trial:
        trial_id, config = "t1", dict(CONFIGS[1])
        last_result = {"loss": 0.5, "training_iteration": 2, "time_total_s": 2.0}  # noqa: RUF012

    config = tune.TuneConfig(metric="loss", mode="min")
    record = Record(config, store, TASK, metric="mae", space=SPACE, curves=True)
    for nth, loss in [(1, 0.75), (2, 0.5)]:
        record.on_trial_result(0, [], Trial, {"loss": loss, "training_iteration": nth})
    record.on_trial_complete(0, [], Trial)
    rows = store.sql("select budget, budget_unit, value from evaluations order by budget")
    assert [(r["budget"], r["budget_unit"], r["value"]) for r in rows] == [
        (1.0, "iterations", 0.75), (2.0, "iterations", 0.5),
    ]  # fmt: skip


def test_what_cannot_be_recorded_is_refused_at_once(store):
    with pytest.raises(InvalidMetric, match="lower is better"):
        Record(tune.TuneConfig(metric="loss", mode="min"), store, TASK, metric="accuracy")
    with pytest.raises(WrongUsage, match="one metric and the mode"):
        Record(tune.TuneConfig(), store, TASK)


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.ray_tune", "ray.tune")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
