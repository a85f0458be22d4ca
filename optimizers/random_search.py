"""Random search with a warm start.

Bergstra, Bengio 2012, "Random Search for Hyper-Parameter Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metadb.records import Config, Evaluation, Trial
from optimizers.ledger import Ledger

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class RandomSearch:
    """Independent draws from the space's priors, after the warm start; no config is asked twice.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
    """

    def __init__(
        self, space: ConfigurationSpace, *, warm_start: Sequence[Config] = (), seed: int = 0
    ) -> None:
        self._ledger = Ledger(space, warm_start, seed)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._ledger.draw)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing is learnt, but a config that is told is not asked again."""
        self._ledger.tell(evaluations)
