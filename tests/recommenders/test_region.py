"""The region of good configs: whose they are, what they weigh, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound, WrongUsage
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.likeness import Likeness
from recommenders.region import Region
from tests.contracts.test_recommenders import NEW, make_history


def plain(history, share, task_weight):
    """The weight of each config by its text, one task and one config at a time."""
    weight = {}
    for t, of_task in enumerate(task_weight):
        ran = [
            (history.loss[i], history.configs.texts[history.config[i]])
            for i in range(len(history))
            if history.task[i] == t and history.loss[i] < np.inf
        ]
        good = sorted(ran)[: int(np.ceil(share * len(ran)))]
        rank = [np.log(len(good) + 1) - np.log(r) for r in range(1, len(good) + 1)]
        for (_, text), of_rank in zip(good, rank, strict=True):
            weight[text] = weight.get(text, 0.0) + of_task * of_rank / sum(rank)
    total = sum(weight.values())
    return {text: w / total for text, w in weight.items() if w}


@pytest.mark.parametrize(("share", "failed"), [(1.0, 0.0), (0.7, 0.2)])
def test_weights_are_those_of_a_plain_reference(share, failed):
    history = make_history(3, share=share, failed=failed)
    region = Region.fit(history, share=0.3)
    expected = plain(history, 0.3, np.ones(8))
    found = dict(zip(region.configs.texts, region.weights.tolist(), strict=True))
    assert found == pytest.approx(expected)
    assert list(region.weights) == sorted(region.weights, reverse=True)
    assert sorted(region.tasks) == list(history.tasks)
    assert region.task_weights == pytest.approx(1 / 8)


def test_the_task_that_looks_alike_weighs_most():
    history = make_history(5)
    for name in history.tasks:
        twin = Task("toy:twin", metafeatures=history.described_task(name).metafeatures)
        region = Region.fit(history, twin)
        assert region.tasks[0] == name
        far = Likeness.fit(history).distance(twin)
        weight = np.exp(-((far / np.quantile(far, 0.3)) ** 2) / 2)
        weight[weight < 1e-3 * weight.max()] = 0.0
        expected = plain(history, 0.05, weight)
        found = dict(zip(region.configs.texts, region.weights.tolist(), strict=True))
        assert found == pytest.approx(expected)


def test_a_task_of_which_nothing_is_known_hears_all_alike():
    region = Region.fit(make_history(1), Task("toy:unknown", metafeatures={"else": 1.0}))
    assert region.task_weights == pytest.approx(1 / 8)


def observed(history, places, losses):
    return [
        Evaluation(Trial(history.configs[i], id=i), loss)
        for i, loss in zip(places, losses, strict=True)
    ]


def test_a_task_that_orders_what_was_observed_alike_weighs_most():
    history = make_history(6)
    same = history.matrix()[2]
    region = Region.fit(history, observed=observed(history, range(8), same[:8] * 3 + 1))
    assert region.tasks[0] == "toy:2"
    assert region.task_weights[0] > 0.5
    assert Region.fit(history, NEW, observed=observed(history, [0], [1.0])).tasks == (
        Region.fit(history, NEW).tasks
    )


def test_what_tasks_did_not_run_their_forests_predict():
    """Two tasks of opposite slopes and no config in common; the new one falls as the first."""
    values = np.arange(80) / 80
    configs = Configs.of("line", [{"x": float(v)} for v in values])
    task = (np.arange(80) % 2).astype(np.int32)
    loss = np.where(task == 0, 1 - values, values)
    history = History(
        "loss", ("t:0", "t:1"), configs, task, np.arange(80, dtype=np.int32), loss,
        np.ones(80), np.ones(80),
    )  # fmt: skip
    seen = [Evaluation(Trial({"x": v}, id=i), -v) for i, v in enumerate([0.05, 0.33, 0.71, 0.9])]
    region = Region.fit(history, observed=seen)
    assert region.tasks == ("t:0",)
    assert min(c["x"] for c in region.configs) == 0.95


def test_the_heaviest_are_kept():
    history = make_history(2)
    whole, cut = Region.fit(history, share=0.5), Region.fit(history, share=0.5, most=4)
    assert cut.configs.texts == whole.configs.texts[:4]
    assert cut.weights == pytest.approx(whole.weights[:4] / whole.weights[:4].sum())
    assert cut.space == history.configs.space


def test_a_task_whose_runs_all_failed_is_not_heard():
    history = make_history(4)
    loss = np.where(history.task == 1, np.inf, history.loss)
    region = Region.fit(replace(history, loss=loss))
    assert set(region.tasks) == set(history.tasks) - {"toy:1"}
    assert region.weights.sum() == pytest.approx(1.0)


def test_what_cannot_be_learnt_from_is_refused():
    history = make_history(0)
    with pytest.raises(NotFound, match="no evaluation"):
        Region.fit(history.at(np.empty(0, np.intp)))
    with pytest.raises(WrongUsage, match="failed"):
        Region.fit(replace(history, loss=np.full(len(history), np.inf)))
    for options in ({"share": 0.0}, {"share": 1.5}, {"most": 0}):
        with pytest.raises(WrongUsage, match="0 < share"):
            Region.fit(history, **options)
