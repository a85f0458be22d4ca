"""Slots: the best of each slot, whatever the order of telling; foreign results are dealt."""

from __future__ import annotations

import itertools

from ConfigSpace import ConfigurationSpace, Float

from metadb.records import Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import Ledger
from optimizers.slot import Slots

LOSSES = [0.5, 0.2, 0.9, 0.5, None, 0.1]


def slots_of():
    space = ConfigurationSpace(name="s")
    space.add(Float("x", (0.0, 1.0)))
    ledger = Ledger(space)
    slots = Slots(ledger, Cube.of(space), 3)
    return slots, slots.ask(6, ledger.draw)


def test_a_slot_keeps_its_best_and_of_equal_ones_the_latest():
    for order in list(itertools.permutations(range(6)))[::20]:
        slots, trials = slots_of()
        for i in order:
            slots.tell([Evaluation(trials[i], LOSSES[i])])
        members = slots.members()
        kept = {i: trials[j].config["x"] for i, j in {0: 3, 1: 1, 2: 5}.items()}
        assert {i: loss for i, (loss, _) in members.items()} == {0: 0.5, 1: 0.2, 2: 0.1}
        assert {i: point[0] for i, (_, point) in members.items()} == kept


def test_results_of_trials_never_asked_take_the_places_that_they_win():
    slots, trials = slots_of()
    slots.tell([Evaluation(t, loss) for t, loss in zip(trials, LOSSES, strict=True)])
    slots.tell([Evaluation(Trial({"x": i / 8}, 1.0, 90 + i), i / 8) for i in range(5)])
    assert {i: loss for i, (loss, _) in slots.members().items()} == {0: 0.0, 1: 0.125, 2: 0.1}
