"""A recommender that says what a test wants it to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metadb.history import Configs
from metadb.records import Config, Evaluation, Recommendation, Task


class Fixed:
    """These configs, in this order."""

    def __init__(self, *configs: Config) -> None:
        self._configs = configs
        self.asked: list[Any] = []

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        self.asked.append((task.id, k, len(observed)))
        return [Recommendation(one) for one in self._configs[:k]]
