"""What searches of scikit-learn found, in memory and in each form in which it is saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.cv_results import CvResults, add_cv_results
from ingest.load import Loaded, load
from metadb.errors import WrongUsage
from metadb.store import Store


def put(store: Store, *paths: Path, **options: Any) -> list[Loaded]:
    return list(load("cv-results", CvResults(paths, **options), store, store.path / "cache"))


def evaluations(store: Store, metric: str) -> list[tuple[Any, ...]]:
    found = store.sql(
        "select hyperparameters as h, fold, value, status, e.cost_s from evaluations e "
        "join configs using (config) where metric = ? order by h, fold",
        [metric],
    )
    return [tuple(row.values()) for row in found]


def test_splits_are_folds_and_a_sign_is_turned(tiny: Callable[[str], Path], store: Store) -> None:
    put(store, tiny("cv-results"))
    one, two, three = '{"C":-1.0,"depth":4}', '{"C":0.5,"depth":"None"}', '{"depth":3}'
    assert evaluations(store, "accuracy") == [
        (one, 0, None, "failed", 1.25),
        (one, 1, None, "failed", 1.25),
        (one, None, None, "failed", 1.25),
        (two, 0, 0.25, "ok", 1.5),
        (two, 1, 0.5, "ok", 1.5),
        (two, None, 0.375, "ok", 1.5),
        (three, 0, 0.5, "ok", 1.5),
        (three, 1, 0.75, "ok", 1.5),
        (three, None, 0.625, "ok", 1.5),
    ]
    assert [row[2] for row in evaluations(store, "log_loss")] == [None, 0.5, 0.25]


def searched(**options: Any) -> Any:
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    grid = [
        {"C": [1, 10], "kernel": ["linear"], "class_weight": [None]},
        {"C": [1], "kernel": ["rbf"], "gamma": [1, -1]},  # a negative gamma fails
    ]
    x, y = load_iris(return_X_y=True)
    return GridSearchCV(SVC(), grid, cv=3, **options).fit(x, y)


@pytest.mark.filterwarnings("ignore")
def test_every_form_says_what_the_search_said(tmp_path: Path, store: Store) -> None:
    pandas = pytest.importorskip("pandas")
    scoring = ["accuracy", "f1_weighted", "f1_macro"]
    results = searched(scoring=scoring, refit=False).cv_results_
    add_cv_results(store, results, "svm", task="mine:iris", space="svc")
    texts = [
        '{"C":1,"class_weight":"None","kernel":"linear"}',
        '{"C":1,"gamma":-1,"kernel":"rbf"}',
        '{"C":1,"gamma":1,"kernel":"rbf"}',
        '{"C":10,"class_weight":"None","kernel":"linear"}',
    ]
    order = [0, 3, 2, 1]  # of the texts in the search
    for scorer, metric in zip(scoring, ("accuracy", "f1", "f1_macro"), strict=True):
        found = evaluations(store, metric)
        assert [row[0] for row in found] == [text for text in texts for _ in range(4)]
        columns = [f"split{i}_test_{scorer}" for i in range(3)] + [f"mean_test_{scorer}"]
        expected = np.array([[results[column][i] for column in columns] for i in order])
        told = np.array([row[2] for row in found], dtype=float).reshape(4, 4)
        np.testing.assert_array_equal(told, expected)
    frame = pandas.DataFrame(results)
    frame.to_csv(tmp_path / "svm.csv", index=False)
    (loaded,) = put(store, tmp_path / "svm.csv", task="mine:iris", space="svc")
    assert (loaded.load["n_added"], loaded.load["n_known"], loaded.load["n_rejected"]) == (0, 48, 0)

    frame.to_json(tmp_path / "svm.json", double_precision=15)  # pandas rounds, so not the same
    frame.drop(columns=["param_class_weight"]).to_parquet(tmp_path / "svm.parquet")
    for kind in ("json", "parquet"):
        put(store, tmp_path / f"svm.{kind}", task=f"mine:{kind}", space=kind)
        found = store.sql("select hyperparameters as h from configs where space = ?", [kind])
        shorter = sorted(text.replace('"class_weight":"None",', "") for text in texts)
        assert sorted(found.column("h")) == (texts if kind == "json" else shorter)
        query = "select value from evaluations where task = ? order by value"
        told, said = (
            np.array(store.sql(query, [f"mine:{one}"]).column("value"), float)
            for one in (kind, "iris")
        )
        np.testing.assert_allclose(told, said, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore")
def test_the_one_score_of_a_search_is_what_the_user_says(store: Store) -> None:
    results = searched(scoring="neg_mean_absolute_error").cv_results_
    add_cv_results(store, results, "svm")
    assert store.metric("svm/score").lower_is_better is False
    add_cv_results(store, results, "named", metric="neg_mean_absolute_error")
    assert min(row[2] for row in evaluations(store, "mae") if row[3] == "ok") >= 0
    with pytest.raises(WrongUsage, match="better the other way"):
        add_cv_results(store, results, "wrong", metric="rmse")


@pytest.mark.filterwarnings("ignore")
def test_halving_is_a_curve_and_an_estimator_is_text(store: Store) -> None:
    from sklearn.datasets import load_iris
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

    model = Pipeline([("tree", DecisionTreeClassifier())])
    trees = [DecisionTreeClassifier(), ExtraTreeClassifier()]
    grid = {"tree": trees, "tree__max_depth": [1, 2, 3]}
    x, y = load_iris(return_X_y=True)
    search = HalvingGridSearchCV(model, grid, cv=2, random_state=0, scoring="accuracy").fit(x, y)
    add_cv_results(store, search.cv_results_, "trees", metric="accuracy")
    curves = store.sql("select distinct budget_unit as u, budget as b from learning_curves")
    assert set(curves.column("u")) == {"resources"}
    assert set(curves.column("b")) <= set(map(float, search.n_resources_))
    texts = store.sql("select hyperparameters as h from configs").column("h")
    assert {json.loads(text)["tree"].partition("(")[0] for text in texts} == {
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
    }


def test_minimize_is_of_scorers_of_ones_own(tmp_path: Path, store: Store) -> None:
    """`neg_log_loss` is turned whatever is said of the others."""
    (tmp_path / "own.csv").write_text(
        "params,mean_test_odd,mean_test_neg_log_loss\n{'C': 1},3,-2\n"
    )
    put(store, tmp_path / "own.csv", minimize=True)
    assert [row[2] for row in evaluations(store, "log_loss")] == [2.0]
    assert [row[2] for row in evaluations(store, "odd")] == [3.0]
    assert store.metric("odd").lower_is_better
