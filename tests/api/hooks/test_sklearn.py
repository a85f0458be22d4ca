"""scikit-learn's searches: the recommendation first, then random; and what they found recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ConfigSpace as cs
import pytest
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from api.hooks.sklearn import (
    HalvingRandomSearch,
    RandomizedSearch,
    record,
    to_space,
    warm_start,
)
from metadb.errors import InvalidSpace, NotFound, WrongUsage
from metadb.metrics import Metric
from metadb.records import Task
from metadb.space import check
from tests.api.hooks.recommending import Fixed

X, Y = make_classification(200, 6, random_state=0)
TASK = Task("mine:churn")
TREE = {
    "max_depth": randint(1, 9),
    "criterion": ["gini", "entropy"],
    "max_features": [None, "sqrt"],
}
CONFIGS = [
    {"max_depth": 3, "criterion": "gini", "max_features": "None"},
    {"max_depth": 5, "criterion": "entropy", "max_features": "sqrt"},
]
SENT = [{**CONFIGS[0], "max_features": None}, CONFIGS[1]]


def tree_search(**more):
    options = {"n_iter": 5, "cv": 3, "random_state": 0} | more
    return RandomizedSearch(DecisionTreeClassifier(random_state=0), TREE, **options)


# -- first candidates ----------------------------------------------------------------------------


def test_the_first_candidates_are_exactly_the_recommendation():
    search = tree_search()
    report = warm_start(search, Fixed(*CONFIGS), TASK, k=2)
    search.fit(X, Y)
    params = search.cv_results_["params"]
    assert params[:2] == SENT
    assert len(params) == 5
    cold = RandomizedSearchCV(search.estimator, TREE, n_iter=3, cv=3, random_state=0).fit(X, Y)
    assert params[2:] == cold.cv_results_["params"]
    assert report.sent == tuple(CONFIGS)
    assert search.score(X, Y) > 0.8


def test_a_cold_search_is_that_of_scikit_learn():
    search = tree_search().fit(X, Y)
    cold = RandomizedSearchCV(search.estimator, TREE, n_iter=5, cv=3, random_state=0).fit(X, Y)
    assert search.cv_results_["params"] == cold.cv_results_["params"]
    assert search.best_score_ == cold.best_score_


def test_a_clone_is_as_warm():
    search = tree_search(n_iter=2)
    warm_start(search, Fixed(*CONFIGS), TASK)
    assert clone(search).fit(X, Y).cv_results_["params"] == SENT


def test_the_first_round_of_halving_begins_with_the_recommendation():
    search = HalvingRandomSearch(
        DecisionTreeClassifier(random_state=0), TREE, n_candidates=6, cv=3, random_state=0
    )
    warm_start(search, Fixed(*CONFIGS), TASK)
    search.fit(X, Y)
    assert search.cv_results_["params"][:2] == SENT
    assert search.n_candidates_[0] == 6


def test_a_conditional_space_is_drawn_with_its_conditions():
    space = cs.ConfigurationSpace("svm", space={"C": (0.1, 10.0), "kernel": ["rbf", "linear"]})
    space.add(cs.Float("gamma", (1e-3, 1.0), log=True))
    space.add(cs.EqualsCondition(space["gamma"], space["kernel"], "rbf"))
    search = RandomizedSearch(SVC(), space, n_iter=12, cv=2, random_state=0)
    advice = Fixed({"C": 1.0, "kernel": "linear", "gamma": 0.5}, {"C": 99.0, "kernel": "rbf"})
    report = warm_start(search, advice, TASK)
    search.fit(X, Y)
    params = search.cv_results_["params"]
    assert check(space, params) == [None] * 12
    assert params[0] == {"C": 1.0, "kernel": "linear"}
    assert params[1]["C"] == 10.0
    assert [c.name for c in report.filled] == [c.name for c in report.dropped] == ["gamma"]
    assert {"gamma" in one for one in params[2:]} == {True, False}


def test_names_of_a_pipeline_are_renamed():
    pipeline = make_pipeline(StandardScaler(), SVC())
    search = RandomizedSearch(pipeline, {"svc__C": loguniform(0.1, 10.0)}, n_iter=2, cv=2)
    warm_start(search, Fixed({"C": 2.0}), TASK, rename={"C": "svc__C"})
    search.fit(X, Y)
    assert search.cv_results_["params"][0] == {"svc__C": 2.0}


def test_a_search_of_scikit_learn_itself_takes_none_and_says_so():
    with pytest.raises(WrongUsage, match="use RandomizedSearch"):
        warm_start(RandomizedSearchCV(SVC(), {"C": [1]}), Fixed(), TASK)


# -- spaces --------------------------------------------------------------------------------------


def test_distributions_become_a_space():
    space = to_space(
        {
            "a": uniform(1, 3),
            "b": loguniform(1e-3, 1),
            "n": randint(2, 7),
            "c": [None, 1, True],
            "k": ["x"],
        }
    )
    assert (space["a"].lower, space["a"].upper, space["a"].log) == (1.0, 4.0, False)
    assert (space["b"].lower, space["b"].upper, space["b"].log) == (0.001, 1.0, True)
    assert (space["n"].lower, space["n"].upper) == (2, 6)
    assert set(space["c"].choices) == {"None", 1}  # Python says 1 == True
    assert space["k"].value == "x"
    with pytest.raises(InvalidSpace, match="without bounds"):
        to_space({"a": norm(0, 1)})
    with pytest.raises(InvalidSpace, match="list of dicts"):
        to_space([{"a": [1]}])


# -- recording -----------------------------------------------------------------------------------


def test_what_is_recorded_is_what_reading_the_results_gives(store):
    from ingest.cv_results import add_cv_results

    search = tree_search(scoring="accuracy")
    warm_start(search, Fixed(*CONFIGS), TASK)
    search.fit(X, Y)
    assert record(search, store, TASK, space="tree") == {}
    rows = store.sql(
        "select fold, count(*) as n, avg(value) as mean from evaluations group by all order by 1"
    )
    assert [(r["fold"], r["n"]) for r in rows] == [(0, 5), (1, 5), (2, 5), (None, 5)]
    assert list(rows)[3]["mean"] == pytest.approx(search.cv_results_["mean_test_score"].mean())
    options = {"task": TASK.id, "space": "tree", "metric": "accuracy"}
    (loaded,) = add_cv_results(store, search.cv_results_, "churn", **options)
    assert loaded.added.added.get("evaluations", 0) == 0
    record(search, store, TASK, space="tree")
    assert store.sql("select count(*) as n from evaluations").column("n") == [20]


def test_the_results_meet_the_history_of_the_space(store):
    """Under the store's names, with what the search does not know: a constant."""
    space = cs.ConfigurationSpace("mine", space={"depth": (1, 9), "learner": "tree"})
    search = RandomizedSearch(
        DecisionTreeRegressor(random_state=0), {"max_depth": [2, 4, 30]}, n_iter=3, cv=2,
        random_state=0, scoring="neg_mean_squared_error",
    ).fit(X, X[:, 0])  # fmt: skip
    lost = record(search, store, TASK, space=space, rename={"depth": "max_depth"})
    assert len(lost) == 1
    assert "depth: 30 -> 9" in next(iter(lost.values()))
    history = store.history("mine", "mse")
    assert {c["depth"] for c in history.configs} == {2, 4}
    assert min(history.loss) >= 0
    kept = [i for i in range(3) if i not in lost]
    means = -search.cv_results_["mean_test_score"][kept]
    assert sorted(history.loss) == pytest.approx(sorted(means))


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_halving_records_resources_and_failures_have_no_score(store):
    search = HalvingRandomSearch(
        LogisticRegression(), {"C": [1.0, -1.0, 2.0, 3.0]}, n_candidates=4, cv=3, random_state=0
    )
    with pytest.warns(FitFailedWarning, match="fits failed"):
        search.fit(X, Y)
    record(search, store, TASK, space=to_space({"C": [1.0, -1.0, 2.0, 3.0]}))
    rows = store.sql("select distinct budget, budget_unit as unit from evaluations order by 1")
    assert [(r["budget"], r["unit"]) for r in rows] == [
        (float(n), "resources") for n in search.n_resources_
    ]
    failed = store.sql(
        "select distinct hyperparameters as h from evaluations join configs using (config) where status = 'failed'"
    )
    assert failed.column("h") == ['{"C":-1.0}']


