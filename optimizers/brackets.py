"""Brackets of synchronous halving side by side: while a rung waits, the next bracket begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.ladder import Ladder, Result


@dataclass(slots=True)
class Bracket:
    """One race of successive halving.

    Args:
        lowest: Its lowest rung.
        sizes: Places on each of its rungs.
        level: The rung that it is at, counted from its lowest.
        members: The configs there, as texts.
        waiting: Those of them that may still miss a result.
        promoted: Those of them that are still to be asked.
    """

    lowest: int
    sizes: list[int]
    level: int = 0
    members: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    promoted: deque[Result] = field(default_factory=deque)

    @property
    def filling(self) -> bool:
        """Whether there are places for new configs."""
        return self.level == 0 and len(self.members) < self.sizes[0]

    @property
    def rung(self) -> int:
        """The rung that it is at."""
        return self.lowest + self.level

    def take(self, text: str) -> None:
        """Give a config a place."""
        self.members.append(text)
        self.waiting.append(text)


class Brackets:
    """Brackets in the given order; the earliest that can go on does.

    The lowest rung of a bracket takes the warm start, then configs told but never asked whose
    smallest budget is that rung's, then new ones. A rung that has all its results sends its best
    configs up; what is known of them there is not asked again. A failed one goes up only where all
    on its rung failed. While warm configs are left they are asked before anything else.

    Args:
        ladder: Of the search.
        order: The number of the highest rung of each bracket, counted from its lowest, for ever.
    """

    def __init__(self, ladder: Ladder, order: Iterator[int]) -> None:
        self._ladder, self._order = ladder, order
        self._open: list[Bracket] = []
        self._placed: set[str] = set()
        self._strangers: list[list[tuple[int, str]]] = [[] for _ in ladder.rungs.budgets]

    def ask(self, n: int) -> list[Trial]:
        """At most `n` trials; fewer once a finite space is used up and rungs wait."""
        return list(islice(iter(self._next, None), n))

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results."""
        for rung, result in self._ladder.tell(evaluations):
            if result.text not in self._placed:
                heappush(self._strangers[rung], (result.id, result.text))

    def _next(self) -> Trial | None:
        warm = self._ladder.ledger.next_warm()
        if warm is not None:
            return self._enter(self._filling(), warm)
        while True:
            for bracket in self._open:
                if (trial := self._go_on(bracket)) is not None:
                    return trial
            self._open = [b for b in self._open if b.members or b.filling]
            bracket = self._filling()
            stranger = self._stranger(bracket.lowest)
            if stranger is not None:
                self._placed.add(stranger)
                bracket.take(stranger)
            elif (config := self._ladder.fresh()) is not None:
                return self._enter(bracket, config)
            elif bracket.members:  # the space is used up: the bracket goes on with what it has
                bracket.sizes[0] = len(bracket.members)
            else:
                return None

    def _enter(self, bracket: Bracket, config: Config) -> Trial:
        trial = self._ladder.issue(config, bracket.lowest)
        text = canonical_config(config)
        self._placed.add(text)
        bracket.take(text)
        return trial

    def _filling(self) -> Bracket:
        """The last bracket, or the next one where that is full."""
        if not self._open or not self._open[-1].filling:
            s = next(self._order)
            rungs = self._ladder.rungs
            self._open.append(Bracket(len(rungs) - 1 - s, list(rungs.bracket(s))))
        return self._open[-1]

    def _stranger(self, rung: int) -> str | None:
        """A config told but never asked that belongs on a rung, by id."""
        heap = self._strangers[rung]
        while heap:
            _, text = heappop(heap)
            lower = any(self._ladder.at(r, text) is not None for r in range(rung))
            if text not in self._placed and not lower:
                return text
        return None

    def _go_on(self, bracket: Bracket) -> Trial | None:
        """The next promoted trial of a bracket; its members are gone when it is over."""
        while not bracket.filling:
            while bracket.promoted:
                below = bracket.promoted.popleft()
                if self._ladder.at(bracket.rung, below.text) is None:
                    return self._ladder.issue(below.config, bracket.rung, below)
            while bracket.waiting and self._ladder.at(bracket.rung, bracket.waiting[-1]):
                bracket.waiting.pop()
            if bracket.waiting:
                return None
            self._climb(bracket)
            if not bracket.members:
                return None
        return None

    def _climb(self, bracket: Bracket) -> None:
        ranked = sorted(r for t in bracket.members if (r := self._ladder.at(bracket.rung, t)))
        usable = [r for r in ranked if not r.failed] or ranked
        bracket.level += 1
        up = usable[: bracket.sizes[bracket.level]] if bracket.level < len(bracket.sizes) else []
        bracket.members = [r.text for r in up]
        bracket.waiting = bracket.members[::-1]
        bracket.promoted = deque(up)
