"""KerasTuner: what past tasks taught as a tuner's first trials, and its trials into the store.

An oracle takes no list of first trials; so `populate_space`, which is there to be overridden, gives
what is recommended before the oracle's own. Works with KerasTuner 1.4.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("keras_tuner", extra="keras-tuner")

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from api.hooks.branches import active_if, branches_of, levels
from api.hooks.hyperparameter import choice, number, space_from, stepped
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.axes import Axis, Value, axes_of
from metadb.errors import InvalidSpace, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from keras_tuner import HyperParameters, Oracle

    from metadb.store import Store

_TOLD = "observed_"
_STATUS = {"COMPLETED": "ok", "FAILED": "failed", "INVALID": "failed"}


def warm_start(
    tuner: Any,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: ConfigurationSpace | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Make a tuner's next trials exactly what is recommended for a task; they count in max_trials.

    What it has already is not given again, so a tuner that is loaded anew is warm-started anew.

    Args:
        tuner: A tuner, or its oracle.
        space: Default the tuner's own.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the tuner's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        WrongUsage: Grid search or Hyperband, whose trials have their places beforehand.
    """
    from keras_tuner.oracles import GridSearchOracle, HyperbandOracle

    oracle = _oracle(tuner)
    if isinstance(oracle, GridSearchOracle | HyperbandOracle):
        raise WrongUsage(
            f"{type(oracle).__name__} has its own order of trials; use RandomSearch or "
            "BayesianOptimization"
        )
    target = space or to_space(oracle.hyperparameters)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(
        configs, target, rename=rename, outside=outside, known=_configs_of(oracle, target)
    )
    first, own = [_theirs(config, oracle) for config in report.sent], oracle.populate_space

    def populate_space(trial_id: str) -> Any:
        if first:
            return {"status": "RUNNING", "values": first.pop(0)}
        return own(trial_id)

    oracle.populate_space = populate_space
    return report


