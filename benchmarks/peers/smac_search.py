"""SMAC3's random-forest search, asked and told.

Lindauer, Eggensperger, Feurer, Biedenkapp, Deng, Benjamins, Ruhkopf, Sass, Hutter 2022, "SMAC3: A
Versatile Bayesian Optimization Package for Hyperparameter Optimization".
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.proposal import package
from metadb.axes import axes_of
from metadb.columns import as_columns, as_numbers, as_rows
from metadb.records import Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class SmacSearch:
    """`HyperparameterOptimizationFacade` as it comes, for a deterministic objective.

    The space is its own form, conditions and all. Its initial design (Sobol, a quarter of the
    trials at most) and its random interleaving are left as they are, and so is that one fit of the
    forest serves eight asks. A failed result has the worst loss seen.

    Args:
        space: Where to search.
        trials: The number of trials of the search, on which the initial design depends.
        initial: The number of configs of the initial design; default: SMAC3's own.
        seed: Same seed, same asks.

    Raises:
        NotFound: SMAC3 is not installed.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        trials: int = 50,
        initial: int | None = None,
        seed: int,
    ) -> None:
        smac = package("smac", "smac")
        self._folder = tempfile.TemporaryDirectory()
        own = deepcopy(space)
        own.seed(seed)
        scenario = smac.Scenario(
            own,
            deterministic=True,
            n_trials=trials,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        facade = smac.HyperparameterOptimizationFacade
        self._smac = facade(
            scenario,
            _unused,
            initial_design=facade.get_initial_design(scenario, n_configs=initial),
            overwrite=True,
            logging_level=50,
        )
        self._space = own
        self._axes = axes_of(space)
        self._running: dict[int, Any] = {}
        self._worst: float | None = None
        self._n = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials."""
        trials = []
        for _ in range(n):
            info = self._smac.ask()
            columns, m = as_columns([dict(info.config)])
            plain = as_rows(as_numbers(columns, m, self._axes)[0], self._axes, 1)[0]
            trials.append(Trial(plain, id=self._n))
            self._running[self._n] = info
            self._n += 1
        return trials

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results; those of trials never asked count as well."""
        kinds = package("smac.runhistory.dataclasses", "smac")
        enumerations = package("smac.runhistory.enumerations", "smac")
        for e in evaluations:
            status = enumerations.StatusType
            if e.loss is not None:
                self._worst = e.loss if self._worst is None else max(self._worst, e.loss)
            value = kinds.TrialValue(
                # An infinite cost, as SMAC3 has it by default, ends its forest.
                cost=(self._worst or 0.0) if e.loss is None else e.loss,
                time=e.cost_s or 0.0,
                status=status.CRASHED if e.loss is None else status.SUCCESS,
            )
            info = self._running.pop(e.trial.id, None)
            if info is None:
                given = package("ConfigSpace", "ConfigSpace").Configuration(
                    self._space, values=dict(e.trial.config)
                )
                info = kinds.TrialInfo(given, seed=0)
            self._smac.tell(info, value, save=False)


def _unused(config: Any, seed: int = 0) -> float:
    """SMAC3 wants an objective even where it is only asked and told."""
    raise NotImplementedError
