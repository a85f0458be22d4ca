"""What is recorded over HTTP is what `Store.record` records."""

from __future__ import annotations

import time

import httpx
import pytest

from metadb.store import Store
from tests.api.server.conftest import TOKEN, fill, problem, served
from tests.conftest import SPACE, config

BEARER = {"authorization": f"Bearer {TOKEN}"}
TOLD = {"task": {"id": "mine:task/1", "metafeatures": {"nr_inst": 5}}, "space": SPACE,
        "config": config(1), "metric": "accuracy", "value": 0.75, "cost_s": 2.0, "run": "mine/1"}  # fmt: skip


def record(http, **more):
    return http.post("/evaluations", json=TOLD | more, headers=BEARER)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "store"
    fill(path)
    with (
        served(path, token=TOKEN, ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        yield path, http


def test_what_was_recorded_is_listed_soon_and_once_for_each_run(own):
    path, http = own
    answer = record(http)
    assert answer.status_code == 201
    assert answer.json() == {"run": "mine/1"}
    assert record(http).json() == {"run": "mine/1"}
    until = time.monotonic() + 60
    while not (rows := http.get("/evaluations?task=mine:task/1").json()["rows"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    (row,) = rows
    assert (row["value"], row["loss"], row["cost_s"], row["origin"]) == (0.75, -0.75, 2.0, "local")
    with Store(path) as store:
        assert store.task("mine:task/1").metafeatures == {"nr_inst": 5.0}


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"value": 7}, 422), ({"value": None}, 422), ({"status": "odd"}, 422), ({"budget": 0}, 422),
        ({"task": "toy:nothing"}, 404), ({"task": {"id": "no id"}}, 422), ({"metric": "odd"}, 404),
        ({"cost_s": -1}, 422), ({"config": {"C": {}}}, 422), ({"seed": 2**70}, 422),
        ({"metric": {"name": "accuracy", "lower_is_better": True}}, 422), ({"fold": 2**40}, 422),
        ({"definition": "{"}, 422), ({"definition": "[" * 90_000}, 422), ({"definition": "[]"}, 422),
        ({"more": 1}, 422), ({"origin": "a\x1fb"}, 422), ({"space": "a\x1fb"}, 422),
    ],
)  # fmt: skip
def test_what_may_not_enter_is_refused(more, status, own):
    problem(record(own[1], run="bad", **more), status)


def test_nothing_that_was_refused_is_kept(own):
    path, http = own
    time.sleep(0.1)
    with Store(path) as store:
        assert not len(store.sql("select * from evaluations where run = 'bad'"))
    assert record(http, run="after").status_code == 201
