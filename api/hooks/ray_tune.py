"""Ray Tune: a recommendation as `points_to_evaluate`, and each trial into the store.

Of a point, Ray's searchers draw what is missing and run what is out of range; so all is projected
first (`api.hooks.projection`). Works with Ray 2.50 and later.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("ray", extra="ray")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune import Callback

from api.hooks import domains
from api.hooks.domains import known, theirs
from api.hooks.flat import active
from api.hooks.projection import Outside, Report, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.errors import WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ray.tune.search import Searcher

    from api.hooks.domains import Space
    from metadb.store import Store

_NAME = "ray-tune"


def to_space(param_space: Mapping[str, Any], *, name: str = _NAME) -> ConfigurationSpace:
    """Ray's domains as a ConfigSpace; see `api.hooks.domains.to_space`.

    Raises:
        InvalidSpace: A domain without bounds, a function, a choice of domains.
    """
    return domains.to_space(param_space, name=name)


def to_domains(space: ConfigurationSpace) -> dict[str, Any]:
    """A ConfigSpace as `param_space`; where it has conditions, `active` takes off what is not."""
    return domains.to_domains(space, tune, "Ray Tune")


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
    """The `points_to_evaluate` of a searcher: its first trials are exactly the recommendation.

    Points are values also for HyperOptSearch, whose library takes indices of choices.

    Args:
        space: The `param_space`, or a ConfigSpace of which `to_domains` made it.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ;
            nested names are joined by `/`.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        WrongUsage: The space is a function that defines by run; give a ConfigSpace of the same.
    """
    target = known(space, name=_NAME)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    return [theirs(config, space, target) for config in report.sent], report


def add_observed(
    searcher: Searcher,
    observed: Sequence[Evaluation],
    *,
    space: Space,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Tell a searcher what was measured on this very task, in the direction of its mode.

    Only configs that need no change are told, for a moved one has another score; failures and
    smaller budgets are left out.

    Args:
        searcher: One with a space, a metric and a mode: an OptunaSearch or HEBOSearch.

    Raises:
        WrongUsage: The searcher takes no scores.
    """
    target = known(space, name=_NAME)
    report, told = scored(observed, target, rename=rename)
    sign = -1.0 if searcher.mode == "max" else 1.0
    for config, one in zip(report.sent, told, strict=True):
        try:
            searcher.add_evaluated_point(theirs(config, space, target), sign * float(one.loss or 0))
        except NotImplementedError as error:
            raise WrongUsage(
                f"{type(searcher).__name__} of Ray Tune takes no scores; OptunaSearch and "
                "HEBOSearch do, the others take first trials (warm_start)"
            ) from error
    return report


class Record(Callback):  # type: ignore[misc]
    """A callback of `RunConfig` that records each trial as it ends.

    Rows are named as `metadb ingest ray-tune` names them. A trial that the store cannot take does
    not stop the search: it is warned about, and `lost` says why.

    Args:
        config: The `TuneConfig` of the search: its metric and mode.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `ray-tune:<study>`.
        metric: What the reported metric is; default one of the study's own.
        space: The ConfigSpace, or the `param_space`, or the name of a space of the store.
        rename: As of `warm_start`: the store's names to the tuner's.
        study: What the search is called; default `ray-tune`.
        curves: Whether trials report more than once. Then each report is recorded at its
            `training_iteration`; else the last one, as that at the full budget.

    Raises:
        WrongUsage: The `TuneConfig` has no metric or no mode, or several.
        InvalidMetric: The metric is better the other way than the mode.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        config: tune.TuneConfig,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        space: Space | str | None = None,
        rename: Mapping[str, str] | None = None,
        study: str = _NAME,
        curves: bool = False,
    ) -> None:
        if not isinstance(config.metric, str) or config.mode not in ("min", "max"):
            raise WrongUsage(
                f"the TuneConfig has metric={config.metric!r}, mode={config.mode!r}; recording "
                "needs one metric and the mode 'min' or 'max'"
            )
        self._key, self._curves = config.metric, curves
        self._recorder = Recorder(
            store,
            task,
            origin=_NAME,
            study=study,
            metric=metric,
            lower=config.mode == "min",
            space=space if space is None or isinstance(space, str) else known(space, name=study),
            rename=rename,
        )

    @property
    def lost(self) -> Mapping[str, str]:
        """Trial to the reason why the store does not take it."""
        return self._recorder.lost

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray saves a search with its callbacks, but a store belongs to its process."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record one report, where trials have learning curves."""
        if self._curves:
            budget = {"budget": float(result["training_iteration"]), "budget_unit": "iterations"}
            self._record(trial, result, **budget)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a finished trial; it outlives a kill -9 when this returns."""
        if not self._curves:
            self._record(trial, trial.last_result)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a failure."""
        self._recorder.record(trial.trial_id, domains.joined(trial.config), None, status="failed")

    def _record(self, trial: Any, result: Mapping[str, Any], **budget: Any) -> None:
        value = domains.joined(result).get(self._key)
        self._recorder.record(
            trial.trial_id,
            domains.joined(trial.config),
            None if value is None else float(value),
            cost_s=result.get("time_total_s"),
            **budget,
        )


__all__ = ["Record", "active", "add_observed", "to_domains", "to_space", "warm_start"]
