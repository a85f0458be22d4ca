"""Groups of a conditional space: which there are, how often they are chosen, what is drawn in them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metadb.identity import canonical_config
from metadb.space import check, sample
from optimizers.groups import Groups
from optimizers.learners import classifier_space
from optimizers.ledger import Ledger
from tests.optimizers.halving import crooked, plane


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


def test_a_group_is_chosen_by_its_mass():
    """Of the space `a`, with a rate, is a third; of the places it is nine tenths."""
    groups = Groups(Ledger(crooked()))
    rated = {"kind": "a", "size": 1, "rate": 0.5}
    x = placed(groups, [rated, {"kind": "b", "size": 1}])
    rng = np.random.default_rng(0)
    of_space = Counter(groups.choose(x[:0], rng).all() for _ in range(2000))
    assert of_space[True] / 2000 == pytest.approx(1 / 3, abs=0.05)
    mass = np.array([9.0, 1.0])
    of_both = Counter(groups.choose(x, rng, mass).all() for _ in range(2000))
    assert of_both[True] / 2000 == pytest.approx((9 + 1 / 3) / 11, abs=0.05)
    of_places = Counter(groups.choose(x, rng, mass, of_space=0.0).all() for _ in range(2000))
    assert of_places[True] / 2000 == pytest.approx(0.9, abs=0.05)


def test_what_is_drawn_is_legal_new_and_of_the_group():
    ledger = Ledger(crooked())
    groups = Groups(ledger)
    x = placed(groups, sample(crooked(), 40, seed=2))
    for group in np.unique(~np.isnan(x), axis=0):
        density, rng = groups.density(x, group), np.random.default_rng(3)
        at, configs = groups.draw(density, group, 20, rng)
        assert len(configs) >= 20
        assert len(at) == len(configs)
        assert check(crooked(), configs) == [None] * len(configs)
        assert {"rate" in c for c in configs} == {bool(group.all())}
        ledger.issue(configs[0])
        assert configs[0] not in groups.draw(density, group, 20, np.random.default_rng(3))[1]
