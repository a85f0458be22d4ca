"""Side information against leaving tasks out one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metadb.records import Task
from recommenders.completion import Completion
from recommenders.side import Side, _some
from tests.contracts.test_recommenders import make_history


def telling(noise: float):
    """A history of 8 tasks x 15 configs whose losses follow the meta-feature."""
    history = make_history(0)
    z = np.linspace(0, 1, 8)
    truth = np.abs(z[history.task] - history.config / 14)
    rng = np.random.default_rng(1)
    loss = truth + noise * rng.random(len(truth))
    return replace(history, loss=loss, described={"z": z})


def test_residuals_are_those_of_refits_without_the_task():
    history = telling(0.01)
    completion = Completion.fit(history)
    side = Side.fit(history, completion)
    x = np.sqrt(completion.run(_all(history))).T  # (configs, tasks)
    far = np.array([side.likeness.distance(history.described_task(t)) for t in history.tasks])
    kernel = np.exp(-(((far + far.T) / 2) ** 2) / (2 * side.length**2))
    ridge = _ridge(side, kernel)
    for t in range(8):
        rest = np.arange(8) != t
        mean, centre = x[:, rest].mean(axis=1), np.eye(7) - 1 / 7
        inner = centre @ kernel[np.ix_(rest, rest)] @ centre
        near = centre @ (kernel[rest, t] - kernel[np.ix_(rest, rest)].mean(axis=1))
        said = mean + x[:, rest] @ centre @ np.linalg.solve(inner + ridge * np.eye(7), near)
        np.testing.assert_allclose((x @ side.residual)[:, t], x[:, t] - said, atol=1e-8)


def _all(history):
    from recommenders.candidates import pool

    return pool(history.configs)


def _ridge(side, kernel):
    centre = np.eye(8) - 1 / 8
    values = np.linalg.eigvalsh(centre @ kernel @ centre)
    solved = np.linalg.eigvalsh(side.solved)
    return float(1 / solved.max()) - float(min(abs(v) for v in values[1:]))


def test_weights_sum_to_one_and_favour_like_tasks():
    history = telling(0.01)
    side = Side.fit(history, Completion.fit(history))
    weight = side.weights(Task("toy:new", metafeatures={"z": 0.0}))
    assert np.isclose(weight.sum(), 1)
    assert weight[:2].sum() > weight[-2:].sum()
    assert side.weights(Task("toy:unknown")) is None


def test_meta_features_that_say_nothing_are_left_out():
    history = make_history(3)
    assert Side.fit(history, Completion.fit(history)) is None
    assert Side.fit(replace(history, described={}), Completion.fit(history)) is None


def test_configs_that_nobody_ran_are_not_completed():
    history = make_history(0)
    ran = np.unique(history.config)
    kept = history.at(np.flatnonzero(history.config < ran[len(ran) // 2]))
    some = _some(Completion.fit(kept), 0)  # (configs, tasks)
    assert len(some) == len(np.unique(kept.config)) < len(kept.configs)
