"""Groups of a conditional space: which there are, their density, what is drawn from it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from metadb.identity import canonical_config
from metadb.space import check, sample
from optimizers.groups import Groups
from optimizers.learners import classifier_space
from optimizers.ledger import Ledger
from tests.optimizers.halving import crooked, plane
from tests.optimizers.test_parzen import reference


def placed(groups, configs):
    return groups.places([(canonical_config(c), c) for c in configs])


def test_places_are_unknown_where_inactive_and_go_round():
    groups = Groups(Ledger(crooked()))
    configs = sample(crooked(), 50, seed=1)
    x = placed(groups, configs)
    for j, scale in enumerate(groups.scales):
        there = np.array([scale.axis.name in c for c in configs])
        assert list(~np.isnan(x[:, j])) == list(there)
        values = scale.axis.objects(scale.number(x[there, j]))
        known = [c[scale.axis.name] for c in configs if scale.axis.name in c]
        assert list(values) == (pytest.approx(known) if scale.kind == "float" else known)
    assert placed(groups, configs[::-1])[0] == pytest.approx(x[-1], nan_ok=True)
    assert placed(groups, []).shape == (0, 3)


def test_the_width_is_that_of_the_largest_group():
    assert Groups(Ledger(plane())).width == 2
    assert Groups(Ledger(crooked())).width == 3
    space = classifier_space()
    most = max(len(c) for c in sample(space, 500, seed=0))
    assert Groups(Ledger(space)).width <= most < len(Groups(Ledger(space)).scales)


def test_hyperparameters_under_the_same_condition_are_a_group():
    names = [
        [classifier.scales[j].axis.name for j in columns]
        for classifier in [Groups(Ledger(classifier_space()))]
        for columns in classifier.members
    ]
    assert ["learner"] in names
    assert ["knn__metric", "knn__n_neighbors", "knn__weights"] in names
    assert ["svm__gamma"] in names  # of three of the four kernels
    flat = [name for group in names for name in group]
    assert len(flat) == len(set(flat)) == 38
    assert [len(columns) for columns in Groups(Ledger(plane())).members] == [2]


def test_the_density_is_that_of_the_choice_and_of_what_it_opens():
    """Two of three places are of kind `a`, where alone there is a rate: its density is of these."""
    groups = Groups(Ledger(crooked()))
    a, b = {"kind": "a", "size": 1}, {"kind": "b", "size": 2}
    x = placed(groups, [{**a, "rate": 0.5}, {**a, "rate": 0.25}, b])
    density = groups.density(x)
    names = [scale.axis.name for scale in groups.scales]
    rate = [names.index("rate")]
    always = [j for j in range(3) if j not in rate]
    scales = [[groups.scales[j] for j in columns] for columns in (always, rate)]
    assert [s.opens for s in groups.scales] == [s.axis.name == "kind" for s in groups.scales]
    by_hand = [reference(scales[0], x[:, always], np.ones(3), at) for at in x[:, always]]
    for i in range(2):
        by_hand[i] += reference(scales[1], x[:2, rate], np.ones(2), x[i, rate])
    assert density.logpdf(x) == pytest.approx(by_hand)


def test_the_density_of_a_conditional_space_is_one():
    """All of its mass, over the sizes and kinds and, where there is one, the rate."""
    groups = Groups(Ledger(crooked()))
    density = groups.density(placed(groups, sample(crooked(), 6, seed=4)))
    rates = np.linspace(0.0, 1.0, 401)
    scale = next(s for s in groups.scales if s.axis.name == "rate")
    total = 0.0
    for kind, size in product("abc", range(1, 10)):  # what is forbidden has a mass too
        if kind == "a":
            values = scale.axis.objects(scale.number((rates[1:] + rates[:-1]) / 2))
            configs = [{"kind": kind, "size": size, "rate": float(v)} for v in values]
            total += float(np.exp(density.logpdf(placed(groups, configs))).mean())
        else:
            total += float(
                np.exp(density.logpdf(placed(groups, [{"kind": kind, "size": size}])))[0]
            )
    assert total == pytest.approx(1.0, abs=0.01)


def test_what_is_drawn_is_legal_and_new():
    ledger = Ledger(crooked())
    groups = Groups(ledger)
    density, rng = groups.density(placed(groups, sample(crooked(), 40, seed=2))), 3
    at, configs = groups.draw(density, 20, np.random.default_rng(rng))
    assert len(at) == len(configs) >= 20
    assert check(crooked(), configs) == [None] * len(configs)
    assert placed(groups, configs) == pytest.approx(at, nan_ok=True)
    ledger.issue(configs[0])
    assert configs[0] not in groups.draw(density, 20, np.random.default_rng(rng))[1]
