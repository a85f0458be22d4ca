"""Leaves: what trees say of the same configs on task after task, digit by digit as LightGBM."""

import numpy as np
import pytest

from recommenders.leaves import Leaves


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("columns", [(3, 2), (1, 4), (4, 1), (3, 0), (0, 3)])
def test_they_say_to_the_last_digit_what_lightgbm_says(rng, columns):
    from lightgbm import Dataset, train

    own, of_task = columns
    x = rng.random((800, own + of_task)).round(2)  # values that stand on thresholds, and twice
    y = np.sin(5 * x).sum(axis=1) * x[:, 0] + rng.normal(size=len(x)) / 10
    options = {"num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 1}
    booster = train(options, Dataset(x, y), 40)
    configs = x[:50, :own]
    leaves = Leaves.fit(booster, configs)
    for task in x[100:130, own:]:
        rows = np.column_stack([configs, np.broadcast_to(task, (len(configs), of_task))])
        np.testing.assert_array_equal(leaves.predict(task), booster.predict(rows))


def test_trees_that_learnt_nothing_have_one_leaf_each(rng):
    from lightgbm import Dataset, train

    x = rng.random((30, 3))
    booster = train({"verbosity": -1, "num_threads": 1}, Dataset(x, np.ones(30)), 5)
    leaves = Leaves.fit(booster, x[:4, :2])
    np.testing.assert_array_equal(leaves.predict(x[0, 2:]), booster.predict(x[:4]))
