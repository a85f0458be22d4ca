from __future__ import annotations

import shutil

import pyarrow as pa
import pytest
from ConfigSpace import ConfigurationSpace

from metadb import forgetting
from metadb.records import Rows
from metadb.space import space_id, to_json
from metadb.store import Load, Store
from tests.conftest import SPACE, block, content, entities, facts, rows_of

A, B = Load("a", "test", path="a.csv"), Load("b", "test", path="b.csv")


def part(first: int) -> Rows:
    """Tasks `first` and the next one, with meta-features, data sets, flows and a space."""
    rows = block(first)
    tasks = rows.tables["tasks"].column("task").to_pylist()
    data = [t.replace("task", "data") for t in tasks]
    space = ConfigurationSpace(name=SPACE, space={"C": (0.0, 9.0), "kernel": ["linear", "rbf"]})
    configs = rows.tables["configs"]
    return Rows(
        {
            **rows.tables,
            "configs": configs.append_column("flow", pa.array(["toy:flow/1"] * configs.num_rows)),
            "tasks": pa.table({"task": tasks, "dataset": data}),
            "datasets": pa.table({"dataset": data}),
            "flows": pa.table({"flow": ["toy:flow/1", f"toy:flow/{first + 2}"]}),
            "spaces": pa.table(
                {"space": [space_id(space)], "name": [SPACE], "definition": [to_json(space)]}
            ),
            "metafeatures": pa.table(
                {
                    "task": tasks,
                    "name": ["n", "n"],
                    "value": [float(first), first + 1.0],
                    "extractor": ["e", "e"],
                }
            ),
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A brought tasks 0 and 1, B tasks 1 and 2."""
    path = tmp_path_factory.mktemp("made") / "store"
    with Store(path) as store:
        store.finish(A, store.add(part(0), load=A))
        store.finish(B, store.add(part(1), load=B))
    return path


@pytest.fixture
def overlapping(made, path):
    shutil.copytree(made, path)
    with Store(path) as store:
        yield store


@pytest.fixture(scope="module")
def only(tmp_path_factory):
    """What a store holds that saw only one of the two."""
    found = {}
    for load, first in ((A, 0), (B, 1)):
        with Store(tmp_path_factory.mktemp("only") / "store") as store:
            store.finish(load, store.add(part(first), load=load))
            found[load.id] = content(store)
    return found


@pytest.mark.parametrize(("gone", "left"), [("a", "b"), ("b", "a")])
def test_a_store_that_forgot_a_load_is_one_that_never_saw_it(overlapping, only, gone, left):
    removed = overlapping.forget(gone)
    assert content(overlapping) == only[left]
    assert removed["evaluations"] == 8
    assert removed["tasks"] == 1
    status = "select status, path from loads where load = ?"
    assert list(overlapping.sql(status, [gone])) == [{"status": "forgotten", "path": f"{gone}.csv"}]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_when_all_loads_are_forgotten_nothing_is_left(overlapping, order):
    for load in order:
        overlapping.forget(load)
    assert not any(content(overlapping).values())


def test_a_forgotten_load_can_come_again(overlapping, only):
    overlapping.forget("b")
    overlapping.forget("a")
    row = overlapping.finish(A, overlapping.add(part(0), load=A))
    assert content(overlapping) == only["a"]
    assert (row["status"], row["n_added"]) == ("complete", 18)


def test_what_others_refer_to_stays_and_goes_with_the_last_of_them(store):
    whole = part(0)
    store.add(whole, load=A)
    store.add(Rows({"evaluations": part(0).tables["evaluations"].slice(0, 1)}), load=B)
    store.add(
        Rows({"evaluations": rows_of([{
            "task": "toy:task/0", "config": e["config"], "metric": "accuracy", "value": 0.5,
            "fold": 7} for e in whole.tables["evaluations"].slice(0, 1).to_pylist()
        ]).tables["evaluations"]}), load=B)  # fmt: skip
    store.forget("a")
    rows = store.status()["rows"]
    assert (rows["evaluations"], rows["metafeatures"]) == (2, 0)
    for name in ("tasks", "configs", "metrics", "datasets", "flows", "spaces"):
        assert rows[name] == 1, name
    assert len(store.history(SPACE)) == 1
    store.forget("b")
    assert not any(content(store).values())


def test_entities_that_two_loads_brought_stay_with_the_other(store):
    shared = Rows(entities(["toy:task/0"], [{"C": 1.0}]))
    store.add(shared, load=A)
    store.add(shared, load=B)
    store.forget("a")
    assert store.sql("select load from tasks union all select load from configs").column(
        "load"
    ) == [
        "b",
        "b",
    ]
    assert len(store.sql("select * from sightings")) == 0


@pytest.mark.parametrize("step", [0, 1, 4, 8])
def test_a_forgetting_that_was_broken_off_can_be_repeated(overlapping, only, monkeypatch, step):
    steps = []
    apply = forgetting._apply

    def broken(delta, fate, key):
        if len(steps) == step:
            raise KeyboardInterrupt
        steps.append(key)
        return apply(delta, fate, key)

    with monkeypatch.context() as then:
        then.setattr(forgetting, "_apply", broken)
        with pytest.raises(KeyboardInterrupt):
            overlapping.forget("a")
    dangling = overlapping.sql(
        """
        select count(*) as n from evaluations e
        where task not in (select task from tasks) or config not in (select config from configs)
        """
    )
    assert dangling.column("n") == [0]
    overlapping.forget("a")
    assert content(overlapping) == only["b"]


def test_the_source_of_a_forgotten_load_starts_anew(store):
    store.add(Rows(block(0).tables, cursor="9"), load=A)
    store.forget("a")
    assert store.cursor("a") is None
    store.add(Rows(block(0).tables, cursor="1"), load=A)
    assert store.cursor("a") == "1"
    assert len(facts(store)) == 16


def test_an_older_version_still_shows_what_was_forgotten(overlapping):
    version, before = overlapping.version, content(overlapping, without=())
    overlapping.forget("a")
    with Store(overlapping.path, version=version) as then:
        assert content(then, without=()) == before
