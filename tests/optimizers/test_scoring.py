"""The scores are those of scikit-learn under the names, directions and meanings of the store."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from metadb.errors import WrongUsage
from optimizers.scoring import SCORES, Predicted, metric_for, scores


def classified(k: int, seed: int) -> Predicted:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, 80)])
    score = np.round(rng.normal(size=(len(y), k)) + 1.5 * np.eye(k)[y], 1)  # with ties
    p = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    return Predicted(y, p.argmax(axis=1), p, p)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_scores_of_classes_are_those_of_scikit_learn(k):
    p = classified(k, seed=k)
    found = scores("classification", p)
    assert list(found) == list(SCORES["classification"])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(p.y, p.said))
    balanced = metrics.balanced_accuracy_score(p.y, p.said)
    assert found["balanced_accuracy"] == pytest.approx(balanced)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(p.y, p.probability))
    f1 = metrics.f1_score(p.y, p.said, average="weighted")
    assert found["f1"] == pytest.approx(f1)
    area = (
        metrics.roc_auc_score(p.y, p.probability[:, 1])
        if k == 2
        else metrics.roc_auc_score(p.y, p.probability, multi_class="ovr", average="weighted")
    )
    assert found["roc_auc"] == pytest.approx(area)


def test_scores_of_numbers_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    said = y + rng.normal(size=50)
    found = scores("regression", Predicted(y, said))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, said))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, said))
    assert found["r2"] == pytest.approx(metrics.r2_score(y, said))


def test_what_cannot_be_told_is_left_out():
    p = classified(3, seed=1)
    told = scores("classification", Predicted(p.y, p.said, p.score))
    assert set(told) == set(SCORES["classification"]) - {"log_loss"}
    told = scores("classification", Predicted(p.y, p.said))
    assert set(told) == {"accuracy", "balanced_accuracy", "f1"}
    one = Predicted(np.zeros(4, int), np.zeros(4, int), np.ones((4, 2)), np.ones((4, 2)))
    assert "roc_auc" not in scores("classification", one)
    assert "r2" not in scores("regression", Predicted(np.ones(3), np.ones(3)))


def test_a_metric_goes_by_any_of_its_names_and_must_be_of_the_kind():
    assert metric_for("classification").name == "accuracy"
    assert metric_for("classification", "auc").name == "roc_auc"
    assert metric_for("regression", "root_mean_squared_error").lower_is_better
    with pytest.raises(WrongUsage, match=r"'rmse' is no metric of a classification.*log_loss"):
        metric_for("classification", "rmse")
