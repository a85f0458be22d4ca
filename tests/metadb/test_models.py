"""Weights lie beside the tables under their hash, and a row tells what they are."""

from __future__ import annotations

import os
import re
import shutil
from hashlib import sha256

import pytest

from metadb.errors import NotFound, WrongUsage
from metadb.identity import config_id
from metadb.models import FOLDER, GRACE_S, keep, model_of, models
from metadb.records import Task
from metadb.store import Store


@pytest.fixture
def row(store):
    store.record(
        Task("fewshot:a", kind="few_shot"), {"rate": 0.1}, space="s", metric="accuracy", value=0.5
    )
    store.flush()
    return {
        "task": "fewshot:a", "config": config_id("s", {"rate": 0.1}), "learner": "maml",
        "trained_on": ["Greek", "Latin"], "metric": "accuracy", "value": 0.5, "half_width": 0.1,
        "steps": 7, "cost_s": 1.0, "about": {"ways": 5, "shape": [1, 2, 2]},
    }  # fmt: skip


def test_a_model_is_kept_once_and_found_by_the_beginning_of_its_id(store, row):
    model = keep(store, b"weights", row)
    assert keep(store, b"weights", row) == model
    (found,) = models(store)
    assert found.weights.read_bytes() == b"weights"
    assert (found.id, found.learner, found.trained_on) == (model, "maml", ("Greek", "Latin"))
    assert found.about == row["about"]
    assert model_of(store, model[:8]) == found
    assert not list((store.path / FOLDER).glob("*.part"))


@pytest.mark.parametrize("text", ["", "abc", "../../etc", "zzzz", "' or true --"])
def test_an_id_is_nothing_else(store, row, text):
    keep(store, b"weights", row)
    with pytest.raises(NotFound, match=re.escape(f"no model {text!r}")):
        model_of(store, text)


def test_two_that_begin_alike_are_told_apart(store, row):
    seen = {}
    for nth in range(100_000):
        content = str(nth).encode()
        start = sha256(content).hexdigest()[:4]
        if start in seen:
            break
        seen[start] = content
    keep(store, seen[start], row)
    keep(store, content, row)
    with pytest.raises(WrongUsage, match=f"2 models begin with '{start}'"):
        model_of(store, start)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("task", "fewshot:none", "unknown task"),
        ("config", "0" * 32, "unknown config"),
        ("metric", "beauty", "unknown metric"),
        ("value", float("nan"), "score is NaN"),
    ],
)
def test_a_row_that_refers_to_nothing_is_turned_away(store, row, column, value, why):
    with pytest.raises(WrongUsage, match=why):
        keep(store, b"weights", row | {column: value})
    assert models(store) == []


def test_what_a_model_refers_to_stays_while_it_does(store, row):
    keep(store, b"weights", row)
    (load,) = store.sql("select load from loads where source = 'record'").column("load")
    store.forget(load)
    assert len(models(store)) == 1
    assert store.task("fewshot:a").id == "fewshot:a"
    (load,) = store.sql("select load from models").column("load")
    store.forget(load)
    assert models(store) == []


def test_compacting_removes_weights_that_no_row_tells_of_once_they_are_old(store, row):
    kept = store.path / FOLDER / f"{keep(store, b'weights', row)}.safetensors"
    old, new = (kept.with_name(f"{digit * 64}.safetensors") for digit in "ab")
    for path in (old, new):
        path.write_bytes(b"lost")
    os.utime(old, (0, new.stat().st_mtime - GRACE_S - 1))
    store.compact(keep_days=0)
    assert (kept.exists(), old.exists(), new.exists()) == (True, False, True)


def test_a_store_of_the_schema_before_gets_the_table(tmp_path):
    path = tmp_path / "old"
    Store(path).close()
    shutil.rmtree(path / "tables" / "models")
    (path / "metadb.json").write_text('{"schema": 2}')
    with Store(path) as store:
        assert models(store) == []
