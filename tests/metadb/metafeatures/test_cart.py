"""Laws of the trees: node by node those of scikit-learn, ties and all, whoever grows them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.tree import DecisionTreeClassifier

from metadb.metafeatures import cart, tree
from metadb.metafeatures.cart import Tree, grow
from metadb.metafeatures.table import Arrays, Table

PARTS = ("left", "right", "feature", "threshold", "size", "answer", "importance")
RNG = np.random.default_rng(0)
X_BLOBS, Y_BLOBS = datasets.make_classification(1500, 8, n_informative=4, random_state=0)
TABLES = {
    "iris": datasets.load_iris(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "breast_cancer": datasets.load_breast_cancer(return_X_y=True),
    "continuous": (X_BLOBS, Y_BLOBS),
    "noise": (RNG.normal(size=(200, 6)), RNG.integers(0, 3, 200)),
    "a grid, every split tied": (RNG.integers(0, 3, (150, 6)), RNG.integers(0, 3, 150)),
    "two values": (RNG.integers(0, 2, (150, 20)), RNG.integers(0, 2, 150)),
    "the same column five times": (np.repeat(X_BLOBS[:300, :1], 5, axis=1), Y_BLOBS[:300]),
    "constant columns": (
        np.c_[np.ones((90, 3)), RNG.integers(0, 2, (90, 4)), RNG.normal(size=90)],
        RNG.integers(0, 4, 90),
    ),
    "gaps at the limit": (RNG.integers(0, 30, (200, 3)) * 1.2e-7, RNG.integers(0, 2, 200)),
    "no gap": (RNG.integers(0, 30, (100, 2)) * 1e-9, RNG.integers(0, 2, 100)),
    "many classes": (RNG.normal(size=(120, 4)), RNG.integers(0, 40, 120)),
    "more columns than rows": (RNG.normal(size=(30, 200)), RNG.integers(0, 2, 30)),
    "three rows": (RNG.normal(size=(3, 2)), np.array([0, 1, 0])),
    "one class": (RNG.normal(size=(9, 2)), np.zeros(9, int)),
}


def table(x, y, kind="classification"):
    x = np.ascontiguousarray(np.asarray(x, float).T)
    if kind == "classification":
        y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


def grown(t, seed, max_depth=None) -> Tree:
    return grow(tree.singles(t), tree.ordered(t), t.y, seed=seed, max_depth=max_depth)


def sklearns(t, seed, max_depth=None) -> Tree:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = DecisionTreeClassifier(random_state=seed, max_depth=max_depth)
        return tree.from_sklearn(model.fit(t.matrix, t.y))


def assert_same(one: Tree, two: Tree) -> None:
    for part in PARTS:
        assert np.array_equal(getattr(one, part), getattr(two, part)), part


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", TABLES)
def test_the_tree_is_scikit_learns_to_the_last_bit(name, seed):
    t = table(*TABLES[name])
    assert_same(grown(t, seed), sklearns(t, seed))
    assert_same(grown(t, seed, 1), sklearns(t, seed, 1))
    assert_same(grown(t, seed, 3), sklearns(t, seed, 3))


@pytest.mark.parametrize("name", ["continuous", "a grid, every split tied", "two values"])
def test_sorting_out_attributes_first_changes_nothing(name, monkeypatch):
    t = table(*TABLES[name])
    monkeypatch.setattr(cart, "SMALL", 0)
    monkeypatch.setattr(cart, "CELLS", 100)
    assert_same(grown(t, 0), sklearns(t, 0))


@pytest.mark.parametrize("name", ["continuous", "noise", "wine"])
def test_whoever_grows_it_on_some_instances_it_is_the_same_tree(name, monkeypatch):
    within = np.random.default_rng(1).random(len(TABLES[name][1])) < 0.8
    trees = []
    for branches in (0, 10**12):  # grown here, and by scikit-learn
        monkeypatch.setattr(tree, "BRANCHES", branches)
        t = table(*TABLES[name])
        assert tree._is_ours(t) == (branches == 0)
        trees.append([tree.tree_of(t, 0, within=within, depth=depth) for depth in (None, 1)])
    for one, two in zip(*trees, strict=True):
        assert_same(one, two)


def test_one_attribute_is_split_as_by_a_tree_that_sees_only_that():
    t = table(*TABLES["continuous"])
    within = np.arange(t.n) % 3 > 0
    for attribute in range(t.width):
        found = tree.node_of(t, attribute, 0, within)
        x = t.matrix[:, [attribute]]
        model = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x[within], t.y[within])
        assert np.array_equal(found.stump(tree.singles(t)), model.predict(x))


@pytest.mark.parametrize("scale", [1e300, -1e300, 1e30, 1e-30])
def test_scale_changes_no_order_and_so_no_split(scale):
    x = RNG.normal(size=(60, 3))
    t, scaled = table(x, Y_BLOBS[:60]), table(x * scale, Y_BLOBS[:60])
    if abs(scale) > 1e-7:
        assert sorted(grown(scaled, 0).size) == sorted(grown(t, 0).size)
    else:  # as for scikit-learn, what is not 1e-7 apart is one value
        assert len(grown(scaled, 0).size) == 1
    assert np.array_equal(scaled.matrix, x * scale)


def test_depths_of_a_tree_deeper_than_any_recursion():
    n = 3_000  # a chain: every left child is a leaf
    left, right = np.full(2 * n + 1, -1), np.full(2 * n + 1, -1)
    left[0:-1:2], right[0:-1:2] = np.arange(1, 2 * n, 2), np.arange(2, 2 * n + 1, 2)
    none = np.zeros(2 * n + 1, int)
    chain = Tree(left, right, none, none.astype(float), none, none, np.zeros(1))
    assert np.array_equal(chain.depths(), (np.arange(2 * n + 1) + 1) // 2)
