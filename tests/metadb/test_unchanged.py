"""What is kept of a space is what would be made anew."""

from __future__ import annotations

import gc
import weakref

import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    Integer,
)

from metadb.axes import axes_of
from metadb.space import check, from_json, space_id, to_json
from metadb.unchanged import while_unchanged


def mixed() -> ConfigurationSpace:
    space = ConfigurationSpace(name="mixed")
    kind, gamma = Categorical("kind", ["linear", "rbf"]), Float("gamma", (0.1, 10.0), log=True)
    degree = Integer("degree", (1, 5))
    space.add(kind, gamma, degree, EqualsCondition(gamma, kind, "rbf"))
    clauses = ForbiddenEqualsClause(kind, "linear"), ForbiddenEqualsClause(degree, 5)
    space.add(ForbiddenAndConjunction(*clauses))
    return space


def grow(space):
    space.add(Float("x", (0.0, 1.0)))


def rename(space):
    space.name = "other"


def move_default(space):
    space["degree"].default_value = 2


def forbid_more(space):
    space.add(ForbiddenEqualsClause(space["degree"], 4))


def change_a_clause(space):
    space.forbidden_clauses[0].components[1].value = 2


@pytest.mark.parametrize("change", [grow, rename, move_default, forbid_more, change_a_clause])
def test_a_change_of_the_space_is_seen(change):
    space = mixed()
    before = space_id(space), axes_of(space)
    assert space_id(space) == before[0]
    assert axes_of(space) is before[1]
    change(space)
    assert space_id(space) == space_id(from_json(to_json(space))) != before[0]
    assert list(axes_of(space)) == list(space)


def test_a_config_is_checked_by_the_space_of_now():
    space = mixed()
    config = {"kind": "linear", "degree": 2}
    assert check(space, [config]) == [None]
    grow(space)
    assert check(space, [config, config | {"x": 0.5}])[1] is None
    assert "'x' is missing" in check(space, [config])[0]


def test_it_is_made_once_a_space_and_forgotten_with_it():
    asked = []
    made = while_unchanged(lambda space: asked.append(space.name))
    one, two = mixed(), mixed()
    for space in (one, two, one, two):
        made(space)
    assert len(asked) == 2
    gone = weakref.ref(one)
    del one, space
    gc.collect()
    assert gone() is None
