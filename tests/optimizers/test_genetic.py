"""The genetic algorithm: who is a parent, and what a child inherits."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from metadb.records import Evaluation, Trial
from metadb.space import sample
from optimizers import Genetic


def space_of():
    space = ConfigurationSpace(name="genes")
    kind, rate = Categorical("kind", ["a", "b", "c"]), Float("rate", (1e-4, 1.0), log=True)
    space.add(kind, rate, Integer("width", (8, 64)), Float("x", (0.0, 1.0)), Float("y", (0.0, 1.0)))
    space.add(EqualsCondition(rate, kind, "a"))
    return space


def bred(n, **options):
    """A search that was told 30 configs, worse and worse, and what it asks next."""
    configs = sample(space_of(), 30, seed=0)
    optimizer = Genetic(space_of(), seed=0, **options)
    optimizer.tell([Evaluation(Trial(c, 1.0, i), float(i)) for i, c in enumerate(configs)])
    return configs, [t.config for t in optimizer.ask(n)]


def test_without_mutation_each_value_is_of_one_of_two_parents_of_the_best():
    configs, children = bred(40, population=8, mutation=0.0)
    for child in children:
        pairs = [
            (a, b)
            for a in configs[:8]
            for b in configs[:8]
            if all(child[name] in (a.get(name), b.get(name)) for name in child)
        ]
        assert pairs


def test_better_ones_are_parents_more_often_the_larger_the_tournament():
    shares = []
    for tournament in (1, 2, 5):
        configs, children = bred(60, population=10, mutation=0.0, tournament=tournament)
        place = {c["x"]: i for i, c in enumerate(configs)}
        shares.append(np.mean([place[c["x"]] for c in children]))
    # The mean of the least of t uniform draws of 0..9: 4.5, 2.85, 1.2; repeats shift it a little.
    assert shares == pytest.approx([4.5, 2.85, 1.2], abs=1.2)
    assert shares == sorted(shares, reverse=True)


def test_with_every_hyperparameter_mutating_nothing_is_inherited():
    configs, children = bred(20, population=8, mutation=1.0)
    old = {c["x"] for c in configs} | {c["y"] for c in configs}
    assert not old & ({c["x"] for c in children} | {c["y"] for c in children})


def test_nobody_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        Genetic(space_of(), tournament=0)
