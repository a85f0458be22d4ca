"""Regularised evolution: a small tournament has one child, and the oldest dies however good it is.

Real, Aggarwal, Huang, Le 2019, "Regularized Evolution for Image Classifier Architecture Search",
algorithm 1: of a sample of the population the best is mutated, the child joins, the oldest leaves.
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
from optimizers.ledger import DRAWS, Canonical, Ledger, full
from optimizers.move import child

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class RegularizedEvolution:
    """Ageing evolution; a config lives on only where its children, too, turn out well.

    The population is the `population` youngest results, by trial id, those of trials never asked
    among them; the first are the warm start, then random draws. A child differs from its parent in
    one active hyperparameter (and in what that one switches on, which is drawn from the priors): a
    choice becomes another one, a number moves by a normal step on its own scale. A child that is
    forbidden or known is left for one of a new tournament, at last for a random config. It never
    waits: further asks draw from the population as it is, at random while there is none.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        population: P, how many live at once.
        sample: S, how many are drawn (with replacement) to a tournament.
        canonical: Gives the one that stands for configs that are the same; no other is asked.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: No population, or no sample.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        population: int = 20,
        sample: int = 5,
        canonical: Canonical | None = None,
    ) -> None:
        if population < 1 or sample < 1:
            raise ValueError(f"population {population} and sample {sample} must be 1 or more")
        self._ledger, self._cube = Ledger(space, warm_start, seed, canonical), Cube.of(space)
        self._size, self._sample = population, sample
        self._living: list[tuple[int, str, float, Config, Floats]] = []  # the oldest first

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def _next(self) -> Config | None:
        living, cube = self._living, self._cube
        first = len(living) < self._size and len(living) + len(self._ledger.pending) < self._size
        if first or not living:
            return self._ledger.draw()
        rng = self._ledger.random()
        for _ in range(DRAWS):
            drawn = [living[i] for i in rng.integers(len(living), size=self._sample)]
            _, _, _, parent, point = min(drawn, key=lambda one: one[2])
            config = child(self._ledger, cube, parent, point, rng)
            if config is not None:
                return config
        return self._ledger.draw()

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Results join the population, the oldest trials leave it; a failed one wins nothing."""
        self._ledger.tell(evaluations)
        for trial, loss in full(evaluations):
            rng = np.random.default_rng([self._ledger.seed, trial.id])
            point = self._cube.complete([trial.config], rng)[0]
            born = (trial.id, canonical_config(trial.config), loss, trial.config, point)
            self._living = [one for one in self._living if one[:2] != born[:2]]  # told again
            insort(self._living, born, key=lambda one: one[:2])
            del self._living[: -self._size]
