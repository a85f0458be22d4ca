"""The contracts between the rooms, on one page; nobody inherits from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from metadb.records import Evaluation, Recommendation, Rows, Task, Trial

if TYPE_CHECKING:
    from metadb.history import Configs

Floats = NDArray[np.float64]


class Source(Protocol):
    """A place where tuning knowledge lies."""

    def fetch(self, cache: Path, cursor: str | None = None) -> Iterable[Path]:
        """The files to parse, from `cursor` on; the only step that may use the network."""

    def parse(self, path: Path) -> Iterable[Rows]:
        """The rows of one file; pure: no network, no store."""


class Recommender(Protocol):
    """What was learnt across tasks; born fitted, for example `Portfolio.fit(history)`."""

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """At most `k` configs to try next, best first, none of them observed already."""


class Surrogate(Protocol):
    """A model of the loss over an encoded space."""

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at `x` (n, width), each (n,)."""


class Optimizer(Protocol):
    """A search that can be stopped between any two calls."""

    def ask(self, n: int = 1) -> list[Trial]:
        """At most `n` trials to run; an empty list says: wait for results, or done."""

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Take results in, in any order and any grouping."""


__all__ = ["Floats", "Optimizer", "Recommender", "Source", "Surrogate"]
