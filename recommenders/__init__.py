"""Everything that learns across tasks: given a task, which configurations next?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from metadb.errors import NotFound
from recommenders.average_rank import AverageRank
from recommenders.nearest import Nearest
from recommenders.portfolio import Portfolio
from recommenders.random import Random

if TYPE_CHECKING:
    from metadb.history import History
    from metadb.protocols import Recommender


class Family(Protocol):
    """A class of recommenders; `fit` gives birth to one."""

    def fit(self, history: History, *, seed: int = 0) -> Recommender:
        """Learn from the history."""


RECOMMENDERS: dict[str, Family] = {
    "random": Random,
    "average_rank": AverageRank,
    "portfolio": Portfolio,
    "nearest": Nearest,
}


def family(name: str) -> Family:
    """The recommender family of that name.

    Raises:
        NotFound: There is none.
    """
    if name not in RECOMMENDERS:
        raise NotFound(f"no recommender {name!r}; there are {', '.join(RECOMMENDERS)}")
    return RECOMMENDERS[name]


__all__ = ["RECOMMENDERS", "AverageRank", "Family", "Nearest", "Portfolio", "Random", "family"]
