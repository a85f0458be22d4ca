"""The stand-in behaves as OpenML does: to the real client, to its own truth, to what was recorded."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import subprocess
import sys
import time
from typing import Any

import httpx
import numpy as np
import pytest
from lxml import etree

from tests.standin.catalogue import MEASURE_INDEX
from tests.standin.faults import KINDS
from tests.standin.refusals import MESSAGES
from tests.standin.serving import ROOT, Server
from tests.standin.world import ERROR, OK, SERVER_ERROR, World

ACCURACY = "function/predictive_accuracy"
_O = "{http://openml.org/openml}"


def rows(body: str) -> list[dict[str, str | None]]:
    """The children of a listing as flat dicts."""
    return [
        {field.tag.removeprefix(_O): field.text for field in child}
        for child in etree.fromstring(body.encode())
    ]


def pages(ask: httpx.Client, path: str, limit: int) -> list[dict[str, str | None]]:
    """All pages of a listing."""
    found: list[dict[str, str | None]] = []
    while True:
        answer = ask.get(f"xml/{path}/limit/{limit}/offset/{len(found)}")
        if answer.status_code == 412:
            return found
        found += rows(answer.text)


# -- the world ----------------------------------------------------------------------------------


def test_worlds_made_alike_are_alike_also_after_what_happened_to_them() -> None:
    one, other = World(seed=3, runs=300), World(seed=4, runs=300)
    run = int(one.run[7])
    one.grow(50)
    one.delete(run)
    again = World(**one.recipe())
    assert again.run_table().equals(one.run_table())
    assert again.evaluations("kappa", None).equals(one.evaluations("kappa", None))
    assert again.setup_table().equals(one.setup_table())
    assert not other.run_table().equals(one.run_table())
    assert run not in one.run_table()["run"].to_pylist()


def test_growing_leaves_what_was_there_as_it_was() -> None:
    world = World(seed=5, runs=300)
    before = world.evaluations("predictive_accuracy").to_pylist()
    world.grow(100)
    after = world.evaluations("predictive_accuracy").to_pylist()
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert min(a["upload_time"] for a in after[len(before) :]) > before[-1]["upload_time"]


def test_a_world_holds_what_makes_openml_difficult() -> None:
    world = World()
    names = {flow.name for flow in world.flow_book.tops}
    assert {"sklearn.ensemble.forest.RandomForestClassifier", "weka.ZeroR"} <= names
    assert "sklearn.ensemble._forest.RandomForestClassifier" in names
    versions = {f.version for f in world.flow_book.tops if f.name == "weka.J48"}
    assert len(versions) > 1
    texts = {t for s in world.setup_book.ids for t in world.setup_book.settings(s)[1]}
    assert {'"gini"', "null", "true", "[1, 2]", '"NaN"', "Mersenne-Twister"} <= texts
    kinds = {json.loads(t)["oml-python:serialized_object"] for t in texts if t.startswith('{"oml')}
    assert {"component_reference", "function", "type"} <= kinds
    assert any("rv_frozen" in t for t in texts)
    assert set(world.run_state.tolist()) == {0, 1, 2, 3}
    assert world.evaluations("kappa", 2).num_rows > 20
    values = world.evaluations("predictive_accuracy")
    assert all(0 <= v <= 1 for v in values["value"].to_pylist())
    off = [
        abs(np.mean(f) - v)
        for f, v in zip(values["folds"].to_pylist(), values["value"].to_pylist(), strict=True)
    ]
    assert max(off) < 0.01
    assert {len(f) for f in values["folds"].to_pylist()} == {1, 10}
    assert len(set(values["run"].to_pylist())) == values.num_rows


def test_a_large_world_is_built_in_seconds() -> None:
    start = time.process_time()
    world = World(runs=100_000, setups=5000, tasks=60)
    assert len(world.run) == 100_000
    assert time.process_time() - start < 5


# -- listings against the truth -----------------------------------------------------------------


def test_pages_put_together_are_the_truth(server: Server, ask: httpx.Client) -> None:
    found = pages(ask, f"evaluation/list/{ACCURACY}", 333)
    true = server.world.evaluations("predictive_accuracy", None).to_pylist()
    names = (
        "run",
        "task",
        "setup",
        "flow",
        "dataset",
        "uploader",
        "engine",
        "value",
        "upload_time",
    )
    expected = {tuple(str(t[name]) for name in names) for t in true}
    columns = (
        "run_id",
        "task_id",
        "setup_id",
        "flow_id",
        "data_id",
        "uploader",
        "evaluation_engine_id",
    )
    got = {tuple(f[c] for c in (*columns, "value", "upload_time")) for f in found}
    assert got == expected
    assert len(found) == len(true)
    ids = [int(f["run_id"] or 0) for f in found]
    assert ids != sorted(ids)


def test_values_per_fold_are_the_truth(server: Server, ask: httpx.Client) -> None:
    task = server.world.task_list[0].id
    found = rows(ask.get(f"xml/evaluation/list/{ACCURACY}/per_fold/true/task/{task}").text)
    true = server.world.evaluations("predictive_accuracy", None).to_pylist()
    expected = {t["run"]: t["folds"] for t in true if t["task"] == task}
    assert {int(f["run_id"] or 0): json.loads(f["values"] or "") for f in found} == expected
    assert not any("value" in f for f in found)


@pytest.mark.parametrize(
    ("filters", "column"),
    [
        ("task/{}", "task"),
        ("flow/{}", "flow"),
        ("setup/{}", "setup"),
        ("uploader/{}", "uploader"),
        ("run/{}", "run"),
    ],
)
def test_filters_let_through_what_they_say(
    filters: str, column: str, server: Server, ask: httpx.Client
) -> None:
    true = server.world.evaluations("predictive_accuracy", None).to_pylist()
    wanted = sorted({t[column] for t in true})[:2]
    path = filters.format(",".join(map(str, wanted)))
    found = rows(ask.get(f"xml/evaluation/list/{ACCURACY}/{path}/limit/1000").text)
    expected = [t["run"] for t in true if t[column] in wanted]
    assert sorted(int(f["run_id"] or 0) for f in found) == sorted(expected)


def test_runs_that_the_server_could_not_evaluate_are_hidden(
    server: Server, ask: httpx.Client
) -> None:
    shown = pages(ask, "run/list", 1000)
    every = pages(ask, "run/list/show_errors/true", 1000)
    states = server.world.run_table()["state"].to_pylist()
    assert len(every) == len(states)
    assert len(shown) == len(states) - states.count(SERVER_ERROR)
    assert sum(bool(r["error_message"]) for r in shown) == states.count(ERROR)


def test_setups_are_told_alike_wherever_they_are_asked_for(
    server: Server, ask: httpx.Client
) -> None:
    world = server.world
    setup = next(s for s in world.setup_book.ids if "Pipeline" in world.flow_of(s).name)
    alone = etree.fromstring(ask.get(f"xml/setup/{setup}").content)
    listed = etree.fromstring(ask.get(f"xml/setup/list/setup/{setup}").content)[0]
    inline = etree.fromstring(
        ask.get(f"xml/evaluation/setup/list/{ACCURACY}/setup/{setup}/limit/1").content
    )
    told = [
        [
            (p.findtext(f"{_O}full_name"), p.findtext(f"{_O}value"))
            for p in where.iter(f"{_O}parameter")
        ]
        for where in (alone, listed, inline)
    ]
    assert told[0] == told[1] == told[2]
    assert [v for _, v in told[0]] == world.setup_book.settings(setup)[1]
    converted = ask.get(f"json/setup/list/setup/{setup}").json()["setups"]["setup"]
    assert [p["value"] for p in converted["parameter"]] == [v for _, v in told[0]]
    true = list(world.hyperparameters(setup).values())
    assert [json.loads(v or "") for _, v in told[0]] == true


def test_without_inline_setups_the_function_is_unknown(server: Server, ask: httpx.Client) -> None:
    server.set(inline_setups=False)
    answer = ask.get(f"xml/evaluation/setup/list/{ACCURACY}/limit/1")
    server.set(inline_setups=True)
    assert (answer.status_code, rows(answer.text)[0:0]) == (412, [])
    assert "<oml:code>100</oml:code>" in answer.text


CONVERTED = [
    "setup/list/limit/3",
    "setup/list/setup/6",
    "run/list/limit/2",
    "study/99",
    "task/3",
    "user/list",
    "evaluationmeasure/list",
]


@pytest.mark.parametrize("path", CONVERTED)
def test_json_is_the_xml_converted(path: str, ask: httpx.Client) -> None:
    from tests.standin.rendering import as_json

    assert ask.get(f"json/{path}").json() == json.loads(as_json(ask.get(f"xml/{path}").text))


def test_json_of_evaluations_has_a_form_of_its_own(ask: httpx.Client) -> None:
    path = f"evaluation/list/{ACCURACY}/limit/50"
    told = ask.get(f"json/{path}").json()["evaluations"]["evaluation"]
    read = rows(ask.get(f"xml/{path}").text)
    assert [str(t["run_id"]) for t in told] == [r["run_id"] for r in read]
    assert [t["value"] for t in told] == [float(r["value"] or "nan") for r in read]
    assert not {"evaluation_engine_id", "values", "uploader"} & set(told[0])
    assert isinstance(ask.get(f"json/{path[:-2]}1").json()["evaluations"]["evaluation"], list)


def test_a_run_tells_its_folds_and_a_learning_curve_its_samples(
    server: Server, ask: httpx.Client
) -> None:
    world = server.world
    curve = next(i for i, t in enumerate(world.task_list) if t.type == 3)
    at = int(np.flatnonzero((world.run_task == curve) & (world.run_state == OK))[0])
    told = etree.fromstring(ask.get(f"xml/run/{world.run[at]}").content)
    found = {
        (e.get("fold"), e.get("sample")): float(e.findtext(f"{_O}value") or "nan")
        for e in told.iter(f"{_O}evaluation")
        if e.findtext(f"{_O}name") == "predictive_accuracy" and e.get("sample")
    }
    true = world.curve(at, MEASURE_INDEX["predictive_accuracy"])
    assert found == {(str(f), str(s)): v for f, row in enumerate(true) for s, v in enumerate(row)}


def test_new_runs_stand_among_the_old_ones() -> None:
    with Server(World(runs=200)) as server, httpx.Client(base_url=f"{server.url}/api/v1/") as ask:
        before = [r["run_id"] for r in pages(ask, "run/list", 100)]
        server.grow(60)
        gone = int(server.world.run[3])
        server.delete(gone)
        after = [r["run_id"] for r in pages(ask, "run/list", 100)]
        assert [r for r in after if r in set(before)] == [r for r in before if r != str(gone)]
        assert after[: len(before)] != before
        states = server.world.run_table()["state"].to_pylist()
        assert len(after) == len(states) - states.count(SERVER_ERROR)


# -- refusals -----------------------------------------------------------------------------------

REFUSED = {
    "nonsense": 100,
    "data/list/colour/red": 370,
    "data/list/data_id/x": 371,
    "data/list/data_id/999999": 372,
    "data/list/offset/5": 373,
    "data/999999": 111,
    "data/features/999999": 271,
    "data/qualities/999999": 361,
    "data/qualities/{raw}": 363,
    "task/list/colour/red": 480,
    "task/list/type/x": 481,
    "task/list/type/4": 482,
    "task/list/offset/5": 483,
    "task/999999": 151,
    "evaluation/list": 540,
    "evaluation/list/task/x": 541,
    "evaluation/list/task/999999": 542,
    f"evaluation/list/{ACCURACY}": 543,
    "evaluation/list/colour/red": 544,
    f"evaluation/list/{ACCURACY}/offset/5": 545,
    f"evaluation/list/{ACCURACY}/limit/1001": 546,
    f"evaluation/list/{ACCURACY}/per_fold/yes": 547,
    f"evaluation/list/{ACCURACY}/sort_order/up/limit/1": 549,
    f"evaluation/list/{ACCURACY}/study/99/limit/1": 555,
    "setup/list": 670,
    "setup/list/colour/red": 671,
    "setup/list/flow/x": 672,
    "setup/list/flow/999999": 674,
    "setup/list/offset/5": 675,
    "setup/list/limit/1001": 676,
    "setup/999999": 281,
    "flow/list/colour/red": 501,
    "flow/list/uploader/x": 502,
    "flow/list/uploader/999999": 500,
    "flow/list/offset/5": 503,
    "flow/999999": 181,
    "run/list": 510,
    "run/list/task/x": 511,
    "run/list/task/999999": 512,
    "run/list/show_errors/true": 513,
    "run/list/colour/red": 514,
    "run/list/task/3/offset/5": 515,
    "run/list/limit/1001": 516,
    "run/list/study/99/limit/1": 517,
    "run/999999": 236,
    "run/trace/999999": 571,
    "run/trace/{plain}": 572,
    "study/list/main_entity_type/flow": 599,
    "study/list/colour/red": 596,
    "study/list/uploader/x": 597,
    "study/list/offset/5": 598,
    "study/none": 601,
    "data/list?api_key=wrong": 103,
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_refusal_has_its_code(path: str, server: Server, ask: httpx.Client) -> None:
    world, code = server.world, REFUSED[path]
    plain = next(
        int(r)
        for r, s in zip(world.run, world.run_setup, strict=True)
        if world.flow_of(world.setup_book.ids[s]).algorithm.search is None
    )
    path = path.format(raw=world.datasets[3].id, plain=plain)
    answer = ask.get(f"xml/{path}")
    assert answer.status_code == 412
    told = etree.fromstring(answer.content)
    assert told.tag == f"{_O}error"
    assert int(told.findtext(f"{_O}code") or 0) == code
    assert told.findtext(f"{_O}message") == MESSAGES[code]
    assert ask.get(f"json/{path}").json()["error"]["code"] == str(code)


def test_sorting_is_by_value(ask: httpx.Client) -> None:
    found = rows(ask.get(f"xml/evaluation/list/{ACCURACY}/sort_order/desc/limit/100").text)
    values = [float(f["value"] or "nan") for f in found]
    assert values == sorted(values, reverse=True)


def test_answers_are_packed_where_the_client_takes_it(server: Server, ask: httpx.Client) -> None:
    assert ask.get("xml/data/list").headers["content-encoding"] == "gzip"
    bare = httpx.get(f"{server.url}/api/v1/xml/data/list", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in bare.headers
    assert bare.text == ask.get("xml/data/list").text
    assert ask.get(f"xml//setup/{server.world.setup_book.ids[0]}").status_code == 200


def test_a_page_costs_little(server: Server, ask: httpx.Client) -> None:
    for offset in (0, 100, 200, 300, 400):
        ask.get(f"xml/evaluation/list/{ACCURACY}/limit/1000/offset/{offset}")
    costs = sorted(r["cpu_s"] for r in server.requests())
    assert costs[2] < 0.015


# -- faults -------------------------------------------------------------------------------------

MILD = {"stall": {"seconds": 0.01}, "drip": {"seconds": 0.01}, "bomb": {"megabytes": 5}}
PATH = f"xml/evaluation/list/{ACCURACY}/limit/20/offset/20"


def test_every_fault_can_be_played_and_passes(server: Server, ask: httpx.Client) -> None:
    good = ask.get(PATH).content
    for kind in KINDS:
        server.fault(kind, match="evaluation/list", after=1, **MILD.get(kind, {}))
        assert ask.get(PATH).status_code == 200
        try:
            answer = ask.get(PATH)
            same = answer.status_code == 200 and answer.content == good
        except httpx.HTTPError:
            same = False
        assert same == (kind in ("stall", "drip")), kind
        if kind != "reshuffle":
            assert ask.get(PATH).content == good
        else:
            good = ask.get(PATH).content


def test_a_connection_is_dropped_or_cut(server: Server, ask: httpx.Client) -> None:
    server.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        ask.get(PATH)
    server.fault("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        ask.get(PATH)
    server.fault("stall", seconds=2.0)
    with pytest.raises(httpx.ReadTimeout):
        ask.get(PATH, timeout=0.2)


def test_a_busy_server_says_when_to_come_again(server: Server, ask: httpx.Client) -> None:
    server.fault("status", status=429, retry_after=3)
    answer = ask.get(PATH)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    server.fault("status", status=429, retry_after=3, http_date=True)
    assert ask.get(PATH).headers["retry-after"].endswith("GMT")
    server.fault("status", status=502)
    assert ask.get(PATH).text.startswith("<html>")
    server.fault("code", code=107)
    assert "107" in ask.get(PATH).text


def test_pages_come_twice_in_part_or_in_another_order(server: Server, ask: httpx.Client) -> None:
    whole = [r["run_id"] for r in rows(ask.get(PATH.replace("20/offset/20", "40")).text)]
    server.fault("overlap", rows=5)
    assert [r["run_id"] for r in rows(ask.get(PATH).text)] == whole[15:35]
    server.fault("duplicate")
    assert [r["run_id"] for r in rows(ask.get(PATH).text)] == [*whole[20:40], whole[20]]
    server.fault("reshuffle")
    assert [r["run_id"] for r in rows(ask.get(PATH).text)] != whole[20:40]


def test_hostile_bodies_are_what_they_say(server: Server) -> None:
    where = http.client.HTTPConnection(server.url.removeprefix("http://"))

    def body(kind: str, **options: Any) -> bytes:
        server.fault(kind, **options)
        where.request("GET", f"/api/v1/{PATH}", headers={"accept-encoding": "gzip"})
        return where.getresponse().read()

    bomb = body("bomb", megabytes=50)
    assert len(bomb) < 100_000
    assert len(gzip.decompress(bomb)) > 50 << 20
    assert body("deep").count(b"<a>") == 100_000
    assert b"<!DOCTYPE" in body("entities")
    assert b"SYSTEM" in body("external")
    server.clear()


def test_a_damaged_file_does_not_fit_its_checksum(server: Server, ask: httpx.Client) -> None:
    told = etree.fromstring(ask.get(f"xml/data/{server.world.datasets[0].id}").content)
    url = told.findtext(f"{_O}url") or ""
    assert hashlib.md5(httpx.get(url).content).hexdigest() == told.findtext(f"{_O}md5_checksum")
    server.fault("damage", match="download")
    assert hashlib.md5(httpx.get(url).content).hexdigest() != told.findtext(f"{_O}md5_checksum")


def test_the_log_tells_every_request(server: Server, ask: httpx.Client) -> None:
    server.clear()
    ask.get("xml/task/3?api_key=secret", headers={"user-agent": "me/1"})
    (line,) = server.requests()
    assert (line["method"], line["status"], line["agent"], line["key"]) == (
        "GET",
        412,
        "me/1",
        True,
    )
    assert "secret" not in json.dumps(line)


def test_it_serves_from_the_command_line() -> None:
    words = [sys.executable, "-m", "tests.standin", "--runs", "50"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/api/v1/xml/task/list").status_code == 200
    finally:
        process.kill()
        process.communicate()
