"""The order that boosted trees give is an order: scores fall, and the best come first."""

from __future__ import annotations

import numpy as np

from recommenders.candidates import pool
from recommenders.ranking import Ranking
from tests.recommenders.test_zero_shot import sliding


def test_scores_rank_the_configs_of_a_task_that_was_left_out():
    from scipy.stats import spearmanr

    history = sliding()
    fitted = Ranking.fit(history.without("s:9"))
    scores = fitted.scores(history.described_task("s:9"), pool(history.configs))
    assert spearmanr(-scores, history.matrix()[9]).statistic > 0.8


def test_the_first_config_has_the_largest_score():
    history = sliding()
    fitted = Ranking.fit(history)
    task = history.described_task("s:30")
    scores = fitted.scores(task, pool(history.configs))
    first = fitted.recommend(task, 1)[0]
    assert np.isclose(scores[history.configs.index(first.config)], scores.max())
