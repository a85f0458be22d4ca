"""Random-forest optimisation: SMAC's search, a forest of the losses and random configs between.

Hutter, Hoos, Leyton-Brown 2011, "Sequential model-based optimization for general algorithm
configuration"; Lindauer, Eggensperger, Feurer et al. 2022, "SMAC3: A versatile Bayesian
optimization package for hyperparameter optimization". Log EI of Ament et al. 2023, "Unexpected
improvements to expected improvement for Bayesian optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.protocols import Floats, Surrogate
from metadb.records import Config, Evaluation, Trial
from optimizers.ascent import Ascent
from optimizers.cube import Cube
from optimizers.ledger import Ledger, Results
from optimizers.modelled import believing, best_predicted, counted, hope, needed, waiting
from optimizers.sobol import next_new, sequence
from recommenders.forest import ranked_forest
from recommenders.surrogate import Fitter

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

KNOWN = 10
"""So many of the best results are looked around."""


class ForestBO:
    """Ask where a random forest expects most improvement, and now and then a random config.

    The first `startup` configs are those of a Sobol sequence. Then a forest of the losses' normal
    scores is asked: the config of the largest log EI found among random ones, around the best known
    and by exchanging one hyperparameter at a time. A share `random` of the configs is drawn from
    the space's priors, whatever the forest says, so that no region is left out for ever (SMAC3 has
    0.08 or 0.2, which 50 trials miss). Normal scores instead of SMAC's logarithms: they hold for
    losses of any sign and scale.

    What was fitted serves until something new is told. Pending trials are believed to come out as
    predicted, so that parallel asks differ. A failed trial ranks as the worst. Of several budgets
    the largest counts at which `startup` results are in.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed and same results, same asks.
        startup: Results before the first model; None: as many as the surrogate says it needs, or
            else 5, in more dimensions as many as these, at most 10; with a warm start no more than
            it has, or 5.
        random: The share of random configs.
        surrogate: Makes the model of encoded points, losses (NaN where failed) and a seed, instead
            of the forest; it may carry what past tasks taught: `recommenders.fitter`. The best loss
            so far is the least that it predicts at what was run.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: `startup` is negative, or `random` is no share.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        startup: int | None = None,
        random: float = 0.05,
        surrogate: Fitter | None = None,
    ) -> None:
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        if not 0 <= random <= 1:
            raise ValueError(
                "startup must be 1 or more, random a share from 0 to 1; got "
                f"startup={startup}, random={random}"
            )
        self._startup = needed(startup, surrogate, self._cube.width, len(warm_start))
        self._random = random
        self._fitter = ranked_forest if surrogate is None else surrogate
        self._first = sequence(self._cube, seed)
        self._model: tuple[Results, Surrogate] | None = None

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results; those of trials never asked count as well."""
        self._ledger.tell(evaluations)
        self._model = None

    def _next(self) -> Config | None:
        if self._model is None:
            self._model = self._fitted()
        if self._model is None:
            return next_new(self._first, self._ledger)
        rng = self._ledger.random(1)
        if rng.random() < self._random:
            return self._ledger.draw()
        results, model = self._model
        x = waiting(self._ledger)
        believed = believing(model, results, x, self._fit)
        gain = hope(believed, best_predicted(believed, results, x))
        best = np.argsort(results.loss, kind="stable")[:KNOWN]
        known = self._cube.encode([results.configs[i] for i in best])
        for config in Ascent(self._cube, self._ledger.encoding, gain).ranked(known, rng):
            if self._ledger.new(config):
                return config
        return self._ledger.draw()

    def _fitted(self) -> tuple[Results, Surrogate] | None:
        """The results that count and their model; None while they are too few."""
        results = counted(self._ledger, self._startup) if self._cube.width else None
        return None if results is None else (results, self._fit(results.x, results.loss))

    def _fit(self, x: Floats, loss: Floats) -> Surrogate:
        """Another forest after each result."""
        seed = int(np.random.default_rng([self._ledger.seed, len(x)]).integers(2**31))
        return self._fitter(x, loss, seed)
