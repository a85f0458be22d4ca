"""Asynchronous successive halving: a config goes up as soon as it is among the best of its rung.

Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar 2020, "A System for Massively
Parallel Hyperparameter Tuning" (Algorithm 2): from the highest rung k down, a config among the best
|rung k| / eta that was not promoted yet is run at rung k + 1; where there is none, a new config
begins at rung 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.ladder import Draw, Ladder, Result
from optimizers.ledger import Ledger
from optimizers.prior import drawing
from optimizers.rungs import Rungs

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region


class ASHA:
    """Promotions where there are any, else new configs; it never waits for a result.

    A failed trial is not promoted. Only once a finite space is used up and nothing runs does the
    best of a rung go up however few stand there, a failed one too where there is no better, so that
    something reaches `most`. What was told and never asked stands on the rung of its budget.

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
        ledger = Ledger(space, warm_start, seed)
        rungs = Rungs.between(least, most, eta)
        self._ladder = Ladder(ledger, rungs, drawing(ledger, prior, draw))
        self._reached: dict[str, int] = {}  # config to the highest rung asked or told

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        return list(islice(iter(self._next, None), n))

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Results stand on their rungs at once."""
        for rung, result in self._ladder.tell(evaluations):
            self._reached[result.text] = max(rung, self._reached.get(result.text, 0))

    def _next(self) -> Trial | None:
        config = self._ladder.ledger.next_warm()
        if config is None and (found := self._promotable()) is not None:
            return self._up(*found)
        if config is None:
            config = self._ladder.fresh()
        if config is not None:
            self._reached[canonical_config(config)] = 0
            return self._ladder.issue(config, 0)
        if not self._ladder.ledger.pending and (found := self._promotable(spare=True)) is not None:
            return self._up(*found)
        return None

    def _promotable(self, *, spare: bool = False) -> tuple[int, Result] | None:
        rungs = self._ladder.rungs
        for rung in reversed(range(len(rungs) - 1)):
            ranked = self._ladder.ranked[rung]
            for result in islice(ranked, max(int(spare), rungs.share(len(ranked)))):
                if result.failed and not spare:
                    break
                if self._reached[result.text] <= rung:
                    return rung, result
        return None

    def _up(self, rung: int, result: Result) -> Trial:
        self._reached[result.text] = rung + 1
        return self._ladder.issue(result.config, rung + 1, result)
