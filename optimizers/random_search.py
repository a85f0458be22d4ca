"""Random search with a warm start.

Bergstra, Bengio 2012, "Random Search for Hyper-Parameter Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metadb.records import Config, Evaluation, Trial
from optimizers.ledger import Canonical, Ledger
from optimizers.prior import drawing

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region


class RandomSearch:
    """Independent draws from the space's priors, after the warm start; no config is asked twice.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        prior: Of similar tasks; new configs are drawn around their good ones, a fifth is not.
        seed: Same seed, same asks.
        canonical: Gives the one that stands for configs that are the same; no other is asked.

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        prior: Region | None = None,
        seed: int = 0,
        canonical: Canonical | None = None,
    ) -> None:
        self._ledger = Ledger(space, warm_start, seed, canonical)
        self._draw = drawing(self._ledger, prior) or self._ledger.draw

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._draw)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing is learnt, but a config that is told is not asked again."""
        self._ledger.tell(evaluations)
