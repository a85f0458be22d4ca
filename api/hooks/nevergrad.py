"""Nevergrad: a recommendation as suggestions, what is known told, each evaluation into the store.

Suggestions are asked last in first out, so they are given in reverse; a value out of range, an
unknown choice and a partial point raise there, so all is projected first.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("nevergrad", extra="nevergrad")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import nevergrad as ng
from nevergrad.common.errors import TellNotAskedNotSupportedError

from api.hooks.flat import active, flat, warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from
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

    from metadb.store import Store

_NAME = "nevergrad"


def to_space(parametrization: Any, *, name: str = _NAME) -> ConfigurationSpace:
    """A `Dict`, or an `Instrumentation` of keywords, as a ConfigSpace; a plain value a constant.

    Raises:
        InvalidSpace: A number without bounds, an array, a choice of parametrizations, a parameter
            without a name.
    """
    return space_from(name, [_hyperparameter(key, one) for key, one in _parts(parametrization)])


def to_parametrization(space: ConfigurationSpace) -> Any:
    """A ConfigSpace as a `Dict`, without its conditions: see `active`.

    An ordinal becomes a `TransitionChoice`. Clauses and priors have no place; a warning says so.
    """
    warn_of_losses(space, "Nevergrad")
    return ng.p.Dict(**{name: _parameter(axis) for name, axis in axes_of(space).items()})


def warm_start(
    optimizer: Any,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: ConfigurationSpace | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Suggest what is recommended, so that the optimizer's next asks are exactly that.

    Args:
        space: The ConfigSpace of which `to_parametrization` made the optimizer's, with its
            conditions; default the optimizer's own.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    target = space or to_space(optimizer.parametrization)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    for config in reversed(report.sent):
        values = _values(config, optimizer.parametrization, target)
        if _is_keywords(optimizer.parametrization):
            optimizer.suggest(**values)
        else:
            optimizer.suggest(values)
    return report


def add_observed(
    optimizer: Any,
    observed: Sequence[Evaluation],
    *,
    space: ConfigurationSpace | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Tell the optimizer what was measured on this very task.

    Only configs that need no change are told, for a moved one has another loss; failures and
    smaller budgets are left out. They do not count among the budget's asks.

    Raises:
        WrongUsage: The optimizer takes only what it has asked, as EDA does.
    """
    target = space or to_space(optimizer.parametrization)
    report, told = scored(observed, target, rename=rename)
    for config, one in zip(report.sent, told, strict=True):
        values: Any = _values(config, optimizer.parametrization, target)
        if _is_keywords(optimizer.parametrization):
            values = ((), values)
        candidate = optimizer.parametrization.spawn_child(new_value=values)
        candidate.uid = f"{_TOLD}{candidate.uid}"
        try:
            optimizer.tell(candidate, float(one.loss or 0.0))
        except TellNotAskedNotSupportedError as error:
            raise WrongUsage(
                f"the optimizer {optimizer.name} takes only what it has asked for; use another, or "
                "a warm_start alone"
            ) from error
    return report


_TOLD = "metadb:observed:"
_CLIPPED = 5e20  # what Nevergrad makes of an infinite loss, or of none


