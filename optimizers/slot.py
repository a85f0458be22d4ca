"""A population in slots: each keeps the best of its own trials, however late they end."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

import numpy as np

from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger, full


class Slots:
    """The members of a population: trial k of a search is for slot k modulo `size`.

    A member is the best that was told for its slot (of equal ones the latest asked), so neither
    the order nor the time of telling matters: told a whole round at a time, the rounds are the
    generations of the papers; told one at a time, each result counts at once. Of results of trials
    never asked the best `size` are dealt to the slots, the best to the first.
    """

    def __init__(self, ledger: Ledger, cube: Cube, size: int) -> None:
        self._ledger, self._cube, self.size = ledger, cube, size
        self._proposed: dict[int, Floats] = {}  # by the number of trials asked before
        self._asked: dict[int, tuple[int, Floats | None]] = {}  # trial id: slot, point
        self._own: dict[int, tuple[float, int, Floats]] = {}  # slot: loss, -id, point
        self._foreign: list[tuple[float, int, str, Floats]] = []  # best first

    @property
    def next(self) -> int:
        """The slot of the next trial."""
        return self._ledger.n_asked % self.size

    def ask(self, n: int, propose: Callable[[], Config | None]) -> list[Trial]:
        """At most `n` trials, as `Ledger.ask`."""
        before = self._ledger.n_asked
        trials = self._ledger.ask(n, propose)
        for k, trial in enumerate(trials, before):
            self._asked[trial.id] = k % self.size, self._proposed.pop(k, None)
        return trials

    def remember(self, point: Floats) -> None:
        """Keep the point (width,) of the config that is proposed next."""
        self._proposed[self._ledger.n_asked] = point

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results."""
        self._ledger.tell(evaluations)
        for trial, loss in full(evaluations):
            asked = self._ledger.asked.get(trial.id) == trial
            slot, point = self._asked[trial.id] if asked else (0, None)
            if point is None:
                rng = np.random.default_rng([self._ledger.seed, trial.id])
                point = self._cube.complete([trial.config], rng)[0]
            if asked:
                told = (loss, -trial.id, point)
                if slot not in self._own or told[:2] < self._own[slot][:2]:
                    self._own[slot] = told
            else:
                text = canonical_config(trial.config)
                again = (trial.id, text)
                self._foreign = [m for m in self._foreign if m[1:3] != again]
                insort(self._foreign, (loss, trial.id, text, point), key=lambda m: m[:3])
                del self._foreign[self.size :]

    def members(self) -> dict[int, tuple[float, Floats]]:
        """The loss and the point (width,) of each slot of which something was told."""
        best = {i: (loss, point) for i, (loss, _, point) in self._own.items()}
        for i, (loss, _, _, point) in enumerate(self._foreign):
            if i not in best or loss < best[i][0]:
                best[i] = loss, point
        return dict(sorted(best.items()))
