"""The best loss and the range of a new task, neither of which is known: pairs, and how likely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import History
from metadb.protocols import Floats
from recommenders.regret import extremes

BELOW = np.append([0, 0.003, 0.006, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15], np.arange(2, 11) / 10)
"""How far, in ranges, the best loss of the task may lie below the best one seen."""

WIDTHS = 12
"""So many ranges are weighed."""

HUGE = 1e150
"""Losses are cut to this, so that no range overflows."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """How wide the losses of tasks range: worst less best of each past task that has a range.

    A range s is as likely as log s is near to those of past tasks, Student's t of 2 degrees and of
    scale 0.3 around each; where the best loss lies is left to what is seen.

    Args:
        width: (tasks,).
    """

    width: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """Those of a history; 1 where no task has any."""
        low, high = extremes(history.task, history.loss, len(history.tasks))
        there = high > low
        width = np.clip(high[there], -HUGE, HUGE) - np.clip(low[there], -HUGE, HUGE)
        return cls(np.maximum(width, 1e-12) if len(width) else np.ones(1))

    def pairs(self, loss: Floats) -> tuple[Floats, Floats, Floats]:
        """Best losses and ranges that fit what was seen, and log how likely, each (pairs,)."""
        seen, logs = float(np.ptp(loss)), np.log(self.width)
        least = max(float(logs.min()) - 1, np.log(seen / 1.5 + 1e-12))
        most = max(float(logs.max()) + 0.5, np.log(3 * seen + 1e-12))
        each = np.linspace(least, most, WIDTHS)
        near = student((each[:, None] - logs) / 0.3).mean(axis=1)
        unit = np.repeat(np.exp(each), len(BELOW))
        likely: Floats = np.add.outer(np.log(near), np.log(np.gradient(BELOW))).ravel()
        return loss.min() - np.tile(BELOW, WIDTHS) * unit, unit, likely


def student(x: Floats) -> Floats:
    """The density of Student's t of 2 degrees of freedom."""
    density: Floats = (2.0 + x * x) ** -1.5
    return density
