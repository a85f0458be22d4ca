"""NePS: a recommendation as its first trials or as its priors, and its trials into the store.

NePS takes no first trials; but it takes an optimizer of one's own, so `warm_start` makes one that
asks for what is recommended before NePS' own does. What such an optimizer asks for reaches the
objective as it is, out of range or not, so all is projected first. Works with NePS 0.17.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("neps", extra="neps")

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from api.hooks.flat import active, flat
from api.hooks.neps_space import (
    Confidence,
    Wire,
    classic,
    known,
    to_pipeline_space,
    to_space,
    with_priors,
)
from api.hooks.projection import Outside, Report, project
from api.hooks.recorder import Recorder
from api.hooks.scored import scored
from metadb.errors import NotFound, WrongUsage
from metadb.metrics import Metric
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from neps import PipelineSpace

    from metadb.store import Store

    Space: TypeAlias = ConfigurationSpace | PipelineSpace


def warm_start(
    space: Space,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    optimizer: Any = "auto",
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> tuple[First, Report]:
    """The `optimizer` of `neps.run`: its first trials are exactly the recommendation.

    A run that is started anew on its root directory goes on where it was.

    Args:
        space: As given to `neps.run`, or the ConfigSpace that `to_pipeline_space` made it of: then
            what is inactive has its default, and `active` takes it off in the objective.
        optimizer: NePS' own that goes on afterwards, as of `neps.run`.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the space's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.
    """
    target = known(space)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(configs, target, rename=rename, outside=outside)
    return First([flat(config, target) for config in report.sent], optimizer), report


def priors(
    space: Space,
    recommender: Recommender,
    task: Task,
    *,
    confidence: Confidence = "medium",
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
) -> tuple[PipelineSpace, Report]:
    """The space with the best recommended config as its priors, for `pibo` and other optimizers.

    What that config does not have, has no prior; `auto` is `pibo` where there is one.

    Args:
        space: As of `warm_start`, like `observed` and `rename`.
        confidence: How much NePS trusts each prior.

    Raises:
        WrongUsage: Nothing is recommended that lies in the space.
    """
    target = known(space)
    configs = [one.config for one in recommender.recommend(task, 1, observed=observed)]
    report = project(configs, target, rename=rename)
    if not report.sent:
        raise WrongUsage(f"there is no config to make priors of: {report}")
    filled = {change.name for change in report.filled}
    prior = {name: value for name, value in report.sent[0].items() if name not in filled}
    return with_priors(target, prior, confidence), report


def add_observed(
    root_directory: str | Path,
    space: Space,
    observed: Sequence[Evaluation],
    *,
    optimizer: Any = "auto",
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Import what was measured on this very task, before `neps.run` on the same root directory.

    Only configs that need no change are imported, for a moved one has another score; failures and
    smaller budgets are left out. NePS counts what is imported in its total of evaluations.

    Args:
        root_directory: That of a run, or one that is not there yet.
        optimizer: The same as of the run, so what `warm_start` made where there is one.

    Raises:
        WrongUsage: The directory is there, but holds no run: NePS cannot begin in it.
    """
    import neps
    from neps.space.neps_spaces.neps_space import check_neps_space_compatibility

    root = Path(root_directory)
    if root.exists() and not (root / "optimizer_info.yaml").is_file():
        raise WrongUsage(f"{root} is there, but NePS makes it itself; remove it or name another")
    target = known(space)
    theirs = to_pipeline_space(space) if space is target else space
    report, told = scored(observed, target, rename=rename)
    configs = [flat(config, target) for config in report.sent]
    if check_neps_space_compatibility(optimizer) == "neps":
        configs = [Wire.of(theirs).write(config) for config in configs]
    evaluated = [
        (config, neps.UserResultDict(objective_to_minimize=float(one.loss or 0.0)))
        for config, one in zip(configs, told, strict=True)
    ]
    neps.import_trials(evaluated, root, theirs, optimizer=optimizer)
    return report


