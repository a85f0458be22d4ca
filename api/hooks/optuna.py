"""Optuna: what past tasks taught as a study's first trials, and its trials into the store.

Optuna hands an enqueued value to the objective even where it is out of range, fails the trial for
an unknown choice, ignores an unknown name and draws what is missing; so all that is enqueued here
is projected first (`api.hooks.projection`). Works with Optuna 4.5 and later.
"""

from __future__ import annotations

from api.hooks.needs import needs

needs("optuna", extra="hooks")

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from api.hooks.optuna_record import TOLD, Record, sign_of
from api.hooks.optuna_space import both, space_of, suggest, theirs, to_distributions, to_space
from api.hooks.past import measured, ranked
from api.hooks.projection import Outside, Report, plain, project
from api.hooks.scored import scored
from metadb.errors import WrongUsage
from metadb.protocols import Recommender
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from api.hooks.optuna_space import Space
    from metadb.history import History


def warm_start(
    study: optuna.Study,
    recommender: Recommender,
    task: Task,
    k: int = 10,
    *,
    space: Space | None = None,
    observed: Sequence[Evaluation] = (),
    rename: Mapping[str, str] | None = None,
    outside: Outside = "clip",
) -> Report:
    """Enqueue what is recommended for a task, so that the study's next trials are exactly that.

    What the study has already, run or waiting, is not enqueued again, so a script that is started
    anew on its storage does no harm.

    Args:
        space: Optuna's distributions or a ConfigSpace with its conditions; default what the study
            has drawn from so far.
        observed: What was measured on this task before; it is not recommended again.
        rename: The recommender's names of hyperparameters to the objective's, where they differ.
        outside: `drop` leaves out a config with a number out of range; else it is clipped.

    Raises:
        NotFound: No space is given and the study has no trial that shows one.
    """
    target, distributions = both(space, study)
    configs = [one.config for one in recommender.recommend(task, k, observed=observed)]
    report = project(
        configs, target, rename=rename, outside=outside, known=_configs_of(study, target)
    )
    for config in report.sent:
        study.enqueue_trial(theirs(config, distributions))
    return report


def _configs_of(study: optuna.Study, space: ConfigurationSpace) -> tuple[Config, ...]:
    """What the study has run or will run, in the space."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        params = trial.params or trial.system_attrs.get("fixed_params", {})
        found.append({name: plain(value) for name, value in params.items()})
    return project(found, space).sent


def add_observed(
    study: optuna.Study,
    observed: Sequence[Evaluation],
    *,
    space: Space | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Add what was measured on this very task as finished trials, with their scores.

    They count as start-up trials of a sampler. Only configs that need no change are added, for a
    moved one has another score; failures and smaller budgets are left out. Scores of other tasks
    are no scores of this one: for them, see `source_trials`. Each trial is a transaction of the
    storage: for more than some hundreds use a journal, or the memory, and `optuna.copy_study`.

    Args:
        observed: Evaluations of this task; their losses are turned to the study's direction.

    Raises:
        WrongUsage: The study has several objectives.
        NotFound: No space is given and the study has no trial that shows one.
    """
    sign = sign_of(study)
    target, distributions = both(space, study)
    report, told = scored(observed, target, rename=rename, known=_configs_of(study, target))
    values = [sign * float(one.loss or 0.0) for one in told]
    study.add_trials(
        [
            _trial(config, value, distributions, told=True)
            for config, value in zip(report.sent, values, strict=True)
        ]
    )
    return report


def source_trials(
    history: History,
    task: str,
    *,
    space: Space,
    direction: str = "minimize",
    rename: Mapping[str, str] | None = None,
) -> tuple[list[FrozenTrial], Report]:
    """A past task's evaluations as a prior, for `CmaEsSampler(source_trials=...)`.

    They never enter the study. Their values are ranks on their own task, from 0 (best) to 1, in
    the study's direction, since losses of two tasks do not compare; failures are left out. CMA-ES
    takes only trials whose distributions are those of the objective, so give these as `space`.

    Args:
        task: The past task, such as the first of a recommendation's `because.tasks`.
        direction: Of the study that will use them.

    Raises:
        NotFound: The history does not have the task.
        WrongUsage: The direction is neither.

    Nomura, Watanabe, Akimoto, Ozaki, Onishi 2021, "Warm Starting CMA-ES for Hyperparameter
    Optimization"
    """
    configs, loss = measured(history, task)
    if direction not in ("minimize", "maximize"):
        raise WrongUsage(f"direction is {direction!r}; it must be 'minimize' or 'maximize'")
    target, distributions = both(space)
    report = project(configs, target, rename=rename, exact=True)
    rank = ranked(loss[list(report.places)])  # (sent,)
    sign = 1.0 if direction == "minimize" else -1.0
    trials = [
        _trial(config, sign * float(value), distributions)
        for config, value in zip(report.sent, rank, strict=True)
    ]
    return trials, report


def _trial(
    config: Config,
    value: float,
    distributions: Mapping[str, BaseDistribution],
    *,
    told: bool = False,
) -> FrozenTrial:
    """A finished trial; its distributions are the space's own, a log scale among them."""
    return create_trial(
        state=TrialState.COMPLETE,
        value=value,
        params=theirs(config, distributions),
        distributions={name: distributions[name] for name in config},
        user_attrs={TOLD: True} if told else {},
    )


__all__ = [
    "Record",
    "add_observed",
    "source_trials",
    "space_of",
    "suggest",
    "to_distributions",
    "to_space",
    "warm_start",
]
