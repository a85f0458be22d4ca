"""Ageing evolution: who is a parent, how a child differs, and who dies."""

from __future__ import annotations

import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from metadb.records import Evaluation
from optimizers import RegularizedEvolution, run


def cells():
    space = ConfigurationSpace(name="cells")
    space.add([Categorical(f"op{i}", ["conv", "pool", "skip", "none"]) for i in range(6)])
    space.add(Float("rate", (1e-4, 1.0), log=True), Integer("width", (8, 64)))
    return space


def differences(a, b):
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def test_a_child_of_a_full_tournament_is_one_step_from_the_best_of_the_youngest():
    def objective(trial):  # the first is the best ever: only age can end its line
        return Evaluation(trial, -1.0 if trial.id == 0 else trial.id * 7 % 11 / 11)

    done = run(
        RegularizedEvolution(cells(), seed=1, population=10, sample=500), objective, trials=80
    )
    for n in range(10, 80):
        best = min(done[n - 10 : n], key=lambda e: e.loss).loss
        parents = [e.trial.config for e in done[n - 10 : n] if e.loss == best]
        assert min(len(differences(done[n].trial.config, p)) for p in parents) == 1


def test_a_tournament_of_one_has_any_parent():
    done = run(
        RegularizedEvolution(cells(), seed=1, population=10, sample=1),
        lambda t: Evaluation(t, float(t.id)),
        trials=40,
    )
    near = [
        [len(differences(done[n].trial.config, e.trial.config)) for e in done[n - 10 : n]]
        for n in range(10, 40)
    ]
    assert all(min(row) == 1 for row in near)
    assert len({row.index(1) for row in near}) > 5


def test_what_a_mutation_switches_on_is_drawn_not_fixed():
    space = ConfigurationSpace(name="switch")
    on, rate = Categorical("on", [True, False]), Float("rate", (0.0, 1.0))
    space.add(on, rate)
    space.add(EqualsCondition(rate, on, True))
    values = set()
    for seed in range(8):
        optimizer = RegularizedEvolution(space, warm_start=[{"on": False}], seed=seed, population=1)
        optimizer.tell([Evaluation(optimizer.ask(1)[0], 0.0)])
        values.add(optimizer.ask(1)[0].config["rate"])
    assert len(values) == 8


def test_nobody_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        RegularizedEvolution(cells(), sample=0)
