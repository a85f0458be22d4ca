"""Ax: what past tasks taught as the first trials of a client, and its trials into the store.

`Client.attach_trial` takes a value out of range or an unknown choice as it is and raises for an
unknown or inactive name; so all that is attached here is projected first (`api.hooks.projection`).
Works with Ax 1.3.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("ax", extra="ax")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from api.hooks.ax_space import space_of, to_parameters, to_space
from api.hooks.past import measured, standardised
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.errors import InvalidSpace, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ax.api.client import Client
    from ConfigSpace import ConfigurationSpace

    from metadb.history import History
    from metadb.store import Store

_SENT, _TOLD = "metadb:sent", "metadb:observed"
_STATUS = {"COMPLETED": "ok", "FAILED": "failed", "EARLY_STOPPED": "censored"}


def warm_start(
    client: Client,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: ConfigurationSpace | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Attach what is recommended for a task as running trials; `waiting` gives them to the loop.

    They count towards the trials of Ax's own initialization. What the client has already is not
    attached again.

    Args:
        space: Default the client's own; give it if it has more than Ax can say.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the client's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        WrongUsage: The client has no experiment yet.
    """
    target = space or space_of(client)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(
        configs, target, rename=rename, outside=outside, known=_configs_of(client, target)
    )
    for config in report.sent:
        _attach(client, config, _SENT)
    return report


def waiting(client: Client) -> dict[int, dict[str, Any]]:
    """The trials that were attached and are not completed, in order, as `get_next_trials` has its.

    `for index, parameters in waiting(client).items(): client.complete_trial(index, ...)`.
    """
    trials = client._experiment.trials
    return {
        index: dict(one.arm.parameters)
        for index, one in sorted(trials.items())
        if one.status.is_running and _SENT in one.run_metadata
    }


