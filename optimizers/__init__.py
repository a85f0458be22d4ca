"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.cma_es import CMAES
from optimizers.differential_evolution import DifferentialEvolution
from optimizers.genetic import Genetic
from optimizers.grid import Grid
from optimizers.loop import run
from optimizers.particle_swarm import ParticleSwarm
from optimizers.random_search import RandomSearch
from optimizers.regularized_evolution import RegularizedEvolution
from optimizers.sobol import Sobol

OPTIMIZERS = {
    "grid": Grid,
    "random": RandomSearch,
    "sobol": Sobol,
    "cma_es": CMAES,
    "differential_evolution": DifferentialEvolution,
    "genetic": Genetic,
    "particle_swarm": ParticleSwarm,
    "regularized_evolution": RegularizedEvolution,
}

__all__ = [
    "CMAES",
    "OPTIMIZERS",
    "DifferentialEvolution",
    "Genetic",
    "Grid",
    "ParticleSwarm",
    "RandomSearch",
    "RegularizedEvolution",
    "Sobol",
    "run",
]
