"""TST-R: the distance of tasks, the weights, and the mean they make."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.tst import TST, discordance

NEW = Task("toy:new")
AT = np.linspace(0, 1, 41)


def history(*optima: float) -> History:
    configs = Configs.of("toy", [{"x": float(x)} for x in AT])
    loss = np.concatenate([(i + 1) * (AT - o) ** 2 for i, o in enumerate(optima)])
    n, names = len(AT), tuple(f"toy:{i}" for i in range(len(optima)))
    return History(
        "error_rate", names, configs, np.repeat(np.arange(len(optima), dtype=np.int32), n),
        np.tile(np.arange(n, dtype=np.int32), len(optima)), loss, np.ones(len(loss)),
        np.ones(len(loss)), {}, names,
    )  # fmt: skip


def test_the_distance_is_that_of_kendall():
    rng = np.random.default_rng(0)
    mean, loss = rng.random((6, 9)), rng.random(9)
    found = discordance(mean, loss)
    assert found == pytest.approx([(1 - kendalltau(m, loss).statistic) / 2 for m in mean])


def test_with_fewer_than_two_results_all_tasks_are_alike():
    assert discordance(np.ones((3, 1)), np.array([2.0])).tolist() == [0, 0, 0]


def test_weights_follow_epanechnikov():
    fitted = TST.fit(history(0.2, 0.8, 0.5))
    at = AT[[0, 12, 20, 26, 40]]
    observed = [Evaluation(Trial({"x": float(x)}), (x - 0.8) ** 2) for x in at]
    because = fitted.recommend(NEW, 1, observed=observed)[0].because
    loss = (at - 0.8) ** 2
    share = {}
    for i, optimum in enumerate((0.2, 0.8, 0.5)):
        t = discordance(((at - optimum) ** 2)[None], loss)[0]
        share[f"toy:{i}"] = 0.75 * max(0.0, 1 - (t / 0.9) ** 2)
    total = sum(share.values())
    assert because.tasks[0] == "toy:1"
    for task, weight in zip(because.tasks, because.weights, strict=True):
        assert weight == pytest.approx(share[task] / total)


def test_where_no_task_is_alike_the_own_results_decide():
    fitted = TST.fit(history(0.0, 0.05), bandwidth=0.3)
    observed = [Evaluation(Trial({"x": float(x)}), (x - 0.9) ** 2) for x in AT[[0, 8, 16, 24]]]
    for _ in range(6):
        config = fitted.recommend(NEW, 1, observed=observed)[0].config
        observed.append(Evaluation(Trial(config), (float(config["x"]) - 0.9) ** 2))
    assert min(e.loss for e in observed) <= 0.01
