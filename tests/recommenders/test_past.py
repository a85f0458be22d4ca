"""What advice from past tasks says of itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from metadb.history import Configs
from metadb.records import Evaluation, Trial
from recommenders.candidates import pool
from recommenders.completion import Completion
from recommenders.evidence import from_tasks
from recommenders.past import NEIGHBOURS, outside, past, ready
from tests.contracts.test_recommenders import make_history, told


@pytest.fixture
def history():
    return make_history(3, share=0.5, failed=0.1)


def test_a_known_config_rests_on_the_tasks_that_ran_it(history):
    allowed = pool(history.configs)
    completion = Completion.fit(history)
    weight = np.arange(1.0, 9.0)
    run = completion.run(allowed)
    advice = past(completion, allowed).advice(range(15), "error_rate", weight=weight)
    for c, r in enumerate(advice):
        ran = [t for t in range(8) if not np.isnan(run[t, c])]
        ran.sort(key=lambda t: -weight[t])
        assert r.because.tasks == tuple(history.tasks[t] for t in ran)
        assert r.because.weights == (tuple(weight[ran]) if len(ran) > 1 else ())
        assert r.because.configs == (history.configs.ids[c],)
        said = from_tasks(run[ran][:, [c]], weight[ran])
        assert r.expected_loss == pytest.approx(said.expected[0], abs=1e-12)
        assert r.interval == pytest.approx((said.low[0], said.high[0]), abs=1e-9)
        assert r.probability == pytest.approx(said.probability[0], abs=1e-12)


def test_a_new_config_rests_on_all_surrogates_and_its_nearest_neighbours(history):
    new = Configs.of("toy", [{"x": 3.4, "kind": "a"}])
    completion = Completion.fit(history)
    allowed = pool(history.configs, new)
    (r,) = past(completion, allowed).advice([0], "error_rate", note="mind this")
    assert set(r.because.tasks) == set(history.tasks)
    assert r.because.note.startswith("mind this; ")
    far = ((history.configs.x - allowed.x[0]) ** 2).sum(axis=1)
    assert r.because.configs == tuple(history.configs.ids[i] for i in np.argsort(far)[:NEIGHBOURS])
    said = from_tasks(completion.regrets(allowed))
    assert r.expected_loss == pytest.approx(said.expected[0])


def test_a_task_without_weight_is_no_evidence_unless_it_is_the_only_one(history):
    completion = Completion.fit(history)
    allowed = pool(history.configs)
    run = completion.run(allowed)
    weight = np.zeros(8)
    weight[2] = 1.0
    for c, r in enumerate(past(completion, allowed).advice(range(15), "m", weight=weight)):
        ran = np.flatnonzero(~np.isnan(run[:, c]))
        expected = {2} if 2 in ran else set(ran)
        assert set(r.because.tasks) == {history.tasks[t] for t in expected}
        assert 0 < r.expected_loss < 1


def test_what_lies_outside_the_space_is_counted(history):
    strange = Configs.of("toy", [{"x": -5.0, "kind": "a"}, {"x": 2.0, "kind": "a"}])
    assert outside(pool(history.configs), pool(history.configs).seen([])) is None
    allowed = pool(history.configs, strange)
    seen = allowed.seen([Evaluation(Trial({"x": 99.0, "kind": "a"}), 0.1), *told(history, 1)])
    said = outside(allowed, seen)
    assert said is not None
    assert said.startswith("1 of the candidates lie outside")
    assert "1 of those observed lie outside" in said


def test_it_is_the_completed_table_turned_and_says_what_was_run(history):
    completion = Completion.fit(history)
    new = Configs.of("toy", [history.configs[3], {"x": 2.5, "kind": "b"}, history.configs[0]])
    for allowed in (pool(history.configs), pool(history.configs, new)):
        found = past(completion, allowed)
        np.testing.assert_array_equal(found.regret, completion.regrets(allowed).T)
        np.testing.assert_array_equal(found.was_run, ~np.isnan(completion.run(allowed)).T)
        assert past(completion, allowed) is found


def test_means_of_regrets_and_ranks_are_those_of_plain_loops(history):
    found = past(Completion.fit(history), pool(history.configs))
    n, tasks = found.regret.shape
    ranks = np.array([rankdata(found.regret[:, t]) for t in range(tasks)])  # (tasks, n)
    np.testing.assert_allclose(found.mean_rank, ((ranks - 1) / (n - 1)).mean(axis=0))
    np.testing.assert_allclose(found.alone, [row.mean() for row in found.regret])


def test_what_was_observed_is_known_whether_or_not_it_may_be_advised(history):
    completion = Completion.fit(history)
    whole = completion.regrets(pool(history.configs))
    allowed = pool(history.configs, history.configs.take([2, 7, 9]))
    found = past(completion, allowed)
    inside = allowed.seen(told(history, 9, 2))
    np.testing.assert_array_equal(found.of(inside), whole[:, [9, 2]].T)
    strange = Evaluation(Trial({"x": 2.5, "kind": "b"}), 0.3)
    across = found.of(allowed.seen([*told(history, 9, 1), strange]))
    np.testing.assert_array_equal(across[:2], whole[:, [9, 1]].T)
    new = Configs.of("toy", [{"x": 2.5, "kind": "b"}])
    alone = completion.regrets(pool(history.configs, new))[:, 0]
    np.testing.assert_allclose(across[2], alone, rtol=1e-12)
    assert found.of(allowed.seen([])).shape == (0, 8)


def test_a_task_that_weighs_next_to_nothing_is_not_named(history):
    completion = Completion.fit(history)
    weight = np.full(8, 1.0)
    weight[[1, 4]] = 5e-4, 2e-3
    new = Configs.of("toy", [{"x": 3.4, "kind": "a"}])
    (r,) = past(completion, pool(history.configs, new)).advice([0], "m", weight=weight)
    assert set(r.because.tasks) == set(history.tasks) - {history.tasks[1]}
    assert r.because.tasks[-1] == history.tasks[4]
    assert r.because.weights == (1.0,) * 6 + (2e-3,)


def test_only_a_table_without_holes_is_ready():
    assert ready(Completion.fit(make_history(3)))
    assert not ready(Completion.fit(make_history(3, share=0.5)))


def test_what_is_remembered_of_a_config_is_what_would_be_said_anew(history, monkeypatch):
    told_of = past(Completion.fit(history), pool(history.configs))
    first = told_of.advice(range(15), "m", note="mind this")
    assert told_of.advice([3, 0], "m", note="mind this") == [first[3], first[0]]
    assert told_of.advice([3], "m")[0].because.note is None
    monkeypatch.setattr("recommenders.past.FEW", 0)
    assert told_of.advice(range(15), "m", note="mind this", weight=np.full(8, 1 / 8)) == first
