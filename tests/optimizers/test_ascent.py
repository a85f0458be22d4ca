"""The ascent against closed forms and against all points of a small space."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

from metadb.encoding import encoding
from optimizers.ascent import Ascent, climb
from optimizers.cube import Cube


def test_numbers_climb_to_the_top_within_their_bounds():
    top = np.array([0.3, 1.7, 0.6])

    def slope(x):
        off = x - top
        return -(off**2 * [1, 5, 20]).sum(axis=1), -2 * off * [1, 5, 20]

    x = np.random.default_rng(0).random((5, 3))
    free = np.array([[True, True]] * 4 + [[False, True]])
    found = climb(slope, x, np.array([0, 1]), free)
    np.testing.assert_allclose(found[:4, 0], 0.3, atol=1e-4)
    np.testing.assert_allclose(found[:, 1], 1.0)
    assert found[4, 0] == x[4, 0]
    np.testing.assert_array_equal(found[:, 2], x[:, 2])


@pytest.mark.parametrize("sloped", [True, False])
def test_the_top_of_a_mixed_space_is_found(sloped):
    space = ConfigurationSpace(name="mixed")
    space.add(*[Categorical(f"c{i}", list("abcdef")) for i in range(5)], Float("x", (0, 1)))
    space.add(Integer("n", (0, 1000)))
    columns, cube = encoding(space), Cube.of(space)
    rng = np.random.default_rng(1)
    weight = rng.normal(size=columns.width)
    x_at, n_at = columns.names.index("x"), columns.names.index("n")
    weight[[x_at, n_at]] = 0.0

    def gain(x):
        return x @ weight - 4 * (x[:, x_at] - 0.37) ** 2 - 4 * (x[:, n_at] - 0.123) ** 2

    def slope(x):
        d = np.tile(weight, (len(x), 1))
        d[:, x_at], d[:, n_at] = -8 * (x[:, x_at] - 0.37), -8 * (x[:, n_at] - 0.123)
        return gain(x), d

    ascent = Ascent(cube, columns, gain, slope if sloped else None)
    first = next(ascent.ranked(np.empty((0, cube.width)), rng))
    for i in range(5):
        own = {c: weight[columns.names.index(f"c{i}={c}")] for c in "abcdef"}
        assert first[f"c{i}"] == max(own, key=own.get)
    assert first["x"] == pytest.approx(0.37, abs=1e-3 if sloped else 0.05)
    assert first["n"] == pytest.approx(123, abs=1 if sloped else 50)


def test_all_of_a_small_space_comes_in_the_order_of_the_gain():
    space = ConfigurationSpace(name="small")
    space.add(Categorical("a", [1, 2, 3]), Categorical("b", [1, 2, 3]))
    value = {(a, b): -((3 * a + b) % 7) for a, b in product([1, 2, 3], repeat=2)}
    columns = encoding(space)
    names = [tuple(c.values()) for c in columns.decode(np.eye(columns.width))]
    assert names  # the encoding decodes

    def gain(x):
        return np.array([value[c["a"], c["b"]] for c in columns.decode(x)], float)

    ranked = list(
        Ascent(Cube.of(space), columns, gain).ranked(np.empty((0, 2)), np.random.default_rng(0))
    )
    seen = list(dict.fromkeys((c["a"], c["b"]) for c in ranked))
    assert len(seen) == 9
    assert [value[c] for c in seen] == sorted(value.values(), reverse=True)
