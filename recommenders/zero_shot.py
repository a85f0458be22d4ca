"""Zero-shot: boosted trees predict the regret of a config on a task that nothing was run on.

Ke et al. 2017, "LightGBM: A highly efficient gradient boosting decision tree", over (config,
meta-features); evaluations that come in are learnt from by the latent model of `factorisation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion, needs_results
from recommenders.gplvm import Covariance, rooted
from recommenders.latent import advise, prepared
from recommenders.lesson import TREES, Lesson, binned, boosted, predicted, usual
from recommenders.likeness import Likeness
from recommenders.ranges import Ranges

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

FOLDS = 4
ROUNDS, RATE = 120, 0.05

COARSER = 3
"""How far trees are to be believed is found with a third of the rounds, each thrice as large."""

SAMPLED: Mapping[str, Any] = {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5}
"""Each tree sees half of the rows and of the columns: a quarter of the work, and no worse advice
(stochastic gradient boosting: Friedman 2002)."""

FEWEST = 2 * int(TREES["min_data_in_leaf"])
"""Fewer rows make no two leaves, and half of a single one is nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ZeroShot:
    """Root regret = the config's usual one + share * trees(config, usual, meta-features).

    `usual` is the mean root regret of the config over the tasks (that of all configs where fewer
    than three ran it); the trees learn what is left. `share` is the least-squares factor for the
    trees when whole tasks are left out (four folds), 0 to 1: where meta-features say nothing about
    new tasks it is near 0, and the advice is near that of the mean over tasks. What is observed
    moves the prediction as in `Factorisation`, whose covariance and improvement are used with the
    trees' prediction as the prior mean. At most 40,000 evaluations are learnt from. Cost: five
    boosters; a prediction a pool and task, remembered.

    Args:
        model: The trees as LightGBM's text.
    """

    completion: Completion
    likeness: Likeness
    ranges: Ranges
    covariance: Covariance
    model: str
    share: float
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, rounds: int = ROUNDS) -> Self:
        """Learn the trees, and how far they are to be believed.

        Raises:
            NotFound: There is no evaluation.
        """
        needs_results(history)
        completion = Completion.fit(history, seed=seed)
        prepared(completion)
        likeness = Likeness.fit(history)
        lesson = Lesson.of(completion, likeness, seed=seed)
        data = binned(lesson, lesson.y - lesson.usual)
        share = _share(lesson, data, len(history.tasks), rounds, seed)
        model = _trees(data, rounds, seed).model_to_string()
        covariance = Covariance.fit(completion)
        return cls(
            completion, likeness, Ranges.fit(history), covariance, model, share, history.metric
        )

    def predict(self, task: Task, pool: Pool) -> Floats:
        """The root of the regret of every config of a pool before anything is run, (n,)."""
        trees = predicted(self.model, self.completion, self.likeness, task, pool)
        return np.clip(usual(self.completion, pool) + self.share * trees, 0.0, 1.0)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The configs of the least predicted regret, then of the largest expected improvement."""
        of = pool(self.completion.configs, candidates)
        return advise(
            self.completion, of, k, observed, lambda some: rooted(self.predict(task, some) ** 2),
            ranges=self.ranges, covariance=self.covariance, metric=self.metric,
        )  # fmt: skip


def _trees(data: Dataset, rounds: int, seed: int, *, rate: float = RATE) -> Booster:
    sampled = SAMPLED if data.construct().num_data() >= FEWEST else {}
    options = {"objective": "l2", "learning_rate": rate, **sampled}
    return boosted(data, rounds=rounds, seed=seed, options=options)


def _share(lesson: Lesson, data: Dataset, tasks: int, rounds: int, seed: int) -> float:
    """How far to believe trees on tasks that they did not see, 0 to 1."""
    if tasks < FOLDS:
        return 0.0 if tasks < 2 else 0.5
    fold = np.random.default_rng(seed).permutation(tasks)[lesson.task] % FOLDS  # (n,)
    said = np.empty(len(lesson.y))
    for f in range(FOLDS):
        inside, out = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        few = data.subset(inside[:: 1 + len(inside) // 15_000].tolist())
        trees = _trees(few, -(-rounds // COARSER), seed, rate=COARSER * RATE)
        said[out] = np.asarray(trees.predict(lesson.features[out], num_threads=1))
    left = lesson.y - lesson.usual
    return float(np.clip(said @ left / max(float(said @ said), 1e-12), 0.0, 1.0))
