"""Differential evolution: a step is a difference of two members, so it fits the landscape.

Storn, Price 1997, "Differential Evolution: A Simple and Efficient Heuristic for Global Optimization
over Continuous Spaces"; scheme rand/1/bin: v = a + F (b - c), mixed with the target x into
u_j = v_j where r_j < CR or j = J, else x_j; u takes the place of x where it is no worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger
from optimizers.move import settle
from optimizers.slot import Slots

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class DifferentialEvolution:
    """Differential evolution rand/1/bin on the cube; every member is a slot of its own.

    The first round is the warm start, then random draws; results of trials never asked are members
    too. It never waits: while a slot has no result, or fewer than four slots have, a random config
    is drawn for it; otherwise the trial comes from the members as they are. Asked and told a whole
    population at a time, this is the algorithm of the paper. A coordinate that leaves the cube is
    drawn anew; a config that is forbidden or known is replaced by a near one.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        population: The number of members, at least 4.
        factor: F, the length of a difference.
        crossover: CR, how likely a coordinate moves.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: A population of fewer than 4.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        population: int = 20,
        factor: float = 0.5,
        crossover: float = 0.9,
    ) -> None:
        if population < 4:
            raise ValueError(f"rand/1/bin needs a population of 4 or more, not {population}")
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        self._slots = Slots(self._ledger, self._cube, population)
        self._factor, self._crossover = factor, crossover

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._slots.ask(n, self._next)

    def _next(self) -> Config | None:
        members, slot = self._slots.members(), self._slots.next
        if slot not in members or len(members) < 4 or not self._cube.width:
            return self._ledger.draw()
        rng = self._ledger.random()
        x = members[slot][1]
        others = [i for i in members if i != slot]
        a, b, c = (members[i][1] for i in rng.choice(others, 3, replace=False))
        v = a + self._factor * (b - c)
        moves = rng.random(len(x)) < self._crossover
        moves[rng.integers(len(x))] = True
        anew = rng.random(len(x))
        u = np.where(moves, np.where((v < 0) | (v > 1), anew, v), x)
        config, point = settle(self._ledger, self._cube, u, rng)
        if config is not None:
            self._slots.remember(point)
        return config

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Each result is held against the member of its slot; a failed one loses."""
        self._slots.tell(evaluations)
