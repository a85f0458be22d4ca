"""RGPE: its weights against a plain count, and sources that help or mislead."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.rgpe import RGPE, weights

NEW = Task("toy:new")
AT = np.linspace(0, 1, 41)


def history(*optima: float) -> History:
    """One task an optimum: parabolas over x, all run on the same configs."""
    configs = Configs.of("toy", [{"x": float(x)} for x in AT])
    loss = np.concatenate([(i + 1) * (AT - o) ** 2 for i, o in enumerate(optima)])
    n, names = len(AT), tuple(f"toy:{i}" for i in range(len(optima)))
    return History(
        "error_rate", names, configs, np.repeat(np.arange(len(optima), dtype=np.int32), n),
        np.tile(np.arange(n, dtype=np.int32), len(optima)), loss, np.ones(len(loss)),
        np.ones(len(loss)), {}, names,
    )  # fmt: skip


def told(optimum: float, *at: float) -> list[Evaluation]:
    nearest = [float(AT[np.abs(AT - x).argmin()]) for x in at]
    return [Evaluation(Trial({"x": x}), (x - optimum) ** 2) for x in nearest]


def test_weights_are_the_share_of_draws_with_fewest_wrong_pairs():
    rng = np.random.default_rng(0)
    mean, sd = rng.random((4, 5)), np.full((4, 5), 0.2)
    loss = np.array([0.1, 0.5, np.inf, 0.3, 0.3])
    found = weights(mean, sd, loss, samples=64, seed=9)
    draws = np.random.default_rng((9, 5))
    count, wrong = np.zeros(4), np.zeros((64, 4))
    for s in range(64):
        luck = draws.standard_normal(5)
        for i in range(4):
            f = mean[i] + sd[i] * luck
            wrong[s, i] = sum(f[a] >= f[b] for a in range(5) for b in range(5) if loss[a] < loss[b])
    left_out = [i < 3 and np.median(wrong[:, i]) > np.quantile(wrong[:, 3], 0.95) for i in range(4)]
    for s in range(64):
        least = min(wrong[s, i] for i in range(4) if not left_out[i])
        best = [i for i in range(4) if not left_out[i] and wrong[s, i] == least]
        count[best] += 1 / len(best)
    assert found == pytest.approx(count / 64)
    assert found.sum() == pytest.approx(1)


def test_a_task_that_ranks_the_other_way_is_not_heard():
    order = np.arange(8.0)
    mean = np.stack([order, -order, order + 0.1])
    found = weights(mean, np.full((3, 8), 0.1), order, samples=50)
    assert found[1] == 0
    assert found[0] > 0


def test_the_likest_past_task_is_trusted_most():
    fitted = RGPE.fit(history(0.2, 0.8, 0.5))
    advice = fitted.recommend(NEW, 1, observed=told(0.8, 0.0, 0.3, 0.5, 0.65, 1.0))[0]
    assert advice.because.tasks[0] == "toy:1"
    assert advice.config["x"] == pytest.approx(0.8, abs=0.06)


def test_with_misleading_sources_the_own_results_decide():
    """A task whose optimum no past task has: found within ten configs all the same."""
    fitted = RGPE.fit(history(0.0, 0.05, 0.1))
    observed = told(0.9, 0.05)
    for _ in range(10):
        config = fitted.recommend(NEW, 1, observed=observed)[0].config
        observed.append(Evaluation(Trial(config), (float(config["x"]) - 0.9) ** 2))
    assert min(e.loss for e in observed) <= 0.0026
    note = fitted.recommend(NEW, 1, observed=observed)[0].because.note
    assert "results on the task itself" in note


def test_many_results_are_weighed_by_some_of_all_ranks():
    rng = np.random.default_rng(0)
    x = rng.random(400)
    past = history(0.2, 0.8)
    observed = [Evaluation(Trial({"x": float(v)}), float((v - 0.8) ** 2)) for v in x]
    because = RGPE.fit(past).recommend(NEW, 1, observed=observed)[0].because
    assert because.tasks[0] == "toy:1"
    assert "results on the task itself" in because.note
