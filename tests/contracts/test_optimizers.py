"""Laws that every optimiser keeps; the members come from the registry."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from metadb.errors import InvalidConfig, InvalidRows
from metadb.history import Configs, History
from metadb.identity import canonical_config
from metadb.records import Evaluation, Trial
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

OWN_STATE = {"cma_es", "differential_evolution", "particle_swarm", "cma_es" + PRIOR}
"""Their points move from generation to generation, and an evaluation does not tell how far."""


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
    while len(trials) < (48 if any(t.budget < 1 for t in trials) else 24):
        asked = optimizer.ask(6)
        optimizer.tell(results(asked))
        trials += asked
    assert [t.id for t in trials] == list(range(len(trials)))
    assert len({(canonical_config(t.config), t.budget) for t in trials}) == len(trials)
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


@pytest.mark.parametrize("name", NAMES)
def test_a_search_told_all_of_an_interrupted_one_goes_on(name):
    """No config comes again at a budget it was run at, and no id is given twice."""
    first = search(name, seed=4)
    done = []
    for _ in range(4):
        evaluations = results(first.ask(4))
        first.tell(evaluations)
        done += evaluations
    again = search(name, seed=4)
    again.tell(done)
    trials = again.ask(6)
    known = {(canonical_config(e.trial.config), e.trial.budget) for e in done}
    assert not known & {(canonical_config(t.config), t.budget) for t in trials}
    assert [t.id for t in trials] == list(range(16, 22))
    assert check(SPACE, [t.config for t in trials]) == [None] * 6


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_one_point_is_asked_once(name):
    from ConfigSpace import ConfigurationSpace, Constant

    point = ConfigurationSpace(name="point")
    point.add(Constant("a", 3))
    optimizer = search(name, point, seed=0)
    seen = set()
    while trials := optimizer.ask(3):  # a search over budgets asks it again at a larger one
        assert {t.config["a"] for t in trials} == {3}
        assert not seen & {t.budget for t in trials}
        seen |= {t.budget for t in trials}
        optimizer.tell([Evaluation(t, 1.0) for t in trials])
    assert max(seen) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_search_of_failures_only_goes_on(name):
    optimizer = search(name, seed=3)
    for _ in range(4):
        trials = optimizer.ask(5)
        assert len(trials) == 5
        optimizer.tell([Evaluation(t, None, 1.0, "memout") for t in trials])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_refused_and_nothing_entered(name, loss):
    one, two = search(name, seed=1), search(name, seed=1)
    good, bad = one.ask(2)
    assert two.ask(2) == [good, bad]
    with pytest.raises(InvalidRows, match="no finite number; tell None"):
        one.tell([Evaluation(good, 0.5), Evaluation(bad, loss)])
    assert one.ask(2) == two.ask(2)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_never_asked_teaches_or_is_refused_in_a_sentence(name):
    optimizer = search(name, seed=1)
    configs = sample(SPACE, 12, seed=9)
    budgets = [1.0, 0.5, 1 / 27, 0.01, 1.0, 1 / 3] * 2  # in no order
    optimizer.tell(
        [
            Evaluation(Trial(c, b, 100 + i), i / 12)
            for i, (c, b) in enumerate(zip(configs, budgets, strict=True))
        ]
    )
    asked = optimizer.ask(5)
    assert len(asked) == 5
    assert min(t.id for t in asked) > 111
    with pytest.raises(InvalidConfig, match="told evaluation 0"):
        optimizer.tell([Evaluation(Trial({"learner": "none"}, 1.0, 7), 0.5)])


@pytest.mark.parametrize("name", sorted(set(NAMES) - OWN_STATE))
def test_it_goes_on_as_if_it_had_never_been_interrupted(name):
    whole = search(name, seed=5)
    done = []
    for _ in range(25):
        evaluations = results(whole.ask(1))
        whole.tell(evaluations)
        done += evaluations
    again = search(name, seed=5)
    again.tell(done)
    for _ in range(2):
        trials = whole.ask(1)
        assert again.ask(1) == trials
        whole.tell(results(trials))
        again.tell(results(trials))
