"""Cross-validation: the same folds for all, nested budgets, every metric, both kinds."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

from metadb.metrics import METRICS, as_loss
from metadb.records import Trial
from optimizers.learners import defaults, pipeline
from optimizers.objective import CrossValidation
from optimizers.scoring import SCORES

ROOT = Path(__file__).resolve().parents[2]
KNN = {
    "learner": "knn",
    "knn__n_neighbors": 3,
    "knn__weights": "uniform",
    "knn__metric": "euclidean",
}
SVM = {"learner": "svm", "svm__C": 1.0, "svm__kernel": "linear"}


@pytest.mark.parametrize("metric", SCORES["classification"])
def test_the_loss_is_the_mean_over_folds_turned_once(metric):
    x, y = load_iris(return_X_y=True)
    found = CrossValidation(x, y, folds=4, metric=metric)(Trial(KNN))
    assert set(found.folds) == set(SCORES["classification"])
    assert {len(values) for values in found.folds.values()} == {4}
    assert found.loss == as_loss(fmean(found.folds[metric]), METRICS[metric])
    assert found.cost_s == pytest.approx(sum(found.fold_cost_s))


def test_numbers_are_scored_as_scikit_learn_does():
    x, y = load_diabetes(return_X_y=True)
    found = CrossValidation(x, y, folds=3, seed=4, kind="regression", metric="rmse")(Trial(KNN))
    model = pipeline(KNN, kind="regression")
    folds = KFold(3, shuffle=True, random_state=4)
    theirs = cross_val_score(model, x, y, cv=folds, scoring="neg_root_mean_squared_error")
    assert found.folds["rmse"] == pytest.approx(-theirs)
    assert found.loss == pytest.approx(-theirs.mean())


def test_a_smaller_budget_is_a_part_of_a_larger_one_and_the_test_rows_stay():
    rng = np.random.default_rng(0)
    y = rng.choice(4, 200, p=[0.7, 0.2, 0.07, 0.03])
    objective = CrossValidation(rng.normal(size=(200, 2)), y, folds=3, seed=2)
    expected = StratifiedKFold(3, shuffle=True, random_state=2).split(y[:, None], y)
    for (train, test), (rows, held_out) in zip(objective._splits, expected, strict=True):
        assert sorted(train) == sorted(rows)
        assert list(test) == list(held_out)
        assert set(y[train[:4]]) == {0, 1, 2, 3}  # one of each class before all others
        for n in (30, 60, 100):
            share = np.mean(y[train[:n]] == 0)
            assert share == pytest.approx(np.mean(y[train] == 0), abs=0.1)
    assert objective._share(0.25, 133) == 33
    assert objective._share(1.0, 133) == 133
    again = CrossValidation(objective.x, y, folds=3, seed=2)
    assert [list(t) for t, _ in again._splits] == [list(t) for t, _ in objective._splits]


def test_more_rows_are_worth_something():
    x, y = load_iris(return_X_y=True)
    objective = CrossValidation(x, y, folds=5)
    assert objective(Trial(KNN, 1.0)).loss < objective(Trial(KNN, 0.05)).loss


def test_a_metric_that_a_learner_cannot_serve_fails_the_trial_unless_it_is_calibrated():
    x, y = load_iris(return_X_y=True)
    assert "log_loss" not in CrossValidation(x, y)(Trial(SVM)).folds
    calibrated = CrossValidation(x, y, metric="log_loss")(Trial(SVM))
    assert calibrated.loss < 0.5
    one_class = CrossValidation(x, np.zeros(len(x), int), metric="roc_auc")
    with pytest.raises(ValueError, match="roc_auc cannot be told"):
        one_class(Trial(KNN))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_learner_scores_what_it_is_given(kind):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=60), rng.integers(0, 3, 60), np.full(60, np.nan)])
    x[::7, 0] = x[::5, 1] = np.nan
    y = rng.integers(0, 3, 60) if kind == "classification" else rng.normal(size=60)
    metric = next(iter(SCORES[kind]))
    objective = CrossValidation(x, y, (1,), folds=2, kind=kind, metric=metric)
    objective = pickle.loads(pickle.dumps(objective))  # it goes to other processes
    for config in defaults(kind):
        assert np.isfinite(objective(Trial(config)).loss), config["learner"]
        assert np.isfinite(objective(Trial(config, 0.5)).loss), config["learner"]


def test_what_learners_need_is_imported_before_a_limit_can_cut_it_short():
    """A time limit that rings inside `import torch` would leave a module that can never be used."""
    code = (
        "import sys; import numpy as np; from optimizers.objective import CrossValidation; "
        "CrossValidation(np.zeros((4, 1)), np.zeros(4)).load(['mlp', 'lightgbm']); "
        "assert {'torch', 'lightgbm', 'scipy.stats', 'sklearn.pipeline'} <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
