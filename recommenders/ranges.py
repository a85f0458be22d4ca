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

WIDTHS = 24
"""So many ranges are weighed."""

TASKS = 200
"""So many past tasks at most say what is usual."""

HUGE = 1e150
"""Losses are cut to this, so that no range overflows."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The best loss and the range (worst less best) of each past task that has a range.

    A pair of best loss o and range s is as likely as it is near to those of past tasks: Student's t
    of 2 degrees around each, of scale 0.1 of its range for o, and 0.3 for log s.

    Args:
        low: (tasks,). width: (tasks,).
    """

    low: Floats
    width: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """Those of a history; one task of range 1 where no task has any."""
        low, high = extremes(history.task, history.loss, len(history.tasks))
        low, high = np.clip(low, -HUGE, HUGE), np.clip(high, -HUGE, HUGE)
        there = high > low
        if not there.any():
            return cls(np.zeros(1), np.ones(1))
        return cls(low[there], np.maximum(high - low, 1e-12)[there])

    def pairs(self, loss: Floats) -> tuple[Floats, Floats, Floats]:
        """Best losses and ranges that fit what was seen, and log how likely, each (pairs,)."""
        from scipy.stats import t as student

        seen, best = float(np.ptp(loss)), float(loss.min())
        step = 1 + (len(self.low) - 1) // TASKS
        low, width = self.low[::step], self.width[::step]
        logs = np.log(width)
        least = max(float(logs.min()) - 1, np.log(seen / 1.5 + 1e-12))
        most = max(float(logs.max()) + 0.5, np.log(3 * seen + 1e-12))
        unit = np.repeat(np.exp(np.linspace(least, most, WIDTHS)), len(BELOW))
        below = np.tile(BELOW, WIDTHS)
        offset = best - below * unit
        near = student.pdf((offset[:, None] - low) / (0.1 * width), 2) / (0.1 * width)
        near *= student.pdf((np.log(unit)[:, None] - logs) / 0.3, 2)
        cell = np.tile(np.gradient(BELOW), WIDTHS) * unit
        likely: Floats = np.log(near.mean(axis=1) + 1e-300) + np.log(cell)
        return offset, unit, likely