def add_observed(
    tuner: Any,
    observed: Sequence[Evaluation],
    *,
    space: ConfigurationSpace | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Add what was measured on this very task as completed trials, for `BayesianOptimization`.

    KerasTuner counts them in its `max_trials`. Only configs that need no change are added, for a
    moved one has another score; failures and smaller budgets are left out.
    """
    from keras_tuner.engine.trial import Trial

    oracle = _oracle(tuner)
    sign = 1.0 if oracle.objective.direction == "min" else -1.0
    target = space or to_space(oracle.hyperparameters)
    report, told = scored(observed, target, rename=rename, known=_configs_of(oracle, target))
    for config, one in zip(report.sent, told, strict=True):
        hyperparameters = oracle.get_space()
        hyperparameters.values = _theirs(config, oracle)
        name = f"{_TOLD}{len(oracle.trials)}"
        trial = Trial(hyperparameters, trial_id=name, status="COMPLETED")
        trial.score, trial.best_step = sign * float(one.loss or 0.0), 0
        oracle.trials[name] = trial
        oracle.start_order.append(name)
        oracle.end_order.append(name)
    return report


def record(
    tuner: Any,
    store: Store,
    task: Task | str | None = None,
    *,
    metric: str | Metric | None = None,
    space: ConfigurationSpace | str | None = None,
    rename: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Record the finished trials of a tuner; those that are recorded already add nothing.

    Args:
        tuner: A tuner, or its oracle.
        task: What is tuned on, or the id of one that the store has; default
            `keras-tuner:<project>`.
        metric: What the objective is; default one of the project's own.
        space: Default the tuner's own; the name of a space of the store will do.
        rename: As of `warm_start`: the store's names to the tuner's.

    Returns: trial to the reason why the store does not take it.

    Raises:
        InvalidMetric: The metric is better the other way than the objective.
        NotFound: A task id or metric that is not known.
    """
    oracle = _oracle(tuner)
    study = oracle.project_name or getattr(oracle, "_project_name", None) or "untitled"
    recorder = Recorder(
        store, task, origin="keras-tuner", study=study, metric=metric,
        lower=oracle.objective.direction == "min",
        space=space or to_space(oracle.hyperparameters, name=f"keras-tuner:{study}"),
        rename=rename,
    )  # fmt: skip
    for name in oracle.end_order:
        trial = oracle.trials[name]
        if trial.status in _STATUS and not name.startswith(_TOLD):
            status = _STATUS[trial.status]
            value = trial.score if status == "ok" else None
            recorder.record(f"{study}/{name}", _active(trial), value, status=status)
    return recorder.lost


def to_hyperparameters(space: ConfigurationSpace) -> HyperParameters:
    """A ConfigSpace as KerasTuner's `HyperParameters`, with its conditions and defaults.

    Raises:
        InvalidSpace: A forbidden clause, choices of several types, or a condition on anything but
            the values of one hyperparameter.
    """
    from keras_tuner import HyperParameters

    axes, branches = axes_of(space), branches_of(space, "KerasTuner")
    made = HyperParameters()
    for name, axis in axes.items():
        with ExitStack() as scopes:
            for parent, values in _above(name, branches):
                scopes.enter_context(made.conditional_scope(parent, list(values)))
            _add(made, axis)
    return made


def to_space(hyperparameters: HyperParameters, *, name: str = "keras-tuner") -> ConfigurationSpace:
    """KerasTuner's `HyperParameters` as a ConfigSpace; the scale `reverse_log` becomes linear.

    Raises:
        InvalidSpace: A name with several declarations, or ConfigSpace cannot hold it.
    """
    made: dict[str, Any] = {}
    conditions = []
    for one in hyperparameters.space:
        if one.name in made:
            raise InvalidSpace(
                f"{one.name!r} is declared twice, on different conditions; give each its own name"
            )
        made[one.name] = _hyperparameter(one)
        for condition in one.conditions[-1:]:  # those before it hold for the parent already
            values = [plain(value) for value in condition.values]
            conditions.append(active_if(made[one.name], made[condition.name], values))
    return space_from(name, made.values(), conditions)


def _above(
    name: str, branches: Mapping[str, tuple[str, tuple[Value, ...]]]
) -> list[tuple[str, tuple[Value, ...]]]:
    """The conditions of a hyperparameter and of its parents, the outermost first."""
    return [*_above(branches[name][0], branches), branches[name]] if name in branches else []


def _add(made: HyperParameters, axis: Axis) -> None:
    one, kinds = axis.hyperparameter, set(map(type, axis.choices))
    if axis.kind == "constant":
        made.Fixed(axis.name, axis.choices[0])
    elif axis.kind in ("float", "integer"):
        add, cast = (made.Float, float) if axis.kind == "float" else (made.Int, int)
        made_of = cast(one.lower), cast(one.upper)
        scale = "log" if one.log else "linear"
        add(axis.name, *made_of, sampling=scale, default=cast(one.default_value))
    elif kinds == {bool}:
        made.Boolean(axis.name, default=bool(one.default_value))
    elif len(kinds) > 1 or (axis.kind == "ordinal" and str in kinds):
        raise InvalidSpace(
            f"KerasTuner has no place for {axis.name!r}, {axis.legal}: its choices have one type, "
            "and only numbers an order; make it a categorical of texts"
        )
    else:
        ordered = axis.kind == "ordinal"
        made.Choice(axis.name, list(levels(axis)), ordered=ordered, default=one.default_value)


def _hyperparameter(one: Any) -> Any:
    kind = type(one).__name__
    if kind == "Fixed":
        return choice(one.name, [one.value])
    if kind == "Boolean":
        return choice(one.name, [False, True])
    if kind == "Choice":
        return choice(one.name, one.values, ordered=one.ordered)
    if kind not in ("Float", "Int"):
        raise InvalidSpace(
            f"{one.name!r} is a {kind}; a Float, Int, Choice, Boolean or Fixed is known"
        )
    whole, log = kind == "Int", one.sampling == "log"
    if one.step is None or (whole and one.step == 1 and not log):
        return number(one.name, one.min_value, one.max_value, log=log, whole=whole)
    if not log:
        return stepped(one.name, one.min_value, one.max_value, one.step)
    values, value = [], one.min_value
    while value <= one.max_value * (1 + 1e-12):
        values.append(int(value) if whole else float(f"{value:.13g}"))
        value *= one.step
    return choice(one.name, values, ordered=True)


def _oracle(tuner: Any) -> Oracle:
    oracle = getattr(tuner, "oracle", tuner)
    if not hasattr(oracle, "populate_space"):
        raise WrongUsage(f"a {type(tuner).__name__} is no tuner and no oracle of KerasTuner")
    return oracle


def _theirs(config: Config, oracle: Oracle) -> dict[str, Any]:
    """A config with the tuner's own choices."""
    theirs: dict[str, Any] = dict(config)
    for one in oracle.hyperparameters.space:
        if type(one).__name__ == "Choice" and one.name in config:
            theirs[one.name] = next(v for v in one.values if plain(v) == config[one.name])
    return theirs


def _active(trial: Any) -> dict[str, Any]:
    """What a trial ran: the values of hyperparameters that are active in it."""
    hyperparameters = trial.hyperparameters
    found = {}
    for one in hyperparameters.space:
        if one.name in hyperparameters.values and hyperparameters.is_active(one):
            found[one.name] = plain(hyperparameters.values[one.name])
    return found or {k: plain(v) for k, v in hyperparameters.values.items()}


def _configs_of(oracle: Oracle, space: ConfigurationSpace) -> tuple[Config, ...]:
    """What the tuner has run, in the space."""
    return project([_active(trial) for trial in oracle.trials.values()], space).sent
