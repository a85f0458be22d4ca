"""The stack: its floors come to the weighted mean, its top to what the past leaves."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.stacked import Stacked
from recommenders.transfer import mixture

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


def test_floors_moved_by_their_share_come_to_the_weighted_mean():
    rng = np.random.default_rng(0)
    mean, weight = rng.random((7, 5)), rng.random(7)
    floor, below = np.zeros(5), 0.0
    for i in rng.permutation(7):
        below += weight[i]
        floor = floor + weight[i] / below * (mean[i] - floor)
    assert mixture(mean, np.zeros((7, 5)), weight)[0] == pytest.approx(floor)


def test_the_first_advice_is_the_least_mean_regret():
    optima = (0.2, 0.3, 0.7)
    regret = np.stack([(AT - o) ** 2 / ((AT - o) ** 2).max() for o in optima])
    advice = Stacked.fit(history(*optima)).recommend(NEW, 1)[0]
    assert advice.config["x"] == AT[regret.mean(axis=0).argmin()]


def test_a_shift_from_the_past_is_learnt_from_the_residuals():
    fitted = Stacked.fit(history(0.2, 0.25, 0.3))
    observed = []
    for _ in range(8):
        config = fitted.recommend(NEW, 1, observed=observed)[0].config
        observed.append(Evaluation(Trial(config), 3 + 7 * (float(config["x"]) - 0.5) ** 2))
    assert min(e.loss for e in observed) <= 3 + 7 * 0.03**2