class Record:
    """A callback that records each evaluation: `optimizer.register_callback("tell", Record(...))`.

    An evaluation that the store cannot take does not stop the search: it is warned about, and
    `lost` says why. What was told by `add_observed` is not recorded, for it was not run here.

    Args:
        optimizer: Whose evaluations they are.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `nevergrad:<study>`.
        metric: What is minimised; default one of the study's own.
        space: The ConfigSpace of which the parametrization was made; default its own.
        rename: As of `warm_start`: the store's names to the tuner's.
        study: What the search is called.

    Raises:
        InvalidMetric: The metric is better the higher: Nevergrad minimises.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        optimizer: Any,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        space: ConfigurationSpace | None = None,
        rename: Mapping[str, str] | None = None,
        study: str = _NAME,
    ) -> None:
        self._study = study
        self._recorder = Recorder(
            store,
            task,
            origin=_NAME,
            study=study,
            metric=metric,
            lower=True,
            space=space or to_space(optimizer.parametrization),
            rename=rename,
        )

    @property
    def lost(self) -> Mapping[str, str]:
        """Run to the reason why the store does not take it."""
        return self._recorder.lost

    def __call__(self, optimizer: Any, candidate: Any, loss: Any) -> None:
        """Record one evaluation; it outlives a kill -9 when this returns."""
        if candidate.uid.startswith(_TOLD):
            return
        config = candidate.kwargs if _is_keywords(candidate) else candidate.value
        value = float(loss) if loss < _CLIPPED else None
        self._recorder.record(f"{self._study}/{candidate.uid}", config, value)


def _is_keywords(parametrization: Any) -> bool:
    return isinstance(parametrization, ng.p.Instrumentation)


def _parts(parametrization: Any) -> list[tuple[str, Any]]:
    """The parameters by name."""
    if _is_keywords(parametrization):
        if parametrization.args:
            raise InvalidSpace(
                "the Instrumentation has parameters without names; give all of them as keywords"
            )
        return list(parametrization[1].items())
    if not isinstance(parametrization, ng.p.Dict):
        raise InvalidSpace(
            f"the parametrization is a {type(parametrization).__name__}, whose parameters have no "
            "names; use ng.p.Dict or ng.p.Instrumentation with keywords"
        )
    return list(parametrization.items())


def _hyperparameter(name: str, one: Any) -> Any:
    if type(one).__name__ == "Constant":
        return choice(name, [one.value])
    if isinstance(one, ng.p.Choice | ng.p.TransitionChoice):
        options = _options(one)
        if options is None:
            raise InvalidSpace(
                f"{name!r} is a choice of parametrizations; make them of a ConfigurationSpace with "
                "conditions: to_parametrization(space)"
            )
        return choice(name, options, ordered=isinstance(one, ng.p.TransitionChoice))
    if not isinstance(one, ng.p.Scalar):
        raise InvalidSpace(
            f"{name!r} is {one!r}; Scalar, Log, Choice and TransitionChoice are known"
        )
    lower, upper = one.bounds
    if lower is None or upper is None:
        raise InvalidSpace(f"{name!r} has no bounds; give lower= and upper=")
    return number(
        name, float(lower[0]), float(upper[0]), log=isinstance(one, ng.p.Log), whole=one.integer
    )


def _options(one: Any) -> list[Any] | None:
    """The values of a choice; None where some are parameters themselves."""
    parts = [one.choices[i] for i in range(len(one))]
    plain_ones = all(type(part).__name__ == "Constant" for part in parts)
    return [part.value for part in parts] if plain_ones else None


def _parameter(axis: Axis) -> Any:
    if axis.kind == "constant":
        return axis.choices[0]
    if axis.kind == "ordinal":
        return ng.p.TransitionChoice(list(axis.choices))
    if axis.kind == "categorical":
        return ng.p.Choice(list(axis.choices))
    lower, upper = axis.hyperparameter.lower, axis.hyperparameter.upper
    one = (ng.p.Log if axis.hyperparameter.log else ng.p.Scalar)(lower=lower, upper=upper)
    return one.set_integer_casting() if axis.kind == "integer" else one


def _values(config: Config, parametrization: Any, target: ConfigurationSpace) -> dict[str, Any]:
    """A config with every value, as the parametrization has it."""
    whole, found = flat(config, target), {}
    for name, one in _parts(parametrization):
        value: Any = whole[name]
        if type(one).__name__ == "Constant":
            value = one.value
        elif isinstance(one, ng.p.Choice | ng.p.TransitionChoice):
            value = next(o for o in _options(one) or () if plain(o) == value)
        else:
            lower, upper = (float(bound[0]) for bound in one.bounds)
            value = min(max(value, lower), upper)
        found[name] = value
    return found


__all__ = ["Record", "active", "add_observed", "to_parametrization", "to_space", "warm_start"]
