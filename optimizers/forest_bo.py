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

from metadb.identity import canonical_config
from metadb.protocols import Floats, Surrogate
from metadb.records import Config, Evaluation, Trial
from optimizers.ascent import Ascent, Gain
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger, Results
from optimizers.sobol import sequence
from recommenders.acquisition import log_expected_improvement
from recommenders.forest import ranked_forest
from recommenders.surrogate import Fitter

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

KNOWN = 10
"""So many of the best results are looked around."""

LEAST = -1e30
"""The gain where trees agree that nothing is to be hoped: to be compared, unlike -inf."""


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
            else 5, in more dimensions as many as these, at most 10.
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
        if startup is None:
            startup = getattr(surrogate, "startup", min(max(5, self._cube.width), 10))
        if startup < (surrogate is None) or not 0 <= random <= 1:
            raise ValueError(
                "startup must be 1 or more (0 with a surrogate that needs no results), random a "
                f"share from 0 to 1; got startup={startup}, random={random}"
            )
        self._startup, self._random = startup, random
        self._fit = ranked_forest if surrogate is None else surrogate
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
            return self._begin()
        rng = self._ledger.random(1)
        if rng.random() < self._random:
            return self._ledger.draw()
        results, model = self._model
        best = np.argsort(results.loss, kind="stable")[:KNOWN]
        known = self._cube.encode([results.configs[i] for i in best])
        gain = hope(self._believing(results, model), results.x[~np.isnan(results.loss)])
        for config in Ascent(self._cube, self._ledger.encoding, gain).ranked(known, rng):
            if self._ledger.new(config):
                return config
        return self._ledger.draw()

    def _begin(self) -> Config | None:
        """The next config of the sequence that is new."""
        for _, config in zip(range(DRAWS), self._first, strict=False):
            if config is not None and self._ledger.new(config):
                return config
        return self._ledger.draw()

    def _fitted(self) -> tuple[Results, Surrogate] | None:
        """The results that count and their model; None while they are too few."""
        told = self._ledger.results()
        ok = ~np.isnan(told.loss)
        if not self._cube.width:
            return None
        for budget in np.unique(told.budget)[::-1]:
            there = told.budget == budget
            if there.sum() >= self._startup and (ok[there].any() or not self._startup):
                return self._modelled(told.take(there))
        return None if self._startup else self._modelled(told.take(ok))

    def _modelled(self, results: Results) -> tuple[Results, Surrogate]:
        return results, self._fit(results.x, results.loss, self._seed(results))

    def _seed(self, results: Results) -> int:
        """Another forest after each result."""
        return int(np.random.default_rng([self._ledger.seed, len(results)]).integers(2**31))

    def _believing(self, results: Results, model: Surrogate) -> Surrogate:
        """The model as if the pending trials had come out as it predicts.

        One that cannot believe is fitted with them at the mean loss (a constant liar; Ginsbourger,
        Le Riche, Carraro 2010, "Kriging is well-suited to parallelize optimization").
        """
        waiting = self._ledger.pending
        if not waiting:
            return model
        configs = [trial.config for trial in waiting]
        x = self._ledger.encode([canonical_config(config) for config in configs], configs)
        believe = getattr(model, "believe", None)
        if believe is not None:
            believing: Surrogate = believe(x)
            return believing
        loss = np.append(results.loss, np.full(len(x), np.nanmean(results.loss)))
        return self._fit(np.vstack([results.x, x]), loss, self._seed(results))


def hope(model: Surrogate, x: Floats) -> Gain:
    """What the model hopes of points: by itself, or its log EI over the best of what was run.

    Args:
        x: What was run and did not fail, encoded, (n, width).
    """
    own: Gain | None = getattr(model, "gain", None)
    if own is not None:
        return own
    if not len(x):
        return lambda at: -model.predict(at)[0]
    best = float(model.predict(x)[0].min())
    return lambda at: np.maximum(log_expected_improvement(*model.predict(at), best), LEAST)
