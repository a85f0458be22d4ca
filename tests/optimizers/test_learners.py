"""Every learner of the space fits and predicts, with categories and missing values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from metadb.records import Trial
from metadb.space import check, default, sample
from optimizers.learners import LEARNERS, classifier_space, estimator, pipeline
from optimizers.objective import CrossValidation

# (learner, hyperparameter) whose estimator has another meaning under that name, or a spelling of None
RENAMED = {("logistic_regression", "class_weight"), ("mlp", "learning_rate")}


def config_of(learner: str) -> dict:
    """The first draw of the space that chooses this learner."""
    return next(c for c in sample(classifier_space(), 200, seed=1) if c["learner"] == learner)


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_takes_categories_and_missing_values(learner):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=90), rng.integers(0, 3, 90), np.full(90, np.nan)])
    x[::7, 0] = np.nan
    x[::5, 1] = np.nan
    y = (np.nan_to_num(x[:, 0]) > 0).astype(int)
    with warnings.catch_warnings(action="ignore"):  # 60 rows are too few to converge on
        model = pipeline(config_of(learner), categorical=[1], seed=0).fit(x[:60], y[:60])
    x[60:, 1] = 9  # a category never seen before
    assert set(model.predict(x[60:])) <= {0, 1}


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_estimator_gets_exactly_its_own_hyperparameters(learner):
    config = config_of(learner)
    own = estimator(config, seed=3).get_params()
    for name, value in config.items():
        short = name.removeprefix(f"{learner}__")
        if short in own and (learner, short) not in RENAMED:
            assert own[short] == value


def test_the_space_is_conditional_on_learner_and_kernel():
    space = classifier_space()
    assert check(space, sample(space, 300, seed=0)) == [None] * 300
    for config in sample(space, 300, seed=2):
        names = set(config) - {"learner"}
        assert all(name.startswith(f"{config['learner']}__") for name in names)
        if config.get("svm__kernel") == "linear":
            assert not names & {"svm__gamma", "svm__degree", "svm__coef0"}
    assert default(space)["learner"] == "random_forest"


def test_the_objective_is_the_cross_validated_accuracy():
    from sklearn.datasets import load_iris
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    x, y = load_iris(return_X_y=True)
    config = config_of("logistic_regression")
    found = CrossValidation(x, y)(Trial(config))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = -cross_val_score(pipeline(config), x, y, cv=folds).mean()
    assert found.loss == pytest.approx(expected)
    assert found.cost_s > 0
