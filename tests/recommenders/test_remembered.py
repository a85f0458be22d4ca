"""What is remembered, and what is forgotten."""

from __future__ import annotations

import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from recommenders.remembered import Remembered, forget


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


def test_threads_may_share_it():
    kept: Remembered[list[int]] = Remembered(4, 1000, len)
    keys = [[i] for i in range(12)]

    def ask(n: int) -> bool:
        i = n * 7 % 12
        return kept.get((keys[i],), lambda: [i]) == [i]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(4000)))
    assert len(kept._kept) <= 4


def test_what_fails_is_not_remembered():
    kept: Remembered[float] = Remembered(4, 1000, lambda _: 1)
    one = [0]
    with pytest.raises(ZeroDivisionError):
        kept.get((one,), lambda: 1 / 0)
    assert kept.get((one,), lambda: 2.0) == 2.0


def test_several_objects_and_their_order_make_a_key():
    kept: Remembered[str] = Remembered(9, 1000, len)
    a, b = [1], [2]
    assert kept.get((a, b), lambda: "ab") == "ab"
    assert kept.get((b, a), lambda: "ba") == "ba"
    assert kept.get((a,), lambda: "a") == "a"
    assert kept.get((a, b), lambda: "anew") == "ab"


def test_what_nobody_asked_for_since_is_let_go_with_all_that_it_was_made_from():
    kept: Remembered[list[int]] = Remembered(9, 1000, len)
    old, used = Thing(), Thing()
    gone = weakref.ref(old)
    for one in (old, used):
        kept.get((one,), lambda: [7])
    now = time.monotonic()
    kept.get((used,), list)
    del old, one
    forget(now)
    assert gone() is None
    assert kept.get((used,), list) == [7]


class Thing:
    pass
