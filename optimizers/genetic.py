"""A genetic algorithm: children of two good configs, with small mutations; the best live on.

Holland 1975, "Adaptation in Natural and Artificial Systems"; tournaments after Goldberg, Deb 1991,
"A Comparative Analysis of Selection Schemes Used in Genetic Algorithms"; uniform crossover after
Syswerda 1989, "Uniform Crossover in Genetic Algorithms"; one child at a time, which takes the place
of the worst, after Whitley 1989, "The GENITOR Algorithm and Selection Pressure".
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger, full
from optimizers.move import mutate

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class Genetic:
    """A steady-state genetic algorithm over configs.

    The population is the best `population` results, those of trials never asked among them; the
    first are the warm start, then random draws. A child takes each hyperparameter from one of two
    parents (from the one that has it, where only one does; from the prior, where none does), then
    each mutates with probability `mutation`: a choice to another one, a number by a normal step on
    its own scale. A child that is forbidden or known is left for one of new parents, at last for a
    random config. It never waits: further asks draw from the population as it is, at random while
    there is none.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        population: How many live at once.
        tournament: How many are drawn (with replacement) for each parent; the best is taken.
        mutation: How likely a hyperparameter mutates; None: so that one of a config does.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: No population, or no tournament.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        population: int = 20,
        tournament: int = 2,
        mutation: float | None = None,
    ) -> None:
        if population < 1 or tournament < 1:
            raise ValueError(f"population {population}, tournament {tournament}: must be 1 or more")
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        self._size, self._tournament, self._mutation = population, tournament, mutation
        self._living: list[tuple[float, int, str, Config, Floats]] = []  # the best first

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def _next(self) -> Config | None:
        living, cube = self._living, self._cube
        first = len(living) < self._size and len(living) + len(self._ledger.pending) < self._size
        if first or not living or not cube.width:
            return self._ledger.draw()
        rng = self._ledger.random()
        for _ in range(DRAWS):
            configs, legal = cube.decode(self._child(rng)[None])
            if legal[0] and self._ledger.new(configs[0]):
                return configs[0]
        return self._ledger.draw()

    def _child(self, rng: np.random.Generator) -> Floats:
        """The point (width,) of a child of two parents, each the best of a tournament."""
        places = rng.integers(len(self._living), size=(2, self._tournament)).min(axis=1)
        has = self._cube.active([self._living[i][3] for i in places])
        points = [self._living[i][4] for i in places]
        second = np.where(has[0] == has[1], rng.random(has.shape[1]) < 0.5, has[1])
        child = np.where(second, points[1], points[0])
        rate = self._mutation
        if rate is None:
            rate = 1 / max(int(has.any(axis=0).sum()), 1)
        return mutate(self._cube, child, rng.random(len(child)) < rate, rng)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Results join the population, the worst leave it; a failed one is the worst."""
        self._ledger.tell(evaluations)
        for trial, loss in full(evaluations):
            rng = np.random.default_rng([self._ledger.seed, trial.id])
            point = self._cube.complete([trial.config], rng)[0]
            born = (loss, trial.id, canonical_config(trial.config), trial.config, point)
            self._living = [one for one in self._living if one[1:3] != born[1:3]]  # told again
            insort(self._living, born, key=lambda one: one[:3])
            del self._living[self._size :]
