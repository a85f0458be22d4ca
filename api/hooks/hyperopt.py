"""Hyperopt: a recommendation as waiting trials, what is known as finished ones, and into the store.

`fmin` ignores its `points_to_evaluate` where `trials=` is given, takes indices of choices, wants a
value for every branch or fails later, and checks no range; so trials are made here, with nothing
for a branch that is not taken. Works with Hyperopt 0.3.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("hyperopt", extra="hyperopt")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials
from hyperopt.fmin import generate_trial

from api.hooks.hyperopt_space import (
    active,
    both,
    config_of,
    to_search,
    to_space,
    values_of,
)
from api.hooks.projection import Outside, Report, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from api.hooks.hyperopt_space import Label
    from metadb.store import Store

_NAME, _TOLD = "hyperopt", "metadb:observed"


def warm_start(
    space: Any,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    trials: Trials | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[Trials, Report]:
    """The `trials` of `fmin`: the next it runs are exactly the recommendation.

    They count among `max_evals`, which must be more than they are.

    Args:
        space: The search space of `fmin`, or the ConfigSpace of which `to_search` made it.
        trials: Those of an earlier `fmin`, to be continued; default new ones. What they have is not
            sent again.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the labels, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        InvalidSpace: The search space has a distribution without bounds.
    """
    trials = Trials() if trials is None else trials
    target, found = both(space)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    known = _configs_of(trials, target, found)
    report = project(configs, target, rename=rename, outside=outside, known=known)
    _insert(trials, [_trial(trials, config, found) for config in report.sent])
    return trials, report


def add_observed(
    trials: Trials,
    observed: Sequence[Evaluation],
    *,
    space: Any,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Add what was measured on this very task as finished trials, with their losses.

    They count among `max_evals` and as start-up trials of TPE. Only configs that need no change are
    added, for a moved one has another loss; failures and smaller budgets are left out.

    Args:
        space: As of `warm_start`.
    """
    target, found = both(space)
    known = _configs_of(trials, target, found)
    report, told = scored(observed, target, rename=rename, known=known)
    made = []
    for config, one in zip(report.sent, told, strict=True):
        trial = _trial(trials, config, found)
        trial["state"] = JOB_STATE_DONE
        trial["result"] = {"status": STATUS_OK, "loss": float(one.loss or 0.0), _TOLD: True}
        made.append(trial)
    _insert(trials, made)
    return report


def record(
    trials: Trials,
    store: Store,
    task: Task | str | None = None,
    *,
    space: Any,
    metric: str | Metric | None = None,
    rename: Mapping[str, str] | None = None,
    study: str = _NAME,
) -> dict[str, str]:
    """Record the finished trials of `fmin`; what is recorded already adds nothing.

    Args:
        task: What is tuned on, or the id of one that the store has; default `hyperopt:<study>`.
        space: The search space of `fmin`, or the ConfigSpace of which `to_search` made it.
        metric: What the loss is; default one of the study's own.
        rename: As of `warm_start`: the store's names to the labels.
        study: What the search is called; another search needs another name.

    Returns: run to the reason why the store does not take it.

    Raises:
        InvalidMetric: The metric is better the higher: Hyperopt minimises.
        NotFound: A task id or metric that is not known.
    """
    target, found = both(space)
    recorder = Recorder(
        store,
        task,
        origin=_NAME,
        study=study,
        metric=metric,
        lower=True,
        space=target,
        rename=rename,
    )
    for trial in trials.trials:
        result = trial["result"]
        if trial["state"] != JOB_STATE_DONE or _TOLD in result:
            continue
        good = result.get("status") == STATUS_OK
        begun, ended = trial.get("book_time"), trial.get("refresh_time")
        recorder.record(
            f"{study}/{trial['tid']}",
            config_of(trial["misc"]["vals"], found),
            float(result["loss"]) if good else None,
            status="ok" if good else "failed",
            cost_s=(ended - begun).total_seconds() if begun and ended else None,
        )
    return recorder.lost


def _configs_of(
    trials: Trials, target: ConfigurationSpace, found: Mapping[str, Label]
) -> tuple[Config, ...]:
    """What the trials are, in the space."""
    configs = [config_of(trial["misc"]["vals"], found) for trial in trials.trials]
    return project(configs, target).sent


def _trial(trials: Trials, config: Config, found: Mapping[str, Label]) -> dict[str, Any]:
    """A waiting trial; a label that is not drawn has no value."""
    (tid,) = trials.new_trial_ids(1)
    values = values_of(config, found)
    trial: dict[str, Any] = generate_trial(tid, {})
    trial["misc"]["vals"] = values
    trial["misc"]["idxs"] = {label: [tid] if its else [] for label, its in values.items()}
    return trial


def _insert(trials: Trials, made: list[dict[str, Any]]) -> None:
    if made:
        trials.insert_trial_docs(made)
    trials.refresh()


__all__ = ["active", "add_observed", "record", "to_search", "to_space", "warm_start"]
