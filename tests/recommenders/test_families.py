"""Each recommender against a slow, plain reference of what its docstring says."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.errors import NotFound
from metadb.records import Task
from recommenders import AverageRank, Nearest, Portfolio, Random, family
from recommenders.average_rank import scaled_ranks
from recommenders.regret import normalised_regret
from tests.contracts.test_recommenders import NEW, make_history, told


def plain_ranks(row):
    """Rank 1 + how many are better + half of how many others are equal, scaled."""
    there = [v for v in row if not np.isnan(v)]
    ranks = []
    for v in row:
        better = sum(u < v for u in there)
        equal = sum(u == v for u in there) - 1
        ranks.append(np.nan if np.isnan(v) else (better + equal / 2) / max(1, len(there) - 1))
    return ranks


def test_scaled_ranks_are_what_they_say():
    loss = np.array(
        [[3.0, 1.0, 1.0, np.inf, np.nan], [np.nan] * 5, [2.0, np.nan, np.nan, np.nan, np.nan]]
    )
    np.testing.assert_allclose(scaled_ranks(loss), [plain_ranks(row) for row in loss])


def test_average_rank_is_the_mean_of_the_ranks_on_a_full_grid():
    history = make_history(1)
    mean = np.mean([plain_ranks(row) for row in history.matrix()], axis=0)
    advice = AverageRank.fit(history).recommend(NEW, 15)
    assert [history.configs.index(r.config) for r in advice] == list(
        np.argsort(mean, kind="stable")
    )
    n = len(history.tasks)
    np.testing.assert_allclose(
        [r.expected_loss for r in advice], (np.sort(mean) * n + 0.5) / (n + 1)
    )


def test_one_lucky_run_does_not_lead():
    """Config 0 is second of 15 on all tasks; config 1 was run once, and was best there."""
    history = make_history(2)
    keep = (history.config != 1) | (history.task == 0)
    loss = np.where(history.config == 0, -1.0, history.loss)
    loss = np.where(history.config == 1, -2.0, loss)
    columns = {f: getattr(history, f)[keep] for f in ("task", "config", "cost_s", "budget")}
    sparse = type(history)(
        **{f: getattr(history, f) for f in history.__dataclass_fields__}
        | columns
        | {"loss": loss[keep]}
    )
    assert AverageRank.fit(sparse).recommend(NEW, 1)[0].config == history.configs[0]


def greedy(regret, k, taken=()):
    """The greedy portfolio by trying every set that has one member more."""
    chosen = list(taken)
    while len(chosen) < k + len(taken):
        rest = [c for c in range(regret.shape[1]) if c not in chosen]
        chosen.append(
            min(rest, key=lambda c: (regret[:, [*chosen, c]].min(axis=1).sum(), regret[:, c].sum()))
        )
    return chosen[len(taken) :]


@pytest.mark.parametrize("taken", [(), (4,), (1, 8)])
@pytest.mark.parametrize("seed", range(5))
def test_the_portfolio_is_the_greedy_one(seed, taken):
    history = make_history(seed, share=0.8, failed=0.1)
    regret = np.nan_to_num(normalised_regret(history.matrix()), nan=1.0)
    advice = Portfolio.fit(history).recommend(NEW, 4, observed=told(history, *taken))
    assert [history.configs.index(r.config) for r in advice] == greedy(regret, 4, taken)


def test_the_portfolios_expected_loss_is_its_mean_regret():
    history = make_history(7)
    regret = normalised_regret(history.matrix())
    advice = Portfolio.fit(history).recommend(NEW, 5)
    members = [history.configs.index(r.config) for r in advice]
    reached = [regret[:, members[: i + 1]].min(axis=1).mean() for i in range(5)]
    np.testing.assert_allclose([r.expected_loss for r in advice], reached)


def test_normalised_regret_by_hand():
    loss = np.array([[1.0, 3.0, 2.0, np.inf, np.nan], [5.0, 5.0, np.nan, np.nan, np.inf]])
    expected = [[0.0, 1.0, 0.5, 1.0, np.nan], [0.0, 0.0, np.nan, np.nan, 1.0]]
    np.testing.assert_allclose(normalised_regret(loss), expected)


def test_the_nearest_task_speaks_first():
    """A task described exactly like a past one is advised that one's best config first."""
    history = make_history(5)
    best = history.matrix().argmin(axis=1)
    for i, task in enumerate(history.tasks):
        asked = Task("toy:twin", metafeatures=history.described_task(task).metafeatures)
        first = Nearest.fit(history).recommend(asked, 1)[0]
        assert first.config == history.configs[best[i]]
        assert first.because.tasks == (task,)


def test_nearest_needs_a_description():
    with pytest.raises(NotFound, match="shares no meta-feature"):
        Nearest.fit(make_history()).recommend(Task("toy:unknown"), 3)


def test_random_orders_differ_between_tasks_and_seeds():
    history = make_history()
    orders = {
        tuple(r.config["x"] for r in Random.fit(history, seed=s).recommend(Task(t), 15))
        for s in (0, 1)
        for t in ("toy:a", "toy:b")
    }
    assert len(orders) == 4


def test_an_unknown_family_is_named_with_those_that_exist():
    with pytest.raises(NotFound, match="no recommender 'magic'; there are random, average_rank"):
        family("magic")
