"""Run times: what is measured is kept, what follows a law is found, and what is unknown is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.candidates import pool
from recommenders.runtime import SHORTEST_S, RunTime
from tests.contracts.test_recommenders import NEW, make_history

N_TASKS, N_CONFIGS = 30, 40


def timed_history(seed=0, *, share=1.0, noise=0.1):
    """log s = 3 size + 2 x + noise: the size of a task and x of a config say it all."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, N_CONFIGS)
    size = rng.random(N_TASKS)
    configs = Configs.of("timed", [{"x": float(v)} for v in x])
    task, config = np.nonzero(rng.random((N_TASKS, N_CONFIGS)) < share)
    log_s = 3 * size[task] + 2 * x[config] + noise * rng.normal(size=len(task))
    tasks = tuple(f"toy:{i}" for i in range(N_TASKS))
    return History(
        "error_rate", tasks, configs, task.astype(np.int32), config.astype(np.int32),
        rng.random(len(task)), np.exp(log_s), np.ones(len(task)),
        {"size": size, "noise": rng.random(N_TASKS)}, tasks,
    )  # fmt: skip


def errors(history, held, *, observed=0):
    """Absolute log errors on a task left out: ours, and the median of the config over tasks."""
    task = history.tasks[held]
    past = history.without(task)
    log_s = np.log(history.costs())
    rng = np.random.default_rng(held)
    run = rng.choice(N_CONFIGS, observed, replace=False)
    told = [Evaluation(Trial(history.configs[c]), 0.5, float(np.exp(log_s[held, c]))) for c in run]
    fitted = RunTime.fit(past)
    said = np.log(fitted.predict(history.described_task(task), pool(past.configs), observed=told))
    median = np.nanmedian(np.delete(log_s, held, axis=0), axis=0)
    return np.abs(said - log_s[held]), np.abs(median - log_s[held])


def test_meta_features_beat_the_median_of_the_config():
    history = timed_history()
    ours, plain = zip(*(errors(history, held) for held in range(0, N_TASKS, 5)), strict=True)
    assert np.mean(ours) < np.mean(plain) / 2


def test_without_meta_features_it_is_as_good_as_the_median():
    history = replace(timed_history(1), described={})
    ours, plain = zip(*(errors(history, held) for held in range(0, N_TASKS, 6)), strict=True)
    assert np.mean(ours) < 1.1 * np.mean(plain)


def test_observed_seconds_tell_the_level_of_the_task():
    history = replace(timed_history(2), described={})
    ours, plain = zip(
        *(errors(history, held, observed=3) for held in range(0, N_TASKS, 6)), strict=True
    )
    assert np.mean(ours) < 0.25  # the noise alone is 0.08, its part in the level of three 0.06
    assert np.mean(ours) < np.mean(plain) / 3


def test_what_was_measured_is_kept_and_holes_are_filled():
    history = timed_history(3, share=0.6)
    allowed = pool(history.configs)
    seconds = RunTime.fit(history).seconds(allowed)
    measured = history.costs().T
    known = ~np.isnan(measured)
    np.testing.assert_allclose(seconds[known], measured[known])
    full = 3 * history.described["size"] + 2 * np.linspace(0, 1, N_CONFIGS)[:, None]
    wrong = np.abs(np.log(seconds[~known]) - full[~known])
    assert np.median(wrong) < 0.2


def test_new_candidates_are_timed_by_their_hyperparameters():
    history = timed_history(4)
    new = Configs.of("timed", [{"x": 0.013}, {"x": 0.987}])
    allowed = pool(history.configs, new)
    quick, slow = RunTime.fit(history).predict(history.described_task("toy:3"), allowed)
    assert np.log(slow / quick) == pytest.approx(2 * 0.974, abs=0.4)


def test_the_same_seed_says_the_same():
    history = timed_history(5)
    task = Task("toy:new", metafeatures={"size": 0.5})
    one, two = (RunTime.fit(history, seed=3).predict(task, pool(history.configs)) for _ in "ab")
    np.testing.assert_array_equal(one, two)


def test_a_history_without_seconds_says_so():
    bare = replace(make_history(), cost_s=np.full(120, np.nan))
    with pytest.raises(NotFound, match=r"no evaluation of space 'toy' has its seconds"):
        RunTime.fit(bare)


@pytest.mark.parametrize("kept", [1, 15])
def test_little_is_enough_to_answer(kept):
    """One timed evaluation, or one timed task."""
    history = make_history()
    cost_s = np.where(np.arange(120) < kept, 7.0, np.nan)
    fitted = RunTime.fit(replace(history, cost_s=cost_s))
    allowed = pool(history.configs)
    np.testing.assert_allclose(fitted.predict(NEW, allowed), 7.0, rtol=1e-6)
    assert np.isfinite(fitted.seconds(allowed)).all()


def test_strange_seconds_do_no_harm():
    history = make_history()
    cost_s = np.where(np.arange(120) % 3 == 0, 0.0, np.where(np.arange(120) % 3 == 1, np.inf, -1.0))
    fitted = RunTime.fit(replace(history, cost_s=cost_s))
    observed = [
        Evaluation(Trial(history.configs[0]), None, float("inf")),
        Evaluation(Trial(history.configs[1]), None, None),
        Evaluation(Trial({"x": 1e9, "kind": "a"}), 0.1, 5.0),
        Evaluation(Trial(history.configs[2]), 0.1, float("nan")),
    ]
    said = fitted.predict(NEW, pool(history.configs), observed=observed)
    np.testing.assert_allclose(said, SHORTEST_S, rtol=1e-6)
