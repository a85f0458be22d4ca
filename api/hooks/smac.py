"""SMAC 2: a recommendation as the initial design, what is known told, each trial into the store.

SMAC's spaces are ConfigSpaces. It raises for a config with an inactive, a missing or an illegal
value, so all is projected first (`api.hooks.projection`).
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("smac", extra="hooks")

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ConfigSpace import Configuration
from smac.callback import Callback
from smac.initial_design.abstract_initial_design import AbstractInitialDesign
from smac.runhistory import StatusType, TrialInfo, TrialValue

from api.hooks.projection import Outside, Report, project
from api.hooks.scored import scored
from metadb.errors import InvalidMetric, MetadbError, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task
from metadb.space import from_json, to_json

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from smac import Scenario
    from smac.facade.abstract_facade import AbstractFacade

    from metadb.store import Store

_TOLD = "metadb:observed"
_STATUS = {
    StatusType.SUCCESS: "ok",
    StatusType.CRASHED: "failed",
    StatusType.TIMEOUT: "timeout",
    StatusType.MEMORYOUT: "memout",
}


class InitialDesign(AbstractInitialDesign):  # type: ignore[misc]
    """These configurations, in this order, and nothing else."""

    def _select_configurations(self) -> list[Configuration]:
        return []


def warm_start(
    scenario: Scenario,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[InitialDesign, Report]:
    """The `initial_design` of a facade: SMAC's first trials are exactly the recommendation.

    It takes the place of SMAC's own design, which would be run first and paid for.

    Args:
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        WrongUsage: More is recommended than the scenario has trials, or nothing can be sent.
    """
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, scenario.configspace, rename=rename, outside=outside)
    if not report.sent:
        raise WrongUsage(f"there is nothing to begin with: {report}")
    if len(report.sent) > scenario.n_trials:
        raise WrongUsage(
            f"{len(report.sent)} configs are recommended, but the scenario has n_trials="
            f"{scenario.n_trials}; give a smaller k"
        )
    first = [_theirs(config, scenario.configspace) for config in report.sent]
    return InitialDesign(scenario, n_configs=0, additional_configs=first), report


def add_observed(
    facade: AbstractFacade,
    observed: Sequence[Evaluation],
    *,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Tell SMAC, before `optimize`, what was measured on this very task.

    Only configs that need no change are told, for a moved one has another cost; failures and
    smaller budgets are left out. SMAC counts what is told among its `n_trials`.

    Raises:
        WrongUsage: The scenario has instances or is not deterministic: SMAC would take no such
            trial for its own, and run the config again with seeds of its choice.
    """
    scenario = facade.scenario
    if scenario.instances or not scenario.deterministic:
        raise WrongUsage(
            "what was measured elsewhere has none of this scenario's seeds and instances; give "
            "Scenario(deterministic=True) without instances, or only a warm_start"
        )
    report, told = scored(observed, scenario.configspace, rename=rename)
    for one, config in zip(told, report.sent, strict=True):
        theirs = _theirs(config, scenario.configspace)
        theirs.origin = _TOLD
        facade.tell(TrialInfo(theirs, seed=0), TrialValue(cost=one.loss, time=one.cost_s or 0.0))
    return report


def _theirs(config: Config, space: ConfigurationSpace) -> Configuration:
    return Configuration(space, values=dict(config))


class Record(Callback):  # type: ignore[misc]
    """A callback of a facade that records each trial as it ends.

    Rows are named as `metadb ingest smac` names them. A trial that the store cannot take does not
    stop the search: it is warned about, and `lost` says why.

    Args:
        scenario: Of the search.
        store: It is flushed when it is closed.
        task: What is tuned on, or the id of one that the store has; default `smac:<scenario>`. An
            instance is a task of its own, `task/instance`.
        metric: What the cost is; default `<scenario>/cost`.
        space: What the space is called in the store; default its own name, or `smac:<scenario>`.

    Raises:
        WrongUsage: The scenario has several objectives.
        InvalidMetric: The metric is better the higher: SMAC minimises a cost.
        NotFound: A task id or metric that is not known.
    """

    def __init__(
        self,
        scenario: Scenario,
        store: Store,
        task: Task | str | None = None,
        *,
        metric: str | Metric | None = None,
        space: str | None = None,
    ) -> None:
        super().__init__()
        if scenario.count_objectives() > 1:
            raise WrongUsage(f"the scenario {scenario.name!r} has several objectives; one is known")
        found = metric or Metric(f"{scenario.name}/cost", lower_is_better=True)
        self._metric = store.metric(found) if isinstance(found, str) else found
        if not self._metric.lower_is_better:
            raise InvalidMetric(
                f"SMAC minimises a cost, but {self._metric.name} is better the higher; name what "
                "the cost really is, for example error_rate"
            )
        self._task = store.task(task) if isinstance(task, str) else task
        self._task = self._task or Task(f"smac:{scenario.name}", kind="other")
        name = space or scenario.configspace.name or f"smac:{scenario.name}"
        text = json.loads(to_json(scenario.configspace))
        self._store, self._space = store, from_json(json.dumps(text | {"name": name}))
        self._run = f"{scenario.name}/{scenario.seed}"
        self.lost: list[str] = []

    def on_tell_end(self, smbo: Any, info: TrialInfo, value: TrialValue) -> None:
        """Record one finished trial; it outlives a kill -9 when this returns."""
        if info.config.origin == _TOLD or value.status not in _STATUS:
            return
        status = _STATUS[value.status]
        if status == "ok" and not math.isfinite(value.cost):
            status = "failed"
        try:
            self._store.record(
                self._of(info.instance),
                _plain(info.config),
                space=self._space,
                metric=self._metric,
                value=float(value.cost) if status == "ok" else None,
                status=status,
                budget=float(info.budget or 1.0),
                budget_unit="budget" if info.budget else "fraction",
                cost_s=float(value.time),
                seed=info.seed,
                run=f"{self._run}/{smbo.runhistory.get_config_id(info.config)}",
                origin="smac",
            )
        except MetadbError as error:
            self.lost.append(str(error))
            warnings.warn(f"a trial is not recorded: {error}", stacklevel=2)

    def _of(self, instance: str | None) -> Task:
        task = self._task
        assert task is not None
        return task if instance is None else Task(f"{task.id}/{instance}", kind=task.kind)


def _plain(config: Configuration) -> dict[str, Any]:
    return {k: v.item() if hasattr(v, "item") else v for k, v in dict(config).items()}
