"""FLAML, the real package: first points, rewards, AutoML's starting points, recording; its traps."""

from __future__ import annotations

import ConfigSpace as cs
import pytest

from metadb.errors import InvalidMetric, InvalidSpace, WrongUsage
from metadb.space import check
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

pytest.importorskip("flaml", reason="flaml is not installed: pip install flaml")

from flaml import tune

from api.hooks.flaml import (
    active,
    add_observed,
    estimator_space,
    record,
    record_log,
    starting_points,
    to_domains,
    to_space,
    warm_start,
)

SPACE = svm()


def run(points, n=5, space=None, **more):
    """What was asked, and the analysis."""
    asked = []

    def objective(config):
        asked.append(active(config, SPACE) if space is None else dict(config))
        return {"loss": loss_of(asked[-1]) if space is None else config["x"]}

    given = {"metric": "loss", "mode": "min", "num_samples": n, "verbose": 0} | more
    analysis = tune.run(
        objective, config=space or to_domains(SPACE), points_to_evaluate=points, **given
    )
    return asked, analysis


def assert_same(asked, expected):
    """FLAML turns floats into its own scale and back."""
    for one, other in zip(asked, expected, strict=True):
        assert one == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            for name, value in other.items()
        }


def test_the_first_trials_are_exactly_the_recommendation():
    points, report = warm_start(SPACE, Fixed(*CONFIGS), TASK, k=2)
    asked, _ = run(points, 8)
    assert_same(asked[:2], CONFIGS[:2])
    assert list(report.sent) == CONFIGS[:2]
    assert check(SPACE, asked) == [None] * len(asked)


def test_what_is_strange_is_projected_and_told():
    points, report = warm_start(SPACE, Fixed(*STRANGE), TASK)
    assert_same(run(points)[0][:2], PROJECTED)
    assert {c.name for c in report.clipped} == {"kernel", "C"}
    assert [c.name for c in report.dropped] == ["foreign"]
    assert "'kernel' is 'tanh'" in report.why[2]


# -- its traps ------------------------------------------------------------------------------------


def test_flaml_evaluates_what_is_out_of_range_and_we_clip_it():
    space = {"x": tune.uniform(0, 1)}
    assert run([{"x": 7.0}], 1, space=space)[0][0]["x"] == pytest.approx(7.0)
    points, _ = warm_start(space, Fixed({"x": 7.0}), TASK)
    assert run(points, 1, space=space)[0][0]["x"] == pytest.approx(1.0)


def test_rewards_belong_to_the_first_points_and_the_best_of_them_is_not_told():
    space = {"x": tune.uniform(0, 1)}
    first, _ = warm_start(space, Fixed({"x": 0.75}), TASK)
    known = told([{"x": 0.5}, {"x": 0.25}, {"x": 7.0}], [0.0, 0.25, 0.0])
    points, rewards, report = add_observed(space, known, first)
    assert (points, rewards) == ([{"x": 0.5}, {"x": 0.25}, {"x": 0.75}], [0.0, 0.25])
    assert "its score would be another one's" in report.why[2]
    asked, analysis = run(points, 3, space=space, evaluated_rewards=list(rewards))
    assert asked[0]["x"] == pytest.approx(0.75)
    assert not any(one["x"] == pytest.approx(0.5, abs=1e-12) for one in asked)
    assert analysis.best_config["x"] != 0.5
    assert add_observed(space, known, mode="max")[1] == [0.0, -0.25]
    with pytest.raises(WrongUsage, match="'min' or 'max'"):
        add_observed(space, known, mode="up")


def test_flaml_empties_the_list_it_is_given():
    points = [{"x": 0.5}]
    run(points, 1, space={"x": tune.uniform(0, 1)})
    assert points == []


# -- spaces ---------------------------------------------------------------------------------------


def test_a_space_becomes_domains_and_comes_back():
    assert shape(to_space(to_domains(SPACE)), ordered=False) == shape(SPACE, ordered=False)


