"""Average rank against a slow, plain reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metadb.history import Configs
from recommenders.average_rank import AverageRank
from recommenders.candidates import pool
from recommenders.completion import Completion
from tests.contracts.test_recommenders import NEW, make_history


def plain_ranks(row):
    """How many are better + half of how many others are equal, scaled."""
    ranks = []
    for v in row:
        better = sum(u < v for u in row)
        equal = sum(u == v for u in row) - 1
        ranks.append((better + equal / 2) / max(1, len(row) - 1))
    return ranks


def order(history, advice):
    return [history.configs.index(r.config) for r in advice]


def test_average_rank_is_the_mean_of_the_ranks_on_a_full_grid():
    history = make_history(1)
    mean = np.mean([plain_ranks(row) for row in history.matrix()], axis=0)
    advice = AverageRank.fit(history).recommend(NEW, 15)
    assert order(history, advice) == list(np.argsort(mean, kind="stable"))


def test_what_was_not_run_is_ranked_as_completed():
    history = make_history(2, share=0.6, failed=0.2)
    regret = Completion.fit(history).regrets(pool(history.configs))
    mean = np.mean([plain_ranks(row) for row in regret], axis=0)
    advice = AverageRank.fit(history).recommend(NEW, 15)
    assert order(history, advice) == list(np.argsort(mean, kind="stable"))


def test_one_lucky_run_does_not_lead():
    """Config 0 is best of 15 on all tasks but one; config 1 was run there only, and was best."""
    history = make_history(2)
    keep = (history.config != 1) | (history.task == 0)
    loss = np.where(history.config == 0, -1.0, history.loss)
    loss = np.where(history.config == 1, -2.0, loss)
    columns = {f: getattr(history, f)[keep] for f in ("task", "config", "cost_s", "budget")}
    sparse = replace(history, **columns, loss=loss[keep])
    assert AverageRank.fit(sparse).recommend(NEW, 1)[0].config == history.configs[0]


def test_a_new_candidate_is_ranked_by_the_surrogates():
    """Losses rise with x on every task, so of four new candidates the smallest x is the best."""
    history = make_history()
    rising = replace(history, loss=history.config + 0.0)
    new = Configs.of("toy", [{"x": x, "kind": "a"} for x in (9.5, 1.5, 13.5, 5.5)])
    advice = AverageRank.fit(rising).recommend(NEW, 4, candidates=new)
    assert [r.config["x"] for r in advice] == [1.5, 5.5, 9.5, 13.5]
