"""Many read the store at once through one engine, and that of a past version is let go."""

from __future__ import annotations

import gc

import pytest

from api.server.readers import Readers
from metadb.errors import Busy
from metadb.snapshot import _OPEN
from metadb.store import Store
from tests.conftest import SPACE, block, config


@pytest.fixture
def path(tmp_path):
    with Store(tmp_path / "store") as store:
        store.add(block(0))
    return tmp_path / "store"


def test_an_engine_goes_with_its_last_reader_though_no_garbage_is_collected(path):
    readers = Readers(path, n=2, wait_s=1)
    gc.collect()
    before = len(_OPEN)
    gc.disable()
    try:
        for n in range(5):
            with readers.lent() as store:
                seen = store.sql("select count(*) as n from evaluations").column("n")[0]
                assert seen == 16 + n
                task = store.sql("select min(task) as t from tasks").column("t")[0]
            with Store(path) as writer:
                writer.record(task, config(1), space=SPACE, metric="accuracy", value=0.5)
        assert len(_OPEN) - before <= 2  # the readers' own, and the writer's last
    finally:
        gc.enable()
        readers.close()


def test_one_who_reads_keeps_the_version_that_was_lent(path):
    readers = Readers(path, n=1, wait_s=0.01)
    with readers.lent() as store:
        before = store.version
        with pytest.raises(Busy), readers.lent():
            pass
        with Store(path) as writer:
            task = writer.sql("select min(task) as t from tasks").column("t")[0]
            writer.record(task, config(1), space=SPACE, metric="accuracy", value=0.5)
        assert store.version == before
    with readers.lent() as store:
        assert store.version != before
    readers.close()
