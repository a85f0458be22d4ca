"""ConfigSpace's conditions and forbidden clauses over whole columns: where they hold, in words.

An inactive parent satisfies no condition on it, and an absent hyperparameter violates no
forbidden clause.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metadb.axes import Axis, Bools, Floats
from metadb.errors import InvalidSpace

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def deactivate(numbers: dict[str, Floats], axes: Mapping[str, Axis]) -> dict[str, Bools]:
    """Set to NaN what its condition makes inactive, parents first; where each is active."""
    active: dict[str, Bools] = {}
    for name, axis in axes.items():
        if axis.condition is None:
            active[name] = np.ones(len(numbers[name]), dtype=np.bool_)
        else:
            active[name] = holds(axis.condition, numbers, axes)
            numbers[name] = np.where(active[name], numbers[name], np.nan)
    return active


def holds(clause: Any, numbers: Mapping[str, Floats], axes: Mapping[str, Axis]) -> Bools:
    """Where a condition, or a forbidden clause, of ConfigSpace is true, (n,)."""
    kind = type(clause).__name__.removeprefix("Forbidden")
    if kind in {"AndConjunction", "OrConjunction"}:
        parts = [holds(part, numbers, axes) for part in clause.components]
        return np.asarray(np.all(parts, axis=0) if kind[0] == "A" else np.any(parts, axis=0))
    compare = _COMPARE.get(kind.removesuffix("Condition").removesuffix("Clause"))
    if kind.endswith("Relation"):
        return _related(clause, _COMPARE[kind.removesuffix("Relation")], numbers, axes)
    hyperparameter = clause.parent if hasattr(clause, "parent") else clause.hyperparameter
    axis, number = axes[hyperparameter.name], numbers[hyperparameter.name]
    if kind in {"InCondition", "InClause"}:
        return np.isin(number, [axis.number(v) for v in clause.values])
    if compare is None:
        raise InvalidSpace(f"a space cannot hold the clause {clause!r}")
    return np.asarray(compare(number, axis.number(clause.value)) & ~np.isnan(number))


def _related(
    clause: Any,
    compare: Callable[[Any, Any], Any],
    numbers: Mapping[str, Floats],
    axes: Mapping[str, Axis],
) -> Bools:
    """Where the values of two hyperparameters, both there, compare; choices by their values."""
    left, right = axes[clause.left.name], axes[clause.right.name]
    a, b = numbers[left.name], numbers[right.name]
    both = ~(np.isnan(a) | np.isnan(b))
    true = np.zeros(len(a), dtype=np.bool_)
    try:
        true[both] = compare(left.objects(a[both]), right.objects(b[both])).astype(np.bool_)
    except TypeError as error:
        raise InvalidSpace(f"a forbidden clause compares text with numbers: {clause!r}") from error
    return true


def in_words(clause: Any) -> str:
    """A condition or forbidden clause as ConfigSpace writes it, without child and keyword."""
    text = str(clause).replace("Forbidden: ", "")
    return text.replace(f"{clause.child.name} | ", "") if hasattr(clause, "child") else text


def mentioned(clause: Any) -> set[str]:
    """The hyperparameters that a forbidden clause looks at."""
    if hasattr(clause, "components"):
        return set().union(*map(mentioned, clause.components))
    if hasattr(clause, "left"):
        return {clause.left.name, clause.right.name}
    return {clause.hyperparameter.name}
