"""Laws of the subsampling landmarks: learning curves on fair samples."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from sklearn import datasets

from metadb.metafeatures import subsampling as module
from metadb.metafeatures.subsampling import LEARNERS, SIZES, SUBSAMPLING, curve, subsampling
from metadb.metafeatures.table import Arrays, Table


def table(x, y, kind="classification"):
    x = np.ascontiguousarray(np.asarray(x, float).T)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


RNG = np.random.default_rng(0)
BLOBS = datasets.make_classification(7000, 6, n_informative=4, random_state=0)
TABLES = {
    "classification": table(*BLOBS),
    "regression": table(BLOBS[0], BLOBS[0] @ np.arange(6.0) + RNG.normal(size=7000), "regression"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_large_data_have_every_point(kind):
    found = dict(subsampling(TABLES[kind], 0))
    assert set(found) == {name for name, f in SUBSAMPLING.items() if kind in f.kinds}
    assert all(np.isfinite(value) for value in found.values())


def test_more_instances_make_better_learners():
    for kind in TABLES:
        found = dict(subsampling(TABLES[kind], 0))
        for learner in LEARNERS[kind]:
            assert found[f"{learner}.at_4096"] > found[f"{learner}.at_32"] - 0.02


def test_a_curve_has_a_point_for_each_size_the_data_have():
    x, y = datasets.load_wine(return_X_y=True)  # 178, of which 50 are tested on
    points = list(curve(table(x, y), 0))
    assert [p.instances for p in points if p.learner == "one_nn"] == [32, 64, 128]
    assert {p.name: p.score for p in points} == dict(subsampling(table(x, y), 0))
    assert not list(curve(table(x[::3], y[::3]), 0))


def test_one_point_by_hand():
    x, y = BLOBS[0][:400], BLOBS[1][:400]
    t = table(x, y)
    expected = []
    for repeat in range(module.REPEATS):
        order = module._order(t, 0, repeat)
        train, test = order[:64], order[300:]
        near = ((x[test][:, None] - x[train][None]) ** 2).sum(axis=2).argmin(axis=1)
        expected.append((y[train][near] == y[test]).mean())
    assert dict(subsampling(t, 0))["one_nn.at_64"] == pytest.approx(np.mean(expected))


def test_every_part_of_an_order_has_the_classes_in_their_shares():
    y = np.repeat(np.arange(4), [400, 300, 200, 100])
    t = table(RNG.normal(size=(1000, 1)), y)
    order = module._order(t, 0, 0)
    assert sorted(order) == list(range(1000))
    for part in (order[:100], order[450:550], order[-100:]):
        assert np.abs(np.bincount(y[part], minlength=4) - [40, 30, 20, 10]).max() <= 2


def test_the_same_seed_gives_the_same_values_and_another_seed_others():
    t = table(BLOBS[0][:300], BLOBS[1][:300])
    assert dict(subsampling(t, 3)) == dict(subsampling(t, 3)) != dict(subsampling(t, 4))


@pytest.mark.parametrize("n", [1, 10, 81, 82, 200])
@pytest.mark.parametrize("kind", ["classification", "regression", "clustering"])
def test_small_and_bad_data_have_the_points_they_can(n, kind):
    for x in (np.ones((n, 2)), np.empty((n, 0)), RNG.normal(size=(n, 2)) * 1e300):
        for y in (np.zeros(n, np.int64), np.minimum(np.arange(n), 1), np.arange(n)):
            target = {"classification": y, "regression": y * 1e300, "clustering": None}[kind]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = dict(subsampling(table(x, target, kind), 0))
            none = n < 82 or x.shape[1] == 0 or kind == "clustering"
            assert bool(found) != none
            assert set(found) <= set(SUBSAMPLING)


def test_the_table_of_the_docstring_names_every_feature():
    rows = re.findall(r"^\| (\S+) \|", module.__doc__, re.MULTILINE)[2:]
    spelt = {row.replace("{s}", str(size)) for row in rows for size in SIZES}
    assert spelt == set(SUBSAMPLING)
