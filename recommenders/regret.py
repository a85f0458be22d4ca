"""Losses of different tasks brought to one scale: 0 is the best seen on a task, 1 the worst."""

from __future__ import annotations

import warnings

import numpy as np

from metadb.protocols import Floats


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
