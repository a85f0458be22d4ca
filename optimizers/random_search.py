"""Random search with a warm start.

Bergstra, Bengio 2012, "Random Search for Hyper-Parameter Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class RandomSearch:
    """Independent draws from the space, after the warm start; no config is asked twice.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed, same asks.
    """

    def __init__(
        self, space: ConfigurationSpace, *, warm_start: Sequence[Config] = (), seed: int = 0
    ) -> None:
        self.space = space
        self.seed = seed
        self._queue = list(warm_start)
        self._asked: set[str] = set()
        self._n_asked = 0
        self._n_drawn = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        trials = []
        for _ in range(n):
            config = self._next()
            if config is None:
                break
            trials.append(Trial(config, id=self._n_asked))
            self._n_asked += 1
        return trials

    def _next(self) -> Config | None:
        while self._queue:
            config = self._queue.pop(0)
            if self._new(config):
                return config
        from metadb.space import sample

        for _ in range(100):  # a hundred known draws in a row: the space is as good as used up
            self._n_drawn += 1
            config = sample(self.space, 1, self.seed * 1_000_003 + self._n_drawn)[0]
            if self._new(config):
                return config
        return None

    def _new(self, config: Config) -> bool:
        text = canonical_config(config)
        new = text not in self._asked
        self._asked.add(text)
        return new

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing to learn."""
