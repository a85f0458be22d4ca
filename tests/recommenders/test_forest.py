"""The forest against a plain one that walks its trees leaf by leaf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from metadb.errors import InvalidRows
from recommenders.forest import Forest, ranked_forest


def points(n=60, d=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((n, d))
    return x, np.sin(5 * x[:, 0]) + x[:, 1] ** 2 + 0.01 * rng.normal(size=n)


def leaf_of(tree, x):
    """Where a walk from the root ends."""
    node, x = 0, x.astype(np.float32)
    while tree.children_left[node] >= 0:
        left = x[tree.feature[node]] <= tree.threshold[node]
        node = (tree.children_left if left else tree.children_right)[node]
    return int(node)


def plain(forest, x, y, seed, at, believed=()):
    """Mean and deviation by the law of total variance, from the points in each leaf."""
    rng = np.random.default_rng(seed)
    rng.integers(2**32, dtype=np.uint32)
    mu, v = np.empty(len(forest.trees)), np.empty(len(forest.trees))
    for t, tree in enumerate(forest.trees):
        drawn = rng.integers(len(y), size=len(y))
        leaf = leaf_of(tree, at)
        inside = [y[i] for i in drawn if leaf_of(tree, x[i]) == leaf]
        inside += [value for point, value in believed if leaf_of(tree, point) == leaf]
        mu[t], v[t] = np.mean(inside), np.var(inside)
    return mu.mean(), np.sqrt((v + mu**2).mean() - mu.mean() ** 2)


def test_mean_and_deviation_are_those_of_the_points_in_the_leaves():
    x, y = points()
    forest = Forest.fit(x, np.round(y, 1), seed=4, trees=8)
    at = np.random.default_rng(1).random((6, 3))
    mean, sd = forest.predict(at)
    for i in range(6):
        expected = plain(forest, x, np.round(y, 1), 4, at[i])
        assert (mean[i], sd[i]) == pytest.approx(expected, abs=1e-7)


def test_leaves_of_unequal_values_have_a_variance_of_their_own():
    """Equal points cannot be told apart: all of the variance is within the leaves."""
    y = np.array([0.0, 1.0] * 200)
    mean, sd = Forest.fit(np.full((400, 2), 0.5), y, seed=0).predict(np.array([[0.5, 0.5]]))
    assert mean[0] == pytest.approx(0.5, abs=0.02)
    assert sd[0] == pytest.approx(0.5, abs=0.01)


def test_what_is_believed_joins_its_leaves_and_lessens_the_doubt():
    x, y = points()
    forest = Forest.fit(x, y, seed=4, trees=8)
    new = np.random.default_rng(2).random((3, 3))
    believing = forest.believe(new)
    value = forest.predict(new)[0]
    at = np.vstack([new, [[0.9, 0.1, 0.5]]])
    mean, sd = believing.predict(at)
    for i in range(4):
        expected = plain(forest, x, y, 4, at[i], list(zip(new, value, strict=True)))
        assert (mean[i], sd[i]) == pytest.approx(expected, abs=1e-7)
    for i in range(3):
        assert forest.believe(new[[i]]).predict(new[[i]])[1] < forest.predict(new[[i]])[1]
    assert forest.believe(new[:0]).predict(at)[0] == pytest.approx(forest.predict(at)[0])


def test_it_learns_and_doubts_most_where_nothing_is_known():
    x, y = points(300)
    x, y = x[x[:, 0] < 0.6], y[x[:, 0] < 0.6]
    forest = Forest.fit(x, y, seed=0)
    at, truth = points(200, seed=9)
    mean, sd = forest.predict(at)
    near = at[:, 0] < 0.6
    assert np.corrcoef(mean[near], truth[near])[0, 1] > 0.95
    assert np.median(np.abs(mean - truth)[near]) < 0.2
    assert np.mean((np.abs(mean - truth) < 2 * sd)[near]) > 0.8
    assert np.median(sd[at[:, 0] > 0.7]) > np.median(sd[near])


def test_the_same_seed_grows_the_same_trees():
    x, y = points()
    one, two, three = (Forest.fit(x, y, seed=s).predict(x) for s in (1, 1, 2))
    assert (one[0] == two[0]).all()
    assert (one[0] != three[0]).any()


def test_failed_results_rank_last_and_outliers_do_not_matter():
    x, y = points()
    loss, wild = y.copy(), y.copy()
    loss[3], loss[7] = np.nan, np.inf
    wild[3] = wild[7] = 1e300
    mean = ranked_forest(x, loss, 0).predict(x)[0]
    assert mean == pytest.approx(ranked_forest(x, wild, 0).predict(x)[0])
    assert (mean > ranked_forest(x, y, 0).predict(x)[0] + 0.5)[[3, 7]].all()
    best = norm.ppf(1 / 61)
    assert best < mean.min() < 0 < mean.max() < -best


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.empty((0, 2)), np.empty(0)),
        (np.ones((3, 2)), np.ones(2)),
        (np.full((2, 2), np.nan), np.ones(2)),
        (np.ones((2, 2)), np.array([0.0, np.inf])),
    ],
)
def test_what_no_forest_can_grow_on_is_refused(x, y):
    with pytest.raises(InvalidRows, match="a forest takes"):
        Forest.fit(x, y)
