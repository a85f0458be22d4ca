"""Hyperparameters of ConfigSpace made of what a tuner declares, and a space made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from api.hooks.projection import plain
from metadb.axes import Value, axes_of
from metadb.errors import InvalidSpace

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

GRID = 10_000
"""A range with a step becomes an ordinal of its values, of at most so many."""


def number(name: str, lower: float, upper: float, *, log: bool = False, whole: bool = False) -> Any:
    """A range of numbers, whole ones or not; a single number is a constant."""
    from ConfigSpace import hyperparameters as cs

    low, high = (int(lower), int(upper)) if whole else (float(lower), float(upper))
    if low == high:
        return cs.Constant(name, low)
    kind = cs.UniformIntegerHyperparameter if whole else cs.UniformFloatHyperparameter
    return kind(name, low, high, log=log)


def choice(
    name: str,
    values: Iterable[Any],
    *,
    ordered: bool = False,
    weights: Sequence[float] | None = None,
) -> Any:
    """One of these values: None becomes a text, a list its JSON; a single one is a constant."""
    from ConfigSpace import hyperparameters as cs

    choices = [plain(value) for value in values]
    if len(choices) == 1:
        return cs.Constant(name, choices[0])
    if ordered:
        return cs.OrdinalHyperparameter(name, choices)
    return cs.CategoricalHyperparameter(name, choices, weights=weights)


def stepped(name: str, lower: float, upper: float, step: float) -> Any:
    """The numbers from `lower` to `upper` by a step; whole ones where all three are.

    Raises:
        InvalidSpace: They are more than `GRID`.
    """
    whole = all(isinstance(one, int) for one in (lower, upper, step))
    if whole and step == 1:
        return number(name, lower, upper, whole=True)
    n = math.floor((upper - lower) / step * (1 + 1e-12) + 1e-9) + 1
    if n > GRID:
        raise InvalidSpace(
            f"{name!r} has {n:,} values; a range with a step may have {GRID:,}, so leave out the "
            "step or give space= without it"
        )
    if whole:
        return choice(name, range(int(lower), int(upper) + 1, int(step)), ordered=True)
    return choice(name, [float(f"{lower + i * step:.13g}") for i in range(n)], ordered=True)


def step_of(choices: Sequence[Value]) -> float | int | None:
    """The step of an ordinal that is a range with a step; None of any other."""
    kinds = set(map(type, choices))
    if len(choices) < 3 or kinds not in ({int}, {float}):
        return None
    numbers: list[Any] = list(choices)
    step = numbers[1] - numbers[0]
    step = step if kinds == {int} else float(f"{step:.12g}")
    even = (math.isclose(b - a, step, rel_tol=1e-9) for a, b in pairwise(numbers))
    return step if step > 0 and all(even) else None


def space_from(
    name: str, made: Iterable[Any], conditions: Iterable[Any] = ()
) -> ConfigurationSpace:
    """A space of hyperparameters and conditions.

    Raises:
        InvalidSpace: ConfigSpace cannot hold it.
    """
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace(name=name)
    try:  # ConfigSpace rounds bounds to 13 decimals
        space.add(list(made))
        space.add(list(conditions))
        axes_of(space)
    except (ValueError, TypeError) as error:
        raise InvalidSpace(f"ConfigSpace cannot hold this space: {error}") from error
    return space
