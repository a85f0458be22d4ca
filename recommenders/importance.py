"""Which hyperparameters matter: functional ANOVA of a forest for each task, and across tasks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from metadb.errors import NotFound
from metadb.history import History
from metadb.protocols import Floats
from recommenders.fanova import Boxes, Dimension, boxes, dimensions, variances

TREES, FEATURES = 64, 0.7
MOST_LEAVES = 1000
"""A tree stops growing at so many leaves, those that matter most first."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The importance of one hyperparameter, or pair of them, over the tasks that have one.

    Args:
        names: The hyperparameter, or the two.
        median: Of the fraction of variance. low, high: The quarters' bounds of it.
        mean_rank: 1 is the most important of its kind (single ones, pairs) on every task.
        share_first: On what share of the tasks it is the most important of its kind.
    """

    names: tuple[str, ...]
    median: float
    low: float
    high: float
    mean_rank: float
    share_first: float


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """The fraction of a task's variance of loss that is due to each hyperparameter.

    Fractions are of the variance of a forest over the whole space, each hyperparameter drawn
    uniformly and independently on the scale of the space (see `recommenders.fanova`); an inactive
    one has a value of its own, which weighs as often as it occurs in the history. What single
    hyperparameters and pairs leave over is due to three and more. Failed evaluations are left out.
    `explained` says how far to trust it: what a tree gets wrong looks like an effect of all
    hyperparameters together, and where the forest predicts nothing, noise is split.

    Hutter, Hoos, Leyton-Brown 2014, "An efficient approach for assessing hyperparameter
    importance"; across tasks: van Rijn, Hutter 2018, "Hyperparameter importance across datasets".

    Args:
        names: The hyperparameters that can vary, (d,).
        tasks: (tasks,).
        single: Fraction of variance, NaN where a task has none, (tasks, d).
        pairs: Places of two hyperparameters in names; empty where they were not asked for.
        pair: Fraction due to two together beyond each alone, (tasks, pairs).
        evaluations: How many could be used, (tasks,).
        explained: Share of the variance that the forest predicts where it was not trained (out of
            bag), at most 1, NaN where there is no forest, (tasks,).
        why: Why a task has no importance, else None, (tasks,).
        metric: Of the losses.
    """

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    single: Floats
    pairs: tuple[tuple[int, int], ...]
    pair: Floats
    evaluations: tuple[int, ...]
    explained: Floats
    why: tuple[str | None, ...]
    metric: str

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        seed: int = 0,
        tasks: Sequence[str] | None = None,
        pairs: bool = False,
        trees: int = TREES,
        features: float = FEATURES,
        intervals: bool = False,
    ) -> Self:
        """Fit a forest a task and take it apart.

        Cost: 0.2 s for a task of 500 evaluations, pairs 0.1 s more.

        Args:
            tasks: Default: all of the history.
            pairs: Whether pairs of hyperparameters are wanted too.
            trees: How many a forest has.
            features: The share of the encoding's columns that each split chooses from.
            intervals: Take integers for continuous, as the authors' package does.

        Raises:
            NotFound: A task is not in the history.
        """
        asked = history.tasks if tasks is None else tuple(tasks)
        for task in asked:
            if task not in history.tasks:
                raise NotFound(f"no task {task!r} in this history of {len(history.tasks)} tasks")
        dims = dimensions(history.configs.space, history.configs.x, intervals=intervals)
        two = tuple(combinations(range(len(dims)), 2)) if pairs else ()
        single = np.full((len(asked), len(dims)), np.nan)
        pair = np.full((len(asked), len(two)), np.nan)
        explained = np.full(len(asked), np.nan)
        counts: list[int] = []
        why: list[str | None] = []
        for row, task in enumerate(asked):
            x, loss = _results(history, history.tasks.index(task))
            counts.append(len(loss))
            why.append(_unfit(loss, dims))
            if why[row] is None:
                forest, explained[row] = _forest(x, loss, trees, features, seed)
                single[row], pair[row] = _fractions(forest, dims, two)
                if np.isnan(single[row]).any():
                    why[row] = "no hyperparameter tells its losses apart"
        return cls(
            tuple(dim.name for dim in dims), asked, single, two, pair,
            tuple(counts), explained, tuple(why), history.metric,
        )  # fmt: skip

    def across(self) -> list[Summary]:
        """Every hyperparameter over the tasks, the largest median first."""
        return _summaries([(name,) for name in self.names], self.single)

    def across_pairs(self) -> list[Summary]:
        """Every pair over the tasks, the largest median first."""
        return _summaries([(self.names[i], self.names[j]) for i, j in self.pairs], self.pair)


def _results(history: History, task: int) -> tuple[Floats, Floats]:
    """The encoded configs of a task that have a loss at the largest budget they ran, and it."""
    rows = np.flatnonzero(history.task == task)
    rows = rows[history.at(rows).finals()]
    rows = rows[np.isfinite(history.loss[rows])]
    return history.configs.x[history.config[rows]], history.loss[rows]


def _unfit(loss: Floats, dims: Sequence[Dimension]) -> str | None:
    if not dims:
        return "no hyperparameter of the space can vary"
    if len(loss) < 2:
        return f"only {len(loss)} of its evaluations can be used" if len(loss) else "all failed"
    return "all losses are equal" if np.ptp(loss) == 0 else None


def _forest(
    x: Floats, loss: Floats, trees: int, features: float, seed: int
) -> tuple[list[Boxes], float]:
    """The leaves of each tree of a forest, and what share of the variance it predicts."""
    from sklearn.ensemble import RandomForestRegressor

    scaled = (loss - loss.mean()) / loss.std()
    forest = RandomForestRegressor(
        trees,
        max_features=features,
        max_leaf_nodes=MOST_LEAVES if len(loss) > MOST_LEAVES else None,
        oob_score=True,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # few points, few trees
        forest.fit(x, scaled)
    return [boxes(tree.tree_, x.shape[1]) for tree in forest], float(forest.oob_score_)


def _fractions(
    forest: Sequence[Boxes], dims: Sequence[Dimension], pairs: Sequence[tuple[int, int]]
) -> tuple[Floats, Floats]:
    """The mean fractions over the trees; a tree that is constant over the space says nothing."""
    parts = [variances(leaves, dims, pairs) for leaves in forest]
    parts = [part for part in parts if part.total > 1e-12]
    if not parts:
        return np.full(len(dims), np.nan), np.full(len(pairs), np.nan)
    return (
        np.mean([part.single / part.total for part in parts], axis=0),
        np.mean([part.pair / part.total for part in parts], axis=0),
    )


def _summaries(names: Sequence[tuple[str, ...]], fraction: Floats) -> list[Summary]:
    there = fraction[~np.isnan(fraction).any(axis=1)]  # (tasks that have one, names)
    if not len(there) or not names:
        return []
    # 1 for the largest; equal ones share the mean of their ranks
    above = (there[:, None, :] > there[:, :, None]).sum(axis=2)
    rank = 1 + above + ((there[:, None, :] == there[:, :, None]).sum(axis=2) - 1) / 2
    low, median, high = np.quantile(there, [0.25, 0.5, 0.75], axis=0)
    first = (above == 0).mean(axis=0)
    every = [
        Summary(name, float(median[i]), float(low[i]), float(high[i]),
                float(rank[:, i].mean()), float(first[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return sorted(every, key=lambda summary: (-summary.median, summary.mean_rank))