def record(
    root_directory: str | Path,
    store: Store,
    task: Task | str | None = None,
    *,
    space: Space,
    metric: str | Metric | None = None,
    rename: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Record the finished trials of a run, with their curves; a second time adds nothing.

    It may be called while the run goes on. What was imported was not run here and is not recorded.

    Args:
        task: What is tuned on, or the id of one that the store has; default `neps:<directory>`.
        space: As of `warm_start`.
        metric: What is minimised; default one of the run's own.
        rename: As of `warm_start`: the store's names to the run's.

    Returns: trial to the reason why the store does not take it.

    Raises:
        NotFound: There is no run, or a task id or metric that is not known.
        InvalidMetric: The metric is better the higher: NePS minimises.
        WrongUsage: The run has several objectives.
    """
    from neps.state.neps_state import TrialRepo

    root = Path(root_directory)
    if not (root / "configs").is_dir():
        raise NotFound(f"there is no run of NePS at {root}; give the root_directory of neps.run")
    target = known(space, name=f"neps:{root.name}")
    wire = Wire.of(to_pipeline_space(target) if space is target else space)
    recorder = Recorder(
        store, task, origin="neps", study=root.name, metric=metric, lower=True, space=target,
        rename=rename,
    )  # fmt: skip
    trials = TrialRepo(root / "configs")
    for name in sorted(trials.list_trial_ids(), key=int):
        trial = trials.load_trial_from_disk(name)  # from its YAML: NePS' cache is a pickle
        report = trial.report
        if report is None or trial.metadata.state.value == "external":
            continue
        value, run, config = report.objective_to_minimize, f"{root.name}/{name}", trial.config
        if isinstance(value, list):
            raise WrongUsage(f"the run {root.name!r} has {len(value)} objectives; one is known")
        config = wire.read(config)
        curve = report.learning_curve or ()
        for step, reached in enumerate(curve if len(curve) > 1 else (), start=1):
            recorder.record(run, config, reached, budget=float(step), budget_unit="steps")
        good = report.reported_as == "success"
        recorder.record(
            run,
            config,
            value if good else None,
            status="ok" if good else "failed",
            cost_s=report.evaluation_duration,
        )
    return recorder.lost


@dataclass
class First:
    """An optimizer for `neps.run`: these configs, in this order, then those of NePS' own.

    Args:
        configs: With a value for every parameter of the space.
        optimizer: As of `neps.run`.
    """

    configs: Sequence[Config]
    optimizer: Any = "auto"

    def __call__(self, space: PipelineSpace) -> _Asking:
        """What NePS asks, of its space.

        Raises:
            InvalidSpace: The space has a fidelity or operations.
        """
        from neps.optimizers import load_optimizer

        own = load_optimizer(self.optimizer, classic(space))[0]
        return _Asking(self.configs, own, Wire.of(space))


@dataclass
class _Asking:
    """What NePS asks; the trials show which of the first are left, so a run can stop and go on."""

    configs: Sequence[Config]
    own: Any
    wire: Wire

    def __call__(self, trials: Mapping[str, Any], budget_info: Any, n: int | None = None) -> Any:
        from neps import SampledConfig

        read = {k: replace(one, config=self.wire.read(one.config)) for k, one in trials.items()}
        asked = [one.config for one in read.values()]
        left = [config for config in self.configs if config not in asked]
        if left:
            last = max(map(int, trials), default=0)
            found = [
                SampledConfig(id=str(last + place), config=config)
                for place, config in enumerate(left[: n or 1], start=1)
            ]
        else:
            drawn = self.own(read, budget_info, n)
            found = drawn if isinstance(drawn, list) else [drawn]
        sent = [replace(one, config=self.wire.write(one.config)) for one in found]
        return sent if n is not None else sent[0]

    def import_trials(self, external_evaluations: Any, trials: Mapping[str, Any]) -> Any:
        """Imports are numbered by NePS' own, which hears of them with the other trials."""
        return self.own.import_trials(external_evaluations, trials)


__all__ = [
    "First", "active", "add_observed", "priors", "record", "to_pipeline_space", "to_space",
    "warm_start",
]  # fmt: skip
