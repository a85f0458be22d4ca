"""The loading loop: one load a path, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import About, source
from ingest.load import content_hash, load
from metadb.errors import MalformedFile
from metadb.store import Store


def test_a_file_that_breaks_off_half_way_is_taken_back(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.table_reading.CHUNK", 100)
    monkeypatch.setattr("ingest.batches.BLOCK_BYTES", 2048)
    monkeypatch.setattr("ingest.batch.BATCH_ROWS", 100)
    (tmp_path / "metadb.toml").write_text(
        'origin = "lab"\n[evaluations]\nfile = "r.csv"\n[evaluations.columns]\ntask = "t"\n'
        'config = ["C"]\n[evaluations.metrics]\nacc = "accuracy"\n'
    )
    lines = [f"t{i},{i},0.5" for i in range(600)]
    (tmp_path / "r.csv").write_text("t,C,acc\n" + "\n".join([*lines, "t,1"]))
    heard: list[tuple[int, int | None]] = []
    with pytest.raises(MalformedFile, match=r"r\.csv"):
        list(
            load(
                "table",
                source("table", [tmp_path]),
                store,
                tmp_path / "cache",
                heard=lambda path, n_rows, total: heard.append((n_rows, total)),
            )
        )
    assert heard  # something had been added
    assert all(total and total >= n_rows for n_rows, total in heard)
    rows = store.status()["rows"]
    assert (rows["evaluations"], rows["tasks"], rows["configs"]) == (0, 0, 0)
    assert store.sql("select status from loads").column("status") == ["forgotten"]
    (tmp_path / "r.csv").write_text("t,C,acc\n" + "\n".join(lines))
    (loaded,) = load("table", source("table", [tmp_path]), store, tmp_path / "cache")
    assert loaded.load["n_added"] == 600


def test_the_same_file_read_as_another_task_is_another_load(tmp_path: Path, store: Store) -> None:
    (tmp_path / "r.csv").write_text("param_C,mean_test_accuracy,split0_test_accuracy\n1,0.5,0.5\n")
    loads = set()
    for task in ("mine:a", "mine:b", "mine:a"):
        one = source("cv-results", [tmp_path / "r.csv"], task=task)
        (loaded,) = load("cv-results", one, store, tmp_path / "cache")
        loads.add(loaded.load["load"])
    assert len(loads) == 2
    assert {row["task"] for row in store.tasks()} == {"mine:a", "mine:b"}


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    whole = content_hash(tmp_path)
    assert content_hash(tmp_path) == whole
    only = content_hash(tmp_path, (tmp_path / "a",))
    (tmp_path / "b").rename(tmp_path / "c")
    assert content_hash(tmp_path) != whole
    assert content_hash(tmp_path, (tmp_path / "a",)) == only
    assert About().files == ()
