"""OSS Vizier: what past tasks taught as a study's first trials, and its trials into the store.

`Study.request` takes a value out of range as it is, leaves out what is missing, and suggests last
what was requested first; so all is projected (`api.hooks.projection`) and requested in reverse.
Vizier can declare conditions, but its random, quasi-random, NSGA2 and Eagle searches refuse them;
so a ConfigSpace becomes flat, and `api.hooks.flat.active` takes off what is inactive. Works with
0.1.24.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("vizier", extra="vizier")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.hooks.branches import active_if
from api.hooks.flat import flat, warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from
from api.hooks.past import measured, standardised
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.axes import Axis, axes_of
from metadb.errors import InvalidSpace, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.history import History
    from metadb.store import Store

_TOLD = "observed"
_NAMESPACE = "metadb"


def warm_start(
    study: Any,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: ConfigurationSpace | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Request what is recommended for a task, so that the study suggests exactly that next.

    What the study has already, run or waiting, is not requested again.

    Args:
        study: A `vizier.service.clients.Study`.
        space: Default the study's own; the ConfigSpace that `to_search_space` made it of, if it has
            conditions: then what is inactive is sent with its default.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the study's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    from vizier.service import pyvizier as vz

    target = space or space_of(study)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(
        configs, target, rename=rename, outside=outside, known=_configs_of(study, target)
    )
    for config in reversed(report.sent):  # what is requested last is suggested first
        study.request(vz.TrialSuggestion(_theirs(config, target, study)))
    return report


def add_observed(
    study: Any,
    observed: Sequence[Evaluation],
    *,
    space: ConfigurationSpace | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Add what was measured on this very task as completed trials, with their scores.

    Only configs that need no change are added, for a moved one has another score; failures and
    smaller budgets are left out. Scores of other tasks are no scores of this one: see `priors`.

    Raises:
        WrongUsage: The study has several objectives.
    """
    from vizier.service import pyvizier as vz

    name, sign = _objective(study)
    target = space or space_of(study)
    report, told = scored(observed, target, rename=rename, known=_configs_of(study, target))
    for config, one in zip(report.sent, told, strict=True):
        measured = vz.Measurement({name: sign * float(one.loss or 0.0)})
        trial = vz.Trial(_theirs(config, target, study), final_measurement=measured)
        trial.metadata.ns(_NAMESPACE)[_TOLD] = "yes"
        study.add_trial(trial)
    return report


def priors(
    history: History,
    tasks: Sequence[str],
    problem: Any,
    *,
    space: ConfigurationSpace | None = None,
    rename: Mapping[str, str] | None = None,
) -> tuple[list[Any], list[Report]]:
    """Other tasks' evaluations for `VizierGPBandit.set_priors`, each task a group of trials.

    They never enter the study. Losses of two tasks do not compare, so each task's have mean 0 and
    deviation 1, in the problem's direction. Vizier stacks a GP a task, each on what those before it
    leave, so give the least like task first. Needs `google-vizier[jax]`; the designer is imported
    from `vizier._src.algorithms.designers.gp_bandit`, for the public module needs cvxpy as well.

    Args:
        tasks: Past tasks, such as a recommendation's `because.tasks`.
        problem: A `vz.ProblemStatement` with one objective.

    Raises:
        NotFound: The history does not have a task.
        WrongUsage: The problem has several objectives.
    """
    from vizier import algorithms as vza
    from vizier.service import pyvizier as vz

    name, sign = _metric(problem)
    target = space or to_space(problem.search_space)
    groups, reports = [], []
    for task in tasks:
        configs, losses = measured(history, task)
        report = project(configs, target, rename=rename, exact=True)
        reports.append(report)
        scaled = standardised(losses[list(report.places)])  # (sent,)
        if not len(scaled):
            continue
        trials = []
        for place, (config, value) in enumerate(zip(report.sent, scaled, strict=True), start=1):
            trial = vz.Trial(_parameters(config, target, problem.search_space), id=place)
            trials.append(trial.complete(vz.Measurement({name: sign * float(value)})))
        groups.append(vza.CompletedTrials(trials))
    return groups, reports


