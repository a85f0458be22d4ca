"""Optuna's TPE without transfer, over the candidates.

Akiba, Sano, Yanase, Ohta, Koyama 2019, "Optuna: a next-generation hyperparameter optimization
framework"; Bergstra, Bardenet, Bengio, Kegl 2011, "Algorithms for hyper-parameter optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from benchmarks.peers.proposal import answer, nearest, package, seed_of
from metadb.axes import Axis, axes_of
from metadb.clauses import holds
from metadb.history import Configs, History
from metadb.records import Config, Evaluation, Recommendation, Task
from recommenders.candidates import Seen, pool


@dataclass(frozen=True, slots=True, eq=False)
class OptunaTPE:
    """`optuna.samplers.TPESampler` as it comes, in the space of the history.

    The study is built anew from `observed` (a failed evaluation is a trial of value infinity,
    which TPE counts among the bad). It asks in the whole space, parents before children; the
    nearest candidate that was not run stands in for what it proposes, and is what it is told of.
    Several at once are asked one after another, the earlier ones still running.
    """

    configs: Configs
    metric: str
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep the space; nothing is learnt from the past.

        Raises:
            NotFound: Optuna is not installed.
        """
        package("optuna", "optuna")
        return cls(history.configs, history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The candidates nearest to what TPE proposes, in its order."""
        within = pool(self.configs, candidates)
        left, axes = within.left(observed), axes_of(self.configs.space)
        seen = within.seen(observed)
        study = _study(seen, axes, seed_of(self.seed, task, len(seen)))
        order: list[int] = []
        while len(order) < k and len(left):
            order.append(nearest(within, left, suggested(study, axes)[1], axes))
            left = left[left != order[-1]]
        return answer(within, order, self.metric, "proposed by Optuna's TPE; no past task was used")


def _study(seen: Seen, axes: dict[str, Axis], seed: int) -> Any:
    """A study that was told what was seen."""
    optuna = package("optuna", "optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for config, loss in zip(seen.configs.values, seen.loss, strict=True):
        study.add_trial(finished(config, float(loss), axes))
    return study


def finished(config: Config, loss: float | None, axes: dict[str, Axis]) -> Any:
    """A trial of Optuna's that is over; it failed where there is no loss."""
    optuna = package("optuna", "optuna")
    told = {name: _told(axes[name], config[name]) for name in config if _varies(axes[name])}
    state = optuna.trial.TrialState
    return optuna.trial.create_trial(
        params=told,
        distributions={name: _distribution(axes[name]) for name in told},
        value=loss,
        state=state.FAIL if loss is None else state.COMPLETE,
    )


def suggested(study: Any, axes: dict[str, Axis]) -> tuple[Any, Config]:
    """A study's next trial, and what it proposes as a config of the space."""
    trial = study.ask()
    config: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for name, axis in axes.items():
        active = axis.condition is None or bool(holds(axis.condition, numbers, axes)[0])
        numbers[name] = np.array([np.nan])
        if not active:
            continue
        if _varies(axis):
            config[name] = _suggested(trial, name, _distribution(axis), axis)
        else:
            config[name] = axis.choices[0]
        numbers[name][0] = axis.number(config[name])
    return trial, config


def _suggested(trial: Any, name: str, given: Any, axis: Axis) -> Any:
    """The value that a trial proposes for a hyperparameter."""
    if axis.kind == "categorical":
        return trial.suggest_categorical(name, given.choices)
    if axis.kind == "ordinal":
        return axis.choices[trial.suggest_int(name, given.low, given.high)]
    suggest = trial.suggest_int if axis.kind == "integer" else trial.suggest_float
    return suggest(name, given.low, given.high, log=given.log)


def _varies(axis: Axis) -> bool:
    return axis.kind != "constant"


def _distribution(axis: Axis) -> Any:
    """A hyperparameter for Optuna; an ordinal is the number of its place."""
    optuna, given = package("optuna", "optuna"), axis.hyperparameter
    if axis.kind == "categorical":
        return optuna.distributions.CategoricalDistribution(axis.choices)
    if axis.kind == "ordinal":
        return optuna.distributions.IntDistribution(0, len(axis.choices) - 1)
    log = bool(getattr(given, "log", False))
    if axis.kind == "integer":
        return optuna.distributions.IntDistribution(int(given.lower), int(given.upper), log=log)
    return optuna.distributions.FloatDistribution(float(given.lower), float(given.upper), log=log)


def _told(axis: Axis, value: Any) -> Any:
    """A value as Optuna knows it; a float a rounding beyond its bounds is brought within."""
    if axis.kind == "categorical":
        return value
    if axis.kind == "ordinal":
        return axis.choices.index(value)
    number = axis.numbers([value])[0][0]
    return int(number) if axis.kind == "integer" else float(number)
