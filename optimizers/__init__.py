"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.loop import run
from optimizers.random_search import RandomSearch

OPTIMIZERS = {"random": RandomSearch}

__all__ = ["OPTIMIZERS", "RandomSearch", "run"]
