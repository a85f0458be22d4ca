from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from metadb import schema, tables
from metadb.errors import MetadbError, NewerSchema, NotAStore, NotFound
from metadb.schema import SCHEMA, TABLES, Column
from metadb.store import Store
from metadb.tables import Tables, data_files
from tests.conftest import block, content

NEXT = SCHEMA + 1


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_newer_store_is_refused_and_left_as_it_is(path):
    Store(path).close()
    (path / "metadb.json").write_text('{"schema": 99}')
    before = everything(path)
    with pytest.raises(NewerSchema, match=rf"schema 99, and this metadb knows up to {SCHEMA}"):
        Store(path)
    assert everything(path) == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"schema": null}', '{"schema": "x"}', "\xff"], ids=repr
)
def test_a_damaged_marker_is_named(path, text):
    Store(path).close()
    (path / "metadb.json").write_text(text, encoding="latin-1")
    with pytest.raises(NotAStore, match=r"metadb\.json is damaged"):
        Store(path)


def test_a_damaged_table_is_named(path):
    with Store(path) as store:
        store.add(block(0))
    shutil.rmtree(path / "tables" / "configs")
    with pytest.raises(NotAStore, match="configs is damaged or gone"):
        Store(path).sql("select 1")


def test_a_path_that_cannot_be_a_store_is_refused_and_nothing_is_made(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("x")
    (tmp_path / "empty").mkdir()
    before = everything(tmp_path)
    for name, word in [
        ("file", "is a file"),
        ("file/store", "cannot be a folder"),
        ("photos", "holds 'cat.jpg' and no metadb store"),
        ("a[1]", "which Delta Lake cannot have"),
        ("a%20b", "which Delta Lake cannot have"),
        ("a\nb", "which Delta Lake cannot have"),
    ]:
        with pytest.raises(NotAStore, match=word.replace("[", r"\[")):
            Store(tmp_path / name)
    for name in ("nothing", "empty"):
        with pytest.raises(NotAStore, match="metadb ingest SOURCE PATH"):
            Store(tmp_path / name, create=False)
    assert everything(tmp_path) == before


def test_a_folder_left_half_made_is_made_whole(path):
    Store(path).close()
    (path / "metadb.json").rename(path / "metadb.part")
    shutil.rmtree(path / "tables" / "evaluations")
    with Store(path) as store:
        assert store.add(block(0)).added["evaluations"] == 16


@pytest.mark.parametrize("name", ["é 日本 st*r?", "quo'te\" 100% {x}", "a;b:c,d#1"])
def test_a_store_may_have_an_odd_path(tmp_path, name):
    with Store(tmp_path / name) as store:
        store.add(block(0))
        assert store.add(block(0)).added["evaluations"] == 0
        assert len(store.history("svm").tasks) == 2
        store.forget("add")
        assert store.sql("select * from evaluations").table.num_rows == 0


def test_a_relative_path_stays_what_it_was_when_the_working_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with Store("store") as store:
        store.add(block(0))
        monkeypatch.chdir(tmp_path)
        store.add(block(2))
        store.record("toy:task/0", {"C": 1.0}, space="svm", metric="accuracy", value=0.5)
        assert store.status()["rows"]["evaluations"] == 33
    assert everything(tmp_path / "a")
    assert not (tmp_path / "store").exists()


def older(monkeypatch):
    """This metadb as it was one schema ago: one table and three columns fewer."""
    now = dict(TABLES)
    gone = {"tasks": "name", "configs": "flow", "evaluations": "cost_s"}
    with monkeypatch.context() as then:
        for name, column in gone.items():
            table = now[name]
            columns = tuple(c for c in table.columns if c.name != column)
            then.setitem(TABLES, name, replace(table, columns=columns))
        then.delitem(TABLES, "recommendations")
        yield
    for name, column in gone.items():
        table = now[name]
        columns = tuple(replace(c, since=NEXT) if c.name == column else c for c in table.columns)
        monkeypatch.setitem(TABLES, name, replace(table, columns=columns))
    monkeypatch.setitem(TABLES, "recommendations", replace(now["recommendations"], since=NEXT))
    monkeypatch.setattr(schema, "SCHEMA", NEXT)
    monkeypatch.setattr(tables, "SCHEMA", NEXT)
    yield


def test_an_older_store_is_brought_up_and_its_old_rows_read_null(path, monkeypatch):
    steps = older(monkeypatch)
    next(steps)
    made = Tables(path)
    for name in ("tasks", "configs", "evaluations"):
        row = {c.name: [None] for c in TABLES[name].columns}
        row |= {"task": ["toy:task/9"], "origin": ["toy"], "native": ["task/9"], "kind": ["k"]}
        row |= {"config": ["c"], "space": ["old"], "hyperparameters": ["{}"], "status": ["ok"]}
        row |= {"evaluation": ["e"], "metric": ["accuracy"], "value": [0.5], "budget": [1.0]}
        row |= {"budget_unit": ["fraction"], "load": ["l"]}
        columns = [pa.array(row[f.name], f.type) for f in TABLES[name].arrow]
        old = pa.table(columns, schema=TABLES[name].arrow)
        made.append(name, lambda *_, rows=old: rows)
    assert not (path / "tables" / "recommendations").exists()
    next(steps)
    with Store(path) as store:
        assert json.loads((path / "metadb.json").read_text()) == {"schema": NEXT}
        assert store.sql("select cost_s, value from evaluations").table.to_pylist() == [
            {"cost_s": None, "value": 0.5}
        ]
        assert store.sql("select name from tasks").column("name") == [None]
        version = store.version
        named = pa.table({"task": ["toy:task/9"], "name": ["nine"]})
        rows = block(0)
        done = store.add(replace(rows, tables=dict(rows.tables) | {"tasks": pa.concat_tables(
            [rows.tables["tasks"], named], promote_options="default")}))  # fmt: skip
        assert done.rejections.total == 0
        assert done.added["evaluations"] == 16
        assert store.task("toy:task/9").name == "nine"
        before = content(store)
        store.compact()
        assert content(store) == before
    with Store(path, version=version) as then:
        assert len(then.sql("select * from evaluations")) == 1
    with Store(path) as again:  # nothing is left to do, and nothing is done
        assert content(again) == before


def test_two_upgrades_do_no_harm(path, monkeypatch):
    Store(path).close()
    table = TABLES["tasks"]
    column = Column("colour", pa.string(), "A colour.", since=NEXT)
    monkeypatch.setitem(TABLES, "tasks", replace(table, columns=(*table.columns, column)))
    monkeypatch.setattr(tables, "SCHEMA", NEXT)
    with Store(path) as store:
        assert "colour" in store.sql("select * from tasks").columns
    (path / "metadb.json").write_text(json.dumps({"schema": SCHEMA}))
    with Store(path) as store:
        assert "colour" in store.sql("select * from tasks").columns


def test_there_is_no_version_that_was_never_written(path):
    Store(path).close()
    for version in ({"evaluations": 99}, {"tasks": -1}):
        with pytest.raises(NotFound, match=r"no version (99|-1) of the table"):
            Store(path, version=version).sql("select 1")


def test_a_log_of_a_hundred_commits_stays_readable(path):
    made = Tables(path)
    one = pa.Table.from_pylist(
        [{c.name: None for c in TABLES["spaces"].columns}], schema=TABLES["spaces"].arrow
    )
    for nth in range(110):
        made.append("spaces", lambda *_, rows=one: rows, {"nth": str(nth)})
    with Store(path) as store:
        assert len(store.sql("select * from spaces")) == 110
        assert store.compact()["spaces"] == 109
        assert len(store.sql("select * from spaces")) == 110
    with Store(path, version={"spaces": 7}) as then:
        assert len(then.sql("select * from spaces")) == 7


def test_an_append_that_is_overtaken_looks_at_the_new_rows_only(path):
    one, other = Tables(path), Tables(path)
    row = {c.name: None for c in TABLES["metrics"].columns}
    rows = pa.Table.from_pylist([row], schema=TABLES["metrics"].arrow)
    asked = []

    def admit(files, previous):
        asked.append((len(files), previous is not None))
        if len(asked) == 1:  # another machine's writer, that the lock here does not hold off
            (path / "tables" / "metrics.lock").unlink()
            other.append("metrics", lambda *_: rows)
        return rows

    assert one.append("metrics", admit) == 1
    assert asked == [(0, False), (1, True)]
    assert one.open("metrics").version() == 2


def test_adding_waits_until_who_is_alone_is_done_and_others_do_not_wait_for_each_other(path):
    with Store(path) as store:
        store.add(block(0))
    made, order = Tables(path), []

    def add():
        with Store(path) as other:
            other.add(block(2))
        order.append("added")

    with made.alone():
        waiting = threading.Thread(target=add)
        waiting.start()
        waiting.join(0.5)
        order.append("alone")
    waiting.join(30)
    assert order == ["alone", "added"]
    with made.together():
        beside = threading.Thread(target=add)
        beside.start()
        beside.join(30)
        order.append("together")
    assert order[2:] == ["added", "together"]


def test_rewriting_is_told_from_appending(store):
    version = store.version["evaluations"]
    store.add(block(0))
    store.add(block(2))
    made = Tables(store.path)
    assert not made.rewritten("evaluations", version)
    store.compact()
    assert made.rewritten("evaluations", version)
    assert not made.rewritten("evaluations", store.version["evaluations"])


def test_a_store_opened_at_a_version_is_only_for_looking(path):
    with Store(path) as store:
        store.add(block(0))
        version = store.version
    with Store(path, version=version) as then:
        for write in (
            lambda: then.add(block(2)),
            lambda: then.forget("add"),
            then.compact,
            lambda: then.record(
                "toy:task/0", {"C": 1.0}, space="svm", metric="accuracy", value=0.5
            ),
        ):
            with pytest.raises(MetadbError, match="opened at an older version"):
                write()
        assert then.status()["rows"]["evaluations"] == 16


def test_what_is_put_together_lies_in_row_groups_that_a_question_about_one_task_skips(path):
    n, evaluations = 70_000, TABLES["evaluations"]
    tables = Tables(path)
    for half in range(2):
        texts = pa.array([f"{half}/{i // 1000}" for i in range(n)])
        columns = [
            texts if c.type == pa.string() else pa.array(np.zeros(n)).cast(c.type)
            for c in evaluations.columns
        ]
        rows = pa.table(columns, schema=evaluations.arrow)
        tables.append("evaluations", lambda files, there, rows=rows: rows)
    tables.compact("evaluations")
    (file,) = data_files(tables.open("evaluations"))
    with duckdb.connect() as con:
        groups = con.execute(
            "select row_group_num_rows, bloom_filter_offset is not null from parquet_metadata(?) "
            "where path_in_schema = 'task' order by row_group_id",
            [file],
        ).fetchall()
    assert sum(size for size, _ in groups) == 2 * n
    assert all(size <= 122_880 and skipped for size, skipped in groups)
