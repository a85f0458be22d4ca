"""Laws of the nearest neighbours: those of all distances, one by one, in whatever way found."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.metafeatures import nearest_neighbour as module
from metadb.metafeatures.nearest_neighbour import nearest, nearest_number, space_of

RNG = np.random.default_rng(0)
POINTS = {
    "normal": RNG.normal(size=(400, 8)),
    "wide": RNG.normal(size=(60, 300)),
    "grid": RNG.integers(0, 4, (400, 5)).astype(float),
    "large whole numbers": RNG.integers(0, 4000, (400, 5)).astype(float),
    "decimals": RNG.integers(0, 9, (400, 3)) / 10,
    "a large and two small columns": np.c_[
        RNG.integers(0, 5, 400) * 1e9 + 3e9, RNG.normal(size=(400, 2))
    ],
    "each ten times": np.repeat(RNG.normal(size=(40, 4)), 10, axis=0),
    "an outlier": np.vstack([RNG.normal(size=(300, 5)), np.full((1, 5), 1e8)]),
    "one column": RNG.integers(0, 50, (300, 1)) / 7,
    "constant": np.full((50, 3), 0.1),
    "huge": RNG.normal(size=(200, 3)) * 1e300,
    "tiny": RNG.normal(size=(200, 3)) * 1e-300,
}
UNIT = {"huge": 1e-300, "tiny": 1e300}


def slow(x, pool, wanted, y, classes):
    """One distance after the other."""
    said = []
    for i in wanted:
        square = ((x[pool] - x[i]) ** 2).sum(axis=1)
        near = y[pool[square <= square.min() * (1 + 1e-12)]]
        said.append((near == y[i]).mean() if classes else near.mean())
    return np.array(said)


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("way", ["product", "small blocks", "double precision", "k-d tree"])
@pytest.mark.parametrize("name", POINTS)
def test_all_ways_find_the_nearest_of_all_distances(name, way, classes, monkeypatch):
    x = POINTS[name]
    if way == "small blocks":
        monkeypatch.setattr(module, "BLOCK", 1_000)
        monkeypatch.setattr(module, "CELLS", 1_000)
    monkeypatch.setattr(module, "MANY", 0 if way == "double precision" else module.MANY)
    tree = way == "k-d tree"
    monkeypatch.setattr(module, "FEW_COLUMNS", 10**9 if tree else 0)
    monkeypatch.setattr(module, "MANY_ROWS", 0)
    wanted = np.arange(0, len(x), 7)
    pool = np.setdiff1d(np.arange(len(x)), wanted)
    y = np.arange(len(x)) * 7 % 3 if classes else np.sin(np.arange(len(x)))
    found = nearest(space_of(x), pool, wanted, y, classes=classes)
    expected = slow(x * UNIT.get(name, 1.0), pool, wanted, y, classes)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("step", [1.0, 0.1, 1e-7, 1e300, 1e-300])
def test_one_attribute_is_the_case_of_one_column(step, classes):
    values = RNG.integers(0, 40, 300) * step
    wanted, pool = np.arange(0, 300, 5), np.flatnonzero(np.arange(300) % 5)
    y = np.arange(300) % 4 if classes else np.cos(np.arange(300))
    level = module.level(values)
    found = nearest_number(level, pool, wanted, y, classes=classes)
    expected = nearest(space_of(values[:, None]), pool, wanted, y, classes=classes)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_the_order_of_the_data_does_not_matter():
    x, y = POINTS["grid"], np.arange(400) // 200
    order = RNG.permutation(400)
    wanted, pool = np.arange(50), np.arange(50, 400)
    place = np.argsort(order)
    one = nearest(space_of(x), pool, wanted, y, classes=True)
    two = nearest(space_of(x[order]), np.sort(place[pool]), place[wanted], y[order], classes=True)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_whole_numbers_need_no_second_look():
    assert space_of(POINTS["grid"]).single
    assert not space_of(POINTS["large whole numbers"]).single
    assert space_of(POINTS["large whole numbers"]).double
    assert not space_of(POINTS["decimals"]).double
