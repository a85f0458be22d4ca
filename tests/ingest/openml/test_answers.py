"""Answers in JSON and XML: the same rows, limits, and what a real server has sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.openml.answers import document, entries, evaluations, setups, tasks_of
from ingest.openml.archive import Archive
from ingest.openml.hyperparameters import configuration
from ingest.openml.reading import Reading

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "openml-recorded"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason=f"recorded answers only with {SHARED}")

XMLNS = 'xmlns:oml="http://openml.org/openml"'
ROW = (
    "<oml:evaluation><oml:run_id>{run}</oml:run_id><oml:task_id>3</oml:task_id>"
    "<oml:setup_id>7</oml:setup_id><oml:flow_id>5</oml:flow_id><oml:flow_name>a.B(1)</oml:flow_name>"
    "{inline}<oml:evaluation_engine_id>1</oml:evaluation_engine_id>"
    "<oml:function>kappa</oml:function><oml:upload_time>2026-01-02 03:04:05</oml:upload_time>"
    "{value}</oml:evaluation>"
)
INLINE = (
    "<oml:parameters><oml:parameter><oml:flow_id>5</oml:flow_id><oml:flow_name>a.B</oml:flow_name>"
    "<oml:parameter_name>x</oml:parameter_name><oml:value>&quot;u&quot;</oml:value>"
    "</oml:parameter></oml:parameters>"
)


def page(*rows: str) -> bytes:
    return f"<oml:evaluations {XMLNS}>{''.join(rows)}</oml:evaluations>".encode()


def row(run: int, value: str = "<oml:value>0.5</oml:value>", inline: str = "") -> str:
    return ROW.format(run=run, value=value, inline=inline)


def test_a_page_says_the_same_in_json_and_in_xml() -> None:
    told = {"run_id": 1, "task_id": 3, "setup_id": 7, "flow_id": 5, "flow_name": "a.B(1)",
            "function": "kappa", "upload_time": "2026-01-02 03:04:05", "value": 0.5}  # fmt: skip
    body = json.dumps({"evaluations": {"evaluation": [told]}}).encode()
    one, other = evaluations(body).to_pylist(), evaluations(page(row(1))).to_pylist()
    assert one == [other[0] | {"evaluation_engine_id": None}]
    texts = {"evaluations": {"evaluation": {k: str(v) for k, v in told.items()}}}  # once: no list
    assert evaluations(json.dumps(texts).encode()).to_pylist() == one


def test_what_some_rows_lack_is_null_and_what_lies_within_stays_there() -> None:
    inline = page(row(1, inline=INLINE), row(2, value="<oml:values>[0.1,0.2]</oml:values>"), row(3))
    table = evaluations(inline)
    assert table.column("flow_id").to_pylist() == [5, 5, 5]
    assert table.column("value").to_pylist() == [0.5, None, 0.5]
    assert table.column("values").to_pylist() == [None, "[0.1,0.2]", None]
    assert setups(page(row(1, inline=INLINE))) == [(7, 5, (("a.B", "x", '"u"'),))]
    assert setups(page(row(1))) == [(7, 5, ())]


@pytest.mark.parametrize("value", ["nan?", "", "1,5"])
def test_a_score_that_is_no_number_is_none(value: str) -> None:
    assert (
        evaluations(page(row(1, f"<oml:value>{value}</oml:value>"))).column("value")[0].as_py()
        is None
    )


BAD: dict[str, bytes] = {
    "cut XML": page(row(1))[:-30],
    "cut JSON": b'{"evaluations": {"evaluation": [{"run_id": 1',
    "another answer": f"<oml:tasks {XMLNS}/>".encode(),
    "another document": b'{"tasks": {}}',
    "a list": b"[1, 2]",
    "nothing": b"",
    "entities": b'<!DOCTYPE a [<!ENTITY b "cc">]>' + page(row(1)).replace(b"kappa", b"&b;"),
    "external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + page(row(1)),
    "deep XML": b"<a>" * 100_000,
    "deep JSON": b"[" * 100_000,
    "a number that is none": page(row(1).replace("<oml:task_id>3", "<oml:task_id>three")),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_page_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"."):  # pyarrow's, orjson's and our own
        evaluations(BAD[bad])


def read(name: str, parse: Callable[[bytes], Any]) -> Any:
    return parse((SHARED / name).read_bytes())


@recorded
def test_recorded_evaluations_and_setups() -> None:
    found = read("test/evaluation_list/study_157.xml", evaluations)
    assert found.num_rows > 0
    assert not any(found.column(c).null_count for c in ("run_id", "task_id", "setup_id", "value"))
    assert [s[2] for s in read("mock/setup_list_flow5873.xml", setups)] == [(), ()]
    for name in (
        "test/setup/98.xml",
        "test/setup/3482.xml",
        "test/setup/9539.xml",
        "prod/setup/100.xml",
    ):
        told = read(name, document)["setup_parameters"]
        parameters = entries(told, "parameter")
        named = [(p["flow_name"], p["parameter_name"], p["value"] or "") for p in parameters
                 if "flow_name" in p]  # fmt: skip
        if not named:
            continue
        root = max((n for n, _, _ in named), key=len)
        config, _ = configuration(root, named)
        assert config
        assert all(isinstance(value, int | float | str | bool) for value in config.values())


@recorded
@pytest.mark.parametrize(
    "name", ["test/task_list/type_3.xml", "prod/task/3.xml", "test/task/119.xml"]
)
def test_recorded_tasks(name: str) -> None:
    tasks = read(name, lambda body: tasks_of(document(body)))
    assert tasks
    for task in tasks:
        assert int(task["task_id"]) > 0
        assert int(task["did"]) > 0
        assert {one["name"] for one in entries(task, "input")} >= {"target_feature"}


@recorded
def test_recorded_answers_become_rows(tmp_path: Path) -> None:
    """A trace, a task and qualities as they were recorded, put into an archive and read."""
    with Archive(tmp_path / "a", {}) as archive:
        for kind, name, told in (
            ("task", "prod/task/3.xml", {}),
            ("qualities", "prod/data_qualities/2.xml", {"dataset": 3}),
        ):
            archive.keep(name, kind, (SHARED / name).read_bytes(), lasting=True, **told)
        reading = Reading(archive, "openml")
        task, qualities = (reading.rows(answer).tables for answer in archive.answers)
    assert task["tasks"].column("task").to_pylist() == ["openml:task/3"]
    assert task["tasks"].column("dataset").to_pylist() == ["openml:dataset/3"]
    assert qualities["metafeatures"].num_rows > 50
    steps = entries(read("examples/run_trace.xml", document), "trace", "trace_iteration")
    assert [step["iteration"] for step in steps] == ["0", "1", "2"]
