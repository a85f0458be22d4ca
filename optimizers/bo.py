"""Bayesian optimisation: a Gaussian process of the losses, and the config to be hoped most of.

Jones, Schonlau, Welch 1998, "Efficient Global Optimization of Expensive Black-Box Functions"; log
EI of Ament et al. 2023, "Unexpected Improvements to Expected Improvement for Bayesian
Optimization"; dimension-scaled priors of Hvarfner, Hellsten, Nardi 2024, "Vanilla Bayesian
Optimization Performs Great in High Dimensions"; several at once by believed results, Ginsbourger,
Le Riche, Carraro 2010, "Kriging Is Well-Suited to Parallelize Optimization".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from metadb.errors import NotFound
from metadb.protocols import Floats, Surrogate
from metadb.records import Config, Evaluation, Trial
from optimizers.ascent import Ascent
from optimizers.cube import Cube
from optimizers.ledger import Ledger, Results
from optimizers.modelled import believing, best_predicted, counted, hope, needed, waiting
from optimizers.sobol import next_new, sequence
from recommenders.acquisition import ACQUISITIONS, Acquisition
from recommenders.matern import spread
from recommenders.posterior import Posterior
from recommenders.relevance import Relevance
from recommenders.surrogate import Fitter
from recommenders.tail import scaled

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

DRAWN = 1000
"""So many points, those around the best among them, has a joint draw."""

NEAR = 5
"""So many of the best results are looked around."""

GROWTH = 1.1
"""Hyperparameters are sought again when the results are so many times as many."""


class BO:
    """Ask where a Gaussian process hopes most.

    The first `startup` configs are those of a Sobol sequence. Then y = f(x) + noise with a
    Matern-5/2 kernel over the encoding: choices are one-hot, what is inactive lies outside of
    [0, 1]. It has a scale a hyperparameter; with every other result one scale for all instead,
    where the results are too few to tell more. (On what is not reported: one for all was far better
    on bowls like Griewank-8, a scale each on some lcbench tasks; in turn was near the better one,
    and of eight lcbench tasks the losses after 50 sum to 1.01, 1.12 with one for all alone.) The
    kernel's hyperparameters have the greatest posterior density: sought at the 1.1-fold of the
    results they were last sought at, from where they were
    then. What is asked hangs on what was told, not on when. Pending trials are believed to come out
    as predicted, so that parallel asks differ. A failed trial counts as the worst. Of several
    budgets the largest counts at which `startup` results are in.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Same seed and same results, same asks.
        acquisition: `log_ei`, `ei`, `pi`, `ucb`, or `thompson` (the least of one joint draw).
        startup: Results before the first model; None: as many as the surrogate says it needs, or
            else 5, in more dimensions as many as these, at most 10; with a warm start no more than
            it has, or 5.
        surrogate: Makes the model of encoded points, losses (NaN where failed) and a seed, instead
            of the Gaussian process; it may carry what past tasks taught: `recommenders.fitter`.
            It is asked for log EI, or for its own `gain`, whatever `acquisition` is.
        device: Where torch computes.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        NotFound: No such acquisition function.
        ValueError: `startup` is less than 1.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        acquisition: str = "log_ei",
        startup: int | None = None,
        surrogate: Fitter | None = None,
        device: str = "cpu",
    ) -> None:
        if acquisition not in {*ACQUISITIONS, "thompson"}:
            names = ", ".join([*ACQUISITIONS, "thompson"])
            raise NotFound(f"no acquisition function {acquisition!r}; there are {names}")
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        self._acquisition, self._surrogate, self._device = acquisition, surrogate, device
        self._startup = needed(startup, surrogate, self._cube.width, len(warm_start))
        self._first = sequence(self._cube, seed)
        self._groups = self._ledger.encoding.groups
        self._sought: list[tuple[bytes, Relevance]] = []  # the digest of results
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
        results, model = self._model
        x = waiting(self._ledger)
        model = believing(model, results, x, self._fit)
        nearby = np.argsort(results.filled, kind="stable")[:NEAR]
        known = self._cube.encode([results.configs[i] for i in nearby])
        for config in self._hoped(model, best_predicted(model, results, x), known):
            if self._ledger.new(config):
                return config
        return next_new(self._first, self._ledger)

    def _fitted(self) -> tuple[Results, Surrogate] | None:
        """The results that count and their model; None while they are too few."""
        results = counted(self._ledger, self._startup) if self._cube.width else None
        return None if results is None else (results, self._fit(results.x, results.loss))

    def _fit(self, x: Floats, loss: Floats) -> Surrogate:
        if self._surrogate is not None:
            return self._surrogate(x, loss, self._ledger.seed)
        filled = np.where(np.isnan(loss), np.nanmax(loss), loss)
        return Posterior.of(x, scaled(filled), self._theta(x, filled), device=self._device)

    def _hoped(self, model: Surrogate, best: float | None, known: Floats) -> Iterator[Config]:
        """Legal configs, those to be hoped most of first."""
        rng, encoding = self._ledger.random(1), self._ledger.encoding
        if not isinstance(model, Posterior):
            return Ascent(self._cube, encoding, hope(model, best)).ranked(known, rng)
        if self._acquisition == "thompson":
            return self._drawn(model, known, rng)
        assert best is not None  # a posterior is of results
        climb = _Climb(model, ACQUISITIONS[self._acquisition], best)
        return Ascent(self._cube, encoding, climb.gain, climb.slope).ranked(known, rng)

    def _drawn(self, model: Posterior, known: Floats, rng: np.random.Generator) -> Iterator[Config]:
        """Configs by one joint draw of their losses, the least first."""
        ascent = Ascent(self._cube, self._ledger.encoding, lambda x: x[:, 0])
        points, x = ascent.scatter(known, rng)
        order = np.argsort(model.sample(x[-DRAWN:], rng), kind="stable")
        yield from self._cube.decode(points[-DRAWN:][order])[0]

    def _theta(self, x: Floats, loss: Floats) -> Floats:
        """Hyperparameters of the results: a pure function of them, whatever was asked before."""
        found: Relevance | None = None
        size, nth = self._startup, 0
        while size <= len(x):
            name = x[:size].tobytes() + loss[:size].tobytes()
            digest = blake2b(name, digest_size=16).digest()
            if nth == len(self._sought) or self._sought[nth][0] != digest:
                y = scaled(loss[:size])
                found = Relevance.of(x[:size], y, self._groups, found, self._device)
                self._sought[nth:] = [(digest, found)]
            found = self._sought[nth][1]
            size, nth = max(size + 1, int(np.ceil(size * GROWTH))), nth + 1
        assert found is not None  # as many as `startup` are there
        return found.theta if len(x) % 2 else spread(found.each, self._groups)


@dataclass(frozen=True, slots=True)
class _Climb:
    """An acquisition function of a posterior, and its slope in the encoded space."""

    model: Posterior
    acquisition: Acquisition
    best: float

    def gain(self, x: Floats) -> Floats:
        return self.acquisition.value(*self.model.predict(x), self.best)

    def slope(self, x: Floats) -> tuple[Floats, Floats]:
        mean, sd, d_mean, d_sd = self.model.slopes(x)
        of_mean, of_sd = self.acquisition.slope(mean, sd, self.best)
        value = self.acquisition.value(mean, sd, self.best)
        return value, of_mean[:, None] * d_mean + of_sd[:, None] * d_sd
