"""The first trials of a search by `metadb tune`, in which past tasks have their say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from api.warm import First
from metadb.identity import canonical_config
from metadb.protocols import Optimizer
from metadb.records import Config, Evaluation, Trial

Ask = Callable[[int, Sequence[Evaluation]], Sequence[First]]
"""Past tasks, asked for so many configurations, given what was observed."""


class Opening:
    """The learners' defaults and what past tasks advise, in turn.

    A default comes first: they are no weak start, and past tasks may be unlike this one. Past tasks
    are asked before each of their turns anew, with all results so far, since these tell which past
    tasks are like this one. Chosen on `data/sample`, each of its 12 data sets left out, with active
    testing as the past (regret after 5, 10 and 20 of its 210 configs, 1 is the median config): in
    turn .315, .209, .163; advice alone .304, .261, .177 (but after the first .855 where a default
    has .702); the defaults, then random configs, .424, .316, .240.

    Ending the advice early made nothing better there. With a Gaussian process of the task's own
    results after the opening, regret after 10 and 20 trials (.023 and .019 of the task's range)
    differs from that of all 7 pieces, +- a standard error over the 12 data sets: ended after 2 in a
    row that are no better than the best so far +.011 +- .011, .000 +- .002; after 3 +.011 +- .011,
    +.002 +- .005; where more regret than .10 is expected +.019 +- .012, +.008 +- .005; 4 pieces at
    most +.001 +- .001, -.001 +- .002; 2 +.013 +- .010, -.003 +- .004. On the 10 data sets of
    `data/regression` after 20: +.002 +- .001, .000, +.004 +- .002, +.001 +- .001, +.003 +- .001.

    Args:
        before: Tried before all others; of a search that is gone on with, what it began with.
        defaults: A configuration a learner.
        ask: Past tasks; None: there are none.
        k: They advise so many configurations at most.
    """

    def __init__(
        self, before: Sequence[First], defaults: Sequence[Config], ask: Ask | None, k: int
    ) -> None:
        self.first: list[First] = []
        self._before = list(before)
        self._defaults = [First(config, "default") for config in defaults]
        self._ask, self._left = ask, k if ask is not None else 0

    def next(self, told: Sequence[Evaluation]) -> First | None:
        """What comes next, given all that was told; None: the opening is over."""
        known = {canonical_config(e.trial.config) for e in told}
        while (one := self._turn(told, known)) is not None:
            begun = {canonical_config(f.config) for f in self.first}
            text = canonical_config(one.config)
            if text not in begun:
                self.first.append(one)
                if text not in known:
                    return one
        return None

    def untold(self) -> Iterator[Config]:
        """All of it, for a search that hears of no result before it is over."""
        while (one := self.next(())) is not None:
            yield one.config

    def _turn(self, told: Sequence[Evaluation], known: set[str]) -> First | None:
        if self._before:
            one = self._before.pop(0)
            self._left -= one.why == "advised"
            return one
        usual = bool(self.first) and self.first[-1].why == "default"
        if self._left > 0 and (usual or not self._defaults):
            self._left -= 1
            begun = {canonical_config(f.config) for f in self.first}
            for one in self._asked(1 + len(begun - known), told):
                if canonical_config(one.config) not in begun:
                    return one
            self._left = 0  # all that may be advised was
        return self._defaults.pop(0) if self._defaults else None

    def _asked(self, k: int, told: Sequence[Evaluation]) -> Sequence[First]:
        return () if self._ask is None else self._ask(k, told)


class Begun:
    """A search that an opening begins and an optimiser goes on with, which is told everything.

    Args:
        opening: Of which trials that run at the same time are waited for before the optimiser asks.
        optimizer: Of the same space.
    """

    def __init__(self, opening: Opening, optimizer: Optimizer) -> None:
        self._opening, self._optimizer = opening, optimizer
        self._told: list[Evaluation] = []
        self._running: set[int] = set()
        self._next = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; none while the last of the opening run."""
        trials: list[Trial] = []
        while len(trials) < n and (one := self._opening.next(self._told)) is not None:
            trials.append(Trial(one.config, 1.0, self._next))
            self._running.add(self._next)
            self._next += 1
        return trials if trials or self._running else self._optimizer.ask(n)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results, those of an interrupted run too."""
        self._told += evaluations
        self._running -= {e.trial.id for e in evaluations}
        self._next = max([self._next, *(e.trial.id + 1 for e in evaluations)])
        self._optimizer.tell(evaluations)
