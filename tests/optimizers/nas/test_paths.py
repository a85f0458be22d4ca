from __future__ import annotations

import numpy as np

from metadb.space import sample
from optimizers.nas import CellNB201
from optimizers.nas.paths import MOST, PathEncoding

NAS = CellNB201()


def by_hand(config):
    """The paths of a cell: every way over nodes 0 to 3, unless a `none` stands on it."""
    ways = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    name = {(0, 1): "x0", (0, 2): "x1", (1, 2): "x2", (0, 3): "x3", (1, 3): "x4", (2, 3): "x5"}
    found = [tuple(config[name[step]] for step in way) for way in ways]
    return {path for path in found if "none" not in path}


def test_a_column_a_path():
    drawn = sample(NAS.space, 200, seed=0)
    paths = [NAS.graph(config).paths() for config in drawn]
    encoding = PathEncoding.of(paths)
    x = encoding.encode(paths)
    assert x.shape == (200, len(set().union(*map(by_hand, drawn))))
    for row, config in zip(x, drawn, strict=True):
        there = {path for path, k in encoding.columns.items() if row[k]}
        assert there == by_hand(config)


def test_all_cells_have_four_and_sixteen_and_sixty_four_paths():
    paths = [NAS.graph(config).paths() for config in sample(NAS.space, 4000, seed=1)]
    assert len(PathEncoding.of(paths).columns) == 4 + 16 + 64


def test_of_many_paths_the_most_frequent_are_kept_and_unknown_ones_left_out():
    rare = [[(str(k),)] for k in range(2 * MOST)]
    encoding = PathEncoding.of([[("often",)], [("often",)], *rare])
    assert len(encoding.columns) == MOST
    assert encoding.columns[("often",)] == 0
    np.testing.assert_array_equal(encoding.encode([[("never seen",)]]), np.zeros((1, MOST)))
