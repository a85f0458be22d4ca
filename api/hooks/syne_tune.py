"""Syne Tune: a recommendation as `points_to_evaluate`, other tasks for its transfer learning.

A point that lacks a value gets the domain itself as its value there, a foreign category stops the
search with an AssertionError, and foreign names are dropped; so all is projected first. Works with
Syne Tune 0.16. Of its transfer learning, `ZeroShotTransfer` draws at random there and fails with a
surrogate: use `BoundingBox` or `QuantileBasedSurrogateSearcher`.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("syne_tune", extra="syne")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syne_tune import config_space as st
from syne_tune.tuner_callback import TunerCallback

from api.hooks.flat import active, flat, warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from
from api.hooks.past import measured, ranked
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from metadb.axes import Axis, axes_of
from metadb.errors import InvalidSpace, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.history import History
    from metadb.store import Store

    Space = ConfigurationSpace | Mapping[str, Any]

_NAME = "syne-tune"


def to_space(config_space: Mapping[str, Any], *, name: str = _NAME) -> ConfigurationSpace:
    """Syne Tune's domains as a ConfigSpace; a plain value a constant, a finite range an ordinal.

    Raises:
        InvalidSpace: A domain without bounds, or on a scale that ConfigSpace lacks.
    """
    return space_from(name, [_hyperparameter(key, one) for key, one in config_space.items()])


def to_domains(space: ConfigurationSpace) -> dict[str, Any]:
    """A ConfigSpace as Syne Tune's domains, without its conditions: see `active`.

    Syne Tune's choices are of one type: where they are of several, their texts are given, which
    `active` turns back. Clauses and priors have no place; a warning says so.
    """
    warn_of_losses(space, "Syne Tune")
    return {name: _domain(axis) for name, axis in axes_of(space).items()}


def warm_start(
    space: Space,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[list[dict[str, Any]], Report]:
    """The `points_to_evaluate` of a scheduler: its first trials are exactly the recommendation.

    Args:
        space: The `config_space`, or a ConfigSpace of which `to_domains` made it.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    target, domains = _both(space)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    return [_point(config, domains, target) for config in report.sent], report


def transfer_learning_evaluations(
    history: History,
    tasks: Sequence[str],
    *,
    space: Space,
    metric: str,
    minimize: bool = True,
    rename: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], dict[str, Report]]:
    """Past tasks' evaluations as priors, for `BoundingBox` and `QuantileBasedSurrogateSearcher`.

    They never enter the search as its own. Their values are ranks on their own task, from 0 (best)
    to 1, in the direction of the search, since losses of two tasks do not compare; failures are
    left out, and so is a config that would have to change.

    Args:
        tasks: The past tasks, such as those of a recommendation's `because.tasks`.
        metric: What the scheduler calls its metric.
        minimize: The scheduler's `do_minimize`.

    Returns: the evaluations by task, and what became of its configs by task; a task of which
    nothing can be sent has no evaluations.

    Raises:
        NotFound: The history does not have a task.

    Salinas, Shen, Perrone 2020, "A Quantile-based Approach for Hyperparameter Transfer Learning"
    """
    import pandas as pd
    from syne_tune.optimizer.schedulers.transfer_learning import transfer_learning_task_evaluation

    target, domains = _both(space)
    kind = transfer_learning_task_evaluation.TransferLearningTaskEvaluations
    found, reports = {}, {}
    for task in tasks:
        configs, loss = measured(history, task)
        reports[task] = report = project(configs, target, rename=rename, exact=True)
        if not report.sent:
            continue
        rank = ranked(loss[list(report.places)])  # (sent,)
        points = [_point(config, domains, target) for config in report.sent]
        found[task] = kind(
            configuration_space=dict(domains),
            hyperparameters=pd.DataFrame(points, columns=list(domains)),
            objectives_names=[metric],
            objectives_evaluations=(rank if minimize else -rank)[:, None, None, None],
        )
    return found, reports


