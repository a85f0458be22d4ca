"""The engine behind foreign SQL, without its process."""

from pathlib import Path

import duckdb
import pytest

from metadb.answering import _SETTINGS, Answering
from metadb.errors import QueryRefused


def made(path: Path, table: str) -> str:
    with duckdb.connect(str(path)) as con:
        con.execute(f"create table {table} as select 1 as one")
    return str(path)


def test_what_passed_the_gate_is_looked_at_anew_in_another_generation(tmp_path: Path) -> None:
    answering = Answering(3.0)
    asked = {"rows": 10, "size_bytes": 10_000}
    answering.open(made(tmp_path / "a.duckdb", "first"))
    text = "select one from first"
    assert answering.answer(text, **asked) == answering.answer(text, **asked)
    answering.open(made(tmp_path / "b.duckdb", "second"))
    with pytest.raises(QueryRefused, match="no table 'first'"):
        answering.answer(text, **asked)


def test_what_was_refused_is_refused_again(tmp_path: Path) -> None:
    answering = Answering(3.0)
    answering.open(made(tmp_path / "a.duckdb", "first"))
    for _ in range(2):
        with pytest.raises(QueryRefused, match="read_text"):
            answering.answer("select * from read_text('/etc/hostname')", rows=1, size_bytes=1)


def test_the_time_of_a_statement_is_not_that_of_opening(tmp_path: Path) -> None:
    path = made(tmp_path / "a.duckdb", "first")
    assert all(Answering(0.001).open(path)["opened"] for _ in range(20))


LOCKED = (*_SETTINGS, "max_execution_time = 3000", "lock_configuration = true")


@pytest.mark.parametrize("setting", LOCKED)
def test_every_setting_holds_where_statements_are_answered(tmp_path: Path, setting: str) -> None:
    answering = Answering(3.0)
    answering.open(made(tmp_path / "a.duckdb", "first"))
    name, _, wanted = setting.partition(" = ")
    with answering._con.cursor() as cursor:
        (value,) = cursor.execute(f"select current_setting('{name}')").fetchone()
    said = {"false": False, "true": True, "'0B'": "0 bytes"}.get(wanted, wanted.strip("'"))
    assert str(value) == str(said)
