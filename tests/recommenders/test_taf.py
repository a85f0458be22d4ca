"""TAF: the greedy portfolio before anything is run, the own search after it is exhausted."""

from __future__ import annotations

import numpy as np

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.taf import TAF

NEW = Task("toy:new")


def full(loss: np.ndarray) -> History:
    tasks, n = loss.shape
    configs = Configs.of("toy", [{"x": float(i)} for i in range(n)])
    task, config = np.indices(loss.shape).reshape(2, -1).astype(np.int32)
    names = tuple(f"toy:{i}" for i in range(tasks))
    return History(
        "error_rate", names, configs, task, config, loss.ravel(), np.ones(loss.size),
        np.ones(loss.size), {}, names,
    )  # fmt: skip


def test_before_anything_is_run_it_is_the_greedy_portfolio():
    loss = np.random.default_rng(2).random((6, 20))
    history = full(loss)
    regret = (loss - loss.min(1, keepdims=True)) / np.ptp(loss, axis=1, keepdims=True)
    best, greedy = np.ones(6), []
    for _ in range(3):
        pick = int(np.minimum(best[:, None], regret).sum(axis=0).argmin())
        greedy.append(pick)
        best = np.minimum(best, regret[:, pick])
    advice = TAF.fit(history).recommend(NEW, 3)
    assert [int(r.config["x"]) for r in advice] == greedy


def test_it_goes_on_where_past_tasks_have_nothing_left_to_improve():
    """Past tasks agree on x = 0; the task at hand is best at 30, and gets there."""
    x = np.arange(31.0)
    history = full(np.stack([x**2, x**2 + x, x]))
    fitted, observed = TAF.fit(history), []
    for _ in range(12):
        config = fitted.recommend(NEW, 1, observed=observed)[0].config
        observed.append(Evaluation(Trial(config), (float(config["x"]) - 30) ** 2))
    assert observed[0].trial.config["x"] == 0
    assert min(e.loss for e in observed) <= 9
