"""An optimiser whose whole budget is a number of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from metadb.protocols import Optimizer
from metadb.records import Evaluation, Trial


@dataclass(frozen=True, slots=True)
class Epochs:
    """Asks what a search of one budget asks, the budget in epochs in place of 1.

    Args:
        search: Whose trials all have the budget 1.
        epochs: Of each.
    """

    search: Optimizer
    epochs: int

    def ask(self, n: int = 1) -> list[Trial]:
        """At most `n` trials to run."""
        return [replace(trial, budget=float(self.epochs)) for trial in self.search.ask(n)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Take results in."""
        self.search.tell(
            [
                Evaluation(replace(e.trial, budget=1.0), e.loss, e.cost_s, e.status)
                for e in evaluations
            ]
        )


__all__ = ["Epochs"]
