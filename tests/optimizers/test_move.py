"""Moves: another choice, a normal step, and the nearest config that is new."""

from __future__ import annotations

import numpy as np
from ConfigSpace import Categorical, ConfigurationSpace, Float, ForbiddenEqualsClause

from optimizers.cube import Cube
from optimizers.ledger import Ledger
from optimizers.move import STEP, mutate, settle


def space_of():
    space = ConfigurationSpace(name="s")
    c = Categorical("c", ["p", "q", "r", "s"])
    space.add(c, Float("x", (0.0, 1.0)))
    space.add(ForbiddenEqualsClause(c, "s"))
    return space


def test_a_choice_becomes_each_other_one_alike_and_a_number_steps_normally():
    cube, rng = Cube.of(space_of()), np.random.default_rng(0)
    both = np.ones(2, bool)
    moved = np.array([mutate(cube, np.array([0.3, 0.5]), both, rng) for _ in range(3000)])
    counts = np.bincount((moved[:, 0] * 4).astype(int), minlength=4)
    assert counts[1] == 0
    assert (np.abs(counts[[0, 2, 3]] - 1000) < 120).all()
    assert (
        np.abs(np.percentile(moved[:, 1], [16, 50, 84]) - [0.5 - STEP, 0.5, 0.5 + STEP]).max()
        < 0.03
    )
    assert (moved >= 0).all()
    assert (moved <= 1).all()


def test_a_known_or_forbidden_config_gives_way_to_a_near_one():
    space = space_of()
    cube, ledger, rng = Cube.of(space), Ledger(space), np.random.default_rng(0)
    point = np.array([0.1, 0.25])
    first, kept = settle(ledger, cube, point, rng)
    assert first == {"c": "p", "x": 0.25}
    assert (kept == point).all()
    ledger.issue(first)
    second, moved = settle(ledger, cube, point, rng)
    assert second["c"] == "p"
    assert 0 < abs(moved[1] - 0.25) < 0.01
    assert cube.decode(moved[None])[0] == [second]
    third, _ = settle(ledger, cube, np.array([0.9, 0.5]), rng)
    assert third["c"] in "pqr"