class Record(TunerCallback):  # type: ignore[misc]
    """A callback of a `Tuner` that records each trial as it ends.

    Rows are named as `metadb ingest syne-tune` names them. A trial that the store cannot take does
    not stop the search: it is warned about, and `lost` says why. A `Tuner` that has more callbacks
    than this needs its own `StoreResultsCallback` among them to write its results.

    Args:
        scheduler: Of the search: its metric and direction.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `syne-tune:<study>`.
        metric: What the reported metric is; default one of the study's own.
        space: The ConfigSpace, or the `config_space`, or the name of a space of the store.
        rename: As of `warm_start`: the store's names to the tuner's.
        study: What the search is called, as the tuner's name is.
        resource: What counts the reports of a trial, such as `epoch`; each is then recorded.
            Without it the last one is, as that at the full budget.

    Raises:
        WrongUsage: The scheduler has several metrics.
        InvalidMetric: The metric is better the other way than the scheduler has it.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        scheduler: Any,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        space: Space | str | None = None,
        rename: Mapping[str, str] | None = None,
        study: str = _NAME,
        resource: str | None = None,
    ) -> None:
        names, modes = scheduler.metric_names(), scheduler.metric_mode()
        if len(names) != 1:
            raise WrongUsage(f"the scheduler has the metrics {names}; one is known")
        (self._key,), self._study, self._resource = names, study, resource
        mode = modes if isinstance(modes, str) else modes[0]
        self._recorder = Recorder(
            store,
            task,
            origin=_NAME,
            study=study,
            metric=metric,
            lower=mode != "max",
            space=space if space is None or isinstance(space, str) else _both(space)[0],
            rename=rename,
        )

    @property
    def lost(self) -> Mapping[str, str]:
        """Run to the reason why the store does not take it."""
        return self._recorder.lost

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: a tuner is saved with its callbacks, but a store belongs to its process."""
        return {}

    def on_trial_result(
        self, trial: Any, status: str, result: dict[str, Any], decision: str
    ) -> None:
        """Record one report, where trials have learning curves."""
        if self._resource is not None:
            self._record(trial, result)

    def on_trial_complete(self, trial: Any, result: dict[str, Any]) -> None:
        """Record a finished trial; it outlives a kill -9 when this returns."""
        self._record(trial, result)

    def on_fetch_status_results(self, trial_status_dict: Any, new_results: Any) -> None:
        """Record failures."""
        for trial, status in trial_status_dict.values():
            if status == "Failed":
                run = f"{self._study}/{trial.trial_id}"
                self._recorder.record(run, trial.config, None, status="failed")

    def _record(self, trial: Any, result: Mapping[str, Any]) -> None:
        budget: dict[str, Any] = {}
        if self._resource is not None:
            unit = {"epoch": "epochs", "step": "steps"}.get(self._resource, self._resource)
            budget = {"budget": float(result[self._resource]), "budget_unit": unit}
        value = result.get(self._key)
        self._recorder.record(
            f"{self._study}/{trial.trial_id}",
            trial.config,
            None if value is None else float(value),
            cost_s=result.get("st_worker_time"),
            **budget,
        )


def _hyperparameter(name: str, one: Any) -> Any:
    if not isinstance(one, st.Domain):
        return choice(name, [one])
    if isinstance(one, st.FiniteRange):
        return choice(name, [plain(value) for value in one.values], ordered=True)
    if isinstance(one, st.Categorical):
        return choice(name, one.categories, ordered=isinstance(one, st.Ordinal))
    scale = type(one.get_sampler()).__name__.strip("_")
    if not isinstance(one, st.Float | st.Integer) or scale not in ("Uniform", "LogUniform"):
        raise InvalidSpace(
            f"{name!r} is {one!r} on the scale {scale}, which ConfigSpace lacks; uniform, "
            "loguniform, randint, lograndint, finite ranges, choices and ordinals are known"
        )
    whole = isinstance(one, st.Integer)
    return number(name, one.lower, one.upper, log=scale == "LogUniform", whole=whole)


def _domain(axis: Axis) -> Any:
    one = axis.hyperparameter
    if axis.kind == "constant":
        return axis.choices[0]
    if axis.kind == "float":
        return (st.loguniform if one.log else st.uniform)(float(one.lower), float(one.upper))
    if axis.kind == "integer":
        return (st.lograndint if one.log else st.randint)(int(one.lower), int(one.upper))
    values = list(axis.choices)
    if len(set(map(type, values))) > 1:
        values = list(map(str, values))
    return st.ordinal(values, kind="equal") if axis.kind == "ordinal" else st.choice(values)


def _both(space: Space) -> tuple[ConfigurationSpace, Mapping[str, Any]]:
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        return space, to_domains(space)
    return to_space(space), space


def _point(
    config: Config, domains: Mapping[str, Any], target: ConfigurationSpace
) -> dict[str, Any]:
    """A config as a point: every value, of the type of its domain, nothing beyond a bound."""
    found: dict[str, Any] = {}
    for name, value in flat(config, target).items():
        one = domains[name]
        if not isinstance(one, st.Domain):
            found[name] = one
        elif isinstance(one, st.FiniteRange):
            found[name] = one.cast(value)
        elif isinstance(one, st.Categorical):
            texts = {str(plain(option)): option for option in one.categories}
            same = [option for option in one.categories if plain(option) == value]
            found[name] = same[0] if same else texts[str(value)]
        else:
            found[name] = min(max(value, one.lower), one.upper)
    return found


__all__ = [
    "Record",
    "active",
    "to_domains",
    "to_space",
    "transfer_learning_evaluations",
    "warm_start",
]
