"""One scale for all hyperparameters, or one for each: what few results can tell is chosen.

A scale for each (automatic relevance determination; Neal 1996, "Bayesian Learning for Neural
Networks") fits few results by taking hyperparameters for irrelevant that are not. So both are
sought, and the one of the larger log likelihood - p / 2 log n is taken, p its free numbers (Schwarz
1978, "Estimating the Dimension of a Model").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from metadb.protocols import Floats
from recommenders.matern import Points, Prior, log_likelihood, sought, spread

MANY = 100
"""With fewer results the search also starts where the prior is densest."""


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """Hyperparameters of a Gaussian process with a scale a group of columns, and with one for all.

    Args:
        each: `Hyperparameters.theta` of g scales, (g + 3,). one: Of a single scale, (4,).
        theta: The one to take, for all columns, (d + 3,).
    """

    each: Floats
    one: Floats
    theta: Floats

    @classmethod
    def of(cls, x: Floats, y: Floats, groups: Any, before: Self | None, device: str) -> Self:
        """Sought on points x (n, d), y (n,), beginning where they were before.

        Args:
            groups: The group of each column, from 0, (d,).
        """
        n, all_alike = len(y), np.zeros(len(groups), np.intp)
        points = Points.of(x[None], y[None], np.ones((1, n)), device)
        prior = Prior.vanilla(int(groups.max(initial=-1)) + 1)
        shared = prior.shared()
        starts = 2 if n < MANY else 1
        first = np.stack([prior.start if before is None else before.each, prior.start])
        each = sought(points, prior, first[:starts], groups)
        first = np.stack([shared.start if before is None else before.one, shared.start])
        one = sought(points, shared, first[:starts], all_alike)
        theta = [spread(each, groups), spread(one, all_alike)]
        value = [float(log_likelihood(points, points.tensor(t[None]))[0]) for t in theta]
        worth = [v - len(p) / 2 * np.log(n) for v, p in zip(value, (each, one), strict=True)]
        return cls(each, one, theta[int(np.argmax(worth))])
