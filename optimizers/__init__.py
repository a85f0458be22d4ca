"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.grid import Grid
from optimizers.loop import run
from optimizers.random_search import RandomSearch
from optimizers.sobol import Sobol

OPTIMIZERS = {"grid": Grid, "random": RandomSearch, "sobol": Sobol}

__all__ = ["OPTIMIZERS", "Grid", "RandomSearch", "Sobol", "run"]
