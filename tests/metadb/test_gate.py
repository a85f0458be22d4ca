"""The gate over parsed statements, without any process behind it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from metadb.errors import QueryRefused
from metadb.gate import Gate, allowed_functions

TEXTS = Path(__file__).resolve().parents[1] / "api"
NAMES = """coverage leaderboard results finals best_per_task learning_curves losses provenance
regrets parameters descriptions metafeature_distributions metafeature_places
recommendation_evidence tasks configs evaluations loads metrics spaces"""
GATE = Gate([*((name,) for name in NAMES.split()), ("space", "svm")])


def statements(name: str) -> list[str]:
    lines = (TEXTS / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def parser():
    with duckdb.connect() as con:
        yield lambda sql: con.execute("select json_serialize_sql(?)", [sql]).fetchall()[0][0]


def test_no_analytical_query_is_refused(parser):
    assert len(statements("legitimate_sql.txt")) >= 150
    for sql in statements("legitimate_sql.txt"):
        GATE.check(parser(sql))


@pytest.mark.parametrize("sql", statements("hostile_sql.txt"))
def test_what_asks_for_more_than_an_answer_is_refused(parser, sql):
    if sql in ("select $1", "select ?"):
        pytest.skip("a parameter without a value: the engine refuses it")
    with pytest.raises(QueryRefused) as refused:
        GATE.check(parser(sql))
    assert "\n" not in str(refused.value)


def test_a_name_is_in_sight_only_where_sql_says_so(parser):
    GATE.check(parser("with a as (select 1), b as (select * from a) select * from A, b"))
    GATE.check(parser("with a as (select 1) select * from (select * from a)"))
    for sql in (
        "with b as (select * from a), a as (select 1) select * from b",
        "select * from (with a as (select 1) select * from a), a",
        "with a as (select * from a) select * from a",
        "with a as (select 1) select * from main.a",
    ):
        with pytest.raises(QueryRefused, match="no table"):
            GATE.check(parser(sql))


def test_a_deeply_nested_statement_is_refused_and_not_followed():
    tree = '{"child":' * 50_000 + "1" + "}" * 50_000
    with pytest.raises(QueryRefused, match="nested"):
        GATE.check('{"statements":[{"node":' + tree + "}]}")


def test_the_list_of_functions_is_the_engines_without_what_reads_waits_or_writes():
    with duckdb.connect() as con:
        there = {
            name.lower(): kind
            for name, kind in con.execute(
                "select function_name, function_type from duckdb_functions()"
            ).fetchall()
        }
    missing = {name for name in allowed_functions() if name not in there}
    assert missing <= {"count_star", "fill", "unnest"}
    forbidden = ("read_", "duckdb_", "pragma_", "current_setting", "__internal", "sleep", "query")
    assert not [name for name in allowed_functions() if name.startswith(forbidden)]
    tables = {"range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "histogram"}
    assert {n for n in allowed_functions() if there.get(n, "").startswith("table")} <= tables
