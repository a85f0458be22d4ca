"""Bayesian optimisation of architectures by a Gaussian process with the Weisfeiler-Lehman kernel.

Ru, Wan, Dong, Osborne 2021, "Interpretable Neural Architecture Search via Bayesian Optimisation
with Weisfeiler-Lehman Kernels" (NAS-BOWL).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger, Results
from optimizers.modelled import counted
from optimizers.nas.expectation import Expectation, Trend
from optimizers.nas.graph_gp import GraphGP
from optimizers.nas.pool import pool
from optimizers.nas.space import NasSpace
from optimizers.nas.wl import Counts, Patterns
from recommenders.acquisition import log_expected_improvement


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """Args: trend: What is expected. gp: Of what it leaves; None where there are no results."""

    results: Results
    trend: Trend
    gp: GraphGP | None


class WLGP:
    """The largest log EI among children of the best and random architectures.

    The process is of the losses' normal scores, refitted with each result; parallel trials are
    believed. It never waits: before `startup` results are in, asks are random.

    Args:
        nas: Where to search.
        warm_start: Configs asked first and in order.
        expectation: What past tasks say; the process is then of what a line through it leaves, and
            starts with no results.
        seed: Same seed, same asks.
        startup: So many results come before the first model.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        ValueError: `startup` is less than 2, without an expectation.
    """

    def __init__(
        self,
        nas: NasSpace,
        *,
        warm_start: Sequence[Config] = (),
        expectation: Expectation | None = None,
        seed: int = 0,
        startup: int = 10,
    ) -> None:
        if startup < 2 and expectation is None:
            raise ValueError(f"startup must be 2 or more, not {startup}")
        self._nas, self._expectation = nas, expectation
        self._startup = 0 if expectation else startup
        self._ledger = Ledger(nas.space, warm_start, seed, nas.canonical)
        self._cube, self._patterns = Cube.of(nas.space), Patterns()
        self._counts: dict[str, Counts] = {}
        self._model: _Model | None = None

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """The model is refitted at the next ask; a failed one is as bad as the worst."""
        self._ledger.tell(evaluations)
        self._model = None

    def _next(self) -> Config | None:
        ledger = self._ledger
        if self._model is None:
            results = counted(ledger, self._startup)
            if results is None:
                return ledger.draw()
            self._model = self._fit(results)
        results, trend, gp = self._model.results, self._model.trend, self._model.gp
        found = pool(ledger, self._cube, results, self._expectation, ledger.random())
        if not found:
            return ledger.draw()
        configs = list(found.values())
        expected = trend.of(configs)
        if gp is None:
            return configs[int(expected.argmin())]
        pending = [trial.config for trial in ledger.pending]
        gp = gp.believe(self._counted(pending))
        best = (trend.of([*results.configs, *pending]) + gp.fitted).min()
        mean, sd = gp.predict([self._count(text, config) for text, config in found.items()])
        gain = log_expected_improvement(expected + mean, sd, float(best))
        return configs[int(gain.argmax())]

    def _fit(self, results: Results) -> _Model:
        from recommenders.sources import normal_scores

        scores = normal_scores(results.loss)
        trend = Trend.fit(self._expectation, results.configs, scores)
        if not len(results):
            return _Model(results, trend, None)
        counts = self._counted(results.configs)
        gp = GraphGP.fit(self._patterns, counts, scores - trend.of(results.configs))
        return _Model(results, trend, gp)

    def _counted(self, configs: Sequence[Config]) -> list[Counts]:
        return [self._count(canonical_config(config), config) for config in configs]

    def _count(self, text: str, config: Config) -> Counts:
        if text not in self._counts:
            self._counts[text] = self._patterns.count(self._nas.graph(config))
        return self._counts[text]
