"""Region: where the good configurations of similar tasks lie, for searches that begin there.

Perrone, Shen, Seeger, Archambeau, Jenatton 2019, "Learning search spaces for Bayesian optimization"
(the best of each past task; here a density and no box, so that nothing is cut off); tasks weigh by
likeness as in Watanabe, Awad, Onishi, Hutter 2023, "Speeding up multi-objective hyperparameter
optimization by task similarity-based meta-learning for the tree-structured Parzen estimator".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.errors import WrongUsage
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Task
from recommenders.active_testing import BETA, MOST, discordance
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion, needs_results
from recommenders.likeness import RANDOM, Likeness

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

LEAST = 1e-3
"""A task that weighs less than this share of the heaviest one is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The best configs of each past task, weighed by how like the task is to the one at hand.

    Of the n usable results of a task (at the largest budget) the ceil(share n) of the least loss
    are good; that of rank r = 1 .. k weighs log(k + 1) - log(r), scaled so that they sum to the
    weight of the task; what a config weighs on several tasks is added up. Tasks weigh

        w_t = exp(-(d_t / l)^2 / 2) exp(-3 m e_t),

    d the distance of `Likeness`, l its 0.3 quantile over the tasks, and e_t the share of the pairs
    of the m observed configs that task t orders otherwise (as `ActiveTesting`; what the task did
    not run, its forest predicts). What is not known is left out: without meta-features and
    observations all tasks weigh alike. Cost: one sort; with observed configs that tasks did not
    run a forest a task, once in a process.

    Args:
        configs: The good ones, heaviest first, (n,).
        weights: Sum to 1, (n,).
        tasks: The tasks that they come from, heaviest first, (tasks,).
        task_weights: Sum to 1, (tasks,).
    """

    configs: Configs
    weights: Floats
    tasks: tuple[str, ...]
    task_weights: Floats

    @classmethod
    def fit(
        cls,
        history: History,
        task: Task | None = None,
        *,
        share: float = 0.05,
        most: int = 300,
        seed: int = 0,
        observed: Sequence[Evaluation] = (),
    ) -> Self:
        """The region of the tasks of a history that are like `task`.

        Args:
            task: That will be searched; None: all past tasks weigh alike.
            share: Of the configs of each task that are good.
            most: So many configs at most, the heaviest.
            seed: Of the forests.
            observed: What was run on the task at hand.

        Raises:
            NotFound: The history has no evaluation.
            WrongUsage: No evaluation is usable; or `share` is not in (0, 1], `most` less than 1.
        """
        if not 0 < share <= 1 or most < 1:
            raise WrongUsage(
                f"a region needs 0 < share <= 1 and most >= 1, not share={share}, most={most}"
            )
        needs_results(history)
        of_task = _alike(history, task) * _agreeing(history, observed, seed)  # (tasks,)
        rows = history.finals()
        rows = rows[np.isfinite(history.loss[rows])]
        if not len(rows):
            raise WrongUsage(
                f"all {len(history)} evaluations of the history failed, so no config is good; "
                "search without a prior"
            )
        ran = np.unique(history.task[rows])
        of_task[np.setdiff1d(np.arange(len(of_task)), ran)] = 0.0  # nothing usable to say
        of_task[of_task < LEAST * of_task.max()] = 0.0
        weight = np.zeros(len(history.configs))
        for t in np.flatnonzero(of_task):
            mine = rows[history.task[rows] == t]
            best = mine[np.argsort(history.loss[mine], kind="stable")]
            best = best[: int(np.ceil(share * len(mine)))]
            rank = np.log(len(best) + 1) - np.log(np.arange(1, len(best) + 1))
            weight[history.config[best]] += of_task[t] * rank / rank.sum()
        heavy = np.argsort(-weight, kind="stable")[: min(most, int((weight > 0).sum()))]
        spoke = np.argsort(-of_task, kind="stable")[: int((of_task > 0).sum())]
        return cls(
            history.configs.take(heavy),
            weight[heavy] / weight[heavy].sum(),
            tuple(history.tasks[t] for t in spoke),
            of_task[spoke] / of_task.sum(),
        )

    @property
    def space(self) -> ConfigurationSpace:
        """The space of the configs, declared or inferred from the history."""
        return self.configs.space


def _alike(history: History, task: Task | None) -> Floats:
    """How much each past task counts by its meta-features, all alike where none is known."""
    far = np.full(len(history.tasks), np.inf)
    if task is not None and history.described:
        far = Likeness.fit(history).distance(task)
    near = np.isfinite(far)
    if not near.any():
        return np.ones(len(far))
    length = max(float(np.quantile(far[near], 0.3)), 1e-3)
    weight: Floats = np.exp(-((np.where(near, far, RANDOM) / length) ** 2) / 2)
    return weight


def _agreeing(history: History, observed: Sequence[Evaluation], seed: int) -> Floats:
    """How much each past task counts by how it orders what was observed."""
    completion = Completion.fit(history, seed=seed)
    seen = pool(completion.configs).seen(observed)
    if len(seen) < 2:
        return np.ones(len(history.tasks))
    regret = completion.regrets(Pool(completion.configs, seen.configs, seen.known))  # (tasks, m)
    wrong = discordance(regret.T, seen.loss)
    weight: Floats = np.exp(-BETA * min(len(seen), MOST) * (wrong - wrong.min()))
    return weight
