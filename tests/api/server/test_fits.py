"""Fits follow the store, and what they learnt before goes."""

from __future__ import annotations

import gc
import time

from api.server import fits
from api.server.fits import Fits, Wanted
from metadb.history import History
from metadb.store import Store
from tests.conftest import SPACE, block, config


def test_of_a_store_that_grows_only_the_newest_past_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(fits, "LOOK_S", 0.05)
    monkeypatch.setattr(fits, "RESTS", 0.0)
    with Store(tmp_path / "store") as store:
        store.add(block(0))
    fitted = Fits(tmp_path / "store", ahead=("portfolio", "nearest", "zero_shot"), wait_s=60)
    fitted.start()
    wanted = Wanted(SPACE, None, "zero_shot")
    try:
        fitted.of(wanted, None)
        gc.collect()
        first = _held()
        for _ in range(4):
            with Store(tmp_path / "store") as store:
                task = store.sql("select min(task) as t from tasks").column("t")[0]
                store.record(task, config(1), space=SPACE, metric="accuracy", value=0.5)
                store.flush()
                version = store.version["evaluations"]
            end = time.monotonic() + 60
            while fitted.of(wanted, None).version["evaluations"] != version:
                assert time.monotonic() < end
                time.sleep(0.02)
        end = time.monotonic() + 10
        while _held() > first and time.monotonic() < end:
            time.sleep(0.1)  # the forgetting follows the last fit
        assert _held() <= first  # fewer where what other tests left behind was forgotten too
    finally:
        fitted.close()


def _held():
    return sum(isinstance(one, History) for one in gc.get_objects())
