"""Generations: whole or not there, one pointed to, old ones gone, readable by DuckDB 1.4."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from metadb.dictionary import view_questions
from metadb.errors import MalformedFile, MetadbError, NotFound
from metadb.generation import newest, write
from metadb.schema import TABLES
from metadb.store import Store
from tests.conftest import block

ROOT = Path(__file__).resolve().parents[2]
WRITING = """
import sys
from pathlib import Path
from metadb.generation import write
from metadb.store import Store
with Store(sys.argv[1]) as store:
    print("ready", flush=True)
    for _ in range(int(sys.argv[3])):
        write(store.snapshot, Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("generations") / "store"
    with Store(path) as store:
        store.add(block(1, 3))
    return path


def writer(store: Path, folder: Path, n: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(store), str(folder), str(n)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_it_holds_what_the_store_holds(filled, tmp_path):
    with Store(filled) as store:
        made = write(store.snapshot, tmp_path)
        assert made == newest(tmp_path)
        assert (made.number, made.version) == (1, store.version)
        with duckdb.connect(str(made.path), read_only=True) as con:
            for name in [*TABLES, *view_questions(), "space.svm"]:
                query = f"select * from {name} order by all"
                assert con.sql(query).to_arrow_table() == store.sql(query).table, name
            kept = con.execute("select tags from duckdb_databases() where path is not null")
            assert kept.fetchall()[0][0]["storage_version"].startswith("v1.4")
        assert store.sql("select count(*) as n from tasks").column("n") == [3]  # still its own


def test_the_store_can_grow_and_old_generations_go(filled, tmp_path):
    path = shutil.copytree(filled, tmp_path / "store")
    folder = tmp_path / "out"
    with Store(path) as store:
        for nth in range(3):
            store.add(block(10 + nth, 1))
            assert write(store.snapshot, folder, keep=1).number == nth + 1
    names = sorted(p.name for p in folder.iterdir())
    assert names == [
        "current.json",
        "generation-00000002.duckdb",
        "generation-00000003.duckdb",
        "writing.lock",
    ]
    with duckdb.connect(str(newest(folder).path), read_only=True) as con:
        assert con.execute("select count(*) from tasks").fetchall() == [(6,)]


def test_a_folder_without_a_generation_says_what_to_do(tmp_path):
    with pytest.raises(NotFound, match="metadb snapshot"):
        newest(tmp_path / "nowhere")
    (tmp_path / "current.json").write_text("{")
    with pytest.raises(MalformedFile, match="metadb snapshot"):
        newest(tmp_path)


def test_a_writer_that_is_killed_leaves_the_last_generation(filled, tmp_path):
    """At 4 moments of a generation's making; what it left behind goes with the next one."""
    with Store(filled) as store:
        write(store.snapshot, tmp_path)
    for nth in range(4):
        before = newest(tmp_path).number
        process = writer(filled, tmp_path, 1000)
        time.sleep(0.06 * nth)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = newest(tmp_path)
        assert now.number >= before
        with duckdb.connect(str(now.path), read_only=True) as con:
            assert con.execute("select count(*) from losses").fetchall() == [(24,)]
    with Store(filled) as store:
        write(store.snapshot, tmp_path, keep=0)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"current.json", "writing.lock", newest(tmp_path).path.name}


def test_two_writers_wait_for_each_other(filled, tmp_path):
    processes = [writer(filled, tmp_path, 2) for _ in range(2)]
    assert [p.wait(timeout=60) for p in processes] == [0, 0]
    assert newest(tmp_path).number == 4


def test_too_little_memory_is_said_in_a_sentence_and_leaves_the_last_generation(filled, tmp_path):
    with Store(filled) as store:
        kept = write(store.snapshot, tmp_path / "made")
    said = "no generation could be made"
    with Store(filled, memory="1MB") as store, pytest.raises(MetadbError, match=said):
        write(store.snapshot, tmp_path / "made")
    assert newest(tmp_path / "made") == kept
    assert not list((tmp_path / "made").glob("*.part*"))
