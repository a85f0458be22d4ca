"""Optuna's samplers and its Hyperband as searches that are asked and told.

Akiba, Sano, Yanase, Ohta, Koyama 2019, "Optuna: a next-generation hyperparameter optimization
framework".
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.peers.optuna_tpe import finished, suggested
from benchmarks.peers.proposal import package
from metadb.axes import axes_of
from metadb.records import Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

STEPS = 27
"""Optuna counts whole steps; everything is so many of them."""


class OptunaSearch:
    """A study with one of Optuna's samplers, defined by run: parents before children.

    `tpe` is `TPESampler` as it comes (5.0: multivariate; what is conditional is drawn on its own),
    `tpe_group` has `multivariate=True, group=True`, `gp` is `GPSampler` as it comes (what is
    conditional is drawn at random), `random` is `RandomSampler`.

    Args:
        space: Where to search.
        sampler: One of the above.
        hyperband: With `HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3)`: a
            trial begins at the first rung of its bracket and, unless it is pruned there, goes on at
            three times the budget. Reports between rungs change nothing and are left out.
        seed: Same seed, same asks.

    Raises:
        NotFound: Optuna is not installed.
    """

    def __init__(
        self, space: ConfigurationSpace, *, sampler: str = "tpe", hyperband: bool = False, seed: int
    ) -> None:
        optuna = package("optuna", "optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._axes = axes_of(space)
        with warnings.catch_warnings(action="ignore"):  # group is experimental
            made = _sampler(optuna.samplers, sampler, seed)
        self._pruner = optuna.pruners.NopPruner()
        if hyperband:
            self._pruner = optuna.pruners.HyperbandPruner(1, STEPS, 3)
        # The bracket of a trial follows from the study's name.
        self._study = optuna.create_study(
            sampler=made, pruner=self._pruner, study_name=f"seed {seed}"
        )
        self._pruned = optuna.trial.TrialState.PRUNED
        self._failed = optuna.trial.TrialState.FAIL
        self._hyperband = hyperband
        self._running: dict[int, tuple[Any, int]] = {}  # trial id to Optuna's trial and its step
        self._promoted: list[Trial] = []
        self._n = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        with warnings.catch_warnings(action="ignore"):
            return [self._promoted.pop(0) if self._promoted else self._new() for _ in range(n)]

    def _new(self) -> Trial:
        trial, config = suggested(self._study, self._axes)
        step = self._first_step(trial) if self._hyperband else STEPS
        return self._issue(trial, config, step, None)

    def _issue(self, trial: Any, config: Any, step: int, resume: int | None) -> Trial:
        issued = Trial(config, step / STEPS, self._n, resume)
        self._running[self._n] = trial, step
        self._n += 1
        return issued

    def _first_step(self, trial: Any) -> int:
        pruner: Any = self._pruner
        if not pruner._pruners:
            pruner._try_initialization(self._study)
        frozen = self._study._storage.get_trial(trial._trial_id)
        return int(3 ** pruner._get_bracket_id(self._study, frozen))

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results; those of trials never asked are trials of the study as well."""
        with warnings.catch_warnings(action="ignore"):
            for e in evaluations:
                if e.trial.id in self._running:
                    self._enter(e, *self._running.pop(e.trial.id))
                else:
                    self._study.add_trial(finished(e.trial.config, e.loss, self._axes))

    def _enter(self, e: Evaluation, trial: Any, step: int) -> None:
        if e.loss is None:
            self._study.tell(trial, state=self._failed)
            return
        if self._hyperband:
            trial.report(e.loss, step)
            if step < STEPS:
                if trial.should_prune():
                    self._study.tell(trial, state=self._pruned)
                else:
                    again = self._issue(trial, e.trial.config, 3 * step, e.trial.id)
                    self._promoted.append(again)
                return
        self._study.tell(trial, e.loss)


def _sampler(samplers: Any, name: str, seed: int) -> Any:
    if name == "tpe":
        return samplers.TPESampler(seed=seed)
    if name == "tpe_group":
        return samplers.TPESampler(seed=seed, multivariate=True, group=True)
    if name == "gp":
        return samplers.GPSampler(seed=seed)
    return samplers.RandomSampler(seed=seed)
