"""Hyperband: successive halving from several smallest budgets, as none is right for every task.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar 2018, "Hyperband: A Novel Bandit-Based Approach to
Hyperparameter Optimization" (Algorithm 1): for s = s_max, ..., 0 a bracket of
n = ceil((s_max + 1) / (s + 1) eta^s) configs that begins at the budget R eta^-s and keeps
floor(n eta^-i) of them at R eta^(i - s).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from metadb.records import Config, Evaluation, Trial
from optimizers.brackets import Brackets
from optimizers.ladder import Draw, Ladder
from optimizers.ledger import Ledger
from optimizers.prior import drawing
from optimizers.rungs import Rungs

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region


class Hyperband:
    """The brackets s_max, ..., 0, and then from the first again.

    Each of the s_max + 1 brackets costs about s_max + 1 times `most`; the last is random search at
    `most`. While a rung waits for results the next bracket begins, so an ask is short only where a
    finite space is used up. See `Brackets` for what becomes of failed trials and of results that
    were never asked.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order, at the smallest budget.
        least: No budget is below it; the rungs are `most`, `most / eta`, `most / eta^2`, ...
        most: The largest budget R, in the unit of the search.
        eta: One config of so many goes up.
        draw: Gives a new config; random draws from the space's priors by default.
        prior: Of similar tasks; new configs are drawn around their good ones, a fifth is not.
        seed: Same seed, same asks.

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
    ) -> None:
        rungs = Rungs.between(least, most, eta)
        ledger = Ledger(space, warm_start, seed)
        ladder = Ladder(ledger, rungs, drawing(ledger, prior, draw))
        self._brackets = Brackets(ladder, cycle(reversed(range(len(rungs)))))

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        return self._brackets.ask(n)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """A rung whose results are all in sends its best configs up at the next ask."""
        self._brackets.tell(evaluations)