def test_what_the_score_is_must_be_known(store):
    with pytest.raises(WrongUsage, match="not fitted"):
        record(tree_search(), store, TASK)
    search = tree_search(n_iter=1, scoring=lambda model, x, y: -1.0).fit(X, Y)
    with pytest.raises(WrongUsage, match="say metric="):
        record(search, store, TASK)
    with pytest.raises(NotFound, match="no metric"):
        record(search, store, TASK, metric="nonsense")
    record(search, store, TASK, metric=Metric("own_loss", lower_is_better=True))
    assert set(store.sql("select value from evaluations").column("value")) == {1.0}


def test_several_scores_are_several_metrics(store):
    search = tree_search(
        n_iter=1, scoring=["accuracy", "neg_log_loss", "f1_weighted"], refit="accuracy"
    )
    record(search.fit(X, Y), store, TASK)
    assert store.sql("select distinct metric from evaluations order by 1").column("metric") == [
        "accuracy", "f1", "log_loss",
    ]  # fmt: skip


def test_the_import_brings_neither_ingest_nor_servers_nor_torch():
    code = "import sys, api.hooks.sklearn; print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert not set(found.stdout.split()) & {
        "ingest",
        "fastapi",
        "uvicorn",
        "torch",
        "openml",
        "optuna",
    }
