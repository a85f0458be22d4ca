"""Successive halving: many configs at a small budget, the best of them at a larger one, and so on.

Jamieson, Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"
(Algorithm 1), with eta in the place of 2: n configs at r, the best n / eta at r eta, the best
n / eta^2 at r eta^2, up to one config at r eta^s = R, where n = eta^s.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from metadb.records import Config, Evaluation, Trial
from optimizers.brackets import Brackets
from optimizers.ladder import Draw, Ladder
from optimizers.ledger import Canonical, Ledger
from optimizers.prior import drawing
from optimizers.rungs import Rungs

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region


class SuccessiveHalving:
    """One bracket of eta^s configs after the other, s + 1 being the number of rungs.

    Every bracket costs s + 1 times `most` where nothing is resumed. While a rung waits for results
    the next bracket begins, so an ask is short only where a finite space is used up. See `Brackets`
    for what becomes of failed trials and of results that were never asked.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order, at the smallest budget.
        least: No budget is below it; the rungs are `most`, `most / eta`, `most / eta^2`, ...
        most: The largest budget, in the unit of the search.
        eta: One config of so many goes up.
        draw: Gives a new config; random draws from the space's priors by default.
        prior: Of similar tasks; new configs are drawn around their good ones, a fifth is not.
        seed: Same seed, same asks.
        canonical: Gives the one that stands for configs that are the same; no other is asked.

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
        WrongUsage: Not 0 < least <= most, or not 1 < eta; both a prior and a draw.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        least: float = 1 / 27,
        most: float = 1.0,
        eta: float = 3,
        draw: Draw | None = None,
        prior: Region | None = None,
        seed: int = 0,
        canonical: Canonical | None = None,
    ) -> None:
        rungs = Rungs.between(least, most, eta)
        ledger = Ledger(space, warm_start, seed, canonical)
        ladder = Ladder(ledger, rungs, drawing(ledger, prior, draw))
        self._brackets = Brackets(ladder, repeat(len(rungs) - 1))

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        return self._brackets.ask(n)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """A rung whose results are all in sends its best configs up at the next ask."""
        self._brackets.tell(evaluations)
