"""What the five evolutionary searches have in common; their own laws are in their own files."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ConfigSpace import (
    AndConjunction,
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    GreaterThanCondition,
    Integer,
)

from metadb.identity import canonical_config
from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import OPTIMIZERS, RandomSearch, run

NAMES = [
    "cma_es",
    "differential_evolution",
    "genetic",
    "particle_swarm",
    "regularized_evolution",
]


def hard_space():
    space = ConfigurationSpace(name="hard")
    kind, depth = Categorical("kind", ["a", "b", "c"]), Integer("depth", (1, 5))
    rate, width = Float("rate", (1e-4, 1.0), log=True), Integer("width", (1, 64), log=True)
    flag = Categorical("flag", [True, False])
    space.add(kind, depth, rate, width, flag)
    space.add(EqualsCondition(rate, kind, "a"))
    space.add(
        AndConjunction(EqualsCondition(width, kind, "b"), GreaterThanCondition(width, depth, 2))
    )
    space.add(
        ForbiddenAndConjunction(
            ForbiddenEqualsClause(kind, "a"), ForbiddenEqualsClause(flag, False)
        )
    )
    return space


def cube_space(d):
    space = ConfigurationSpace(name="cube")
    space.add([Float(f"x{i}", (0.0, 1.0)) for i in range(d)])
    return space


def sphere(trial):
    x = np.array(list(trial.config.values()))
    return Evaluation(trial, float(((x - 0.3) ** 2).sum()))


@cache
def best_of_random_search(seed):
    return min(e.loss for e in run(RandomSearch(cube_space(4), seed=seed), sphere, trials=150))


def judged(trial):
    c = trial.config
    loss = c["depth"] / 5 + {"a": 0.0, "b": 0.3, "c": 0.6}[c["kind"]] + c.get("rate", 0.5)
    return Evaluation(trial, None if trial.id % 7 == 3 else loss, status="ok")


@pytest.mark.parametrize("name", NAMES)
def test_it_beats_random_search_on_a_sphere(name):
    space, better = cube_space(4), []
    for seed in range(5):
        best = min(e.loss for e in run(OPTIMIZERS[name](space, seed=seed), sphere, trials=150))
        better.append(np.log(best / best_of_random_search(seed)))
    assert np.mean(better) < np.log(0.5)
    assert np.median(better) < np.log(0.75)


@pytest.mark.parametrize("name", NAMES)
def test_conditions_and_forbidden_clauses_hold_and_it_learns(name):
    space = hard_space()
    done = run(OPTIMIZERS[name](space, seed=1), judged, trials=100)
    configs = [e.trial.config for e in done]
    assert check(space, configs) == [None] * 100
    assert len(set(map(canonical_config, configs))) == 100
    late = [e.loss for e in done[60:] if e.loss is not None]
    early = [e.loss for e in done[:20] if e.loss is not None]
    assert np.mean(late) < np.mean(early)


@pytest.mark.parametrize("name", NAMES)
def test_neither_order_nor_grouping_of_telling_matters_in_mid_search(name):
    space = hard_space()
    one, two = (OPTIMIZERS[name](space, seed=4) for _ in range(2))
    known = [
        Evaluation(Trial(c, 1.0, 1000 + i), (i * 7 % 5) / 9)
        for i, c in enumerate(sample(space, 30, seed=8))
    ]
    rng = np.random.default_rng(0)
    waiting = []
    for n in (25, 3, 20, 6, 6):
        trials = one.ask(n)
        assert trials == [t for _ in range(n) for t in two.ask(1)]
        waiting += [judged(t) for t in trials]
        told = [waiting.pop(i) for i in sorted(rng.permutation(len(waiting))[:n], reverse=True)]
        told += [known.pop() for _ in range(4)]
        one.tell(told)
        for i in rng.permutation(len(told)):
            two.tell([told[i]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("told", [True, False])
def test_a_finite_space_is_searched_to_its_end(name, told):
    space = ConfigurationSpace(name="finite")
    space.add(Categorical("a", ["x", "y"]), Integer("b", (1, 3)), Categorical("c", [1, 2, 3, 4]))
    optimizer = OPTIMIZERS[name](space, seed=0)
    asked = []
    while trials := optimizer.ask(1):
        asked += trials
        if told:
            optimizer.tell([Evaluation(trials[0], float(trials[0].config["b"]))])
    assert len(asked) == 24 == len({canonical_config(t.config) for t in asked})


@pytest.mark.parametrize("name", NAMES)
def test_a_space_without_freedom_has_one_config(name):
    assert len(OPTIMIZERS[name](ConfigurationSpace({"a": 1, "b": "x"}), seed=0).ask(3)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_start_longer_than_a_population_is_asked_whole_and_used(name):
    space = cube_space(3)
    warm = [dict(zip(("x0", "x1", "x2"), (0.3 + i / 1e4,) * 3, strict=True)) for i in range(40)]
    done = run(OPTIMIZERS[name](space, warm_start=warm, seed=0), sphere, trials=60)
    assert [e.trial.config for e in done[:40]] == warm
    assert np.median([e.loss for e in done[40:]]) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_what_was_told_before_the_first_ask_is_the_first_population(name):
    space = cube_space(3)
    optimizer = OPTIMIZERS[name](space, seed=0)
    near = [
        {f"x{j}": float(x) for j, x in enumerate(p)}
        for p in np.random.default_rng(1).normal(0.8, 0.01, (40, 3))
    ]
    optimizer.tell([Evaluation(Trial(c, 1.0, i), c["x0"]) for i, c in enumerate(near)])
    trials = optimizer.ask(15)
    assert trials[0].id == 40
    x = np.array([list(t.config.values()) for t in trials])
    assert np.abs(np.median(x, axis=0) - 0.8).max() < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_results_at_small_budgets_are_not_taken_for_full_ones(name):
    one, two = (OPTIMIZERS[name](cube_space(2), seed=0) for _ in range(2))
    config = {"x0": 0.9, "x1": 0.9}
    one.tell([Evaluation(Trial(config, 0.1, 0), -100.0)])
    two.tell([Evaluation(Trial(config, 0.1, 0), 100.0)])
    for _ in range(60):
        trials = one.ask(1)
        assert trials == two.ask(1)
        one.tell([sphere(trials[0])])
        two.tell([sphere(trials[0])])


@pytest.mark.parametrize("name", NAMES)
def test_a_search_in_which_all_fails_goes_on(name):
    done = run(
        OPTIMIZERS[name](cube_space(2), seed=0),
        lambda t: Evaluation(t, None, status="failed"),
        trials=60,
    )
    assert len({canonical_config(e.trial.config) for e in done}) == 60
