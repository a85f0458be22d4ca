"""Everything that learns across tasks: given a task, which configurations next?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from metadb.errors import NotFound
from recommenders.a3r import A3R
from recommenders.active_testing import ActiveTesting
from recommenders.active_testing_cost import ActiveTestingCost
from recommenders.auto import Auto
from recommenders.average_rank import AverageRank
from recommenders.cold import Cold
from recommenders.copula import Copula
from recommenders.factorisation import Factorisation
from recommenders.nearest import Nearest
from recommenders.oboe import Oboe
from recommenders.pareto import Pareto
from recommenders.portfolio import Portfolio
from recommenders.pretrained import Pretrained
from recommenders.random import Random
from recommenders.ranking import Ranking
from recommenders.rgpe import RGPE
from recommenders.stacked import Stacked
from recommenders.surrogate import SURROGATES, fitter
from recommenders.taf import TAF
from recommenders.tst import TST
from recommenders.zero_shot import ZeroShot

if TYPE_CHECKING:
    from metadb.history import History
    from metadb.protocols import Recommender


class Family(Protocol):
    """A class of recommenders; `fit` gives birth to one."""

    def fit(self, history: History, *, seed: int = 0) -> Recommender:
        """Learn from the history."""


RECOMMENDERS: dict[str, Family] = {
    "auto": Auto,
    # Without transfer.
    "random": Random,
    "cold": Cold,
    # Portfolios.
    "average_rank": AverageRank,
    "portfolio": Portfolio,
    "a3r": A3R,
    "pareto": Pareto,
    # Active testing.
    "active_testing": ActiveTesting,
    "active_testing_cost": ActiveTestingCost,
    # Surrogate transfer.
    "tst": TST,
    "taf": TAF,
    "rgpe": RGPE,
    "stacked": Stacked,
    "copula": Copula,
    "pretrained": Pretrained,
    # Factorisation.
    "factorisation": Factorisation,
    "oboe": Oboe,
    # Zero-shot meta-models.
    "nearest": Nearest,
    "zero_shot": ZeroShot,
    "ranking": Ranking,
}


def family(name: str) -> Family:
    """The recommender family of that name.

    Raises:
        NotFound: There is none.
    """
    if name not in RECOMMENDERS:
        raise NotFound(f"no recommender {name!r}; there are {', '.join(RECOMMENDERS)}")
    return RECOMMENDERS[name]


__all__ = ["RECOMMENDERS", "SURROGATES", "Family", "family", "fitter"]
