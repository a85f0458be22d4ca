"""Zero-shot trees learn what meta-features say, and know when they say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Task
from recommenders.average_rank import AverageRank
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.lesson import MOST_ROWS, Lesson, usual
from recommenders.likeness import Likeness
from recommenders.ranking import Ranking
from recommenders.zero_shot import ZeroShot
from tests.contracts.test_recommenders import make_history


def sliding(tasks: int = 40, configs: int = 25, *, told: bool = True) -> History:
    """The best config slides with the meta-feature `z`; with `told` False it is drawn anew."""
    rng = np.random.default_rng(0)
    z = np.linspace(0, 1, tasks)
    x = np.linspace(0, 1, configs)
    batch = Configs.of("sliding", [{"x": float(v)} for v in x])
    task, config = (v.ravel() for v in np.indices((tasks, configs)))
    loss = np.abs(z[task] - x[config]) + 0.02 * rng.random(len(task))
    names = tuple(f"s:{i}" for i in range(tasks))
    shown = z if told else rng.random(tasks)
    return History(
        "error_rate", names, batch, task.astype(np.int32), config.astype(np.int32), loss,
        np.ones(len(task)), np.ones(len(task)), {"z": shown}, names,
    )  # fmt: skip


@pytest.fixture(scope="module")
def history():
    return sliding()


def regrets_of_first(family, history):
    """The regret of the first config on every fifth task, left out."""
    out = []
    loss = history.matrix()
    for t in range(2, len(history.tasks), 5):
        fitted = family.fit(history.without(history.tasks[t]))
        first = fitted.recommend(history.described_task(history.tasks[t]), 1)[0]
        row = loss[t]
        out.append((row[history.configs.index(first.config)] - row.min()) / np.ptp(row))
    return np.array(out)


@pytest.mark.parametrize("family", [ZeroShot, Ranking])
def test_where_meta_features_tell_it_beats_the_average_rank(family, history):
    ours, average = (regrets_of_first(f, history).mean() for f in (family, AverageRank))
    assert ours < 0.5 * average


def test_trees_are_believed_as_far_as_left_out_tasks_say(history):
    assert ZeroShot.fit(history).share > 0.7
    assert ZeroShot.fit(sliding(told=False)).share < 0.5


def test_the_prediction_comes_near_the_truth(history):
    fitted = ZeroShot.fit(history.without("s:20"))
    said = fitted.predict(history.described_task("s:20"), pool(history.configs))
    row = history.matrix()[20]
    truth = np.sqrt((row - row.min()) / np.ptp(row))
    assert np.abs(said - truth).mean() < 0.5 * np.abs(usual_of(history) - truth).mean()


def usual_of(history):
    return usual(Completion.fit(history), pool(history.configs))


@pytest.mark.parametrize("family", [ZeroShot, Ranking])
def test_the_same_seed_grows_the_same_trees(family, history):
    one, two, other = (family.fit(history, seed=seed).model for seed in (1, 1, 2))
    assert one == two
    assert one != other
    assert isinstance(one, str)


def test_what_is_usual_is_the_mean_and_one_imagined_result():
    history = make_history(0)
    completion = Completion.fit(history)
    lesson = Lesson.of(completion, Likeness.fit(history), seed=0)
    root = np.sqrt(completion.run(pool(history.configs)))  # (tasks, configs)
    for i in (0, 17, 99):
        t, c = lesson.task[i], lesson.config[i]
        assert np.isclose(lesson.usual[i], (root[:, c].sum() + root.mean()) / 9)
        assert np.isclose(lesson.y[i], root[t, c])


def test_rows_are_bounded_and_spread_over_tasks():
    history = make_history(0)
    many = replace(
        history,
        task=np.repeat(np.arange(8, dtype=np.int32), 15),
        config=np.tile(np.arange(15, dtype=np.int32), 8),
    )
    lesson = Lesson.of(Completion.fit(many), Likeness.fit(many), seed=0, most=5)
    assert np.bincount(lesson.task).tolist() == [5] * 8
    assert len(lesson.y) <= MOST_ROWS


def test_a_task_without_a_name_is_still_advised(history):
    assert len(ZeroShot.fit(history).recommend(Task("s:unknown"), 3)) == 3
