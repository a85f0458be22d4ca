"""Moves of points in a cube: to another value of one hyperparameter, or to a config that is new."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats
from metadb.records import Config
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger

STEP = 0.2
"""The standard deviation of a number's step, as a share of its own scale."""


def mutate(cube: Cube, point: Floats, which: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """The point (width,) with some coordinates changed: a choice to another one, each as likely; a
    number by a normal step, reflected at its bounds.
    """
    moved = point.copy()
    for j in np.flatnonzero(which):
        size = len(cube.moving[j].choices)
        if size > 1:
            now = min(int(point[j] * size), size - 1)
            moved[j] = ((now + rng.integers(1, size)) % size + 0.5) / size
        else:
            moved[j] = 1 - abs(1 - (point[j] + STEP * rng.normal()) % 2)
    return moved


def child(
    ledger: Ledger, cube: Cube, parent: Config, point: Floats, rng: np.random.Generator
) -> Config | None:
    """The parent with one active hyperparameter mutated; None where that is forbidden or known.

    Args:
        point: The parent's, (width,); it says what becomes of what the change switches on.
    """
    active = np.flatnonzero(cube.active([parent]))
    if not len(active):
        return None
    moved = mutate(cube, point, np.arange(cube.width) == rng.choice(active), rng)
    configs, legal = cube.decode(moved[None])
    return configs[0] if legal[0] and ledger.new(configs[0]) else None


def settle(
    ledger: Ledger, cube: Cube, point: Floats, rng: np.random.Generator
) -> tuple[Config | None, Floats]:
    """The config of a point (width,) and the point; of a near one where that is forbidden or known.

    Where nothing near is new, a random config; None where none is left.
    """
    point = np.clip(point, 0.0, 1.0)
    configs, legal = cube.decode(point[None])
    if legal[0] and ledger.new(configs[0]):
        return configs[0], point
    steps = np.geomspace(1e-3, 1.0, DRAWS)[:, None] * rng.normal(size=(DRAWS, cube.width))
    points = np.clip(point + steps, 0.0, 1.0)
    configs, legal = cube.decode(points)
    for i in np.flatnonzero(legal):
        if ledger.new(configs[i]):
            return configs[i], points[i]
    config = ledger.draw()
    return config, point if config is None else cube.complete([config], rng)[0]
