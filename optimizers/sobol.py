"""Sobol search: points that fill the space more evenly than random ones.

Sobol' 1967, "On the distribution of points in a cube and the approximate evaluation of integrals";
scrambled after Owen 1998, "Scrambling Sobol' and Niederreiter-Xing points".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

BATCH = 256
"""Points drawn at once; a power of two, as the sequence is balanced over these."""


class Sobol:
    """The points of a scrambled Sobol sequence over the cube, each config once.

    A forbidden or repeated config is passed over. Where the sequence brings nothing new (few
    choices) draws from the priors follow. The first 2^m points lie one in each of the 2^m boxes of
    any elementary partition, up to what is passed over.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Scrambles the sequence.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
    """

    def __init__(
        self, space: ConfigurationSpace, *, warm_start: Sequence[Config] = (), seed: int = 0
    ) -> None:
        self._ledger = Ledger(space, warm_start, seed)
        self._sequence = sequence(Cube.of(space), seed)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, lambda: next_new(self._sequence, self._ledger))

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing is learnt, but a config that is told is not asked again."""
        self._ledger.tell(evaluations)


def sequence(cube: Cube, seed: int) -> Iterator[Config | None]:
    """The configs of the sequence, None where forbidden."""
    from scipy.stats.qmc import Sobol as Sequence_

    if not cube.width:
        return
    points = Sequence_(cube.width, scramble=True, rng=seed)
    while True:
        configs, legal = cube.decode(points.random(BATCH))
        yield from (c if ok else None for c, ok in zip(configs, legal, strict=True))


def next_new(configs: Iterator[Config | None], ledger: Ledger) -> Config | None:
    """The next config of a sequence that is new; where it brings nothing new a random one."""
    for _, config in zip(range(DRAWS), configs, strict=False):
        if config is not None and ledger.new(config):
            return config
    return ledger.draw()
