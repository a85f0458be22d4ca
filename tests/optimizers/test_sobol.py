"""Sobol search: even, and legal."""

from __future__ import annotations

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float, ForbiddenEqualsClause

from optimizers import Sobol


def test_each_box_of_an_elementary_partition_holds_one_of_the_first_points():
    space = ConfigurationSpace(name="square")
    space.add(Float("a", (0.0, 1.0)), Float("b", (0.0, 1.0)))
    points = np.array([[t.config["a"], t.config["b"]] for t in Sobol(space, seed=1).ask(64)])
    for across in (1, 2, 4, 8, 16, 32, 64):
        box = np.floor(points * [across, 64 // across]).astype(int)
        assert len({tuple(row) for row in box}) == 64


def test_two_seeds_scramble_differently():
    space = ConfigurationSpace(name="one")
    space.add(Float("a", (0.0, 1.0)))
    one, two = ([t.config["a"] for t in Sobol(space, seed=s).ask(8)] for s in (0, 1))
    assert not set(one) & set(two)


def test_what_is_forbidden_is_passed_over():
    space = ConfigurationSpace(name="kinds")
    kind = Categorical("kind", ["a", "b", "c"])
    space.add(kind, Float("x", (0.0, 1.0)))
    space.add(ForbiddenEqualsClause(kind, "b"))
    kinds = [t.config["kind"] for t in Sobol(space, seed=0).ask(40)]
    assert set(kinds) == {"a", "c"}
