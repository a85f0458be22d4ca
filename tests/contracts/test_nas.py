"""Laws that every space and every search of architectures keeps; members come from registries."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metadb.errors import InvalidConfig, InvalidRows, WrongUsage
from metadb.history import Configs, History
from metadb.identity import canonical_config
from metadb.records import Evaluation, Task, Trial
from metadb.space import check, sample, to_json
from optimizers.nas import NAS_OPTIMIZERS, NAS_SPACES, CellNB201
from optimizers.nas.expectation import Expectation
from recommenders import RECOMMENDERS
from recommenders.region import Region

SPACES = {name: make() for name, make in NAS_SPACES.items()}
TAUGHT = " taught"
"""What a search that can learn from other data sets is called where it did."""

TINY = CellNB201(("none", "nor_conv_3x3"))
"""Of its 64 cells 14 are canonical."""


def history(nas, n=40):
    """Of three data sets that trained the same random architectures, with losses of their own."""
    drawn = {canonical_config(c): c for c in map(nas.canonical, sample(nas.space, n, seed=11))}
    configs = Configs.of(nas.space.name, list(drawn.values()), definition=to_json(nas.space))
    size = len(configs)
    task, config = np.divmod(np.arange(3 * size, dtype=np.int32), size)
    loss = np.random.default_rng(0).random(3 * size)
    one = np.ones(3 * size)
    return History("error_rate", ("t:0", "t:1", "t:2"), configs, task, config, loss, one, one)


def takes(name):
    made = NAS_OPTIMIZERS[name]
    return inspect.signature(getattr(made, "__wrapped__", made)).parameters


NAMES = [*NAS_OPTIMIZERS]
NAMES += [name + TAUGHT for name in NAS_OPTIMIZERS if {"prior", "expectation"} & {*takes(name)}]


MODELLED = {"bananas", "wl_gp"}
"""Their suggestions take time, so they are asked in one space or two."""

PAIRS = [
    (name, space)
    for name in NAMES
    for space in SPACES
    if name.removesuffix(TAUGHT) not in MODELLED
    or space == "nb201"
    or (name, space) == ("wl_gp", "darts")
]
in_every_space = pytest.mark.parametrize(("name", "space"), PAIRS)


def search(name, nas, **options):
    plain = name.removesuffix(TAUGHT)
    if name != plain:
        if "prior" in takes(plain):
            options["prior"] = Region.fit(history(nas))
        else:
            options["expectation"] = Expectation.fit(history(nas), nas)
    return NAS_OPTIMIZERS[plain](nas, **options)


def results(trials):
    return [Evaluation(t, None if t.id % 4 == 3 else (t.id % 5) / 5, 1.0, "ok") for t in trials]


@pytest.fixture(params=SPACES)
def nas(request):
    return SPACES[request.param]


# Spaces.


def test_what_is_drawn_moved_or_made_canonical_is_legal(nas):
    drawn = sample(nas.space, 30, seed=1)
    forms = [nas.canonical(config) for config in drawn]
    near = [config for one in drawn[:5] for config in nas.neighbours(one)]
    assert len(near) > 20
    assert set(check(nas.space, [*forms, *near])) == {None}


def test_a_canonical_form_is_the_same_network_and_stays_as_it_is(nas):
    for config in sample(nas.space, 60, seed=2):
        form = nas.canonical(config)
        assert nas.graph(form).code() == nas.graph(config).code()
        assert nas.canonical(form) == form


def test_neighbours_are_other_networks_each_once_and_mutual(nas):
    for config in sample(nas.space, 6, seed=3):
        form = nas.canonical(config)
        near = nas.neighbours(form)
        texts = [canonical_config(one) for one in near]
        assert len({*texts, canonical_config(form)}) == len(near) + 1
        assert all(nas.canonical(one) == one for one in near)


def test_a_graph_holds_only_what_lies_on_a_path(nas):
    for config in sample(nas.space, 30, seed=4):
        graph = nas.graph(config)
        assert graph.pruned() == graph
        assert bool(graph.paths()) == graph.connected


def test_a_network_takes_images_of_odd_sizes_and_learns_with_all_its_weights(nas):
    torch = pytest.importorskip("torch")
    config = next(c for c in sample(nas.space, 50, seed=5) if nas.graph(c).connected)
    state = torch.random.get_rng_state()
    made = {"shape": (2, 11, 9), "classes": 3, "width": 4, "depth": 3 if nas.name == "darts" else 1}
    one, two = nas.build(config, seed=1, **made), nas.build(config, seed=1, **made)
    assert torch.equal(state, torch.random.get_rng_state())
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    x = torch.randn(4, 2, 11, 9, generator=torch.Generator().manual_seed(0))
    scores = one(x)
    assert scores.shape == (4, 3)
    scores.square().sum().backward()
    assert all(p.grad is not None for p in one.parameters())


def test_a_network_that_would_not_fit_is_refused_before_it_is_built(nas):
    pytest.importorskip("torch")
    config = next(c for c in sample(nas.space, 50, seed=5) if nas.graph(c).connected)
    with pytest.raises(WrongUsage, match=r"GiB for its weights.*smaller width or depth"):
        nas.build(config, shape=(3, 8, 8), classes=10, width=300_000, depth=3)
    with pytest.raises(InvalidConfig):
        nas.build({"x0": "what"}, shape=(3, 8, 8), classes=10)


@pytest.mark.parametrize("name", ["nb201", "hierarchical"])
def test_an_architecture_without_a_path_is_shown_and_not_built(name):
    pytest.importorskip("torch")
    nas = SPACES[name]
    dead = dict.fromkeys(nas.space, "none")
    assert not nas.graph(dead).connected
    with pytest.raises(WrongUsage, match="no path leads from the input to the output"):
        nas.build(dead, shape=(3, 8, 8), classes=10)


def test_the_registries_need_no_torch():
    code = "import sys, optimizers.nas; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "False"


# Searches.


@in_every_space
def test_the_warm_start_is_asked_first_and_in_order(name, space):
    nas = SPACES[space]
    warm = sample(nas.space, 4, seed=3)
    assert [t.config for t in search(name, nas, warm_start=warm, seed=1).ask(4)] == warm


@in_every_space
def test_what_is_asked_is_canonical_and_new_while_results_come_in(name, space):
    nas = SPACES[space]
    optimizer = search(name, nas, seed=5)
    trials = []
    while len(trials) < 24:
        asked = optimizer.ask(6)
        assert len(asked) == 6
        optimizer.tell(results(asked))
        trials += asked
    assert [t.id for t in trials] == list(range(24))
    assert check(nas.space, [t.config for t in trials]) == [None] * 24
    assert all(nas.canonical(t.config) == t.config for t in trials)
    assert len({(canonical_config(t.config), t.budget) for t in trials}) == 24


@in_every_space
def test_the_same_seed_asks_the_same_however_it_is_asked_and_told(name, space):
    nas = SPACES[space]
    one, two = search(name, nas, seed=2), search(name, nas, seed=2)
    trials = one.ask(12)
    assert [t for _ in range(4) for t in two.ask(3)] == trials
    one.tell(results(trials))
    for evaluation in reversed(results(trials)):
        two.tell([evaluation])
    assert one.ask(3) == two.ask(3)
    assert search(name, nas, seed=3).ask(12) != trials or name.endswith(TAUGHT)


@in_every_space
def test_it_goes_on_as_if_it_had_never_been_interrupted(name, space):
    nas = SPACES[space]
    whole, done = search(name, nas, seed=5), []
    for _ in range(23):
        evaluations = results(whole.ask(1))
        whole.tell(evaluations)
        done += evaluations
    again = search(name, nas, seed=5)
    again.tell(done)
    for _ in range(2):
        trials = whole.ask(1)
        assert again.ask(1) == trials
        whole.tell(results(trials))
        again.tell(results(trials))


@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_a_small_space_is_asked_once_and_then_the_search_ends(name):
    optimizer = search(name, TINY, seed=0)
    seen = []
    while trials := optimizer.ask(4):
        optimizer.tell(results(trials))
        seen += [canonical_config(t.config) for t in trials if t.resume is None]
    everything = {canonical_config(TINY.canonical(c)) for c in sample(TINY.space, 2000, seed=0)}
    assert len(everything) == 14
    assert sorted(set(seen)) == sorted(everything)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_was_told_in_another_form_is_not_asked(name):
    optimizer = search(name, TINY, seed=0)
    told = [c for c in sample(TINY.space, 300, seed=1) if TINY.canonical(c) != c]
    optimizer.tell([Evaluation(Trial(c, 1.0, i), i / 300) for i, c in enumerate(told)])
    known = {canonical_config(TINY.canonical(config)) for config in told}
    asked = {canonical_config(t.config) for t in optimizer.ask(30) if t.resume is None}
    assert known
    assert not known & asked


@pytest.mark.parametrize("name", NAMES)
def test_a_search_of_failures_only_goes_on(name):
    nas = SPACES["nb201"]
    optimizer = search(name, nas, seed=3)
    for _ in range(4):
        trials = optimizer.ask(5)
        assert len(trials) == 5
        optimizer.tell([Evaluation(t, None, 1.0, "memout") for t in trials])


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_that_is_no_number_is_refused_and_nothing_entered(name):
    nas = SPACES["nb201"]
    one, two = search(name, nas, seed=1), search(name, nas, seed=1)
    good, bad = one.ask(2)
    assert two.ask(2) == [good, bad]
    with pytest.raises(InvalidRows, match="no finite number; tell None"):
        one.tell([Evaluation(good, 0.5), Evaluation(bad, float("nan"))])
    assert one.ask(2) == two.ask(2)
    with pytest.raises(InvalidConfig, match="told evaluation 0"):
        one.tell([Evaluation(Trial({"x0": "none"}, 1.0, 7), 0.5)])


@pytest.mark.parametrize("name", NAS_OPTIMIZERS)
def test_an_objective_that_adds_up_is_minimised(name):
    """What each edge costs is added up; 40 trials, mean of two seeds."""
    nas = SPACES["nb201"]
    cost = np.random.default_rng(0).random((6, 5))

    def loss(config):
        return sum(cost[k, nas.operations.index(config[f"x{k}"])] for k in range(6))

    found = []
    for seed in range(2):
        optimizer, least = search(name, nas, seed=seed), np.inf
        for _ in range(40):
            trials = optimizer.ask(1)
            told = [Evaluation(t, loss(t.config)) for t in trials]
            optimizer.tell(told)
            least = min(least, *(e.loss for e in told))
        found.append(least)
    drawn = [loss(nas.canonical(c)) for c in sample(nas.space, 3000, seed=9)]
    slow = {"random", "successive_halving", "reinforce", "neuro_evolution"}
    assert np.mean(found) <= np.quantile(drawn, 0.05 if name in slow else 0.01)


# What other data sets taught.


def test_the_recommenders_work_on_architectures_unchanged(nas):
    past = history(nas)
    for name in ("portfolio", "average_rank", "zero_shot"):
        advice = RECOMMENDERS[name].fit(past).recommend(Task("t:new"), 5)
        configs = [dict(one.config) for one in advice]
        assert len(configs) == 5
        assert check(nas.space, configs) == [None] * 5
        asked = NAS_OPTIMIZERS["regularized_evolution"](nas, warm_start=configs).ask(5)
        assert json.dumps([t.config for t in asked]) == json.dumps(configs)
