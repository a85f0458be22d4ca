"""Syne Tune's searches over several budgets, asked and told, one trial at a time.

Salinas, Seeger, Klein, Perrone, Wistuba, Archambeau 2022, "Syne Tune: A Library for Large Scale
Hyperparameter Tuning and Reproducible Research".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.proposal import package
from benchmarks.peers.syne_tune_form import INSTALL, LOSS, config_of, quiet, space_of
from metadb.axes import axes_of
from metadb.clauses import deactivate
from metadb.columns import as_columns, as_numbers, as_rows
from metadb.records import Config, Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

STEPS = 27
"""Syne Tune counts whole steps; everything is so many of them."""


class SyneTuneSearch:
    """A scheduler of Syne Tune (0.16) of the stopping kind, reduction factor 3, as it comes.

    `asha` is `ASHA` (one bracket, random configs), `hyperband` the same with four brackets, which
    is its asynchronous Hyperband, `bohb` is `BOHB` (the one bracket that it has by default, a
    kernel density estimate). `SyncHyperband` is no part of the package any more.

    A trial begins at the first rung of its bracket and goes on at three times the budget until it
    is stopped. Conditions are unknown to the package: what is inactive is searched along and
    dropped. An integer that its density estimate proposes beyond a bound is brought within (it
    takes the smallest value of a range for 0).

    Args:
        space: Where to search.
        scheduler: One of the above.
        seed: Same seed, same asks.

    Raises:
        NotFound: Syne Tune is not installed.
    """

    def __init__(self, space: ConfigurationSpace, *, scheduler: str = "asha", seed: int) -> None:
        with quiet():
            baselines = package("syne_tune.optimizer.baselines", INSTALL)
            self._trial = package("syne_tune.backend.trial_status", INSTALL).Trial
        self._axes = axes_of(space)
        varying = {n: a for n, a in self._axes.items() if a.kind != "constant"}
        kind = baselines.BOHB if scheduler == "bohb" else baselines.ASHA
        settings = {"brackets": 4} if scheduler == "hyperband" else {}
        with quiet():
            self._scheduler = kind(
                space_of(varying),
                metric=LOSS,
                time_attr="step",
                max_t=STEPS,
                random_seed=seed,
                **settings,
            )
        # Some of its draws are NumPy's global ones; they get a state of this search's own.
        self._state = np.random.RandomState(seed).get_state()
        self._running: dict[int, tuple[Any, int]] = {}
        self._promoted: list[Trial] = []
        self._n = self._n_started = 0

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        return [self._promoted.pop(0) if self._promoted else self._new() for _ in range(n)]

    def _new(self) -> Trial:
        before = np.random.get_state()
        np.random.set_state(self._state)
        try:
            with quiet():
                told = self._scheduler.suggest().config
                trial = self._trial(self._n_started, told, datetime(2026, 1, 1))
                self._scheduler.on_trial_add(trial)
        finally:
            self._state = np.random.get_state()
            np.random.set_state(before)
        self._n_started += 1
        step = round(self._scheduler.trial_info[trial.trial_id].rungs[-1][0])
        return self._issue(trial, self._config(told), step, None)

    def _issue(self, trial: Any, config: Config, step: int, resume: int | None) -> Trial:
        issued = Trial(config, step / STEPS, self._n, resume)
        self._running[self._n] = trial, step
        self._n += 1
        return issued

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results of what was asked here."""
        for e in evaluations:
            trial, step = self._running.pop(e.trial.id)
            with quiet():
                if e.loss is None:
                    self._scheduler.on_trial_error(trial)
                    continue
                result = {LOSS: e.loss, "step": step}
                decision = self._scheduler.on_trial_result(trial, result)
            if decision == "CONTINUE":
                self._promoted.append(self._issue(trial, e.trial.config, 3 * step, e.trial.id))

    def _config(self, told: dict[str, Any]) -> Config:
        """A suggestion as a legal config, without what is inactive."""
        within = dict(told)
        for name, axis in self._axes.items():
            if axis.kind in ("integer", "float"):
                given = axis.hyperparameter
                within[name] = min(max(told[name], given.lower), given.upper)
        columns, n = as_columns([config_of(within, self._axes)])
        numbers, _ = as_numbers(columns, n, self._axes)
        deactivate(numbers, self._axes)
        return as_rows(numbers, self._axes, 1)[0]
