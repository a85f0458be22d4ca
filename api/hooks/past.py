"""What was measured on a past task, as tuners take it that learn from several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metadb.axes import Floats
from metadb.errors import NotFound
from metadb.records import Config

if TYPE_CHECKING:
    from metadb.history import History


def measured(history: History, task: str) -> tuple[list[Config], Floats]:
    """The configs of a task and their losses (n,), at the largest budget; failures are left out.

    Raises:
        NotFound: The history does not have the task.
    """
    if task not in history.tasks:
        raise NotFound(f"the history has no task {task!r}; it has {', '.join(history.tasks[:9])}")
    entries = history.finals()
    entries = entries[history.task[entries] == history.tasks.index(task)]
    entries = entries[np.isfinite(history.loss[entries])]
    return [history.configs[int(i)] for i in history.config[entries]], history.loss[entries]


def standardised(loss: Floats) -> Floats:
    """Losses (n,) with mean 0 and deviation 1, for those of two tasks do not compare."""
    if not len(loss):
        return loss
    spread = float(loss.std())
    return np.asarray((loss - loss.mean()) / (spread if spread > 0 else 1.0), dtype=np.float64)


def ranked(loss: Floats) -> Floats:
    """Losses (n,) as ranks from 0 (best) to 1, equal ones alike."""
    place = np.unique(loss, return_inverse=True)[1]
    return np.asarray(place / max(len(loss) - 1, 1), dtype=np.float64)
