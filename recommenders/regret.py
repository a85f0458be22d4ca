"""Losses of different tasks brought to one scale: 0 is the best seen on a task, 1 the worst."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

Tasks = NDArray[np.integer[Any]]


def normalised_regret(loss: Floats) -> Floats:
    """Distance to the best loss of each task as a share of the task's range, (tasks, configs).

    `(loss - min) / (max - min)` over the finite losses of the task; a failed config (inf) has 1,
    one that was not run NaN, and where all finite losses are equal they have 0.
    """
    finite = np.where(np.isfinite(loss), loss, np.nan)
    # A task without one finite loss is NaN by design; NumPy's warning about it says nothing.
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        low = np.nanmin(finite, axis=1, keepdims=True)
        width = np.nanmax(finite, axis=1, keepdims=True) - low
        regret = (loss - low) / np.where(width > 0, width, 1.0)
    return np.where(np.isposinf(loss), 1.0, regret)


def extremes(task: Tasks, loss: Floats, n_tasks: int) -> tuple[Floats, Floats]:
    """The best and the worst finite loss of each task, inf and -inf where none is, each (tasks,).

    Args:
        task: Index into tasks of each loss, (n,).
    """
    ok = np.isfinite(loss)
    low, high = np.full(n_tasks, np.inf), np.full(n_tasks, -np.inf)
    np.minimum.at(low, task[ok], loss[ok])
    np.maximum.at(high, task[ok], loss[ok])
    return low, high


def regret_within(task: Tasks, loss: Floats, n_tasks: int) -> Floats:
    """`normalised_regret` in the long form: of each loss within its task, failed ones 1, (n,)."""
    ok = np.isfinite(loss)
    loss = loss * 0.25 if np.abs(loss[ok]).max(initial=0.0) > 1e300 else loss  # no range overflows
    low, high = extremes(task, loss, n_tasks)
    width = np.where(high > low, high - low, 1.0)
    with np.errstate(invalid="ignore"):
        regret = (loss - low[task]) / width[task]
    return np.where(ok, regret, 1.0)
