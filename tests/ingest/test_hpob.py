"""HPO-B: what its columns become, and how much memory a large file takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest import source
from ingest.hpob import hyperparameters
from ingest.hpob_text import task_texts
from ingest.load import load
from metadb.errors import MalformedFile, NotFound
from metadb.store import Store

Tiny = Callable[[str], Path]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hpob-partial"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real data only with {REAL}")


def fill(store: Store, path: Path) -> dict[str, object]:
    return next(load("hpob", source("hpob", [path]), store, store.path / "cache")).load


def test_scaled_columns_become_hyperparameters(tiny: Tiny, store: Store) -> None:
    """Not set = absent; one-hot columns = one category; two results of one config = repeats."""
    fill(store, tiny("hpob"))
    found = store.sql(
        "select space, e.task, hyperparameters as h, value, repeat from evaluations e "
        "join configs using (config) order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("hpob-10", "openml:task/3", '{"a":0.25,"b":1.0,"kind":"u"}', 1.0, None),
        ("hpob-10", "openml:task/31", '{"a":0.25,"b":1.0,"kind":"u"}', 0.5, 0),
        ("hpob-10", "openml:task/31", '{"a":0.25,"b":1.0,"kind":"u"}', 0.625, 1),
        ("hpob-10", "openml:task/31", '{"b":0.5}', 0.75, None),
        ("hpob-11", "openml:task/3", '{"c":0.125}', 0.5, None),
    ]
    flows = store.sql("select distinct flow from evaluations order by 1").column("flow")
    assert flows == ["openml:flow/10", "openml:flow/11"]


def test_an_indicator_without_its_variable_is_a_hyperparameter() -> None:
    columns = hyperparameters(
        ["x.na", "k.ohe._a", "k.ohe._b"], np.array([[1.0, 0, 0], [-0.0, 0, 1]])
    )
    assert {name: values.to_pylist() for name, values in columns.items()} == {
        "x.na": ["1.0", "0.0"],
        "k": [None, '"b"'],
    }


def test_a_missing_accuracy_is_a_failed_run(tmp_path: Path, store: Store) -> None:
    path = write(
        tmp_path,
        '{"7": {"1": {"X": [[0], [0.5], [1]], "y": [NaN, null, 0.5]}, "2": {"X": [], "y": []}}}',
    )
    fill(store, path)
    found = store.sql("select status, value from evaluations order by all")
    assert [tuple(row.values()) for row in found] == [
        ("failed", None),
        ("failed", None),
        ("ok", 0.5),
    ]
    assert "openml:task/2" in store.tasks().column("task")


def write(folder: Path, text: str) -> Path:
    described = {"7": {"variables_order": ["a"]}}
    (folder / "meta-dataset-descriptors.json").write_text(json.dumps(described))
    path = folder / "meta-test-dataset.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"7": {"1": {"X": [[0], [1]], "y": [0.5]}}}', "as many rows of 1 numbers"),
        ('{"7": {"1": {"X": [[0, 1]], "y": [0.5]}}}', "as many rows of 1 numbers"),
        ('{"7": {"1": {"X": [[0]], "y": [[0.5, 0.5]]}}}', "as many rows of 1 numbers"),
        ('{"7": {"1": {"X": [["0"]], "y": [0.5]}}}', "must be .*X"),
        ('{"7": {"1": {"X": [[0]], "z": [0.5]}}}', "must be .*X"),
        ('{"7": {"1": {"X": [null], "y": [0.5]}}}', "as many rows of 1 numbers"),
        ('{"7": {"1": {"X": [[0], null], "y": [0.5, 1]}}}', "null instead of a row"),
        ('{"7": {"1": {"X": [[[0]]], "y": [0.5]}}}', "must be .*X"),
        ('{"8": {"1": {"X": [[0]], "y": [0.5]}}}', "does not describe this search space"),
        ('{"7": {"1": {"X": [[0]], "y": [0.5]}}} {}', "should begin nothing more"),
        ('{"7": {"1": {"X": [[0]], "y": [0.5]};', "should begin , or }"),
        ('{"7": {"one": {"X": [[0]], "y": [0.5]}}}', "should begin a number in quotes"),
        ('{"7": {"1": {"X": [[0]], "y": [0.5]}', "is the download complete"),
    ],
)
def test_what_is_not_of_the_layout_is_named(
    tmp_path: Path, store: Store, text: str, said: str
) -> None:
    with pytest.raises(MalformedFile, match=said):
        fill(store, write(tmp_path, text))
    assert store.status()["rows"]["evaluations"] == 0


def test_the_descriptors_are_asked_for(tmp_path: Path, store: Store) -> None:
    path = write(tmp_path, "{}")
    (tmp_path / "meta-dataset-descriptors.json").unlink()
    with pytest.raises(NotFound, match=r"meta-dataset-descriptors\.json beside"):
        fill(store, path)


def test_white_space_and_empty_spaces_pass(tmp_path: Path) -> None:
    path = write(tmp_path, '\n{ "1" : { } ,\n "2":{"3" :\t{"X":[],\n"y":[]} } }\n')
    assert [found[:2] for found in task_texts(path)] == [("2", "3")]


def test_the_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    """24 MB of text in tasks of .8 MB: the reader holds a few of them, not all."""
    row = "[" + ", ".join(["0.123456789012345678"] * 4) + "]"
    task = '{"X": [' + ", ".join([row] * 9000) + '], "y": [' + ", ".join(["[0.5]"] * 9000) + "]}"
    with (tmp_path / "big.json").open("w") as stream:
        stream.write('{"7": {' + ", ".join(f'"{i}": {task}' for i in range(30)) + "}}")
    code = (
        "import tracemalloc, sys; from pathlib import Path; from ingest.hpob_text import task_texts;"
        "tracemalloc.start(); n = sum(len(t) for *_, t, _ in task_texts(Path(sys.argv[1])));"
        "print(n, tracemalloc.get_traced_memory()[1])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.json")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    n, peak = map(int, found.stdout.split())
    assert n == 30 * len(task) > 20_000_000
    assert peak < 6 * len(task)


@real
def test_the_sample_comes_out_whole_and_once(store: Store) -> None:
    first = fill(store, REAL)
    # two of the 100 tasks tell each of their five results twice
    assert (first["n_added"], first["n_rejected"]) == (470, 0)
    assert fill(store, REAL)["n_known"] == 0
    assert store.sql("select count(*) as n from evaluations").column("n") == [470]
    assert store.sql("select distinct space as s from configs").column("s") == ["hpob-423"]
    names = store.sql("select distinct name from parameters").column("name")
    assert names == ["I"]
