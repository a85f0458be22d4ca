"""Where an acquisition function is largest: many points, the best of them climbed, and exchanged.

Numbers climb by L-BFGS along the slope of the acquisition function, all starts as one problem
(Balandat et al. 2020, "BoTorch: A Framework for Efficient Monte-Carlo Bayesian Optimization",
section 3.2 and appendix F); choices and integers are exchanged one at a time while that gains
(Hutter, Hoos, Leyton-Brown 2011, "Sequential Model-Based Optimization for General Algorithm
Configuration", section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadb.encoding import Encoding
from metadb.protocols import Floats
from metadb.records import Config
from optimizers.cube import Cube

RANDOM, AROUND, STARTS, ROUNDS, CLIMB = 512, 64, 8, 6, 40
"""Random points; points around each known one; points that climb; exchanges; steps of L-BFGS."""

STEPS = (0.003, 0.3)
"""The least and the largest step around a known point, as a share of a number's scale."""

Gain = Callable[[Floats], Floats]
Slope = Callable[[Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True, eq=False)
class Ascent:
    """The acquisition function over a space, to be climbed.

    Args:
        cube: Of the space. encoding: Of the space.
        gain: Of encoded points (n, width), (n,).
        slope: Gain and its derivatives (n,), (n, width); None: there is no slope to climb.
    """

    cube: Cube
    encoding: Encoding
    gain: Gain
    slope: Slope | None = None

    def ranked(self, known: Floats, rng: np.random.Generator) -> Iterator[Config]:
        """Legal configs, those of the largest gain first; not all of the space.

        Args:
            known: Points (k, width of the cube) near which something may be hoped.
        """
        points, value = self._scattered(known, rng)
        starts = np.argsort(-value, kind="stable")[:STARTS]
        top, gained = self._climbed(points[starts], value[starts])
        for _ in range(ROUNDS):
            further, better = self._exchanged(top, gained, rng)
            if not (better > gained + 1e-9 * np.abs(gained)).any():
                break
            top, gained = self._climbed(further, better)
        points, value = np.vstack([top, points]), np.concatenate([gained, value])
        order = np.argsort(-value, kind="stable")
        order = order[np.isfinite(value[order])]
        for start in range(0, len(order), 16):
            configs, _ = self.cube.decode(points[order[start : start + 16]])
            yield from configs

    def scatter(self, known: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Legal points (m, width of the cube), random and around the known, and them encoded."""
        points = self._drawn(known, rng)
        x, legal = self._encoded(points)
        return points[legal], x[legal]

    def _scattered(self, known: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        points = self._drawn(known, rng)
        return points, self._value(points)

    def _drawn(self, known: Floats, rng: np.random.Generator) -> Floats:
        parts = [self.cube.sample(RANDOM, rng)]
        for point in known:
            near = np.tile(point, (AROUND, 1))
            step = np.geomspace(*STEPS, AROUND)[:, None] * rng.normal(size=near.shape)
            sizes = self._sizes
            moved = 1 - np.abs(1 - (near + step) % 2)  # reflected at the bounds
            other = (rng.integers(np.maximum(sizes, 1), size=near.shape) + 0.5) / np.maximum(
                sizes, 1
            )
            flips = rng.random(near.shape) < 1 / max(self.cube.width, 1)
            parts.append(np.where(sizes > 1, np.where(flips, other, near), moved))
        return np.vstack(parts)

    @property
    def _sizes(self) -> NDArray[np.intp]:
        """How many choices each coordinate has, 0 for a number."""
        return np.array([len(axis.choices) for axis in self.cube.moving], np.intp)

    def _encoded(self, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        numbers, legal = self.cube.numbers(points)
        return self.encoding.write(numbers, len(points)), legal

    def _value(self, points: Floats) -> Floats:
        """The gain of points, -inf where forbidden."""
        x, legal = self._encoded(points)
        value = np.full(len(points), -np.inf)
        if legal.any():
            value[legal] = np.nan_to_num(self.gain(x[legal]), nan=-np.inf, posinf=np.inf)
        return value

    def _climbed(self, points: Floats, value: Floats) -> tuple[Floats, Floats]:
        """Points at the end of the climb of their numbers, where that is better."""
        numeric = [(j, a.start) for j, a in enumerate(self.cube.moving) if not a.choices]
        if self.slope is None or not numeric:
            return points, value
        at, columns = map(list, zip(*numeric, strict=True))
        x, _ = self._encoded(points)
        free = x[:, columns] >= 0.0  # (starts, numbers): the others are inactive
        x = climb(self.slope, x, np.array(columns), free)
        there = points.copy()
        there[:, at] = np.where(free, x[:, columns], points[:, at])
        gained = self._value(there)
        better = gained > value
        return np.where(better[:, None], there, points), np.where(better, gained, value)

    def _exchanged(
        self, points: Floats, value: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Of each point the best among those that differ in one coordinate, or itself."""
        moves = [self._neighbours(point, rng) for point in points]
        sizes = [len(near) for near in moves]
        if not sum(sizes):
            return points, value
        gained = self._value(np.vstack(moves))
        points, value, start = points.copy(), value.copy(), 0
        for i, size in enumerate(sizes):
            if size:
                best = start + int(np.argmax(gained[start : start + size]))
                if gained[best] > value[i]:
                    points[i], value[i] = moves[i][best - start], gained[best]
            start += size
        return points, value

    def _neighbours(self, point: Floats, rng: np.random.Generator) -> Floats:
        """Every other choice, the integers next to it, and steps of numbers that cannot climb."""
        near: list[tuple[int, float]] = []
        for j, axis in enumerate(self.cube.moving):
            size = len(axis.choices)
            if size:
                now = min(int(point[j] * size), size - 1)
                near += [(j, (c + 0.5) / size) for c in range(size) if c != now]
            elif axis.kind == "integer":
                number = axis.from_unit(point[[j]])[0]
                low, high = axis.hyperparameter.lower, axis.hyperparameter.upper
                to = np.array([n for n in (number - 1, number + 1) if low <= n <= high])
                near += [(j, float(place)) for place in np.clip(axis.to_unit(to), 0, 1)]
            if self.slope is None and not size:
                steps = point[j] + rng.normal(size=4) * (0.2, 0.05, 0.02, 0.005)
                near += [(j, float(1 - abs(1 - s % 2))) for s in steps]
        moved = np.tile(point, (len(near), 1))
        for row, (j, place) in enumerate(near):
            moved[row, j] = place
        return moved


def climb(slope: Slope, x: Floats, columns: NDArray[np.intp], free: NDArray[np.bool_]) -> Floats:
    """Points (n, width) after climbing in the free ones of some columns, within [0, 1].

    L-BFGS on the sum of the gains: each point's slope is its own.

    Args:
        free: Which of the columns move, (n, columns).
    """
    from scipy.optimize import minimize

    if not free.any():
        return x
    moved = x.copy()

    def place(flat: Floats) -> Floats:
        part = moved[:, columns]
        part[free] = flat
        moved[:, columns] = part
        return moved

    def loss(flat: Floats) -> tuple[float, Floats]:
        value, slopes = slope(place(flat))
        return -float(value.sum()), -slopes[:, columns][free]

    found = minimize(
        loss, x[:, columns][free], jac=True, method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * int(free.sum()), options={"maxiter": CLIMB},
    )  # fmt: skip
    return place(np.clip(found.x, 0.0, 1.0))
