"""Spaces with conditions at tuners that have none: all is drawn, what is inactive is taken off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.hooks.projection import nearest, usual, walk
from metadb.axes import Axis, Value, axes_of
from metadb.errors import InvalidConfig
from metadb.records import Config
from metadb.space import check

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def flat(config: Config, space: ConfigurationSpace) -> dict[str, Value]:
    """A config with a value for every hyperparameter: for what is inactive, its default."""
    return {name: config.get(name, usual(axis)) for name, axis in axes_of(space).items()}


def active(config: Mapping[str, Any], space: ConfigurationSpace) -> Config:
    """What a tuner without conditions drew, as a config of the space: only what is active.

    Call it first in the objective.

    Raises:
        InvalidConfig: The space forbids it, or it has no such value.
    """

    def drawn(axis: Axis) -> Value:
        value = config.get(axis.name)
        return usual(axis) if value is None else nearest(axis, value, "clip")[0]

    found = walk(axes_of(space), drawn)
    said = check(space, [found])[0]
    if said is not None:
        raise InvalidConfig(said)
    return found


def warn_of_losses(space: ConfigurationSpace, tuner: str) -> None:
    """Say which parts of a space a tuner without conditions, clauses and priors does not have."""
    lost = []
    if space.forbidden_clauses:
        lost.append("its forbidden clauses")
    priors = [name for name, one in space.items() if "Normal" in type(one).__name__]
    priors += [name for name, one in space.items() if "Beta" in type(one).__name__]
    if priors:
        lost.append(f"the priors of {', '.join(sorted(priors))}")
    if lost:
        warnings.warn(
            f"{tuner} has no place for {' and '.join(lost)} of the space {space.name!r}: it draws "
            "without them",
            stacklevel=3,
        )