def record(
    study: Any,
    store: Store,
    task: Task | str | None = None,
    *,
    metric: str | Metric | None = None,
    space: ConfigurationSpace | str | None = None,
    rename: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Record the completed trials of a study, with their curves; a second time adds nothing.

    Args:
        task: What is tuned on, or the id of one that the store has; default `vizier:<study>`.
        metric: What the objective is; default one of the study's own.
        space: Default the study's own; the name of a space of the store will do.
        rename: As of `warm_start`: the store's names to the study's.

    Returns: trial to the reason why the store does not take it.

    Raises:
        WrongUsage: The study has several objectives.
        InvalidMetric: The metric is better the other way than the objective.
        NotFound: A task id or metric that is not known.
    """
    objective, sign = _objective(study)
    name = study.resource_name.removeprefix("owners/").replace("/studies/", "/")
    recorder = Recorder(
        store, task, origin="vizier", study=name, metric=metric, lower=sign > 0,
        space=space or space_of(study, name=f"vizier:{name}"), rename=rename,
    )  # fmt: skip
    for trial in study.trials().get():
        if trial.status.name != "COMPLETED" or _TOLD in trial.metadata.ns(_NAMESPACE):
            continue
        config, run = _values(trial), f"{name}/{trial.id}"
        for one in trial.measurements:
            if objective in one.metrics and one.steps:
                recorder.record(
                    run, config, one.metrics[objective].value,
                    budget=float(one.steps), budget_unit="steps",
                )  # fmt: skip
        final = trial.final_measurement
        there = final is not None and objective in final.metrics and not trial.infeasible
        value = final.metrics[objective].value if there else None
        seconds = trial.duration.total_seconds() if trial.duration else None
        recorder.record(run, config, value, status="ok" if there else "failed", cost_s=seconds)
    return recorder.lost


def to_search_space(space: ConfigurationSpace) -> Any:
    """A ConfigSpace as Vizier's flat `SearchSpace`, with defaults, without conditions and priors.

    Texts and booleans become categorical, numbers to choose from discrete.

    Raises:
        InvalidSpace: A choice between numbers and texts.
    """
    from vizier.service import pyvizier as vz

    warn_of_losses(space, "Vizier")
    made = vz.SearchSpace()
    for axis in axes_of(space).values():
        _add(made.root, axis)
    return made


def to_space(search_space: Any, *, name: str = "vizier") -> ConfigurationSpace:
    """Vizier's `SearchSpace` as a ConfigSpace, with its conditions; a reverse log scale is lost.

    Raises:
        InvalidSpace: A custom parameter, or a name with several declarations.
    """
    made: dict[str, Any] = {}
    conditions: list[Any] = []
    for one in search_space.parameters:
        _collect(one, made, conditions)
    return space_from(name, made.values(), conditions)


def space_of(study: Any, *, name: str = "vizier") -> ConfigurationSpace:
    """The search space of a study as a ConfigSpace; see `to_space`."""
    return to_space(study.materialize_problem_statement().search_space, name=name)


def _add(root: Any, axis: Axis) -> None:
    from vizier.service import pyvizier as vz

    one, scale = axis.hyperparameter, vz.ScaleType.LINEAR
    if axis.kind in ("float", "integer"):
        if one.log:
            scale = vz.ScaleType.LOG
        whole = axis.kind == "integer"
        add, cast = (root.add_int_param, int) if whole else (root.add_float_param, float)
        bounds = cast(one.lower), cast(one.upper)
        add(axis.name, *bounds, default_value=cast(one.default_value), scale_type=scale)
        return
    kinds = set(map(type, axis.choices))
    default = axis.choices[0] if axis.kind == "constant" else one.default_value
    if kinds == {bool}:
        root.add_bool_param(axis.name, list(axis.choices), default_value=bool(default))
    elif kinds == {str}:
        root.add_categorical_param(axis.name, list(axis.choices), default_value=str(default))
    elif kinds <= {int, float}:
        root.add_discrete_param(axis.name, sorted(axis.choices), default_value=default)
    else:
        raise InvalidSpace(
            f"{axis.name!r} has choices of several types, {', '.join(map(repr, axis.choices))}; "
            "Vizier wants numbers only or texts only"
        )


def _collect(one: Any, made: dict[str, Any], conditions: list[Any]) -> None:
    """One parameter and those below it."""
    if one.name in made:
        raise InvalidSpace(
            f"{one.name!r} is declared twice, on different conditions; give each its own name"
        )
    kind = one.external_type.name if one.external_type.name == "BOOLEAN" else one.type.name
    log = one.scale_type is not None and one.scale_type.name == "LOG"
    if kind in ("DOUBLE", "INTEGER"):
        made[one.name] = number(one.name, *one.bounds, log=log, whole=kind == "INTEGER")
    elif kind == "CUSTOM":
        raise InvalidSpace(f"{one.name!r} is a custom parameter, of which nobody knows the values")
    else:
        made[one.name] = choice(one.name, _levels(one), ordered=kind == "DISCRETE")
    below: dict[str, tuple[Any, list[Any]]] = {}
    for value, subspace in one.subspaces():
        for child in subspace.parameters:
            below.setdefault(child.name, (child, []))[1].append(_level(one, value))
    for child, values in below.values():
        _collect(child, made, conditions)
        conditions.append(active_if(made[child.name], made[one.name], values))


def _levels(one: Any) -> list[Any]:
    """Its choices; the default of texts first, as ConfigSpace has it."""
    found = [_level(one, value) for value in one.feasible_values]
    if one.type.name != "CATEGORICAL" or one.default_value is None:
        return found
    return sorted(found, key=lambda value: value != _level(one, one.default_value))


def _level(one: Any, value: Any) -> Any:
    """A value as a config has it: Vizier keeps booleans as texts and whole numbers as floats."""
    external = one.external_type.name
    if external == "BOOLEAN":
        return str(value) == "True"
    if external == "INTEGER" or (one.type.name == "DISCRETE" and external == "INTERNAL"):
        return int(value) if float(value).is_integer() else float(value)
    return plain(value)


def _values(trial: Any) -> dict[str, Any]:
    return {name: plain(one.value) for name, one in trial.parameters.items()}


def _parameters(config: Config, space: ConfigurationSpace, search_space: Any) -> dict[str, Any]:
    """A config as Vizier takes it: in a flat space all has a value."""
    conditional = any(one.child_parameter_configs for one in search_space.parameters)
    full = dict(config) if conditional else flat(config, space)
    return {k: str(v) if isinstance(v, bool) else v for k, v in full.items()}


def _theirs(config: Config, space: ConfigurationSpace, study: Any) -> dict[str, Any]:
    return _parameters(config, space, study.materialize_problem_statement().search_space)


def _configs_of(study: Any, space: ConfigurationSpace) -> tuple[Config, ...]:
    """What the study has run or will run, in the space."""
    return project([_values(trial) for trial in study.trials().get()], space).sent


def _objective(study: Any) -> tuple[str, float]:
    return _metric(study.materialize_problem_statement())


def _metric(problem: Any) -> tuple[str, float]:
    """The name of the one objective, and what turns a loss into it."""
    found = list(problem.metric_information)
    if len(found) != 1:
        raise WrongUsage(f"the study has {len(found)} objectives; one is known")
    return found[0].name, 1.0 if found[0].goal.name == "MINIMIZE" else -1.0
