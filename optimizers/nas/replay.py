"""The results of a search read in the order of their trials, whatever order they came in."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation
from optimizers.ledger import full

S = TypeVar("S")


class Result(NamedTuple):
    """A config and its loss at full budget, infinite where there is no usable score."""

    id: int
    text: str
    loss: float
    config: Config


class Replay(Generic[S]):
    """A state that each result changes, the earliest trial's first.

    A result that comes after later ones makes the state be built anew, so that it depends on what
    was told alone: neither on the order of telling nor on interruptions.

    Args:
        begin: Makes the state before any result.
        step: Enters a result into the state.
    """

    def __init__(self, begin: Callable[[], S], step: Callable[[S, Result], None]) -> None:
        self._begin, self._step = begin, step
        self._results: list[Result] = []
        self._state, self._read = begin(), 0

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Take in results; one told again takes the place of what was told before."""
        for trial, loss in full(evaluations):
            result = Result(trial.id, canonical_config(trial.config), loss, trial.config)
            place = bisect(self._results, result[:2], key=lambda known: known[:2])
            if place and self._results[place - 1][:2] == result[:2]:
                place -= 1
                self._results[place] = result
            else:
                self._results.insert(place, result)
            if place < self._read:
                self._state, self._read = self._begin(), 0

    @property
    def state(self) -> S:
        """The state after all results."""
        for result in self._results[self._read :]:
            self._step(self._state, result)
        self._read = len(self._results)
        return self._state
