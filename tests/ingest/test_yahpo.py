"""YAHPO: tasks and declared spaces of the scenarios, without the task and the budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import source
from ingest.load import Loaded, load
from metadb.errors import InvalidConfig, MalformedFile
from metadb.space import default, validate
from metadb.store import Store

Tiny = Callable[[str], Path]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "yahpo"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real data only with {REAL}")


def fill(store: Store, path: Path) -> list[Loaded]:
    return list(load("yahpo", source("yahpo", [path]), store, store.path / "cache"))


def test_the_space_is_declared_with_its_conditions(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("yahpo"))
    space = store.space("yahpo-rbv2_tree")
    assert sorted(space) == ["rule", "trees"]
    assert default(space) == {"rule": "a"}
    validate(space, {"rule": "b", "trees": 2000})
    with pytest.raises(InvalidConfig, match="'trees' is missing"):
        validate(space, {"rule": "b"})
    assert space["trees"].log
    assert space["trees"].default_value == 7


def test_the_tasks_of_rbv2_are_data_sets_whatever_they_are_called(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("yahpo"))
    found = store.sql("select task, dataset from tasks order by task")
    assert [tuple(row.values()) for row in found] == [
        ("openml:dataset/3", "openml:dataset/3"),
        ("openml:dataset/41", "openml:dataset/41"),
    ]


def test_a_scenario_of_version_2_bears_it_in_its_name(tiny: Tiny, store: Store) -> None:
    file = tiny("yahpo") / "config_space.json"
    file.rename(file.with_name("config_space_v2.json"))
    fill(store, file.parent)
    assert store.sql("select name from spaces").column("name") == ["yahpo-rbv2_tree_v2"]


def test_fcnets_tasks_are_no_hyperparameter(tmp_path: Path, store: Store) -> None:
    parts = [
        {"name": "task", "type": "categorical", "choices": ["fcnet_a", "fcnet_b"]},
        {"name": "replication", "type": "uniform_int", "lower": 1, "upper": 4},
        {"name": "rate", "type": "uniform_float", "lower": 0.0, "upper": 1.0, "default": 0.5},
    ]
    for part in parts:
        part["log"] = False
    file = tmp_path / "fcnet" / "config_space.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"hyperparameters": parts}))
    fill(store, file)
    assert list(store.space("yahpo-fcnet")) == ["rate"]
    found = store.sql("select task, kind from tasks order by task")
    assert [tuple(row.values()) for row in found] == [
        ("yahpo:fcnet/fcnet_a", "regression"),
        ("yahpo:fcnet/fcnet_b", "regression"),
    ]


@pytest.mark.parametrize(
    "flaw",
    [
        {"hyperparameters": [{"name": "x", "type": "uniform_float", "lower": 2, "upper": 1}]},
        {"hyperparameters": [{"type": "constant"}]},
        {"hyperparameters": [{"name": "task_id", "type": "categorical", "choices": [3]}]},
        {"hyperparameters": 3},
    ],
)
def test_what_is_no_space_is_named(tmp_path: Path, store: Store, flaw: dict[str, object]) -> None:
    file = tmp_path / "config_space.json"
    file.write_text(json.dumps(flaw))
    with pytest.raises(MalformedFile, match=r"config_space\.json"):
        fill(store, file)
    assert store.status()["rows"]["tasks"] == 0


@real
def test_the_published_scenarios_come_out_whole_and_once(store: Store) -> None:
    fill(store, REAL)
    found = store.sql(
        "select split_part(task, '/', 1) as o, count(*)::int as n from tasks group by 1 order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("openml:dataset", 116),
        ("openml:task", 34),
        ("yahpo:nb301", 1),
    ]
    names = store.sql("select name from spaces order by 1").column("name")
    assert names == ["yahpo-lcbench", "yahpo-nb301_v2", "yahpo-rbv2_ranger_v2"]
    widths = {name: len(store.space(name)) for name in names}
    assert widths == {"yahpo-lcbench": 7, "yahpo-nb301_v2": 34, "yahpo-rbv2_ranger_v2": 9}
    assert len(store.space("yahpo-nb301_v2").conditions) == 24
    before = store.status()["rows"]
    fill(store, REAL)
    assert store.status()["rows"] == before
