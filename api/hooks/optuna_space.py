"""Optuna's distributions as a ConfigSpace and back, with what is there only on a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from api.hooks.hyperparameter import choice, number, space_from, step_of, stepped
from api.hooks.projection import nearest, plain, walk
from metadb.axes import Axis, axes_of
from metadb.declared import Choice, Range, conditions, merged
from metadb.errors import InvalidSpace, NotFound
from metadb.records import Config
from metadb.space import check

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    Space = ConfigurationSpace | Mapping[str, BaseDistribution]


def to_space(
    distributions: Mapping[str, BaseDistribution],
    *,
    name: str = "optuna",
    configs: Sequence[Mapping[str, Any]] = (),
) -> ConfigurationSpace:
    """Optuna's distributions as a ConfigSpace; the choice None becomes a text, a list its JSON.

    Args:
        name: What the space is called.
        configs: Parameters of trials, which show what is there only on a condition.

    Raises:
        InvalidSpace: ConfigSpace cannot hold it.
    """
    try:
        made = {key: _hyperparameter(key, one) for key, one in distributions.items()}
    except (ValueError, TypeError) as error:  # ConfigSpace rounds bounds to 13 decimals
        raise InvalidSpace(f"ConfigSpace cannot hold these distributions: {error}") from error
    declared = {key: _declared(one) for key, one in distributions.items()}
    return space_from(name, made.values(), conditions(declared, made, configs))


def space_of(study: optuna.Study, *, name: str | None = None) -> ConfigurationSpace:
    """What a study has drawn from so far, with the conditions that its trials show.

    Define-by-run has no space before the first trial; a branch that was not taken is not in it.

    Args:
        name: Default `optuna:<study>`.

    Raises:
        NotFound: The study has no finished trial with parameters.
        InvalidSpace: ConfigSpace cannot hold it.
    """
    configs = [trial.params for trial in _shown(study)]
    return to_space(
        _distributions_of(study), name=name or f"optuna:{study.study_name}", configs=configs
    )


def to_distributions(space: ConfigurationSpace) -> dict[str, BaseDistribution]:
    """A ConfigSpace as Optuna's distributions, without conditions and priors; see `suggest`."""
    return {name: _distribution(axis) for name, axis in axes_of(space).items()}


def suggest(trial: optuna.Trial, space: ConfigurationSpace) -> Config:
    """A config of the space, drawn by the study's sampler: only what is active, parents first.

    Raises:
        TrialPruned: The space forbids it.
    """
    config = walk(axes_of(space), lambda axis: nearest(axis, _drawn(trial, axis), "clip")[0])
    forbidden = check(space, [config])[0]
    if forbidden is not None:
        raise optuna.TrialPruned(forbidden)
    return config


def _hyperparameter(name: str, one: BaseDistribution) -> Any:
    if isinstance(one, CategoricalDistribution):
        return choice(name, one.choices)
    if not isinstance(one, FloatDistribution | IntDistribution):
        raise InvalidSpace(f"{name!r} has {one!r}; a float, an int or a categorical is known")
    if not one.single() and (isinstance(one.step, float) or one.step not in (None, 1)):
        return stepped(name, one.low, one.high, one.step)
    whole = isinstance(one, IntDistribution)
    return number(name, one.low, one.low if one.single() else one.high, log=one.log, whole=whole)


def _declared(one: BaseDistribution) -> Range | Choice:
    if isinstance(one, CategoricalDistribution):
        return Choice(tuple(one.choices))
    assert isinstance(one, FloatDistribution | IntDistribution)
    return Range(one.low, one.high, one.log, isinstance(one, IntDistribution))


def _shown(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that drew all their parameters."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = [t for t in study.get_trials(deepcopy=False, states=states) if t.params]
    if not trials:
        raise NotFound(
            f"the study {study.study_name!r} has no trial that shows its space; give space=, a "
            "dict of Optuna's distributions or a ConfigurationSpace"
        )
    return trials


def _distributions_of(study: optuna.Study) -> dict[str, BaseDistribution]:
    found: dict[str, BaseDistribution] = {}
    for trial in _shown(study):
        for name, one in trial.distributions.items():
            there = found.setdefault(name, one)
            found[name] = one if one == there else _wider(name, there, one)
    return found


def _wider(name: str, one: BaseDistribution, other: BaseDistribution) -> BaseDistribution:
    """What holds both: a define-by-run study may move its bounds from trial to trial."""
    both = merged([{name: _declared(one)}, {name: _declared(other)}])[name]
    if isinstance(both, Choice):
        return CategoricalDistribution(both.values)
    if both.whole:
        return IntDistribution(int(both.lower), int(both.upper), log=both.log)
    return FloatDistribution(both.lower, both.upper, log=both.log)


def _distribution(axis: Axis) -> BaseDistribution:
    one = axis.hyperparameter
    if axis.kind == "float":
        return FloatDistribution(float(one.lower), float(one.upper), log=bool(one.log))
    if axis.kind == "integer":
        return IntDistribution(int(one.lower), int(one.upper), log=bool(one.log))
    step = step_of(axis.choices) if axis.kind == "ordinal" else None
    if step is None:
        return CategoricalDistribution(axis.choices)
    first, last = axis.choices[0], axis.choices[-1]
    if isinstance(step, int):
        return IntDistribution(int(first), int(last), step=step)
    return FloatDistribution(float(first), float(last), step=step)


def _drawn(trial: optuna.Trial, axis: Axis) -> Any:
    """The value that the trial has for a hyperparameter; a constant is not asked for."""
    if axis.kind == "constant":
        return axis.choices[0]
    one = _distribution(axis)
    if isinstance(one, FloatDistribution):
        return trial.suggest_float(axis.name, one.low, one.high, step=one.step, log=one.log)
    if isinstance(one, IntDistribution):
        return trial.suggest_int(axis.name, one.low, one.high, step=one.step, log=one.log)
    assert isinstance(one, CategoricalDistribution)
    return trial.suggest_categorical(axis.name, one.choices)


def theirs(config: Config, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """A config as Optuna takes it: its own choices, and nothing beyond a bound by rounding."""
    params: dict[str, Any] = dict(config)
    for name, value in config.items():
        one = distributions.get(name)
        if isinstance(one, CategoricalDistribution):
            params[name] = next(c for c in one.choices if plain(c) == value)
        elif isinstance(one, FloatDistribution):
            params[name] = min(max(float(value), one.low), one.high)
    return params


def both(
    space: Space | None, study: optuna.Study | None = None
) -> tuple[ConfigurationSpace, dict[str, BaseDistribution]]:
    """A space in both forms; by default what the study has drawn from."""
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        return space, to_distributions(space)
    if space is not None:
        return to_space(space), dict(space)
    assert study is not None
    return space_of(study), _distributions_of(study)
