"""Conditions of a space as branches: a hyperparameter and the values that make its child active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.axes import Axis, Value, axes_of
from metadb.clauses import holds, in_words
from metadb.errors import InvalidSpace

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

LEVELS = 100
"""A whole number may be a parent if it has at most so many values."""


def branches_of(space: ConfigurationSpace, tuner: str) -> dict[str, tuple[str, tuple[Value, ...]]]:
    """What is active on a condition: its parent and the values of it that make it so.

    Raises:
        InvalidSpace: A forbidden clause, a condition on several hyperparameters or on a range of
            floats: the tuner has no words for these.
    """
    if space.forbidden_clauses:
        raise InvalidSpace(
            f"{tuner} has no place for the forbidden clauses of the space {space.name!r}; take "
            "them out, and refuse such configs in the objective"
        )
    axes = axes_of(space)
    found: dict[str, tuple[str, tuple[Value, ...]]] = {}
    for name, axis in axes.items():
        if axis.condition is None:
            continue
        parents = _parents(axis.condition)
        parent = axes[parents.pop()]
        values = parent.choices
        if parent.kind == "integer":
            lower, upper = int(parent.hyperparameter.lower), int(parent.hyperparameter.upper)
            values = tuple(range(lower, upper + 1)) if upper - lower < LEVELS else ()
        if parents or not values:
            raise InvalidSpace(
                f"{tuner} has no words for the condition of {name!r}, {in_words(axis.condition)}: "
                "it knows conditions on the values of one hyperparameter"
            )
        numbers = {parent.name: np.array([parent.number(value) for value in values])}
        active = holds(axis.condition, numbers, axes)
        found[name] = parent.name, tuple(v for v, on in zip(values, active, strict=True) if on)
    return found


def active_if(child: Any, parent: Any, values: list[Any]) -> Any:
    """ConfigSpace's condition that a child is active where its parent has one of these values."""
    from ConfigSpace import EqualsCondition, InCondition

    if len(values) == 1:
        return EqualsCondition(child, parent, values[0])
    return InCondition(child, parent, values)


def levels(axis: Axis) -> tuple[Value, ...]:
    """The choices in order; of a categorical the default first, as ConfigSpace has it."""
    if axis.kind != "categorical":
        return axis.choices
    return tuple(sorted(axis.choices, key=lambda one: one != axis.hyperparameter.default_value))


def _parents(condition: Any) -> set[str]:
    if hasattr(condition, "components"):
        return set().union(*map(_parents, condition.components))
    return {condition.parent.name}
