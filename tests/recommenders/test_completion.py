"""Holes of the table of tasks and configs: forests as scikit-learn's, or a closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from metadb.history import Configs, History
from recommenders import completion as module
from recommenders.candidates import pool
from recommenders.completion import TREES, Completion
from recommenders.regret import normalised_regret
from tests.contracts.test_recommenders import make_history


@pytest.fixture
def history():
    return make_history(5, share=0.5, failed=0.15)


def of(configs, matrix):
    """The history of a matrix of losses, NaN where not run."""
    task, config = np.nonzero(~np.isnan(matrix))
    one = np.ones(len(task))
    names = tuple(f"toy:{i}" for i in range(len(matrix)))
    return History(
        "error_rate", names, configs, task.astype(np.int32), config.astype(np.int32),
        matrix[task, config], one, one,
    )  # fmt: skip


def test_what_was_run_is_as_it_was_run(history):
    allowed = pool(history.configs)
    expected = normalised_regret(history.matrix())
    done = Completion.fit(history)
    np.testing.assert_allclose(done.run(allowed), expected, atol=1e-15)
    regret = done.regrets(allowed)
    ran = ~np.isnan(expected)
    np.testing.assert_allclose(regret[ran], expected[ran], atol=1e-15)
    assert not np.isnan(regret).any()
    assert regret.min() >= 0
    assert regret.max() <= 1


def test_a_pool_of_few_and_new_ones_is_the_same_table_cut(history):
    new = {"x": 3.5, "kind": "b"}
    some = Configs.of("toy", [history.configs[7], new, history.configs[2]])
    done = Completion.fit(history)
    run = done.run(pool(history.configs, some))
    np.testing.assert_array_equal(run[:, [0, 2]], done.run(pool(history.configs))[:, [7, 2]])
    assert np.isnan(run[:, 1]).all()
    regret = done.regrets(pool(history.configs, some))
    np.testing.assert_allclose(
        regret[:, [0, 2]], done.regrets(pool(history.configs))[:, [7, 2]], rtol=1e-12
    )


def test_holes_are_what_the_forest_of_scikit_learn_predicts(history):
    allowed = pool(history.configs)
    expected = normalised_regret(history.matrix())
    x = history.configs.x
    regret = Completion.fit(history, seed=7).regrets(allowed)
    for t in range(len(history.tasks)):
        ran = ~np.isnan(expected[t])
        forest = RandomForestRegressor(TREES, max_features=0.5, random_state=7)
        forest.fit(x[ran], expected[t, ran])
        np.testing.assert_allclose(regret[t, ~ran], forest.predict(x[~ran]), rtol=1e-12)


def test_a_task_left_out_changes_no_prediction_for_the_others(history):
    allowed = pool(history.configs)
    whole = Completion.fit(history).regrets(allowed)
    left = Completion.fit(history.without(history.tasks[3])).regrets(allowed)
    np.testing.assert_array_equal(left, np.delete(whole, 3, axis=0))


def test_forests_are_fitted_once_whatever_the_other_tasks_are(history, monkeypatch):
    history = replace(history, loss=history.loss * 0.5 + np.arange(len(history)))  # new content
    fitted = []
    forest = module._forest
    monkeypatch.setattr(module, "_forest", lambda *a: fitted.append(1) or forest(*a))
    Completion.fit(history).regrets(pool(history.configs))
    assert len(fitted) == len(history.tasks)
    Completion.fit(history.without(history.tasks[0])).regrets(pool(history.configs))
    new = Configs.of("toy", [{"x": 0.5, "kind": "a"}])
    Completion.fit(replace(history)).regrets(pool(history.configs, new))
    assert len(fitted) == len(history.tasks)
    Completion.fit(history, seed=1).regrets(pool(history.configs))
    assert len(fitted) == 2 * len(history.tasks)


def test_a_completion_is_remembered_for_a_history_and_a_seed(history):
    assert Completion.fit(history) is Completion.fit(history)
    assert Completion.fit(history, seed=1) is not Completion.fit(history)


def test_the_largest_budget_counts():
    configs = Configs.of("toy", [{"x": float(i), "kind": "a"} for i in range(3)])
    task = np.zeros(7, np.int32)
    config = np.array([0, 1, 0, 2, 1, 0, 2], np.int32)
    budget = np.array([9.0, 1.0, 1.0, 4.0, np.inf, 3.0, 2.0])
    loss = np.array([0.5, 0.0, 9.0, 1.0, 0.3, -7.0, np.inf])
    history = History("e", ("t",), configs, task, config, loss, np.ones(7), budget)
    run = Completion.fit(history).run(pool(configs))
    np.testing.assert_allclose(run, [[(0.5 - 0.3) / 0.7, 0.0, 1.0]])


def test_a_task_without_evaluations_is_halfway():
    history = make_history(1)
    rows = np.flatnonzero(history.task != 4)
    regret = Completion.fit(history.at(rows)).regrets(pool(history.configs))
    np.testing.assert_array_equal(regret[4], 0.5)
    run = Completion.fit(history).run(pool(history.configs))
    np.testing.assert_array_equal(np.delete(regret, 4, axis=0), np.delete(run, 4, axis=0))


def test_a_task_on_which_all_failed_or_all_are_alike():
    configs = Configs.of("toy", [{"x": float(i), "kind": "ab"[i % 2]} for i in range(4)])
    matrix = np.array([[np.inf, np.inf, np.nan, np.inf], [0.3, 0.3, np.inf, np.nan]])
    regret = Completion.fit(of(configs, matrix)).regrets(pool(configs))
    np.testing.assert_array_equal(regret[0], 1.0)
    np.testing.assert_array_equal(regret[1, :3], [0.0, 0.0, 1.0])
    assert 0 <= regret[1, 3] <= 1


def test_where_there_is_one_choice_holes_are_filled_additively():
    """overall + task + config, the sums of residuals divided by their number plus one."""
    configs = Configs.of("algorithms", [{"algorithm": name} for name in "abcd"])
    nan = np.nan
    loss = np.array([[0.0, 1.0, 0.5, nan], [0.2, nan, 1.2, 0.7], [nan, 3.0, 5.0, 4.0]])
    done = Completion.fit(of(configs, loss))
    regret = done.run(pool(configs))
    filled = done.regrets(pool(configs))
    known = [regret[t, c] for t in range(3) for c in range(4) if regret[t, c] == regret[t, c]]
    overall = sum(known) / len(known)
    effect = []
    for c in range(4):
        off = [regret[t, c] - overall for t in range(3) if regret[t, c] == regret[t, c]]
        effect.append(sum(off) / (len(off) + 1))
    for t in range(3):
        ran = [c for c in range(4) if regret[t, c] == regret[t, c]]
        task = sum(regret[t, c] - overall - effect[c] for c in ran) / (len(ran) + 1)
        for c in range(4):
            expected = regret[t, c] if c in ran else overall + task + effect[c]
            assert filled[t, c] == pytest.approx(min(max(expected, 0.0), 1.0), abs=1e-12)
    assert len(known) == 9


def test_where_there_is_one_number_its_neighbours_say_something():
    x = np.linspace(0, 1, 41)
    configs = Configs.of("one", [{"x": float(v)} for v in x])
    truth = (x - 0.3) ** 2 / 0.49
    loss = np.where(np.arange(41) % 2, np.nan, truth)[None]  # what was not run lies between
    regret = Completion.fit(of(configs, loss)).regrets(pool(configs))
    assert np.abs(regret[0] - truth).max() < 0.2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_of_any_size_have_a_regret():
    configs = Configs.of("toy", [{"x": float(i), "kind": "ab"[i % 2]} for i in range(3)])
    done = Completion.fit(of(configs, np.array([[1e308, -1e308, 0.0]])))
    np.testing.assert_allclose(done.run(pool(configs)), [[1.0, 0.0, 0.5]])


def test_no_task_and_no_pool():
    history = make_history(0)
    done = Completion.fit(history.without(*history.tasks))
    assert done.regrets(pool(history.configs)).shape == (0, 15)
    none = Completion.fit(history).regrets(pool(history.configs, history.configs.take([])))
    assert none.shape == (8, 0)
