"""Particle swarm: points that fly towards the best they have seen, and the best that any has seen.

Kennedy, Eberhart 1995, "Particle Swarm Optimization"; with the constriction of Clerc, Kennedy 2002,
"The Particle Swarm: Explosion, Stability, and Convergence in a Multidimensional Complex Space":
v <- chi (v + phi/2 r1 (p - x) + phi/2 r2 (g - x)), x <- x + v, for phi > 4 and
chi = 2 / (phi - 2 + sqrt(phi^2 - 4 phi)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger
from optimizers.move import settle
from optimizers.slot import Slots

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class ParticleSwarm:
    """A swarm with constriction on the cube, everyone a neighbour of everyone.

    The first round is the warm start, then random draws; a particle sets off at rest from the best
    config of its slot, and results of trials never asked are bests too. It never waits: a particle
    without any result is drawn at random, another flies on towards the bests as they are. Asked and
    told a whole swarm at a time, this is the algorithm of the papers. A particle stops at the wall
    that it hits; a config that is forbidden or known (one at rest: the best of the first round) is
    replaced by a near one.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        population: The number of particles.
        phi: The pull of both bests together, more than 4; 4.1 gives chi = 0.73.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: No particle, or a phi of 4 or less.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        population: int = 15,
        phi: float = 4.1,
    ) -> None:
        if population < 1 or phi <= 4:
            raise ValueError(f"a swarm needs particles and phi > 4, not {population} and {phi}")
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        self._slots = Slots(self._ledger, self._cube, population)
        self._flight: dict[int, tuple[Floats, Floats]] = {}  # slot: position, velocity
        self._phi, self._chi = phi, 2 / (phi - 2 + np.sqrt(phi**2 - 4 * phi))

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._slots.ask(n, self._next)

    def _next(self) -> Config | None:
        members, slot = self._slots.members(), self._slots.next
        if slot not in members or not self._cube.width:
            return self._ledger.draw()
        rng = self._ledger.random()
        p = members[slot][1]
        g = min(members.values(), key=lambda member: member[0])[1]
        x, v = self._flight.get(slot, (p, np.zeros(len(p))))
        r1, r2 = rng.random((2, len(x)))
        v = self._chi * (v + self._phi / 2 * (r1 * (p - x) + r2 * (g - x)))
        x = x + v
        v = np.where((x < 0) | (x > 1), 0.0, v)
        config, x = settle(self._ledger, self._cube, x, rng)
        if config is not None:
            self._flight[slot] = x, v
            self._slots.remember(x)
        return config

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Each result is held against the best of its particle; a failed one loses."""
        self._slots.tell(evaluations)
