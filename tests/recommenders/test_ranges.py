"""Pairs of a best loss and a range hold what was seen, and follow the unit of the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommenders.ranges import Ranges
from tests.contracts.test_recommenders import make_history


def test_ranges_are_those_of_the_tasks():
    history = make_history(0)
    each = np.ptp(history.matrix(), axis=1)
    np.testing.assert_allclose(Ranges.fit(history).width, each)
    flat = replace(history, loss=np.ones(len(history)))
    np.testing.assert_array_equal(Ranges.fit(flat).width, [1.0])


def test_pairs_follow_the_unit_and_the_offset():
    width, loss = np.array([0.5, 0.7, 2.0]), np.array([0.3, 0.4])
    offset, unit, likely = Ranges(width).pairs(loss)
    other = Ranges(100 * width).pairs(100 * loss + 7)
    np.testing.assert_allclose(other[0], 100 * offset + 7)
    np.testing.assert_allclose(other[1], 100 * unit)
    np.testing.assert_allclose(other[2], likely)
    assert (offset <= 0.3).all()


def test_what_past_tasks_range_is_likelier_but_what_was_seen_fits():
    _, unit, likely = Ranges(np.full(9, 0.5)).pairs(np.array([0.1]))
    assert 0.4 < unit[likely.argmax()] < 0.6
    _, unit, _ = Ranges(np.full(9, 0.5)).pairs(np.array([0.0, 40.0]))
    assert unit.max() >= 80
