"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.asha import ASHA
from optimizers.grid import Grid
from optimizers.hyperband import Hyperband
from optimizers.loop import run
from optimizers.random_search import RandomSearch
from optimizers.sobol import Sobol
from optimizers.successive_halving import SuccessiveHalving

OPTIMIZERS = {
    "grid": Grid,
    "random": RandomSearch,
    "sobol": Sobol,
    # several budgets
    "asha": ASHA,
    "hyperband": Hyperband,
    "successive_halving": SuccessiveHalving,
}

__all__ = [
    "ASHA",
    "OPTIMIZERS",
    "Grid",
    "Hyperband",
    "RandomSearch",
    "Sobol",
    "SuccessiveHalving",
    "run",
]
