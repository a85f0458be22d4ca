"""Neural architecture search: architectures are configurations, searched by `ask` and `tell`."""

from __future__ import annotations

from collections.abc import Callable

from optimizers.nas.chain import Chain
from optimizers.nas.darts import CellDARTS
from optimizers.nas.hierarchical import Hierarchical
from optimizers.nas.nb201 import CellNB201
from optimizers.nas.space import NasSpace

NAS_SPACES: dict[str, Callable[[], NasSpace]] = {
    "nb201": CellNB201,
    "darts": CellDARTS,
    "chain": Chain,
    "hierarchical": Hierarchical,
}
