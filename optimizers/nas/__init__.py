"""Neural architecture search: architectures are configurations, searched by `ask` and `tell`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metadb.protocols import Optimizer
from optimizers.nas.bananas import Bananas
from optimizers.nas.chain import Chain
from optimizers.nas.darts import CellDARTS
from optimizers.nas.hierarchical import Hierarchical
from optimizers.nas.local_search import LocalSearch
from optimizers.nas.nb201 import CellNB201
from optimizers.nas.neuro_evolution import NeuroEvolution
from optimizers.nas.reinforce import Reinforce
from optimizers.nas.space import NasSpace
from optimizers.nas.wl_gp import WLGP
from optimizers.random_search import RandomSearch
from optimizers.regularized_evolution import RegularizedEvolution
from optimizers.successive_halving import SuccessiveHalving

NAS_SPACES: dict[str, Callable[[], NasSpace]] = {
    "nb201": CellNB201,
    "darts": CellDARTS,
    "chain": Chain,
    "hierarchical": Hierarchical,
}


def _of_canonical(search: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
    """A search of any space, of canonical architectures alone."""

    def made(nas: NasSpace, **options: Any) -> Optimizer:
        return search(nas.space, canonical=nas.canonical, **options)

    made.__doc__, made.__wrapped__ = search.__doc__, search  # type: ignore[attr-defined]
    return made


NAS_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "random": _of_canonical(RandomSearch),
    "local_search": LocalSearch,
    # evolution
    "regularized_evolution": _of_canonical(RegularizedEvolution),
    "neuro_evolution": NeuroEvolution,
    # a controller
    "reinforce": Reinforce,
    # a model of the loss
    "bananas": Bananas,
    "wl_gp": WLGP,
    # several budgets
    "successive_halving": _of_canonical(SuccessiveHalving),
}
"""Name to what makes the search of a `NasSpace`; keywords: `warm_start`, `seed`, its own."""

__all__ = [
    "NAS_OPTIMIZERS",
    "NAS_SPACES",
    "WLGP",
    "Bananas",
    "CellDARTS",
    "CellNB201",
    "Chain",
    "Hierarchical",
    "LocalSearch",
    "NasSpace",
    "NeuroEvolution",
    "Reinforce",
]
