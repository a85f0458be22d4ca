"""Grid search: all of it, once, and nothing inactive."""

from __future__ import annotations

import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    ForbiddenEqualsClause,
    Integer,
)

from metadb.errors import WrongUsage
from metadb.records import Evaluation, Trial
from optimizers import Grid


def conditional() -> ConfigurationSpace:
    space = ConfigurationSpace(name="conditional")
    kind = Categorical("kind", ["a", "b", "c"])
    depth = Integer("depth", (1, 3))
    space.add(kind, depth, Float("x", (1e-2, 1.0), log=True))
    space.add(EqualsCondition(depth, kind, "a"))
    space.add(ForbiddenEqualsClause(kind, "c"))
    return space


def test_every_combination_of_what_is_active_comes_once():
    trials = Grid(conditional(), steps=3).ask(100)
    found = {(t.config["kind"], t.config.get("depth"), round(t.config["x"], 6)) for t in trials}
    xs = (0.01, 0.1, 1.0)
    assert len(trials) == len(found)
    assert found == {("a", d, x) for d in (1, 2, 3) for x in xs} | {("b", None, x) for x in xs}


def test_an_integer_has_no_more_values_than_it_has():
    space = ConfigurationSpace(name="few")
    space.add(Integer("n", (1, 2)))
    assert [t.config["n"] for t in Grid(space, steps=9).ask(9)] == [1, 2]


def test_what_was_told_is_not_asked():
    grid = Grid(conditional(), steps=1)
    grid.tell([Evaluation(Trial({"kind": "b", "x": 0.1}), 0.5)])
    assert all(t.config["kind"] == "a" for t in grid.ask(10))


def test_a_grid_needs_a_step():
    with pytest.raises(WrongUsage, match="steps"):
        Grid(conditional(), steps=0)
