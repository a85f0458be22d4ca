"""Ranking: LambdaMART orders the configs of a task, each past task a query.

Burges 2010, "From RankNet to LambdaRank to LambdaMART: An overview".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion, needs_results
from recommenders.gplvm import Covariance, rooted
from recommenders.latent import advise, prepared
from recommenders.lesson import Lesson, binned, boosted, predicted
from recommenders.likeness import Likeness
from recommenders.past import past
from recommenders.ranges import Ranges

GRADES = 16
"""Grades of relevance: the more, the finer the order that is learnt."""

ROUNDS = 120


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The configs in the order that boosted trees give them, learnt to put the best on top.

    The grade of a config on a task is floor(15 (1 - sqrt regret)); pairs of one task are swapped in
    LambdaMART, weighed by how much the swap changes the gain (grade) discounted by log rank. An
    order has no unit: the i-th config is taken to have the i-th smallest of the root regrets that
    the configs have on average, and then evaluations move it as in `Factorisation`. At most 40,000
    evaluations are learnt from, at most 10,000 of a task.

    Args:
        model: The trees as LightGBM's text.
    """

    completion: Completion
    likeness: Likeness
    ranges: Ranges
    covariance: Covariance
    model: str
    metric: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0, rounds: int = ROUNDS) -> Self:
        """Learn the order of the configs of every task.

        Raises:
            NotFound: There is no evaluation.
        """
        needs_results(history)
        completion = Completion.fit(history, seed=seed)
        prepared(completion)
        likeness = Likeness.fit(history)
        lesson = Lesson.of(completion, likeness, seed=seed, most=10_000)
        grade = np.floor((GRADES - 1) * (1 - lesson.y)).astype(int)
        options = {
            "objective": "lambdarank", "label_gain": list(range(GRADES)),
            "lambdarank_truncation_level": 20,
        }  # fmt: skip
        data = binned(lesson, grade, groups=True)
        model = boosted(data, rounds=rounds, seed=seed, options=options).model_to_string()
        covariance = Covariance.fit(completion)
        return cls(completion, likeness, Ranges.fit(history), covariance, model, history.metric)

    def scores(self, task: Task, pool: Pool) -> Floats:
        """The larger, the better a config is expected to be, (n,)."""
        return predicted(self.model, self.completion, self.likeness, task, pool)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The configs of the largest scores, then of the largest expected improvement."""
        of = pool(self.completion.configs, candidates)
        then = past(self.completion, of)
        usually = rooted(then.regret).mean(axis=1)
        scores = self.scores(task, of)
        hopeless = then.alone >= 1 - 1e-9  # the worst on every task, or failed there
        order = np.lexsort((usually, -scores, hopeless))  # equal scores: the usually better one

        def prior(some: Pool) -> Floats:
            if some is of:
                said = np.empty(len(of))
                said[order] = np.sort(usually)
                return said
            place = np.searchsorted(-scores[order], -self.scores(task, some))
            said_there: Floats = np.sort(usually)[np.minimum(place, len(of) - 1)]
            return said_there

        return advise(
            self.completion, of, k, observed, prior, ranges=self.ranges,
            covariance=self.covariance, metric=self.metric,
        )  # fmt: skip
