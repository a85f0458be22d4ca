"""The peers' searches are asked and told like ours, each where its package is installed."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    Float,
    Integer,
    OrdinalHyperparameter,
)

from benchmarks.peers.searches import SEARCHES
from benchmarks.runs import BUDGETED
from metadb.records import Evaluation, Trial
from metadb.space import check, sample

SLOW = ("botorch", "optuna_gp", "smac")

PACKAGE = {
    "optuna": "optuna",
    "botorch": "botorch",
    "smac": "smac",
    "syne": "syne_tune.optimizer.baselines",
}


def the_space() -> ConfigurationSpace:
    space = ConfigurationSpace(name="toy")
    kernel = Categorical("kernel", ["linear", "rbf"])
    gamma = Float("gamma", (1e-3, 1.0), log=True)
    space.add(
        kernel, gamma, Float("c", (0.0, 1.0)), Integer("depth", (16, 512), log=True),
        OrdinalHyperparameter("size", ["s", "m", "l"]), Constant("fixed", "x"),
        EqualsCondition(gamma, kernel, "rbf"),
    )  # fmt: skip
    return space


def loss(trial: Trial) -> float:
    return abs(float(trial.config["c"]) - 0.7) + 0.1 * (1 - trial.budget)


@pytest.fixture(params=SEARCHES)
def name(request):
    module = PACKAGE[request.param.split("_")[0]]
    try:
        importlib.import_module(module)
        if module.startswith("syne"):
            importlib.import_module("syne_tune.optimizer.schedulers.searchers.kde")
    except ImportError as error:
        pytest.skip(f"{request.param}: {error}")
    return request.param


def run(name: str, n: int, seed: int = 0) -> list[Evaluation]:
    search = SEARCHES[name](the_space(), seed=seed)
    done = []
    for _ in range(n):
        (trial,) = search.ask()
        done.append(Evaluation(trial, loss(trial), 1.0))
        search.tell(done[-1:])
    return done


def test_it_asks_legal_configs_the_same_for_the_same_seed(name):
    state = np.random.get_state()[1].copy()
    n = 12 if name in SLOW else 20
    first, again, other = run(name, n), run(name, n), run(name, 3, seed=1)
    assert [e.trial for e in first] == [e.trial for e in again]
    assert [e.trial.config for e in other] != [e.trial.config for e in first[:3]]
    assert check(the_space(), [e.trial.config for e in first]) == [None] * n
    assert [e.trial.id for e in first] == list(range(n))
    if name != "smac":  # it seeds NumPy's global generator
        assert (np.random.get_state()[1] == state).all()


def test_budgets_are_thirds_and_a_promoted_trial_goes_on(name):
    done = run(name, 40 if name in BUDGETED else 3)
    if name not in BUDGETED:
        assert {e.trial.budget for e in done} == {1.0}
        return
    rungs = np.array([1 / 27, 1 / 9, 1 / 3, 1.0])
    assert all(np.isclose(rungs, e.trial.budget).any() for e in done)
    by_id = {e.trial.id: e.trial for e in done}
    promoted = [e.trial for e in done if e.trial.resume is not None]
    assert promoted
    for trial in promoted:
        below = by_id[trial.resume]
        assert below.config == trial.config
        assert trial.budget == pytest.approx(3 * below.budget)


def test_a_failed_trial_is_no_end(name):
    search = SEARCHES[name](the_space(), seed=0)
    for nth in range(11 if name in SLOW else 30):
        (trial,) = search.ask()
        failed = nth % 4 == 1
        status = "failed" if failed else "ok"
        search.tell([Evaluation(trial, None if failed else loss(trial), 1.0, status)])
    assert len(search.ask()) == 1


def test_results_of_trials_never_asked_are_learnt_from(name):
    if name in BUDGETED:
        pytest.skip(f"{name} is judged by its own trials only")
    settings = {"initial": 0} if name == "smac" else {}
    search = SEARCHES[name](the_space(), seed=0, **settings)
    known = [Trial(config, id=i) for i, config in enumerate(sample(the_space(), 40, seed=0))]
    search.tell([Evaluation(trial, loss(trial), 1.0) for trial in known])
    away = []
    for _ in range(3 if name in SLOW else 16):
        (trial,) = search.ask()
        away.append(abs(float(trial.config["c"]) - 0.7))
        search.tell([Evaluation(trial, loss(trial), 1.0)])
    assert np.median(away) < 0.2  # 0.29 if drawn at random
