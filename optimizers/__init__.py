"""Bundled optimisers, the learners they tune, and the one loop that runs trials."""

from __future__ import annotations

from optimizers.asha import ASHA
from optimizers.bo import BO
from optimizers.bohb import BOHB
from optimizers.cma_es import CMAES
from optimizers.curve_stopping import CurveStopping
from optimizers.differential_evolution import DifferentialEvolution
from optimizers.forest_bo import ForestBO
from optimizers.genetic import Genetic
from optimizers.grid import Grid
from optimizers.hyperband import Hyperband
from optimizers.loop import run
from optimizers.particle_swarm import ParticleSwarm
from optimizers.random_search import RandomSearch
from optimizers.regularized_evolution import RegularizedEvolution
from optimizers.sobol import Sobol
from optimizers.successive_halving import SuccessiveHalving
from optimizers.tpe import TPE

OPTIMIZERS = {
    # nothing is learnt
    "grid": Grid,
    "random": RandomSearch,
    "sobol": Sobol,
    # a model of the loss
    "bo": BO,
    "tpe": TPE,
    "forest_bo": ForestBO,
    # evolution
    "cma_es": CMAES,
    "differential_evolution": DifferentialEvolution,
    "genetic": Genetic,
    "particle_swarm": ParticleSwarm,
    "regularized_evolution": RegularizedEvolution,
    # several budgets
    "asha": ASHA,
    "bohb": BOHB,
    "curve_stopping": CurveStopping,
    "hyperband": Hyperband,
    "successive_halving": SuccessiveHalving,
}

__all__ = [
    "ASHA",
    "BO",
    "BOHB",
    "CMAES",
    "OPTIMIZERS",
    "TPE",
    "CurveStopping",
    "DifferentialEvolution",
    "ForestBO",
    "Genetic",
    "Grid",
    "Hyperband",
    "ParticleSwarm",
    "RandomSearch",
    "RegularizedEvolution",
    "Sobol",
    "SuccessiveHalving",
    "run",
]
