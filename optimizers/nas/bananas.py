"""BANANAS: an ensemble of networks predicts losses from the paths of an architecture.

White, Neiswanger, Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural
Architecture Search".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metadb.identity import canonical_config
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger, Results
from optimizers.modelled import counted
from optimizers.nas.ensemble import Ensemble
from optimizers.nas.expectation import Expectation, Trend
from optimizers.nas.paths import Path, PathEncoding
from optimizers.nas.pool import pool
from optimizers.nas.space import NasSpace

EVERY = 10
"""The ensemble is trained anew after so many results (the paper's k)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """Args: texts: Of the trials that taught it. ensemble: None where there are too few."""

    texts: tuple[str, ...]
    trend: Trend
    encoding: PathEncoding | None
    ensemble: Ensemble | None


class Bananas:
    """Independent Thompson sampling among children of the best and random architectures.

    Of each candidate a loss is drawn from the normal distribution of the ensemble's predictions;
    the least is asked. It never waits: before the first `EVERY` results are in, asks are random.

    Args:
        nas: Where to search.
        warm_start: Configs asked first and in order.
        expectation: What past tasks say; the ensemble then predicts what a line through it leaves.
        seed: Same seed, same asks.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
    """

    def __init__(
        self,
        nas: NasSpace,
        *,
        warm_start: Sequence[Config] = (),
        expectation: Expectation | None = None,
        seed: int = 0,
    ) -> None:
        self._nas, self._expectation = nas, expectation
        self._ledger = Ledger(nas.space, warm_start, seed, nas.canonical)
        self._cube = Cube.of(nas.space)
        self._paths: dict[str, list[Path]] = {}
        self._model: _Model | None = None
        self._results: Results | None = None

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Results teach the ensemble in tens; a failed one is as bad as the worst."""
        self._ledger.tell(evaluations)
        self._results = None

    def _next(self) -> Config | None:
        ledger = self._ledger
        if self._results is None:
            self._results = counted(ledger, 0 if self._expectation else EVERY)
            if self._results is None:
                return ledger.draw()
            self._fit(self._results)
        rng, model = ledger.random(), self._model
        found = pool(ledger, self._cube, self._results, self._expectation, rng)
        if not found or model is None:
            return ledger.draw()
        configs = list(found.values())
        scores = model.trend.of(configs)
        if model.ensemble is not None and model.encoding is not None:
            x = model.encoding.encode([self._paths_of(*named) for named in found.items()])
            predicted = model.ensemble.predict(x)  # (members, candidates)
            scores = scores + rng.normal(predicted.mean(axis=0), predicted.std(axis=0))
        return configs[int(scores.argmin())]

    def _fit(self, results: Results) -> None:
        """Train on the first results, a multiple of `EVERY`, unless that was done."""
        from recommenders.sources import normal_scores

        n = len(results) // EVERY * EVERY
        first = results.take(np.arange(len(results)) < n)
        texts = tuple(
            f"{canonical_config(c)} {y}" for c, y in zip(first.configs, first.loss, strict=True)
        )
        if self._model is not None and self._model.texts == texts:
            return
        scores = normal_scores(first.loss)
        trend = Trend.fit(self._expectation, first.configs, scores)
        encoding = ensemble = None
        if n:
            paths = [self._paths_of(canonical_config(c), c) for c in first.configs]
            encoding = PathEncoding.of(paths)
            left = scores - trend.of(first.configs)
            ensemble = Ensemble.fit(encoding.encode(paths), left, seed=self._ledger.seed)
        self._model = _Model(texts, trend, encoding, ensemble)

    def _paths_of(self, text: str, config: Config) -> list[Path]:
        if text not in self._paths:
            self._paths[text] = self._nas.graph(config).paths()
        return self._paths[text]
