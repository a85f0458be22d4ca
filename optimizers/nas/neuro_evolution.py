"""Tournament neuro-evolution: of two architectures the worse dies and the better has a child.

Real, Moore, Selle, Saxena, Suematsu, Tan, Le, Kurakin 2017, "Large-Scale Evolution of Image
Classifiers".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger
from optimizers.move import child
from optimizers.nas.replay import Replay, Result
from optimizers.nas.space import NasSpace


class NeuroEvolution:
    """An architecture lives until it loses a tournament of two, however old it is.

    The first `population` results live; each later one takes the place of the worse of two that
    live, drawn by its trial, and the better of these is its parent. A child differs in one active
    hyperparameter; one that is known is left for that of another pair, at last for a random
    architecture. It never waits: further asks draw from the population as it is.

    Args:
        nas: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        population: How many live at once.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: A population of less than two.
    """

    def __init__(
        self,
        nas: NasSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        population: int = 20,
    ) -> None:
        if population < 2:
            raise ValueError(f"a population must be 2 or more, not {population}")
        self._ledger = Ledger(nas.space, warm_start, seed, nas.canonical)
        self._cube, self._size = Cube.of(nas.space), population
        self._living: Replay[list[Result]] = Replay(list, self._step)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def _next(self) -> Config | None:
        living, ledger = self._living.state, self._ledger
        few = len(living) < self._size and len(living) + len(ledger.pending) < self._size
        if few or len(living) < 2:
            return ledger.draw()
        rng = ledger.random()
        for _ in range(DRAWS):
            better, _ = _tournament(living, rng)
            parent = living[better].config
            point = self._cube.complete([parent], rng)[0]
            config = child(ledger, self._cube, parent, point, rng)
            if config is not None:
                return config
        return ledger.draw()

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Each result joins the population; a failed one wins nothing."""
        self._ledger.tell(evaluations)
        self._living.tell(evaluations)

    def _step(self, living: list[Result], result: Result) -> None:
        if len(living) >= self._size:
            rng = np.random.default_rng([self._ledger.seed, result.id])
            _, worse = _tournament(living, rng)
            del living[worse]
        living.append(result)


def _tournament(living: Sequence[Result], rng: np.random.Generator) -> tuple[int, int]:
    """The places of the better and of the worse of two, of equal ones the younger is better."""
    one, two = sorted(rng.choice(len(living), size=2, replace=False).tolist())
    return (one, two) if living[one].loss < living[two].loss else (two, one)
