"""Spaces to state laws over: generated ones, a small one, and the bundled learners'."""

from __future__ import annotations

from typing import Any

import ConfigSpace as cs
import pytest
from ConfigSpace.exceptions import AmbiguousConditionError
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st

from metadb.space import from_json, to_json
from optimizers.learners import classifier_space

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
TEXTS = ["a", "b", "c", "d", "None"]


SMALL = cs.ConfigurationSpace("small", space={"f": (0.0, 1.0), "n": (1, 9), "c": ["a", "b"]})
SMALL.add(cs.Float("g", (1e-3, 1.0), log=True), cs.Constant("k", "v"))
SMALL.add(cs.EqualsCondition(SMALL["g"], SMALL["c"], "b"))
SMALL.add(
    cs.ForbiddenAndConjunction(
        cs.ForbiddenEqualsClause(SMALL["n"], 3), cs.ForbiddenInClause(SMALL["c"], ["a"])
    )
)


@st.composite
def hyperparameters(draw: st.DrawFn, name: str) -> Any:
    """Any hyperparameter that ConfigSpace has, named `name`."""
    kind = draw(
        st.sampled_from(["float", "integer", "categorical", "ordinal", "prior", "constant"])
    )
    lower, width = draw(st.integers(1, 50)), draw(st.integers(1, 500))
    log = draw(st.booleans())
    shift = 0 if log else draw(st.sampled_from([0, -100]))
    if kind == "float":
        return cs.Float(name, (shift + lower / 7, shift + (lower + width) / 7), log=log)
    if kind == "integer":
        return cs.Integer(name, (shift + lower, shift + lower + width), log=log)
    if kind == "prior":
        middle = cs.Normal(lower + width / 2, width)
        return cs.Float(name, (lower, lower + width), distribution=middle, log=log)
    if kind == "constant":
        return cs.Constant(name, draw(st.sampled_from(["x", 3, 0.5, True])))
    choices = draw(
        st.one_of(
            st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5, unique=True),
            st.permutations([True, False]),
            st.permutations([1, 2, 5, 0.5, "auto"]),
        )
    )
    if kind == "ordinal":
        return cs.OrdinalHyperparameter(name, choices)
    weights = draw(st.none() | st.just([float(i + 1) for i in range(len(choices))]))
    return cs.CategoricalHyperparameter(name, choices, weights=weights)


@st.composite
def literals(draw: st.DrawFn, child: Any, parent: Any) -> Any:
    """A condition of `child` on some value of `parent`."""
    values = list(dict.fromkeys(parent.rvs(size=3, random_state=draw(st.integers(0, 99))).tolist()))
    kinds = [cs.EqualsCondition, cs.NotEqualsCondition, cs.InCondition]
    if parent.ORDERABLE:
        kinds += [cs.LessThanCondition, cs.GreaterThanCondition]
    kind = draw(st.sampled_from(kinds))
    if kind is cs.InCondition:
        return kind(child, parent, values)
    return kind(child, parent, values[0])


@st.composite
def spaces(draw: st.DrawFn, *, forbidden: bool = False) -> cs.ConfigurationSpace:
    """A space of up to seven hyperparameters with nested, joined conditions."""
    made = [draw(hyperparameters(f"h{i}")) for i in range(draw(st.integers(1, 7)))]
    space = cs.ConfigurationSpace(name="generated")
    try:
        space.add(made)
        for place in range(1, len(made)):
            n_parents = draw(st.integers(0, min(2, place)))
            parents = draw(st.permutations(made[:place]))[:n_parents]
            parts = [draw(literals(made[place], parent)) for parent in parents]
            if len(parts) == 2:
                joined = draw(st.sampled_from([cs.AndConjunction, cs.OrConjunction]))
                space.add(joined(*parts))
            elif parts:
                space.add(parts[0])
        if forbidden:
            one = made[draw(st.integers(0, len(made) - 1))]
            value = one.rvs(size=1, random_state=draw(st.integers(0, 99))).tolist()[0]
            space.add(cs.ForbiddenEqualsClause(one, value))
    except (ValueError, KeyError, AmbiguousConditionError):  # ConfigSpace refuses its default
        reject()
    return space


def assert_alike(one: Any, other: Any, space: cs.ConfigurationSpace) -> None:
    """Equal configs, floats to within 1e-10 of their range."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(space[name].default_value, float) and hasattr(space[name], "lower"):
            span = space[name].upper - space[name].lower
            assert other[name] == pytest.approx(value, rel=1e-10, abs=1e-10 * span)
        else:
            assert other[name] == value
            assert type(other[name]) is type(value)


def seeded_classifier_space() -> cs.ConfigurationSpace:
    """The bundled learners' space, to be sampled by ConfigSpace itself."""
    space = from_json(to_json(classifier_space()))
    space.seed(0)
    return space
