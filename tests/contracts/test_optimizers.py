"""Laws that every optimiser keeps; the members come from the registry."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from metadb.history import Configs, History
from metadb.identity import canonical_config
from metadb.records import Evaluation
from metadb.space import check, sample, to_json
from optimizers import OPTIMIZERS
from optimizers.learners import classifier_space
from recommenders.region import Region

SPACE = classifier_space()
PRIOR = " with a prior"
NAMES = [
    *OPTIMIZERS,
    *(n + PRIOR for n in OPTIMIZERS if "prior" in inspect.signature(OPTIMIZERS[n]).parameters),
]


def region(space):
    """Of three tasks that ran twenty random configs each, of random losses."""
    configs = Configs.of(space.name, sample(space, 60, seed=11), definition=to_json(space))
    place, loss = np.arange(60, dtype=np.int32), np.random.default_rng(0).random(60)
    one = np.ones(60)
    return Region.fit(
        History("loss", ("t:0", "t:1", "t:2"), configs, place % 3, place, loss, one, one)
    )


def search(name, space=SPACE, **options):
    if name.endswith(PRIOR):
        options["prior"] = region(space)
    return OPTIMIZERS[name.removesuffix(PRIOR)](space, **options)


def results(trials):
    return [Evaluation(t, None if t.id % 4 == 3 else (t.id % 5) / 5, 1.0, "ok") for t in trials]


@pytest.mark.parametrize("name", NAMES)
def test_the_warm_start_is_asked_first_and_in_order(name):
    warm = sample(SPACE, 5, seed=3)
    optimizer = search(name, warm_start=warm, seed=1)
    assert [t.config for t in optimizer.ask(5)] == warm


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_asks_the_same_however_it_is_asked(name):
    one, two = search(name, seed=7), search(name, seed=7)
    assert one.ask(6) == [trial for _ in range(3) for trial in two.ask(2)]


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_telling_does_not_matter(name):
    one, two = search(name, seed=2), search(name, seed=2)
    trials = one.ask(9)
    assert two.ask(9) == trials
    one.tell(results(trials))
    for evaluation in reversed(results(trials)):
        two.tell([evaluation])
    assert one.ask(3) == two.ask(3)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_is_legal_and_new(name):
    trials = search(name, seed=5).ask(40)
    assert check(SPACE, [t.config for t in trials]) == [None] * 40
    assert len({tuple(sorted(t.config.items())) for t in trials}) == 40
    assert [t.id for t in trials] == list(range(40))


@pytest.mark.parametrize("name", NAMES)
def test_no_config_is_asked_twice_at_one_budget_while_results_come_in(name):
    """A larger budget is a new trial of the same config, and says which one it goes on from."""
    optimizer = search(name, seed=6)
    trials = []
    for _ in range(8):
        asked = optimizer.ask(6)
        optimizer.tell(results(asked))
        trials += asked
    assert [t.id for t in trials] == list(range(48))
    assert len({(canonical_config(t.config), t.budget) for t in trials}) == 48
    budgets = {}
    for trial in trials:
        known = budgets.setdefault(canonical_config(trial.config), {})
        assert trial.budget > max(known.values(), default=0)
        assert trial.resume is None if not known else trial.resume in known
        known[trial.id] = trial.budget


@pytest.mark.parametrize("name", NAMES)
def test_a_used_up_space_ends_the_search(name):
    from ConfigSpace import Categorical, ConfigurationSpace

    tiny = ConfigurationSpace(name="tiny")
    tiny.add(Categorical("a", [1, 2, 3]))
    trials = search(name, tiny, seed=0).ask(10)
    assert sorted(t.config["a"] for t in trials) == [1, 2, 3]
