"""FLAML: a recommendation as `points_to_evaluate` or `starting_points`, and trials into the store.

FLAML evaluates a point that is out of range, takes more rewards than points, empties the list it is
given, and does not tell of the best among points that came with a reward.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("flaml", extra="flaml")

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flaml import tune

from api.hooks import domains
from api.hooks.domains import known, theirs
from api.hooks.flat import active
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.errors import WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from api.hooks.domains import Space
    from metadb.store import Store

_NAME = "flaml"


def to_space(config: Mapping[str, Any], *, name: str = _NAME) -> ConfigurationSpace:
    """The `config` of `tune.run` as a ConfigSpace; see `api.hooks.domains.to_space`.

    Raises:
        InvalidSpace: A domain without bounds, a function, a choice of domains.
    """
    return domains.to_space(config, name=name)


def to_domains(space: ConfigurationSpace) -> dict[str, Any]:
    """A ConfigSpace as `config`; where it has conditions, `active` takes off what is inactive."""
    return domains.to_domains(space, tune, "FLAML")


def estimator_space(
    estimator: Any, data_size: tuple[int, int], task: str = "binary"
) -> dict[str, Any]:
    """The domains that AutoML has for an estimator.

    Args:
        estimator: Its class, such as `flaml.automl.model.LGBMEstimator`.
        data_size: Rows and columns, on which its bounds depend.
    """
    found = estimator.search_space(data_size=data_size, task=task)
    return {name: one["domain"] for name, one in found.items()}


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
    """The `points_to_evaluate` of `tune.run`: its first trials are exactly the recommendation.

    Args:
        space: The `config` of `tune.run`, or a ConfigSpace of which `to_domains` made it.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    target = known(space, name=_NAME)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    return [theirs(config, space, target) for config in report.sent], report


