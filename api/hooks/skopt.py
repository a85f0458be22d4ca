"""scikit-optimize: a recommendation as `x0`, what is known as `x0` and `y0`, calls into the store.

A point out of range raises there, `x0` does not count among the calls where it comes with `y0`, and
`n_initial_points` random points are drawn all the same unless they are set to 0.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("skopt", extra="skopt")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skopt.space import Categorical, Dimension, Integer, Real

from api.hooks.flat import active, flat, warn_of_losses
from api.hooks.hyperparameter import choice, number, space_from
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.axes import axes_of
from metadb.errors import InvalidSpace
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store

    Space = ConfigurationSpace | Sequence[Dimension]

_NAME = "skopt"


def to_space(dimensions: Sequence[Dimension], *, name: str = _NAME) -> ConfigurationSpace:
    """Dimensions as a ConfigSpace; a prior of a Categorical becomes weights.

    Raises:
        InvalidSpace: A dimension without a name, or of another kind.
    """
    return space_from(name, [_hyperparameter(one) for one in dimensions])


def to_dimensions(space: ConfigurationSpace) -> list[Dimension]:
    """A ConfigSpace as named dimensions, without its conditions: see `active`.

    An ordinal becomes a Categorical, a constant one of a single value. Clauses and priors have no
    place; a warning says so.
    """
    warn_of_losses(space, "scikit-optimize")
    found = []
    for name, axis in axes_of(space).items():
        one = axis.hyperparameter
        if axis.choices:
            found.append(Categorical(list(axis.choices), name=name))
            continue
        prior = "log-uniform" if one.log else "uniform"
        kind, cast = (Integer, int) if axis.kind == "integer" else (Real, float)
        found.append(kind(cast(one.lower), cast(one.upper), prior=prior, name=name))
    return found


def warm_start(
    space: Space,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[list[list[Any]], Report]:
    """The `x0` of `gp_minimize` and its like: the first calls are exactly the recommendation.

    Give them `n_initial_points=0` too, or random points follow before the model is asked; `n_calls`
    counts these points. An `Optimizer` is told of each with `tell(x, y)`.

    Args:
        space: The dimensions, each with a name, or a ConfigSpace of which they were made.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the dimensions', where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    target, dimensions = _both(space)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    return [_point(config, dimensions, target) for config in report.sent], report


def add_observed(
    space: Space,
    observed: Sequence[Evaluation],
    *,
    rename: Mapping[str, str] | None = None,
) -> tuple[list[list[Any]], list[float], Report]:
    """The `x0` and `y0` of what was measured on this very task, also for `Optimizer.tell(x0, y0)`.

    They do not count among `n_calls`. Only configs that need no change are told, for a moved one
    has another score; failures and smaller budgets are left out.
    """
    target, dimensions = _both(space)
    report, told = scored(observed, target, rename=rename)
    x0 = [_point(config, dimensions, target) for config in report.sent]
    return x0, [float(one.loss or 0.0) for one in told], report


class Record:
    """A callback of `gp_minimize` and its like that records each call as it ends.

    Points that were given with their `y0` are not recorded, for they were not run here. A call that
    the store cannot take does not stop the search: it is warned about, and `lost` says why.

    Args:
        space: The dimensions, or the ConfigSpace of which they were made.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `skopt:<study>`.
        metric: What is minimised; default one of the study's own.
        rename: As of `warm_start`: the store's names to the tuner's.
        study: What the search is called; another one needs another name, or it adds nothing.
        told: How many points are given with their `y0`.

    Raises:
        InvalidMetric: The metric is better the higher: scikit-optimize minimises.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        space: Space,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        rename: Mapping[str, str] | None = None,
        study: str = _NAME,
        told: int = 0,
    ) -> None:
        target, dimensions = _both(space)
        self._names = [one.name for one in dimensions]
        self._study, self._done = study, told
        self._recorder = Recorder(
            store,
            task,
            origin=_NAME,
            study=study,
            metric=metric,
            lower=True,
            space=target,
            rename=rename,
        )

    @property
    def lost(self) -> Mapping[str, str]:
        """Run to the reason why the store does not take it."""
        return self._recorder.lost

    def __call__(self, result: Any) -> None:
        """Record what is new in a result; it outlives a kill -9 when this returns."""
        for place in range(self._done, len(result.x_iters)):
            config = dict(zip(self._names, result.x_iters[place], strict=True))
            self._recorder.record(f"{self._study}/{place}", config, float(result.func_vals[place]))
        self._done = max(self._done, len(result.x_iters))


def _hyperparameter(one: Dimension) -> Any:
    if one.name is None:
        raise InvalidSpace(f"the dimension {one!r} has no name; give it one: name='C'")
    if isinstance(one, Categorical):
        return choice(one.name, one.categories, weights=one.prior)
    if not isinstance(one, Real | Integer):
        raise InvalidSpace(f"{one.name!r} is {one!r}; Real, Integer and Categorical are known")
    log = one.prior == "log-uniform"
    return number(one.name, one.low, one.high, log=log, whole=isinstance(one, Integer))


def _both(space: Space) -> tuple[ConfigurationSpace, Sequence[Dimension]]:
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        return space, to_dimensions(space)
    return to_space(space), space


def _point(
    config: Config, dimensions: Sequence[Dimension], target: ConfigurationSpace
) -> list[Any]:
    """A config as a point: its own choices, and nothing beyond a bound by rounding."""
    whole, found = flat(config, target), []
    for one in dimensions:
        value = whole[one.name]
        if isinstance(one, Categorical):
            found.append(next(option for option in one.categories if plain(option) == value))
        else:
            found.append(min(max(value, one.low), one.high))
    return found


__all__ = ["Record", "active", "add_observed", "to_dimensions", "to_space", "warm_start"]
