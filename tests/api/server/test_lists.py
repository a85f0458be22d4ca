"""Every list in every format; filters, pages and counts agree with the store's own SQL."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from api.server.formats import harmless
from api.server.resources import RESOURCES
from tests.api.server.conftest import problem
from tests.conftest import block

KINDS = {"varchar": "text", "double": "number", "boolean": "flag"}


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_says_what_its_columns_are(name, store):
    resource = RESOURCES[name]
    store.add(block(0))
    there = store.sql(f"describe select * from {resource.relation}")
    types = dict(zip(there.column("column_name"), there.column("column_type"), strict=True))
    for column, kind in resource.columns.items():
        found = KINDS.get(types[column].lower(), "whole")
        assert found == ("text" if kind == "json" else kind), column
    assert set(resource.order) | set(resource.facets) <= set(resource.columns)


@pytest.mark.parametrize("name", RESOURCES)
def test_the_three_formats_say_the_same(name, http):
    asked = {"limit": 7}
    rows = http.get(f"/{name}", params=asked).json()["rows"]
    arrow = http.get(f"/{name}", params=asked | {"format": "arrow"})
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    text = http.get(f"/{name}", params=asked, headers={"accept": "text/csv"})
    assert text.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(text.text)))
    columns = list(RESOURCES[name].columns)
    assert table.column_names == columns
    assert len(rows) == table.num_rows == len(lines)
    plain = [c for c, kind in RESOURCES[name].columns.items() if kind != "json"]
    for row, other, line in zip(rows, table.to_pylist(), lines, strict=True):
        assert list(row) == columns == list(line)
        assert [row[c] for c in plain] == [other[c] for c in plain]
    assert rows or name in ("curves", "metafeatures")


def test_filters_bound_what_is_listed(http):
    every = http.get("/evaluations", params={"limit": 1000}).json()
    assert every["total"] == len(every["rows"]) >= 80
    chosen = http.get(
        "/evaluations",
        params={"task": ["toy:task/0", "toy:task/1"], "fold": 1, "min_value": 0.3, "limit": 1000},
    ).json()
    right = [
        row
        for row in every["rows"]
        if row["task"] in ("toy:task/0", "toy:task/1") and row["fold"] == 1 and row["value"] >= 0.3
    ]
    assert chosen["rows"] == right
    assert 0 < len(right) < 16


def test_pages_put_together_are_the_whole(http):
    whole = http.get("/configs", params={"limit": 100, "space": "svm"})
    page, rows = http.get("/configs", params={"limit": 5, "space": "svm"}), []
    while True:
        rows += page.json()["rows"]
        if page.json()["next"] is None:
            break
        assert page.headers["link"] == f'<{page.json()["next"]}>; rel="next"'
        page = http.get(page.json()["next"])
    assert rows == whole.json()["rows"]
    assert len(rows) == whole.json()["total"] == int(page.headers["x-total-count"])


def test_facets_count_the_rows_that_pass(http):
    found = http.get(
        "/evaluations", params={"facets": ["task", "status"], "fold": 0, "origin": "toy"}
    ).json()
    counts = {c["value"]: c["n"] for c in found["facets"]["task"]}
    assert counts == {f"toy:task/{i}": 8 for i in range(5)}
    assert found["facets"]["status"] == [{"value": "ok", "n": 40}]


def test_a_configuration_is_an_object_in_json(http):
    (row,) = http.get("/configs", params={"limit": 1}).json()["rows"]
    assert set(row["hyperparameters"]) == {"C", "kernel"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=10001", "limit=x", "offset=-1", "offset=99999999999999999999",
        "min_value=nan", "value=inf", "fold=1.5", "seed=99999999999999999999", "colour=red",
        "facets=value", "facets=evaluation%20from", "format=xml", "hyperparameters=1",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_a_problem_that_names_it(query, http):
    path = "/configs" if "hyper" in query else "/evaluations"
    assert query.split("=")[0] in problem(http.get(f"{path}?{query}"), 422)


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table tasks; --",
        "x' or '1'='1",
        "toy:task/0\0",
        "{p0}",
        "$p0",
        "?",
        "%ff%fe",
        "é" * 400,
    ],
)
def test_hostile_text_is_a_value_like_another(text, http):
    before = http.get("/tasks").json()["total"]
    answer = http.get("/tasks", params={"task": text})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == []
    assert http.get("/tasks").json()["total"] == before


def test_formulas_are_harmless_in_csv():
    risky = ["=cmd|'/c calc'!A0", "+1", "-1", "@sum", "\tx", "\rx"]
    table = pa.table({"a": [*risky, "plain", None], "b": [-1.0] * 8})
    made = harmless(table)
    assert made.column("a").to_pylist() == [*(f"'{text}" for text in risky), "plain", None]
    assert made.column("b") == table.column("b")
