"""The peers' adapters keep the contract of a recommender, each where its package is installed."""

from __future__ import annotations

import importlib
from dataclasses import replace

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

from benchmarks.peers.proposal import nearest, seed_of
from metadb.axes import axes_of
from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from metadb.space import sample, to_json
from recommenders.candidates import pool

_SYNE_TUNE = "syne_tune.optimizer.schedulers.transfer_learning"
PEERS = {  # the adapter and the module that must be there
    "benchmarks.peers.optuna_tpe:OptunaTPE": "optuna",
    "benchmarks.peers.botorch_gp:BotorchGP": "botorch",
    "benchmarks.peers.syne_tune_transfer:SyneTuneZeroShot": f"{_SYNE_TUNE}.zero_shot",
    "benchmarks.peers.syne_tune_transfer:SyneTuneQuantile": (
        f"{_SYNE_TUNE}.quantile_based.quantile_based_searcher"
    ),
    "benchmarks.peers.syne_tune_transfer:SyneTuneBoundingBox": f"{_SYNE_TUNE}.bounding_box",
}
NEW = Task("toy:new")


def the_space() -> ConfigurationSpace:
    space = ConfigurationSpace(name="toy")
    kernel = Categorical("kernel", ["linear", "rbf"])
    gamma = Float("gamma", (1e-3, 1.0), log=True)
    space.add(
        kernel, gamma, Float("c", (0.0, 1.0)), Integer("depth", (1, 9)),
        OrdinalHyperparameter("size", ["s", "m", "l"]), Categorical("warm", [True, False]),
        Constant("fixed", "x"), EqualsCondition(gamma, kernel, "rbf"),
    )  # fmt: skip
    return space


def the_history(n: int = 30, tasks: int = 3) -> History:
    """The loss is the distance of c to 0.7, and a little noise."""
    space = the_space()
    drawn = sample(space, n, seed=0)
    configs = Configs.of("toy", drawn, definition=to_json(space))
    task, config = np.divmod(np.arange(n * tasks, dtype=np.int32), n)
    c = np.array([d["c"] for d in drawn])
    loss = np.abs(c - 0.7)[config] + 0.01 * np.random.default_rng(0).random(n * tasks)
    ones = np.ones(n * tasks)
    names = tuple(f"toy:{i}" for i in range(tasks))
    return History("error_rate", names, configs, task, config, loss, ones, ones)


@pytest.fixture(params=PEERS, ids=lambda name: name.split(":")[1])
def peer(request):
    try:
        importlib.import_module(PEERS[request.param])
    except ImportError as error:
        pytest.skip(f"{request.param}: {error}")
    module, name = request.param.split(":")
    return getattr(importlib.import_module(module), name)


def told(history: History, *places: int) -> list[Evaluation]:
    return [
        Evaluation(Trial(history.configs[i], id=i), abs(history.configs[i]["c"] - 0.7))
        for i in places
    ]


def test_it_advises_what_may_be_run_and_was_not(peer):
    history = the_history()
    fitted = peer.fit(history)
    candidates = history.configs.take(range(5, 20))
    observed = told(history, 5, 6, 7)
    advice = fitted.recommend(NEW, 30, observed=observed, candidates=candidates)
    places = [candidates.index(r.config) for r in advice]
    assert sorted(places) == list(range(3, 15))
    assert all(r.because.note for r in advice)
    assert fitted.recommend(NEW, 3, observed=told(history, *range(30))) == []


def test_the_same_question_has_the_same_answer_and_more_begins_with_less(peer):
    history = the_history()
    observed = told(history, 1, 2, 3, 4)
    one, two = peer.fit(history, seed=3), peer.fit(history, seed=3)
    state = np.random.get_state()[1].copy()
    longer = one.recommend(NEW, 6, observed=observed)
    assert longer == two.recommend(NEW, 6, observed=observed)
    assert longer[:2] == two.recommend(NEW, 2, observed=observed)
    assert longer == one.recommend(NEW, 6, observed=observed)
    assert (np.random.get_state()[1] == state).all()


def test_candidates_that_the_history_never_ran_can_be_advised(peer):
    history = the_history()
    new = Configs.of("toy", sample(the_space(), 8, seed=99), definition=to_json(the_space()))
    advice = peer.fit(history).recommend(NEW, 4, candidates=new)
    assert len({new.index(r.config) for r in advice}) == 4


def test_failures_and_foreign_configs_do_no_harm(peer):
    history = the_history()
    observed = [
        Evaluation(Trial(history.configs[0]), None, status="failed"),
        *told(history, 1),
        Evaluation(Trial({"kernel": "none of these"}), 0.1),
    ]
    advice = peer.fit(history).recommend(NEW, 5, observed=observed)
    assert len({history.configs.index(r.config) for r in advice} - {0, 1}) == 5


def test_what_was_learnt_shows(peer):
    """From the past where there is transfer, else from 25 of 60 configs: c is to be near 0.7."""
    history = the_history(60)
    cold = peer.__name__ in ("OptunaTPE", "BotorchGP")
    observed = told(history, *range(25)) if cold else []
    advice = peer.fit(history).recommend(NEW, 5 if cold else 1, observed=observed)
    away = np.mean([abs(r.config["c"] - 0.7) for r in advice])
    rest = np.abs([c["c"] - 0.7 for c in history.configs.values[len(observed) :]])
    assert away < 0.75 * rest.mean()


def test_a_past_without_a_usable_result_is_no_error(peer):
    history = the_history()
    fitted = peer.fit(replace(history, loss=np.full(len(history), np.inf)))
    advice = fitted.recommend(NEW, 3)
    assert len({history.configs.index(r.config) for r in advice}) == 3


def test_the_nearest_candidate_is_the_config_itself_where_it_is_open():
    history = the_history()
    every = pool(history.configs)
    axes = axes_of(history.configs.space)
    left = every.left(told(history, 3))
    for i in (0, 7, 29):
        assert nearest(every, left, history.configs[i], axes) == i
    assert nearest(every, left, history.configs[3], axes) != 3


def test_another_choice_is_as_far_as_the_other_end_of_a_number():
    space = ConfigurationSpace(name="two")
    space.add(Categorical("k", ["a", "b"]), Float("v", (0.0, 1.0)))
    rows = [{"k": "a", "v": 0.05}, {"k": "b", "v": 0.98}]
    configs = Configs.of("two", rows, definition=to_json(space))
    axes, every = axes_of(space), pool(configs)
    assert nearest(every, np.arange(2), {"k": "b", "v": 0.0}, axes) == 1  # .98 away, not 1.05
    assert nearest(every, np.arange(2), {"k": "a", "v": 0.99}, axes) == 0  # .94 away, not 1


def test_seeds_follow_from_seed_task_and_step():
    seeds = {seed_of(s, Task(t), n) for s in (0, 1) for t in ("a", "b") for n in (0, 1)}
    assert len(seeds) == 8
    assert seed_of(0, NEW, 3) == seed_of(0, NEW, 3)
    assert all(0 <= s < 2**31 for s in seeds)


def test_a_peer_that_is_not_installed_says_what_to_install():
    from benchmarks.peers.proposal import package

    with pytest.raises(NotFound, match="pip install no-such-peer"):
        package("no_such_peer_module", "no-such-peer")
