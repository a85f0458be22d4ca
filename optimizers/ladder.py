"""Who stands on which rung: results by budget, for the searches that promote configs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import NamedTuple

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.ledger import Ledger
from optimizers.rungs import Rungs

Draw = Callable[[], Config | None]
"""Gives a new config; what it gives that is known, or None, is replaced by a random draw."""


class Result(NamedTuple):
    """What a config came to on a rung; in the order of promotion: failed ones last, then by id."""

    failed: bool
    loss: float
    id: int
    text: str
    budget: float
    config: Config


class Ladder:
    """The ledger's results, sorted into rungs; the one place that issues trials at a budget.

    A result stands on the rung of its budget; one between two rungs on the lower of them (a config
    known at half of everything needs no third any more), one below the lowest on none: its config
    is only not drawn again. Of several results of a config on a rung the usable one of the smallest
    budget and id counts.

    Args:
        ledger: Of the search.
        rungs: Its budgets.
        draw: Where new configs come from; the ledger's random draws by default.
    """

    def __init__(self, ledger: Ledger, rungs: Rungs, draw: Draw | None = None) -> None:
        self.ledger, self.rungs = ledger, rungs
        self.ranked: list[list[Result]] = [[] for _ in rungs.budgets]
        """The results of each rung, best first."""
        self._of: list[dict[str, Result]] = [{} for _ in rungs.budgets]
        self._draw = draw or ledger.draw
        self._trials: dict[int, set[tuple[str, float]]] = {}
        self._used_up = False

    def tell(self, evaluations: Sequence[Evaluation]) -> list[tuple[int, Result]]:
        """Enter results; returns those that stand on a rung, with the rung.

        Raises:
            InvalidConfig, InvalidRows: As the ledger's; nothing was entered.
        """
        self.ledger.tell(evaluations)
        standing = []
        for e in evaluations:
            config, budget = e.trial.config, e.trial.budget
            failed = e.loss is None or e.status != "ok"
            loss = 0.0 if failed or e.loss is None else e.loss
            result = Result(failed, loss, e.trial.id, canonical_config(config), budget, config)
            self._trials.setdefault(result.id, set()).add((result.text, budget))
            rung = self.rungs.below(budget)
            if rung is not None:
                self._stand(rung, result)
                standing.append((rung, result))
        return standing

    def _stand(self, rung: int, result: Result) -> None:
        old = self._of[rung].get(result.text)
        if old is not None:
            again = (old.id, old.budget) == (result.id, result.budget)
            if not again and _preferred(old) <= _preferred(result):
                return
            self.ranked[rung].remove(old)
        self._of[rung][result.text] = result
        insort(self.ranked[rung], result)

    def at(self, rung: int, text: str) -> Result | None:
        """What is known of a config on a rung."""
        return self._of[rung].get(text)

    def fresh(self) -> Config | None:
        """A new config; None for good once the space is used up."""
        if self._used_up:
            return None
        config = self._draw()
        if config is None or not self.ledger.new(config):
            config = self.ledger.draw()
        self._used_up = config is None
        return None if config is None else self.ledger.form(config)

    def issue(self, config: Config, rung: int, below: Result | None = None) -> Trial:
        """A trial on a rung, that goes on from the result of the same config `below`.

        There is nothing to resume where that one failed, or where its id names two trials (an
        earlier run's and one of here).
        """
        resume = None
        if below is not None and not below.failed and len(self._trials[below.id]) == 1:
            resume = below.id
        trial = self.ledger.issue(config, self.rungs.budgets[rung], resume)
        self._trials.setdefault(trial.id, set()).add((canonical_config(config), trial.budget))
        return trial


def _preferred(result: Result) -> tuple[bool, float, int]:
    return result.failed, result.budget, result.id
