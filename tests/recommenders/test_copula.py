"""Copula transfer: what does not matter (scale, shape of the losses), and its two ways to choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders.copula import Copula
from recommenders.sources import normal_scores

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


def told(optimum: float, *at: float) -> list[Evaluation]:
    return [Evaluation(Trial({"x": float(AT[int(40 * x)])}), (x - optimum) ** 2) for x in at]


def test_normal_scores_are_quantiles_of_ranks_and_failures_come_last():
    z = normal_scores(np.array([3.0, 1.0, np.inf, 1.0]))
    assert z == pytest.approx(norm.ppf(np.array([3, 1.5, 4, 1.5]) / 5))


def test_the_shape_of_past_losses_does_not_matter():
    past = history(0.2, 0.6, 0.7)
    bent = replace(past, loss=np.exp(20 * past.loss) + 100.0 * past.task)
    observed = told(0.5, 0.1, 0.9, 0.4)
    one, two = (
        [r.config for r in Copula.fit(h).recommend(NEW, 4, observed=observed)] for h in (past, bent)
    )
    assert one == two


def test_the_scale_of_the_task_does_not_matter():
    fitted, observed = Copula.fit(history(0.2, 0.6, 0.7)), told(0.5, 0.1, 0.9, 0.4)
    scaled = [replace(e, loss=1000 * e.loss - 7) for e in observed]
    one, two = ([r.config for r in fitted.recommend(NEW, 3, observed=o)]
                for o in (observed, scaled))  # fmt: skip
    assert one == two


def test_the_task_itself_is_learnt():
    fitted = Copula.fit(history(0.2, 0.25, 0.3))
    observed = told(0.5, 0.25)
    for _ in range(8):
        config = fitted.recommend(NEW, 1, observed=observed)[0].config
        observed.append(Evaluation(Trial(config), (float(config["x"]) - 0.5) ** 2))
    assert min(e.loss for e in observed) <= 0.051**2


def test_thompson_draws_from_the_prior_by_the_seed():
    past = history(0.2, 0.3, 0.4)
    fitted = Copula.fit(past, thompson=True, seed=3)
    observed = told(0.3, 0.5)
    advice = fitted.recommend(NEW, 5, observed=observed)
    assert advice == Copula.fit(past, thompson=True, seed=3).recommend(NEW, 5, observed=observed)
    others = {
        str(Copula.fit(past, thompson=True, seed=s).recommend(NEW, 1, observed=observed)[0].config)
        for s in range(6)
    }
    assert len(others) > 1
    assert np.mean([abs(float(r.config["x"]) - 0.3) for r in advice]) < 0.2


def test_evidence_is_said_in_regret():
    first, *_, last = Copula.fit(history(0.3, 0.3, 0.3)).recommend(NEW, 41)
    assert first.expected_loss < 0.2 < 0.6 < last.expected_loss
    assert first.interval[0] <= first.expected_loss <= first.interval[1]
