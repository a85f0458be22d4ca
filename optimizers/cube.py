"""A space as a cube: one coordinate in [0, 1] a hyperparameter, for searches that move points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.axes import Axis, axes_of
from metadb.clauses import deactivate, holds
from metadb.columns import as_columns, as_numbers, as_rows
from metadb.protocols import Floats
from metadb.records import Config

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """Points of the unit cube and the configs that they stand for.

    A number lies where ConfigSpace puts it (logarithmically where the hyperparameter is); choice i
    of n is the cell [i / n, (i + 1) / n); a constant has no coordinate. What a point says of an
    inactive hyperparameter has no effect, so a point keeps it for when it becomes active.
    """

    space: ConfigurationSpace
    axes: Mapping[str, Axis]
    moving: tuple[Axis, ...]

    @classmethod
    def of(cls, space: ConfigurationSpace) -> Cube:
        """The cube of a space; later changes of the space do not change it."""
        axes = axes_of(space)
        return cls(space, axes, tuple(a for a in axes.values() if a.kind != "constant"))

    @property
    def width(self) -> int:
        """The number of coordinates."""
        return len(self.moving)

    def decode(self, points: Floats) -> tuple[list[Config], NDArray[np.bool_]]:
        """The configs of points (n, width), clipped into the cube, and which of them are legal."""
        numbers, legal = self.numbers(points)
        return as_rows(numbers, self.axes, len(points)), legal

    def numbers(self, points: Floats) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
        """The same as numbers of each axis, (n,), NaN where inactive; and which are legal."""
        points = np.clip(points, 0.0, 1.0)
        n = len(points)
        numbers = {name: np.zeros(n) for name in self.axes}
        for j, axis in enumerate(self.moving):
            size = len(axis.choices)
            numbers[axis.name] = (
                np.minimum(np.floor(points[:, j] * size), size - 1)
                if size
                else axis.from_unit(points[:, j])
            )
        deactivate(numbers, self.axes)
        legal = np.ones(n, bool)
        for clause in self.space.forbidden_clauses:
            legal &= ~holds(clause, numbers, self.axes)
        return numbers, legal

    def encode(self, configs: list[Config] | tuple[Config, ...]) -> Floats:
        """Points of configs (n, width): the middle of a choice's cell, of 0 to 1 where inactive.

        Raises:
            InvalidConfig: An unknown hyperparameter, or a value that is not legal for it.
        """
        from metadb.errors import InvalidConfig

        columns, n = as_columns(configs)
        numbers, why = as_numbers(columns, n, self.axes)
        if why:
            raise InvalidConfig(f"config {min(why)} cannot be placed: {why[min(why)]}")
        deactivate(numbers, self.axes)
        points = np.full((n, self.width), 0.5)
        for j, axis in enumerate(self.moving):
            number = numbers[axis.name]
            there = ~np.isnan(number)
            points[there, j] = _places(axis, number[there])
        return points

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Points (n, width) drawn from the priors, for every coordinate whether active or not."""
        random = np.random.RandomState(rng.integers(2**32))
        points = np.empty((n, self.width))
        for j, axis in enumerate(self.moving):
            points[:, j] = _places(axis, axis.sample(n, random))
        return points

    def active(self, configs: Sequence[Config]) -> NDArray[np.bool_]:
        """Which coordinates the configs speak of, (n, width)."""
        there = [[c.get(axis.name) is not None for axis in self.moving] for c in configs]
        return np.array(there, bool).reshape(len(configs), self.width)

    def complete(self, configs: Sequence[Config], rng: np.random.Generator) -> Floats:
        """Points of configs (n, width); what is inactive is drawn from its prior."""
        points, active = self.encode(tuple(configs)), self.active(configs)
        if not active.all():
            random = np.random.RandomState(rng.integers(2**32))
            for j in np.flatnonzero(~active.all(axis=0)):
                axis, open_ = self.moving[j], ~active[:, j]
                points[open_, j] = _places(axis, axis.sample(int(open_.sum()), random))
        return points


def _places(axis: Axis, numbers: Floats) -> Floats:
    """Where numbers lie on their coordinate."""
    size = len(axis.choices)
    return (numbers + 0.5) / size if size else np.clip(axis.to_unit(numbers), 0, 1)
