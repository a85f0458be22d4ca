from __future__ import annotations

import pytest

from metadb.schema import SCHEMA, TABLES, WRITE_ORDER
from metadb.snapshot import _SQL_TYPES


@pytest.mark.parametrize("name", TABLES)
def test_every_table_and_column_is_documented_and_sound(name):
    table = TABLES[name]
    names = [c.name for c in table.columns]
    assert table.doc.endswith(".")
    assert len(set(names)) == len(names)
    assert {table.key, *table.identity, *table.content} <= set(names)
    assert 1 <= table.since <= SCHEMA
    for column in table.columns:
        assert column.doc.endswith("."), column.name
        assert column.type in _SQL_TYPES
        assert column.since == 1 or table.since < column.since <= SCHEMA
        assert column.since == 1 or not column.required  # old rows do not have it


def test_the_write_order_names_every_table_once():
    assert sorted(WRITE_ORDER) == sorted(TABLES)


@pytest.mark.parametrize(
    ("referred", "refers"),
    [
        ("loads", "datasets"),
        ("datasets", "tasks"),
        ("flows", "configs"),
        ("spaces", "configs"),
        ("tasks", "metafeatures"),
        ("tasks", "evaluations"),
        ("configs", "evaluations"),
        ("metrics", "evaluations"),
        ("evaluations", "sightings"),
        ("evaluations", "recommendations"),
    ],
)
def test_what_is_referred_to_is_written_first(referred, refers):
    assert WRITE_ORDER.index(referred) < WRITE_ORDER.index(refers)


@pytest.mark.parametrize("name", [n for n, t in TABLES.items() if "load" in t.arrow.names])
def test_the_load_is_no_part_of_what_a_row_is(name):
    table = TABLES[name]
    assert "load" not in table.content
    assert name in {"loads", "sightings"} or "load" not in table.identity
