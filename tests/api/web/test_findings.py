"""A finding is made once for a version of the store, and the older one stands in meanwhile."""

from __future__ import annotations

import time
from threading import Event

import pytest

from api.web.findings import MOST_WAITING, Findings
from metadb.errors import Busy, NotFound
from metadb.store import Store
from tests.conftest import block


@pytest.fixture
def findings(store, path):
    store.add(block(0))
    found = Findings(path)
    yield found
    found.close()


def test_it_is_made_once_until_the_store_grows(findings, store):
    made = []

    def make(own: Store) -> int:
        made.append(own.sql("select count(*) as n from tasks").column("n")[0])
        return made[-1]

    for _ in range(3):
        assert findings.of("n", make, version=store.version, wait_s=20) == 2
    assert made == [2]
    store.add(block(2))
    assert findings.of("n", make, version=store.version, wait_s=20) == 2  # the older one
    for _ in range(200):
        if findings.of("n", make, version=store.version, wait_s=20) == 4:
            break
        time.sleep(0.05)
    assert made == [2, 4]


def test_who_cannot_wait_gets_none_and_too_many_are_told_so(findings, store):
    go = Event()
    try:
        assert findings.of(0, lambda own: go.wait(20), version=store.version, wait_s=0.01) is None
        for key in range(1, MOST_WAITING):
            findings.of(key, lambda own: 1, version=store.version, wait_s=0)
        with pytest.raises(Busy):
            findings.of("more", lambda own: 1, version=store.version, wait_s=0)
    finally:
        go.set()
    assert findings.of(1, lambda own: 1, version=store.version, wait_s=20) == 1


def test_what_hinders_it_is_said_and_tried_again(findings, store):
    def fail(own: Store) -> None:
        raise NotFound("nothing there")

    with pytest.raises(NotFound, match="nothing there"):
        findings.of("a", fail, version=store.version, wait_s=20)
    assert findings.of("a", lambda own: 7, version=store.version, wait_s=20) == 7
