"""Recommendations over HTTP are those of the command, from tasks, meta-features and files."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from api.advice import advise
from api.server.fits import MOST_WAITING, SHORT, Fits, Wanted
from metadb.errors import Busy, NotFound
from metadb.records import Task
from metadb.store import Store
from tests.api.server.conftest import TOKEN, fill, problem, served
from tests.conftest import SPACE, block, config

BEARER = {"authorization": f"Bearer {TOKEN}"}


def asked(http, **more):
    answer = http.post(
        "/recommendations", json={"space": SPACE, "recommender": "average_rank"} | more
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("name", ["portfolio", "nearest", "zero_shot", "rgpe"])
def test_it_says_what_the_command_says(name, tmp_path):
    fill(tmp_path / "store")
    with Store(tmp_path / "store") as store:
        right = advise(
            store, store.task("toy:task/2"), space=SPACE, k=3, recommender=name
        ).as_dict()
    with (
        served(tmp_path / "store", ahead=()) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        found = asked(http, task="toy:task/2", recommender=name, k=3)
    assert found["own_evaluations_left_out"] == 8
    assert found["cautions"] == right["cautions"]
    for one, other in zip(found["recommendations"], right["recommendations"], strict=True):
        for field in ("config", "rank", "expected_loss", "interval", "probability"):
            assert one[field] == other[field]
        assert one["because"]["tasks"] == other["because"]["tasks"]
        assert one["recommendation"] is None


def test_advice_repeats_nothing_observed_and_keeps_to_the_candidates(http):
    every = asked(http, k=20)["recommendations"]
    assert len(every) == 8
    first = every[0]["config"]
    told = [{"config": first, "value": 0.5}, {"config": every[1]["config"], "status": "failed"}]
    left = asked(http, k=20, observed=told)["recommendations"]
    assert [r["config"] for r in left] == [r["config"] for r in every[2:]]
    few = asked(http, k=20, candidates=[first, {"C": 77.0, "kernel": "rbf"}])["recommendations"]
    assert [r["config"] for r in few] == [first]


@pytest.mark.parametrize(
    ("more", "status", "named"),
    [
        ({"space": "nothing"}, 404, "svm"),
        ({"recommender": "nothing"}, 404, "portfolio"),
        ({"metric": "nothing"}, 404, "accuracy"),
        ({"task": "toy:nothing"}, 404, "did you mean"),
        ({"observed": [{"config": {}, "value": 7}]}, 422, "bounds"),
        ({"observed": [{"config": {}}]}, 422, "finite"),
        ({"k": 0}, 422, "k"),
    ],
)
def test_what_is_wrong_is_said(more, status, named, http):
    asked = {"space": SPACE, "recommender": "average_rank"} | more
    assert named in problem(http.post("/recommendations", json=asked), status)


def test_what_is_kept_is_explained_as_of_the_version_it_was_learnt_from(http):
    found = http.post(
        "/recommendations",
        json={
            "space": SPACE,
            "recommender": "average_rank",
            "task": "toy:task/1",
            "k": 2,
            "keep": True,
        },
        headers=BEARER,
    ).json()
    for recommendation in found["recommendations"]:
        told = http.get(f"/explain/{recommendation['recommendation']}").json()
        assert told["config"] == recommendation["config"]
        assert told["rank"] == recommendation["rank"]
        assert told["as_of_then"]
        assert told["agrees"]
        assert [t["task"] for t in told["tasks"]] == recommendation["because"]["tasks"]


def test_a_short_answer_at_once_is_the_beginning_of_a_long_one(http):
    task = {"metafeatures": {"nr_inst": 100.0}}
    asked(http, task=task)  # from now on it is at hand
    short = asked(http, task=task, k=SHORT)["recommendations"]
    long = asked(http, task=task, k=SHORT + 1)["recommendations"]
    assert [r["config"] for r in long[: len(short)]] == [r["config"] for r in short]
    in_store = [asked(http, task="toy:task/1", k=5) for _ in range(3)]
    assert in_store[0] == in_store[1] == in_store[2]
    assert in_store[0]["own_evaluations_left_out"] == 8


def test_a_whole_number_may_be_written_with_a_point(http):
    assert asked(http, k=3.0, seed=0.0) == asked(http, k=3, seed=0)
    said = http.post("/recommendations", json={"space": SPACE, "k": 3.5})
    assert "k" in problem(said, 422)


def table(n: int = 60) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {"a": rng.random(n), "b": rng.random(n), "y": [["no", "yes"][i % 2] for i in range(n)]}
    )


def as_csv() -> bytes:
    return "\n".join(
        ["a,b,y", *(f"{r['a']},{r['b']},{r['y']}" for r in table().to_pylist())]
    ).encode()


def as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(table(), file)
    return file.getvalue()


def send(http, name, body, **fields):
    told = {"space": SPACE, "recommender": "average_rank"} | fields
    return http.post("/recommendations/file", data=told, files={"file": (name, body)})


@pytest.mark.parametrize(("name", "body"), [("a.csv", as_csv()), ("b.parquet", as_parquet())])
def test_a_file_is_described_and_advised_on(name, body, http):
    answer = send(http, name, body, k="2", target="y")
    assert answer.status_code == 200, answer.text
    assert answer.json()["metafeatures"]["nr_inst"] == 60
    assert len(answer.json()["recommendations"]) == 2


@pytest.mark.parametrize(
    ("name", "body", "fields", "status"),
    [
        ("a.exe", b"MZ", {}, 422), ("../../etc/passwd", b"x", {}, 422), ("a.csv", b"", {}, 422),
        ("a.parquet", as_csv(), {}, 422), ("a.parquet", as_parquet()[:-40], {}, 422),
        ("a.arrow", b"ARROW1\0\0" + b"\xff" * 100, {}, 422), ("a.arff", b"@relation\n@data", {}, 422),
        ("a.json", b'[{"a": ' + b"[" * 5000, {}, 422), ("a.csv", as_csv(), {"target": "z"}, 404),
        ("a.csv", as_csv(), {"space": "nothing"}, 404), ("a.csv", as_csv(), {"k": "0"}, 422),
        ("a.csv", b"a,b\n" + b"1,2\n" * 100_000, {}, 413),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_reason(name, body, fields, status, http):
    said = problem(send(http, name, body, **fields), status)
    assert "metadb-upload" not in said
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_read_or_refused(seed, http):
    rng = np.random.default_rng(seed)
    body = bytearray(as_parquet())
    for place in rng.integers(0, len(body), 8):
        body[place] = rng.integers(256)
    answer = send(http, "a.parquet", bytes(body))
    if answer.status_code != 200:
        problem(answer, answer.status_code)
        assert 400 <= answer.status_code < 500, answer.text


def test_many_ask_at_once_and_get_the_same(http):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: asked(http, k=3, seed=i % 2), range(40)))
        lists = list(pool.map(lambda i: http.get("/evaluations?limit=5").json()["rows"], range(16)))
    assert all(a["recommendations"] == answers[0]["recommendations"] for a in answers)
    assert all(rows == lists[0] for rows in lists)


def test_advice_follows_a_store_that_grows(tmp_path):
    fill(tmp_path / "store")
    with (
        served(tmp_path / "store", ahead=("average_rank",)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        before = asked(http)
        assert "on 5 tasks" in before["learnt_from"]
        with Store(tmp_path / "store") as store:
            store.add(block(5, 3, range(10)))
        until = time.monotonic() + 60
        while "on 8 tasks" not in (now := asked(http, k=20))["learnt_from"]:
            assert "on 5 tasks" in now["learnt_from"]  # the older fit answers meanwhile
            assert time.monotonic() < until
            time.sleep(0.05)
        assert len(now["recommendations"]) == 10
        assert http.get("/tasks").json()["total"] == 8


def test_who_waits_too_long_is_told_and_the_fit_goes_on(tmp_path):
    fill(tmp_path / "store")
    fits = Fits(tmp_path / "store", ahead=(), wait_s=0.05)
    wanted = Wanted(SPACE, None, "average_rank")
    with pytest.raises(Busy, match="being fitted"):  # the thread was not started yet
        fits.of(wanted, None)
    for seed in range(1, MOST_WAITING):
        with pytest.raises(Busy, match="being fitted"):
            fits.of(Wanted(SPACE, None, "average_rank", seed), None)
    with pytest.raises(Busy, match="too many"):
        fits.of(Wanted(SPACE, None, "average_rank", 99), None)
    fits.wait_s = 60
    fits.start()
    try:
        learnt = fits.of(wanted, "toy:task/0")
        assert learnt.left_out == 8
        assert fits.of(wanted, "toy:new").left_out == 0
        with pytest.raises(NotFound):
            fits.of(Wanted("nothing", None, "average_rank"), None)
        advised, _ = learnt.ask(Task("toy:new"), 20)
        assert [r.config for r in advised]
        assert {r.config["C"] for r in advised} == {config(i)["C"] for i in range(8)}
    finally:
        fits.close()