def test_its_own_domains_are_read():
    space = to_space({
        "a": {"b": tune.randint(1, 9), "c": tune.choice(["p", None])},
        "q": tune.quniform(0, 1, 0.25),
        "n": tune.qrandint(2, 8, 2),
    })  # fmt: skip
    assert shape(space) == {
        "a/b": ("integer", 1.0, 8.0, False),
        "a/c": ("categorical", ("'None'", "'p'")),
        "n": ("ordinal", (2, 4, 6, 8)),
        "q": ("ordinal", (0.0, 0.25, 0.5, 0.75, 1.0)),
    }
    points, _ = warm_start(
        {"a": {"b": tune.randint(1, 9), "c": tune.choice(["p", None])}},
        Fixed({"a/b": 9, "a/c": "None"}), TASK,
    )  # fmt: skip
    assert points == [{"a": {"b": 8, "c": None}}]


def test_what_cannot_be_said_is_refused_in_words():
    with pytest.raises(InvalidSpace, match="'x' is drawn by Normal"):
        to_space({"x": tune.randn(0, 1)})
    with pytest.raises(InvalidSpace, match="'x' is a choice of domains"):
        to_space({"x": tune.choice([{"y": tune.uniform(0, 1)}, 3])})
    space = cs.ConfigurationSpace("clause", space={"a": (0, 9)})
    space.add(cs.ForbiddenEqualsClause(space["a"], 3))
    with pytest.warns(UserWarning, match="FLAML has no place for its forbidden clauses"):
        to_domains(space)


# -- AutoML ---------------------------------------------------------------------------------------


def test_the_first_trials_of_automl_are_exactly_the_recommendation(store, tmp_path):
    automl = pytest.importorskip("flaml.automl", reason="flaml[automl] is not installed")
    model = pytest.importorskip("flaml.automl.model")
    pytest.importorskip("lightgbm")
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    domains = estimator_space(model.LGBMEstimator, X.shape, "multiclass")
    config = {
        "learner": "lgbm", "n_estimators": 7, "num_leaves": 5, "min_child_samples": 9,
        "learning_rate": 0.25, "log_max_bin": 5, "colsample_bytree": 0.5, "reg_alpha": 0.125,
        "reg_lambda": 0.5,
    }  # fmt: skip
    advice = Fixed(config, {"learner": "svc", "C": 1.0}, {**config, "n_estimators": 10**6})
    points, reports = starting_points({"lgbm": domains}, advice, TASK, learner="learner")
    assert len(points["lgbm"]) == 2
    assert [c.after for c in reports["lgbm"].clipped] == [len(X) - 1]
    log = tmp_path / "automl.log"
    automl.AutoML().fit(
        X, y, task="multiclass", estimator_list=["lgbm"], starting_points=points, max_iter=3,
        time_budget=60, log_file_name=str(log), log_type="all", verbose=0, n_jobs=1,
        eval_method="cv", n_splits=2, seed=0,
    )  # fmt: skip
    lost = record_log(log, store, TASK, metric="log_loss", space="mine", learner="learner")
    assert lost == {}
    found = store.history("mine", "log_loss")
    ran = [dict(one) for one in found.configs]
    for expected in reports["lgbm"].sent:
        assert {"learner": "lgbm", **expected} in [
            {k: round(v, 9) if isinstance(v, float) else v for k, v in one.items()} for one in ran
        ]
    assert record_log(log, store, TASK, metric="log_loss", study="other") == {}
    assert store.space("flaml:other/lgbm")["n_estimators"]


# -- recording ------------------------------------------------------------------------------------


def test_trials_are_recorded_once(store):
    points, _ = warm_start(SPACE, Fixed(*CONFIGS), TASK)
    asked, analysis = run(points)
    for _ in range(2):
        assert record(analysis, store, TASK, metric="mae", space=SPACE) == {}
    history = store.history("svm", "mae")
    assert sorted(history.loss) == pytest.approx(sorted(map(loss_of, asked)))
    assert len(store.sql("select * from evaluations")) == len(analysis.trials)


def test_a_score_that_is_better_the_other_way_is_refused(store):
    _, analysis = run([], 1)
    with pytest.raises(InvalidMetric, match="lower is better"):
        record(analysis, store, TASK, metric="accuracy", space=SPACE)


def test_the_import_brings_neither_ingest_nor_servers():
    found = brought("api.hooks.flaml", "flaml.tune")
    assert not found & {"ingest", "fastapi", "uvicorn", "openml", "optuna"}
    assert "metadb" in found
