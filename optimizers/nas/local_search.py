"""Local search: from the best of a few random architectures to better neighbours, then anew.

White, Nolen, Savani 2021, "Exploring the Loss Landscape in Neural Architecture Search".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.ledger import Ledger
from optimizers.nas.replay import Replay, Result
from optimizers.nas.space import NasSpace


@dataclass(slots=True)
class _Climb:
    """Args: begun: Results of this climb's start. seen: Texts of all results so far."""

    begun: int = 0
    best: Result | None = None
    near: dict[str, Config] | None = None
    seen: set[str] = field(default_factory=set)


class LocalSearch:
    """Neighbours of the best of a climb in random order, the first better one takes its place.

    A climb begins with the best of `first` random architectures (the first climb with the warm
    start among them); once all neighbours of its best are known, the next begins. It never waits:
    while the last neighbours are out, further asks are random.

    Args:
        nas: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
        first: How many random architectures a climb begins with.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: `first` is less than 1.
    """

    def __init__(
        self, nas: NasSpace, *, warm_start: Sequence[Config] = (), seed: int = 0, first: int = 10
    ) -> None:
        if first < 1:
            raise ValueError(f"first must be 1 or more, not {first}")
        self._nas, self._first = nas, first
        self._ledger = Ledger(nas.space, warm_start, seed, nas.canonical)
        self._climb = Replay(_Climb, self._step)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def _next(self) -> Config | None:
        climb, ledger = self._climb.state, self._ledger
        if climb.best is None or climb.begun + len(ledger.pending) < self._first:
            return ledger.draw()
        near = self._near(climb).items()
        new = [config for text, config in near if not ledger.knows(text)]
        if not new:
            return ledger.draw()
        return new[ledger.random().integers(len(new))]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """A result better than the best of the climb takes its place; a failed one is worst."""
        self._ledger.tell(evaluations)
        self._climb.tell(evaluations)

    def _step(self, climb: _Climb, result: Result) -> None:
        over = climb.begun >= self._first and not self._near(climb).keys() - climb.seen
        if over:
            climb.begun, climb.best = 0, None
        climb.begun += 1
        climb.seen.add(self._ledger.identity(result.config))
        if climb.best is None or result.loss < climb.best.loss:
            climb.best, climb.near = result, None

    def _near(self, climb: _Climb) -> dict[str, Config]:
        """The neighbours of the best by their texts."""
        if climb.near is None:
            assert climb.best is not None
            near = self._nas.neighbours(climb.best.config)
            climb.near = {canonical_config(config): config for config in near}
        return climb.near
