"""What a recommendation rests on, in figures: expected regret, its interval, the chance to win.

Two ways to the same three figures: from past tasks, where a configuration was run or a surrogate
stands in for it, and from a model's normal prediction on the new task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metadb.protocols import Floats

CLOSE = 0.01
"""A regret of at most this counts as the best: within 1 % of the task's range."""

SHARE = 0.8
"""The probability that the interval holds the regret."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Expected regret, an interval that holds it with probability 0.8, the chance to be close.

    Args:
        expected: Normalised regret, 0 to 1, (n,).
        low: (n,). high: (n,).
        probability: Of a regret of at most 0.01, (n,).
    """

    expected: Floats
    low: Floats
    high: Floats
    probability: Floats


def from_tasks(regret: Floats, weight: Floats | None = None) -> Evidence:
    """What past tasks say of configs on a new one.

    One more task is imagined that knows nothing: its regret is uniform between 0 and 1. So a
    config that was best on one task only has an expected regret of 1/4 and not 0, and no interval
    is empty. With weights w of sum s (their effective number n = s^2 / sum of w^2), the imagined
    task weighs s / n, as much as the typical one.

    Args:
        regret: Normalised, NaN where unknown, (tasks, n).
        weight: How much each task counts, none negative, (tasks,); default: all alike.
    """
    tasks = len(regret)
    weight = np.ones(tasks) if weight is None else np.asarray(weight, float)
    weight = weight / (weight.max(initial=0.0) or 1.0)  # so that no square over- or underflows
    there = ~np.isnan(regret) & (weight[:, None] > 0)  # (tasks, n)
    w = np.where(there, weight[:, None], 0.0)
    total = w.sum(axis=0)  # (n,)
    effective = total**2 / np.maximum((w**2).sum(axis=0), 1e-300)
    doubt = np.where(total > 0, total / np.maximum(effective, 1.0), 1.0)  # the imagined task
    known = np.where(there, regret, 0.0)
    expected = ((w * known).sum(axis=0) + doubt / 2) / (total + doubt)
    close = (w * (known <= CLOSE)).sum(axis=0)
    probability = (close + doubt * CLOSE) / (total + doubt)
    tail = (1 - SHARE) / 2
    low, high = _quantiles(known, w, doubt, (tail, 1 - tail))
    return Evidence(expected, low, high, probability)


def _quantiles(
    regret: Floats, weight: Floats, doubt: Floats, shares: Sequence[float]
) -> list[Floats]:
    """Values below which lie shares of the weight, the imagined task's spread evenly, each (n,).

    The distribution is F(r) = (weight of regrets <= r + doubt * r) / all. From the i-th smallest
    regret on it is at least (weight of the first i + doubt * r) / all, and exactly that up to the
    next one; so the least r that one of these brings to the goal is the quantile.
    """
    rows = np.ascontiguousarray(regret.T)  # a row a config: rows are sorted fast
    order = np.argsort(rows, axis=1)
    r = np.take_along_axis(rows, order, axis=1)  # (n, tasks)
    below = np.cumsum(np.take_along_axis(weight.T, order, axis=1), axis=1)
    found = []
    for share in shares:
        goal = share * (weight.sum(axis=0) + doubt)
        reached = np.maximum(r, (goal[:, None] - below) / doubt[:, None])
        found.append(np.minimum(reached.min(axis=1, initial=1.0), goal / doubt))
    return found


def from_model(mean: Floats, sd: Floats, *, best: float = 0.0, worst: float = 1.0) -> Evidence:
    """What a normal prediction of the loss says, regrets cut to [0, 1].

    Args:
        mean: Of the loss, (n,). sd: (n,).
        best: The loss that would have regret 0, and `worst` that of regret 1.
    """
    from scipy.stats import norm

    width = max(worst - best, 1e-12)
    m, s = (mean - best) / width, np.maximum(sd / width, 1e-9)
    tail = norm.ppf((1 + SHARE) / 2)
    a, b = (0.0 - m) / s, (1.0 - m) / s  # the normal cut to [0, 1], mass outside at the ends
    inside = m * (norm.cdf(b) - norm.cdf(a)) + s * (norm.pdf(a) - norm.pdf(b))
    expected = np.clip(inside + norm.sf(b), 0.0, 1.0)
    return Evidence(
        expected,
        np.clip(m - tail * s, 0.0, 1.0),
        np.clip(m + tail * s, 0.0, 1.0),
        norm.cdf((CLOSE - m) / s),
    )