def add_observed(
    client: Client,
    observed: Sequence[Evaluation],
    *,
    space: ConfigurationSpace | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Attach what was measured on this very task as completed trials, with their scores.

    Only configs that need no change are attached, for a moved one has another score; failures and
    smaller budgets are left out. Scores of other tasks are none of this one: see `add_sources`.

    Args:
        observed: Evaluations of this task; their losses are turned to the objective's direction.

    Raises:
        WrongUsage: The objective is not one metric.
    """
    name, sign = _objective(client)
    target = space or space_of(client)
    report, told = scored(observed, target, rename=rename, known=_configs_of(client, target))
    for config, one in zip(report.sent, told, strict=True):
        index = _attach(client, config, _TOLD)
        client.complete_trial(index, raw_data={name: sign * float(one.loss or 0.0)})
    return report


def add_sources(
    client: Client,
    history: History,
    tasks: Sequence[str],
    *,
    rename: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> dict[str, Report]:
    """Other tasks' evaluations as auxiliary experiments, for Ax's transfer learning.

    They never enter the experiment itself: a multi-task GP learns how much each is worth. Losses of
    two tasks do not compare, so each task's are standardised. Fitting costs the cube of all
    evaluations: give a few tasks. One trial must have a score before the model is used; Sobol draws
    it where there is none.

    Args:
        tasks: Past tasks, such as a recommendation's `because.tasks`.

    Returns: task to what was done to its configs; only unchanged ones are sent.

    Raises:
        NotFound: The history does not have a task.
        InvalidSpace: The client has conditions, which Ax's transfer learning does not take.
    """
    from ax.adapter.registry import Generators
    from ax.adapter.transfer_learning.adapter import transfer_learning_generator_specs_constructor
    from ax.api.client import Client
    from ax.core.auxiliary import AuxiliaryExperimentPurpose
    from ax.core.auxiliary_source import AuxiliarySource
    from ax.core.experiment import Experiment
    from ax.generation_strategy.generation_node import GenerationNode
    from ax.generation_strategy.generation_strategy import GenerationStrategy
    from ax.generation_strategy.generator_spec import GeneratorSpec
    from ax.generation_strategy.transition_criterion import MinTrials

    name, sign = _objective(client)
    mine = client._experiment
    if mine.search_space.is_hierarchical:
        raise InvalidSpace(
            "Ax learns from other tasks only in spaces without conditions; give a warm_start"
        )
    target, sources, reports = space_of(client), [], {}
    for task in tasks:
        configs, loss = measured(history, task)
        reports[task] = report = project(configs, target, rename=rename, exact=True)
        values = standardised(loss[list(report.places)])
        other = Client()
        other.set_experiment(
            Experiment(
                name=task,
                search_space=mine.search_space.clone(),
                optimization_config=mine.optimization_config.clone(),
            )
        )
        for config, value in zip(report.sent, values, strict=True):
            index = _attach(other, config, _TOLD)
            other.complete_trial(index, raw_data={name: sign * float(value)})
        if report.sent:
            sources.append(AuxiliarySource(other._experiment))
    if not sources:
        raise WrongUsage("no evaluation of these tasks lies in the client's space as it is")
    mine.auxiliary_experiments_by_purpose[AuxiliaryExperimentPurpose.TRANSFERABLE_EXPERIMENT] = (
        sources
    )
    specs, _ = transfer_learning_generator_specs_constructor(use_model_selection=False)
    begun = MinTrials(
        threshold=1, transition_to="transfer", use_all_trials_in_exp=True,
        count_only_trials_with_data=True,
    )  # fmt: skip
    sobol = GeneratorSpec(Generators.SOBOL, generator_kwargs={"seed": seed})
    nodes = [
        GenerationNode(name="first", generator_specs=[sobol], transition_criteria=[begun]),
        GenerationNode(name="transfer", generator_specs=specs),
    ]
    client.set_generation_strategy(GenerationStrategy(name="metadb", nodes=nodes))
    return reports


def record(
    client: Client,
    store: Store,
    task: Task | str | None = None,
    *,
    metric: str | Metric | None = None,
    space: ConfigurationSpace | str | None = None,
    rename: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Record the finished trials of a client; those that are recorded already add nothing.

    Args:
        task: What is tuned on, or the id of one that the store has; default `ax:<experiment>`.
        metric: What the objective is; default the metric of its name, or one of the experiment's.
        space: Default the client's own; the name of a space of the store will do.
        rename: As of `warm_start`: the store's names to the client's.

    Returns: trial to the reason why the store does not take it.

    Raises:
        WrongUsage: The objective is not one metric.
        InvalidMetric: The metric is better the other way than the objective.
        NotFound: A task id or metric that is not known.
    """
    name, sign = _objective(client)
    experiment = client._experiment
    recorder = Recorder(
        store, task, origin="ax", study=experiment.name, metric=metric, lower=sign > 0,
        space=space or space_of(client), rename=rename,
    )  # fmt: skip
    for index, trial in sorted(experiment.trials.items()):
        if trial.status.name not in _STATUS or _TOLD in trial.run_metadata:
            continue
        config = {k: plain(v) for k, v in trial.arm.parameters.items()}
        run = f"{experiment.name}/{index}"
        data = experiment.lookup_data(trial_indices=[index]).df
        data = data[data.metric_name == name] if len(data) else data
        values: dict[float, float] = {}
        if len(data):
            values = dict(zip(data.step.fillna(np.inf), data["mean"].map(float), strict=True))
        steps = sorted(step for step in values if np.isfinite(step))
        for step in steps:
            recorder.record(run, config, values[step], budget=step, budget_unit="steps")
        status = _STATUS[trial.status.name]
        last = values.get(np.inf, values[steps[-1]] if steps else None)
        cost_s = None
        if trial.time_completed and trial.time_run_started:
            cost_s = (trial.time_completed - trial.time_run_started).total_seconds()
        value = last if status == "ok" else None
        recorder.record(run, config, value, status=status, cost_s=cost_s)
    return recorder.lost


def _objective(client: Client) -> tuple[str, float]:
    """The name of the one metric, and what turns a loss into it."""
    setting = client._experiment.optimization_config
    if setting is None:
        raise WrongUsage("the client has no objective yet; call configure_optimization first")
    objective = setting.objective
    if not objective.is_single_objective or len(objective.metric_names) > 1:
        raise WrongUsage(f"the objective {objective.expression!r} is not one metric; one is known")
    return objective.metric_names[0], 1.0 if objective.minimize else -1.0


def _configs_of(client: Client, space: ConfigurationSpace) -> tuple[Config, ...]:
    """What the client has run or will run, in the space."""
    arms = [one.arm.parameters for one in client._experiment.trials.values() if one.arm]
    found = [{k: plain(v) for k, v in arm.items()} for arm in arms]
    return project(found, space).sent


def _attach(client: Client, config: Config, mark: str) -> int:
    """A marked trial with values of Ax's own types; its index."""
    experiment = client._experiment
    parameters = experiment.search_space.parameters
    index = client.attach_trial({name: parameters[name].cast(v) for name, v in config.items()})
    experiment.trials[index].update_run_metadata({mark: True})
    return int(index)


__all__ = [
    "add_observed", "add_sources", "record", "space_of", "to_parameters", "to_space", "waiting",
    "warm_start",
]  # fmt: skip
