"""A history in Syne Tune's form: its spaces, its tables of past tasks, and back."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.peers.proposal import package
from metadb.axes import Axis, axes_of
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Config

LOSS = "loss"
INSTALL = "syne-tune xgboost huggingface_hub"
TRANSFER = "syne_tune.optimizer.schedulers.transfer_learning"


def varying(configs: Configs) -> dict[str, Axis]:
    """The hyperparameters that can vary."""
    return {n: axis for n, axis in axes_of(configs.space).items() if axis.kind != "constant"}


def space_of(axes: dict[str, Axis]) -> dict[str, Any]:
    """The space for Syne Tune; an ordinal is the number of its place, conditions it has none."""
    space = package("syne_tune.config_space", INSTALL)
    return {name: _domain(space, axis) for name, axis in axes.items()}


def _domain(space: Any, axis: Axis) -> Any:
    given, log = axis.hyperparameter, bool(getattr(axis.hyperparameter, "log", False))
    if axis.kind == "categorical":
        return space.choice([str(choice) for choice in axis.choices])
    if axis.kind == "ordinal":
        return space.randint(0, len(axis.choices) - 1)
    if axis.kind == "integer":
        kind = space.lograndint if log else space.randint
        return kind(int(given.lower), int(given.upper))
    kind = space.loguniform if log else space.uniform
    return kind(float(given.lower), float(given.upper))


def past_of(history: History, axes: dict[str, Axis]) -> dict[str, Any]:
    """The usable results of each task, as the package takes them."""
    values = table_of(history.configs.values, axes)
    space = space_of(axes)
    order = np.argsort(history.budget, kind="stable")
    past = {}
    for t, task in enumerate(history.tasks):
        rows = order[history.task[order] == t]
        last = dict(zip(history.config[rows].tolist(), history.loss[rows].tolist(), strict=True))
        usable = {config: loss for config, loss in last.items() if np.isfinite(loss)}
        if len(usable) > 1:
            table = values.iloc[list(usable)].reset_index(drop=True)
            past[task] = evaluations(space, table, np.array(list(usable.values())))
    return past


def evaluations(space: dict[str, Any], table: Any, loss: Floats) -> Any:
    """One task's results, a row of the table each."""
    form = package(f"{TRANSFER}.transfer_learning_task_evaluation", INSTALL)
    return form.TransferLearningTaskEvaluations(space, table, [LOSS], loss.reshape(-1, 1, 1, 1))


def table_of(configs: Sequence[Config], axes: dict[str, Axis]) -> Any:
    """Configs as a data frame; an inactive hyperparameter has its default."""
    columns = {
        name: [_value(axis, c.get(name, axis.hyperparameter.default_value)) for c in configs]
        for name, axis in axes.items()
    }
    return package("pandas", "pandas").DataFrame(columns)


def _value(axis: Axis, value: Any) -> Any:
    if axis.kind == "categorical":
        return str(value)
    return axis.choices.index(value) if axis.kind == "ordinal" else value


def config_of(told: dict[str, Any], axes: dict[str, Axis]) -> Config:
    """A suggestion as a config of the space; what is inactive is dropped where it is encoded."""
    config: dict[str, Any] = {}
    for name, axis in axes.items():
        if axis.kind == "constant":
            config[name] = axis.choices[0]
        elif axis.kind == "categorical":
            config[name] = next(c for c in axis.choices if str(c) == told[name])
        elif axis.kind == "ordinal":
            config[name] = axis.choices[int(told[name])]
        else:
            config[name] = int(told[name]) if axis.kind == "integer" else float(told[name])
    return config


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """NumPy's global generator seeded for a while, and then as it was: the package (0.16) seeds it,
    and its random search draws from it whatever seed it was given."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the package prints and logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
