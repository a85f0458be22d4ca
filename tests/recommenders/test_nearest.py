"""Nearest tasks: who speaks, in which order, and with what weight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.records import Task
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.evidence import from_tasks
from recommenders.likeness import Likeness
from recommenders.nearest import Nearest
from tests.contracts.test_recommenders import NEW, make_history, told


def test_the_nearest_task_speaks_first():
    """A task described exactly like a past one is advised that one's best config first."""
    history = make_history(5)
    best = history.matrix().argmin(axis=1)
    for i, task in enumerate(history.tasks):
        asked = Task("toy:twin", metafeatures=history.described_task(task).metafeatures)
        first = Nearest.fit(history).recommend(asked, 1)[0]
        assert first.config == history.configs[best[i]]
        assert first.because.tasks[0] == task


@pytest.mark.parametrize("taken", [(), (2, 9)])
def test_neighbours_name_their_best_in_turns(taken):
    history = make_history(6, share=0.7)
    regret = Completion.fit(history).regrets(pool(history.configs))
    near = np.argsort(Likeness.fit(history).distance(NEW), kind="stable")[:3]
    queues = [list(np.argsort(regret[t], kind="stable")) for t in near]
    named = []
    for nth in range(15):
        for queue in queues:
            if queue[nth] not in (*named, *taken) and len(named) < 6:
                named.append(int(queue[nth]))
    advice = Nearest.fit(history, neighbours=3).recommend(NEW, 6, observed=told(history, *taken))
    got = [history.configs.index(r.config) for r in advice]
    # Where neighbours skip what was observed, turns are over those left: the first is the same.
    assert got[0] == named[0]
    if not taken:
        assert got == named


def test_nearer_tasks_weigh_more():
    history = make_history(7)
    (first,) = Nearest.fit(history, neighbours=4).recommend(NEW, 1)
    near = np.argsort(Likeness.fit(history).distance(NEW), kind="stable")[:4]
    assert first.because.tasks == tuple(history.tasks[t] for t in near)
    assert first.because.weights == (4.0, 3.0, 2.0, 1.0)
    regret = Completion.fit(history).regrets(pool(history.configs))
    place = history.configs.index(first.config)
    said = from_tasks(regret[near][:, [place]], np.array([4.0, 3.0, 2.0, 1.0]))
    assert first.expected_loss == pytest.approx(said.expected[0])
    assert first.interval == pytest.approx((said.low[0], said.high[0]))


def test_without_a_description_all_tasks_speak_alike_and_it_says_so():
    history = make_history()
    advice = Nearest.fit(history).recommend(Task("toy:unknown"), 15)
    mean = history_mean(history)
    assert [history.configs.index(r.config) for r in advice] == list(np.argsort(mean))
    assert all("shares no meta-feature" in r.because.note for r in advice)
    assert all(len(r.because.tasks) == len(history.tasks) for r in advice)


def history_mean(history):
    return Completion.fit(history).regrets(pool(history.configs)).mean(axis=0)


def test_a_history_without_meta_features_is_answered_too():
    bare = replace(make_history(), described={})
    assert len(Nearest.fit(bare).recommend(NEW, 4)) == 4
