"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.grid import Grid
from optimizers.loop import run
from optimizers.random_search import RandomSearch
from optimizers.sobol import Sobol
from optimizers.tpe import TPE

OPTIMIZERS = {"grid": Grid, "random": RandomSearch, "sobol": Sobol, "tpe": TPE}

__all__ = ["OPTIMIZERS", "TPE", "Grid", "RandomSearch", "Sobol", "run"]
