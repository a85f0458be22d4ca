"""The trials of an Optuna study into the store, each as it ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from api.hooks.optuna_space import to_space
from api.hooks.projection import plain, unmoved
from metadb.errors import InvalidConfig, InvalidMetric, MetadbError, WrongUsage
from metadb.metrics import METRICS, Metric, canonical
from metadb.records import Config, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from api.hooks.optuna_space import Space
    from metadb.store import Store

TOLD = "metadb:observed"
"""Marks a trial that the study was told; it was not run here."""

_STATUS = {TrialState.COMPLETE: "ok", TrialState.PRUNED: "censored", TrialState.FAIL: "failed"}


class Record:
    """A callback of `study.optimize` that records each trial as it ends, its curve included.

    Rows are named as `metadb ingest optuna` names them, so that reading the storage later adds
    nothing. A trial that the store cannot take does not stop the search: it is warned about, and
    `lost` says why. Optuna calls no callback for a trial whose exception ends `optimize` (see its
    `catch`); `catch_up` records what no callback saw.

    Args:
        study: Whose trials they are.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `optuna:<study>`.
        metric: What the objective is; default as the study names it.
        space: The ConfigSpace, or Optuna's distributions, or the name of a space of the store;
            default the name `optuna:<study>`, of which the store infers the space.
        rename: As of `warm_start`: the store's names to the objective's.

    Raises:
        WrongUsage: The study has several objectives.
        InvalidMetric: The metric is better the other way than the study.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        study: optuna.Study,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        space: Space | str | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        from ConfigSpace import ConfigurationSpace

        name = study.study_name
        lower = sign_of(study) > 0
        self._store, self._lock = store, Lock()
        self._metric = _metric(study, store, metric, lower=lower)
        self._task = task or Task(f"optuna:{name}", kind="other")
        if isinstance(self._task, str):
            store.task(self._task)
        if space is None or isinstance(space, str):
            self._space: ConfigurationSpace | str = space or f"optuna:{name}"
        elif isinstance(space, ConfigurationSpace):
            self._space = space
        else:
            self._space = to_space(space, name=f"optuna:{name}")
        self._names = {new: old for old, new in (rename or {}).items()}
        self._shapes: set[frozenset[str]] = set()
        self.lost: dict[int, str] = {}

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Record one finished trial; it outlives a kill -9 when this returns."""
        if trial.state not in _STATUS or TOLD in trial.user_attrs:
            return
        with self._lock:  # trials of several threads
            try:
                self._record(study, trial)
            except MetadbError as error:
                self.lost[trial.number] = str(error)
                warnings.warn(f"trial {trial.number} is not recorded: {error}", stacklevel=2)

    def catch_up(self, study: optuna.Study) -> None:
        """Record all finished trials of the study; those that are recorded add nothing."""
        for trial in study.get_trials(states=tuple(_STATUS)):
            self(study, trial)

    def _record(self, study: optuna.Study, trial: FrozenTrial) -> None:
        config = self._config(trial)
        row: dict[str, Any] = {
            "space": self._space,
            "metric": self._metric,
            "run": f"{study.study_name}/{trial.number}",
            "origin": "optuna",
        }
        first = min(trial.intermediate_values, default=0)
        for step, value in sorted(trial.intermediate_values.items()):
            budget = float(step + (first == 0))  # counted from 1
            scored = _scored(value, "ok") | {"budget": budget, "budget_unit": "steps"}
            self._store.record(self._task, config, **row, **scored)
        cost_s = None if trial.duration is None else trial.duration.total_seconds()
        status = _STATUS[trial.state]
        scored = _scored(trial.value if status == "ok" else None, status)
        self._store.record(self._task, config, **row, **scored, cost_s=cost_s)

    def _config(self, trial: FrozenTrial) -> Config:
        """The trial's parameters as a config of the store's space."""
        config = {self._names.get(k, k): plain(v) for k, v in trial.params.items()}
        if isinstance(self._space, str):
            shape = frozenset(config)
            if trial.state == TrialState.FAIL and shape not in self._shapes:
                raise InvalidConfig("it failed, maybe before it had all of its hyperparameters")
            self._shapes.add(shape)
            return config
        return unmoved(config, self._space)


def _scored(value: float | None, status: str) -> dict[str, Any]:
    """The score of a trial; one that is not finite is a failure."""
    if status == "ok" and (value is None or not math.isfinite(value)):
        return {"value": None, "status": "failed"}
    return {"value": value, "status": status}


def _metric(
    study: optuna.Study, store: Store, metric: str | Metric | None, *, lower: bool
) -> Metric:
    """The objective as a metric; unless it is given, named as the source `optuna` names it."""
    if metric is None:
        name = (study.metric_names or [f"{study.study_name}/objective"])[0]
        known = METRICS.get(canonical(name))
        if known is None or known.lower_is_better == lower:
            return known or Metric(name, lower)
        return Metric(f"{study.study_name}/{name}", lower)
    found = metric if isinstance(metric, Metric) else store.metric(metric)
    if found.lower_is_better != lower:
        words = "lower" if lower else "higher"
        raise InvalidMetric(
            f"in the study {study.study_name!r} {words} is better, but {found.name} is better the "
            "other way; name what the objective really is, or set the study's direction"
        )
    return found


def sign_of(study: optuna.Study) -> float:
    """What turns a loss into a value of the study."""
    if len(study.directions) > 1:
        raise WrongUsage(f"the study {study.study_name!r} has several objectives; one is known")
    return 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
