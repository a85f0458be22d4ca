"""What is remembered, and what is forgotten."""

from __future__ import annotations

import gc

from recommenders.remembered import Remembered


def test_a_thing_is_made_once_for_the_same_objects_and_anew_for_equal_ones():
    kept: Remembered[list[int]] = Remembered(9, 1000, len)
    one, equal = [1], [1]
    first = kept.get((one,), lambda: [7])
    assert kept.get((one,), lambda: [8]) is first
    assert kept.get((equal,), lambda: [8]) == [8]
    assert kept.get((one,), lambda: [9], "more") == [9]


def test_the_oldest_is_forgotten_first_by_number_and_by_size():
    keys = [[i] for i in range(4)]
    for kept in (Remembered(3, 1000, len), Remembered(9, 30, len)):
        for i in (0, 1, 2, 0, 3):  # 0 is asked again, so 1 is the oldest
            kept.get((keys[i],), lambda i=i: [i] * 10)
        assert [kept.get((keys[i],), list) for i in (2, 0, 3)] == [[2] * 10, [0] * 10, [3] * 10]
        assert kept.get((keys[1],), list) == []


def test_an_object_that_is_gone_is_not_taken_for_a_new_one():
    """Identities are used again by Python once an object is gone; a held one is not gone."""
    kept: Remembered[list[int]] = Remembered(1000, 10_000, len)
    for i in range(300):
        assert kept.get(([i],), lambda i=i: [i]) == [i]
        gc.collect(0)


def test_the_newest_stays_however_large():
    kept: Remembered[list[int]] = Remembered(3, 5, len)
    one = [1]
    first = kept.get((one,), lambda: [0] * 100)
    assert kept.get((one,), list) is first