def starting_points(
    estimators: Mapping[str, Space],
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    learner: str | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, Mapping[str, str]] | None = None,
    outside: Outside = "clip",
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Report]]:
    """The `starting_points` of `AutoML.fit`, and what became of the recommendation, by estimator.

    Args:
        estimators: FLAML's name of each to its domains; see `estimator_space`.
        learner: The hyperparameter that names the estimator of a config. Without it each config is
            sent to every estimator whose hyperparameters it has.
        observed: What was measured on this task before; it is not recommended again.
        rename: For each estimator, the recommender's names of hyperparameters to FLAML's.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    advice = [one.config for one in recommender.recommend(task, k, observed=observed)]
    points: dict[str, list[dict[str, Any]]] = {}
    reports: dict[str, Report] = {}
    for name, space in estimators.items():
        target = known(space, name=_NAME)
        mine = [
            {key: value for key, value in config.items() if key != learner}
            for config in advice
            if learner is None or config.get(learner) == name
        ]
        names = (rename or {}).get(name)
        reports[name] = project(mine, target, rename=names, outside=outside)
        if reports[name].sent:
            points[name] = [theirs(config, space, target) for config in reports[name].sent]
    return points, reports


def add_observed(
    space: Space,
    observed: Sequence[Evaluation],
    points: Sequence[Mapping[str, Any]] = (),
    *,
    mode: str = "min",
    rename: Mapping[str, str] | None = None,
) -> tuple[list[dict[str, Any]], list[float], Report]:
    """The `points_to_evaluate` and `evaluated_rewards` of what was measured on this very task.

    The rewards belong to the first points. Only configs that need no change are told, for a moved
    one has another score; failures and smaller budgets are left out. `best_config` of the analysis
    is the best of what is run, not of what is told.

    Args:
        points: Those of `warm_start`, to be run after them.
        mode: As of `tune.run`: the direction of the rewards.

    Raises:
        WrongUsage: The mode is neither.
    """
    if mode not in ("min", "max"):
        raise WrongUsage(f"mode is {mode!r}; it must be 'min' or 'max'")
    target = known(space, name=_NAME)
    report, told = scored(observed, target, rename=rename)
    first = [theirs(config, space, target) for config in report.sent]
    sign = 1.0 if mode == "min" else -1.0
    rewards = [sign * float(one.loss or 0.0) for one in told]
    return [*first, *map(dict, points)], rewards, report


def record(
    analysis: Any,
    store: Store,
    task: Task | str | None = None,
    *,
    metric: str | Metric | None = None,
    space: Space | str | None = None,
    rename: Mapping[str, str] | None = None,
    study: str = _NAME,
) -> dict[str, str]:
    """Record the trials of `tune.run`; what is recorded already adds nothing.

    Args:
        analysis: What `tune.run` returned.
        task: What is tuned on, or the id of one that the store has; default `flaml:<study>`.
        metric: What the reported metric is; default one of the study's own.
        space: The ConfigSpace, or the `config` of `tune.run`, or the name of one of the store.
        rename: As of `warm_start`: the store's names to the tuner's.
        study: What the search is called.

    Returns: run to the reason why the store does not take it.

    Raises:
        InvalidMetric: The metric is better the other way than the mode.
        NotFound: A task id or metric that is not known.
    """
    recorder = _recorder(
        store, task, metric, space, rename, study=study, lower=analysis.default_mode != "max"
    )
    for trial in analysis.trials:
        result = trial.last_result or {}
        value = result.get(analysis.default_metric)
        recorder.record(
            f"{study}/{trial.trial_id}",
            domains.joined(trial.config),
            None if value is None else float(value),
            cost_s=result.get("time_total_s"),
        )
    return recorder.lost


def record_log(
    log: str | Path,
    store: Store,
    task: Task | str | None = None,
    *,
    metric: str | Metric | None = None,
    space: ConfigurationSpace | str | None = None,
    learner: str | None = None,
    rename: Mapping[str, str] | None = None,
    study: str = _NAME,
) -> dict[str, str]:
    """Record what `AutoML.fit` wrote to its log, which is all with its `log_type="all"`.

    Each estimator is a space of its own, `flaml:<study>/<estimator>`, unless `space` and `learner`
    say where its name belongs. Trials on a part of the rows have their number as the budget.

    Args:
        log: The `log_file_name`.
        metric: What the validation loss is; default one of the study's own.
        learner: The hyperparameter of `space` that names the estimator.

    Returns: run to the reason why the store does not take it.

    Raises:
        InvalidMetric: The metric is better the higher: FLAML minimises the validation loss.
        NotFound: A task id or metric that is not known.
    """
    from flaml.automl.training_log import training_log_reader

    with training_log_reader(str(log)) as reader:
        entries = list(reader.records())
    whole = max((one.sample_size for one in entries), default=0)
    recorders: dict[str, Recorder] = {}
    lost: dict[str, str] = {}
    for one in entries:
        if one.learner not in recorders:
            where = space or f"{_NAME}:{study}/{one.learner}"
            recorders[one.learner] = _recorder(
                store, task, metric, where, rename, study=study, lower=True
            )
        config = {k: plain(v) for k, v in one.config.items() if k != "FLAML_sample_size"}
        full = one.sample_size == whole
        recorders[one.learner].record(
            f"{study}/{one.learner}/{one.record_id}",
            config | ({learner: one.learner} if learner else {}),
            one.validation_loss,
            budget=1.0 if full else float(one.sample_size),
            budget_unit="fraction" if full else "instances",
            cost_s=one.trial_time,
        )
        lost |= recorders[one.learner].lost
    return lost


def _recorder(
    store: Store,
    task: Task | str | None,
    metric: str | Metric | None,
    space: Space | str | None,
    rename: Mapping[str, str] | None,
    *,
    study: str,
    lower: bool,
) -> Recorder:
    where = space if space is None or isinstance(space, str) else known(space, name=study)
    return Recorder(
        store,
        task,
        origin=_NAME,
        study=study,
        metric=metric,
        lower=lower,
        space=where,
        rename=rename,
    )


__all__ = [
    "active",
    "add_observed",
    "estimator_space",
    "record",
    "record_log",
    "starting_points",
    "to_domains",
    "to_space",
    "warm_start",
]
