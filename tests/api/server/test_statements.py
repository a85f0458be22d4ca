"""SQL of others over HTTP: what is answered, in which format, and what is refused how."""

from __future__ import annotations

import io
import time

import pyarrow as pa
import pytest

from metadb.store import Store
from tests.api.server.conftest import fill, problem, served
from tests.conftest import block


def refused(answer):
    """The reason, which names neither a path nor SQL of ours."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    for leak in ("Traceback", "site-packages", "generation-", "json_serialize", 'File "'):
        assert leak not in answer.text
    return answer.json()["detail"]


def ask(http, query, **more):
    return http.post("/sql", json={"query": query, **more})


def test_a_statement_is_answered_with_columns_rows_and_generation(http):
    answer = ask(http, "select task, count(*) as n from evaluations group by task order by task")
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert told["columns"] == ["task", "n"]
    assert told["rows"]
    assert all(row["n"] > 0 for row in told["rows"])
    assert not told["truncated"]
    assert told["generation"] >= 1
    assert told["seconds"] > 0


def test_an_answer_is_cut_where_the_limit_says_and_says_so(http):
    told = ask(http, "select range as i from range(50)", limit=7).json()
    assert [row["i"] for row in told["rows"]] == list(range(7))
    assert told["truncated"]
    whole = ask(http, "select range as i from range(5000)").json()
    assert len(whole["rows"]) == 1000
    assert whole["truncated"]


def test_the_same_answer_as_csv_and_arrow(http):
    query = "select i, '=1+1' as risky from (values (1), (2)) v(i) order by i"
    csv = http.post("/sql?format=csv", json={"query": query})
    assert csv.text.splitlines() == ['"i","risky"', '1,"\'=1+1"', '2,"\'=1+1"']
    assert csv.headers["x-truncated"] == "false"
    accepted = {"accept": "application/vnd.apache.arrow.stream"}
    arrow = http.post("/sql", json={"query": query, "limit": 1}, headers=accepted)
    table = pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    assert table.to_pylist() == [{"i": 1, "risky": "=1+1"}]
    assert arrow.headers["x-truncated"] == "true"


def test_numbers_that_json_lacks_are_null(http):
    told = ask(http, "select 'nan'::double as a, 'infinity'::double as b").json()
    assert told["rows"] == [{"a": None, "b": None}]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')", "copy tasks to '/tmp/x.csv'", "drop table tasks",
        "select 1; select 2", "selec 1", "select * from nowhere", "select sleep_ms(10)",
        "with x as (insert into tasks select * from tasks returning *) select * from x",
        "attach '/tmp/x.duckdb'", "select * from duckdb_settings()", "x" * 19_999,
    ],
)  # fmt: skip
def test_what_is_not_answered_is_refused_in_one_sentence(query, http):
    assert 10 < len(refused(ask(http, query))) < 600


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": 1}, {"query": "select 1", "limit": -1},
             {"query": "select 1", "limit": 1.5}, {"query": "x" * 20_001},
             {"query": "select 1", "more": 1}],
)  # fmt: skip
def test_a_body_of_another_form_is_refused(body, http):
    problem(http.post("/sql", json=body), 422)


def test_what_takes_too_long_is_ended_and_the_next_is_answered(tmp_path):
    import httpx

    fill(tmp_path / "store")
    endless = "select count(*) from range(100000) a, range(100000) b, range(100000) c where a.range + b.range = c.range"
    with (
        served(tmp_path / "store", ahead=(), sql_s=0.5, sql_processes=1) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        assert "longer than" in refused(ask(client, endless))
        assert ask(client, "select 1 as one").json()["rows"] == [{"one": 1}]


def test_a_generation_follows_when_the_store_grows(tmp_path):
    import httpx

    fill(tmp_path / "store")
    with (
        served(tmp_path / "store", ahead=(), sql_processes=1) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        before = ask(client, "select count(*) as n from tasks").json()
        with Store(tmp_path / "store") as store:
            store.add(block(10, 3, range(8)))
        for _ in range(200):
            now = ask(client, "select count(*) as n from tasks").json()
            if now["generation"] > before["generation"]:
                break
            time.sleep(0.1)
        assert now["rows"][0]["n"] == before["rows"][0]["n"] + 3
