"""How far a search is: what callbacks of `run` hear after each evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from metadb.records import Evaluation


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    Args:
        n_done: Evaluations, those it was resumed with among them.
        n_running: Trials under way.
        best: The smallest loss at the largest budget that has one; None while there is none.
        last: What ended last; None at the start.
        why: One sentence where `last` has no usable score.
        elapsed_s: Since the call of `run`.
        left_s: Seconds that the first of the limits to be reached is away; None: not known yet.
        share: How much of that limit is used up, from 0 to 1.
    """

    n_done: int
    n_running: int
    best: Evaluation | None
    last: Evaluation | None
    why: str | None
    elapsed_s: float
    left_s: float | None
    share: float


Callback = Callable[[Progress], object]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a search ends, whatever comes first; None is no limit.

    Args:
        trials: Evaluations. time_s: Wall clock. cost_s: Summed cost of the evaluations.
    """

    trials: int | None = None
    time_s: float | None = None
    cost_s: float | None = None

    def reached(self, n: int, elapsed_s: float, cost_s: float) -> bool:
        """Whether no further trial is to begin after `n`, done or under way."""
        used = ((n, self.trials), (elapsed_s, self.time_s), (cost_s, self.cost_s))
        return any(limit is not None and amount >= limit for amount, limit in used)

    def left(
        self, n: int, elapsed_s: float, cost_s: float, *, before: tuple[int, float] = (0, 0.0)
    ) -> tuple[float | None, float]:
        """Seconds to the first limit at the pace so far, and the share of it that is used.

        Args:
            before: Evaluations and their cost that this call did not take time for.
        """
        used = (
            (n, self.trials, before[0]),
            (elapsed_s, self.time_s, 0.0),
            (cost_s, self.cost_s, before[1]),
        )
        left_s: float | None = None
        share = 0.0
        for amount, limit, start in used:
            if limit is None:
                continue
            share = max(share, min(1.0, amount / limit) if limit else 1.0)
            if amount >= limit:
                left_s = 0.0
            elif amount > start:
                seconds = elapsed_s * (limit - amount) / (amount - start)
                left_s = seconds if left_s is None else min(left_s, seconds)
        return left_s, share


def better(one: Evaluation, other: Evaluation | None) -> bool:
    """Whether `one` is usable and better: at a larger budget, or of a smaller loss at its own."""
    if one.loss is None or one.status != "ok":
        return False
    if other is None or other.loss is None:
        return True
    return (-one.trial.budget, one.loss) < (-other.trial.budget, other.loss)


def best_of(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The smallest loss at the largest budget that has one; None where none is usable."""
    best: Evaluation | None = None
    for evaluation in evaluations:
        if better(evaluation, best):
            best = evaluation
    return best
