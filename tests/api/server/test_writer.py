"""What is written through the server lies in few files, however long it is written to."""

from __future__ import annotations

import time

from api.server import writer
from metadb.store import Store
from tests.conftest import SPACE, block, config


def test_many_small_files_are_put_together_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MANY", 3)
    monkeypatch.setattr(writer, "FOLD_S", 0.01)
    path = tmp_path / "store"
    with Store(path) as store:
        store.add(block(0))
        task = store.sql("select task from tasks order by task").column("task")[0]
        before = store.sql("select count(*) as n from evaluations").column("n")[0]
    writing = writer.Writer(path)
    try:
        with Store(path) as reader:
            for n in range(8):
                with writing.store() as own:
                    own.record(task, config(1), space=SPACE, metric="accuracy", value=0.1 * n)
                until = time.monotonic() + 60
                while _count(reader) < before + n + 1:
                    assert time.monotonic() < until
                    time.sleep(0.02)
    finally:
        writing.close()
    with Store(path) as store:
        assert _count(store) == before + 8
        assert len(list(store._tables.open("evaluations").file_uris())) <= 4


def _count(store):
    return store.sql("select count(*) as n from evaluations").column("n")[0]
