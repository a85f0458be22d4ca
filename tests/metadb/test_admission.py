from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadb.errors import InvalidRows
from metadb.identity import canonical_config, config_id
from metadb.records import Rows
from metadb.store import Load, Store
from tests.conftest import SPACE, block, config, content, entities, evaluation, rows_of

GOOD = evaluation("toy:task/0", 0)
BAD = {
    "score is NaN or infinite": [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": float("-inf")},
        {"value": float("nan"), "status": "censored"},
    ],
    "score outside the bounds of its metric": [
        {"value": 85.0},
        {"value": -0.1},
        {"value": 2.0, "status": "censored"},
    ],
    "no score although its status is ok": [{"value": None, "status": "ok"}],
    "unknown metric": [{"metric": "beauty"}],
    "unknown task": [{"task": "toy:task/99"}],
    "unknown config, or one turned away": [{"config": "0" * 32}],
    "unknown status (there are ok, failed, timeout, memout, censored)": [{"status": "odd"}],
    "cost_s not a number of seconds": [
        {"cost_s": -1.0},
        {"cost_s": float("nan")},
        {"cost_s": float("inf")},
    ],
    "budget not a positive number": [
        {"budget": 0.0},
        {"budget": -0.0},
        {"budget": -1.0},
        {"budget": float("nan")},
        {"budget": float("inf")},
    ],
    "no task": [{"task": None}],
    "no config": [{"config": None}],
    "no metric": [{"metric": None}],
    "a control character (unit separator) in an id or name": [{"run": "a\x1fb"}],
}


def with_bad(*bad: dict[str, object]) -> Rows:
    """The good evaluation and bad ones; the tables it refers to are those of the good one."""
    rows = rows_of([GOOD | {"fold": 0}, *({**GOOD, "fold": i + 1} | b for i, b in enumerate(bad))])
    tables = dict(rows.tables) | {"tasks": pa.table({"task": ["toy:task/0"]})}
    return Rows(tables)


@pytest.fixture(scope="module")
def all_bad(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("bad") / "store") as store:
        done = store.add(with_bad(*(row for rows in BAD.values() for row in rows)))
        yield store, done


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_is_counted_under_its_reason(all_bad, reason):
    _, done = all_bad
    assert done.rejections.counts[reason] == len(BAD[reason])
    assert done.rejections.examples[reason]


def test_the_good_row_beside_the_bad_ones_goes_in(all_bad):
    store, done = all_bad
    n_bad = sum(map(len, BAD.values()))
    assert store.sql("select fold from evaluations").column("fold") == [0]
    assert done.added["evaluations"] == 1
    assert done.rejected["evaluations"] == done.rejections.total == n_bad
    load = next(iter(store.sql("select * from loads")))
    assert (load["n_read"], load["n_added"], load["n_known"], load["n_rejected"]) == (
        n_bad + 1,
        1,
        0,
        n_bad,
    )
    told = json.loads(load["rejections"])
    assert {reason: one["count"] for reason, one in told.items()} == {
        reason: len(rows) for reason, rows in BAD.items()
    }


@pytest.mark.parametrize("status", ["failed", "timeout", "memout"])
@pytest.mark.parametrize("value", [0.0, 1e9, float("nan"), None])
def test_a_failed_run_has_no_value_whatever_its_row_held(store, status, value):
    done = store.add(rows_of([GOOD | {"status": status, "value": value}]))
    assert done.rejections.total == 0
    assert [dict(r) for r in store.sql("select value, status from evaluations")] == [
        {"value": None, "status": status}
    ]


def test_a_censored_run_keeps_its_bound(store):
    store.add(rows_of([GOOD | {"status": "censored", "value": 0.5}]))
    assert store.sql("select value, loss from losses").table.to_pylist() == [
        {"value": 0.5, "loss": None}
    ]


def test_of_two_contradicting_rows_the_first_stays_within_a_batch_and_against_the_store(store):
    first, second = GOOD | {"value": 0.25}, GOOD | {"value": 0.75}
    done = store.add(rows_of([first, second, first]))
    assert (done.added["evaluations"], done.known["evaluations"]) == (1, 1)
    again = store.add(rows_of([second]))
    for one in (done, again):
        assert list(one.rejections.counts.values()) == [1]
        assert next(iter(one.rejections.counts)).startswith("conflict: its identity is there")
    assert store.sql("select value from evaluations").column("value") == [0.25]
    status = GOOD | {"status": "failed", "value": None}
    assert store.add(rows_of([status])).rejections.total == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "3",
        "[1]",
        '"x"',
        "{",
        "{'x': 1}",
        '{"x": NaN}',
        '{"x": 1e999}',
        '{"x": [1]}',
        '{"x": {"y": 1}}',
        '{"": 1}',
        '{"x": "\\ud800"}',
        "[" * 100_000,
        '{"x": ' + "9" * 5000 + "}",
        None,
    ],
    ids=lambda t: str(t)[:14],
)
def test_a_text_that_is_no_config_is_turned_away_and_its_evaluations_too(store, text):
    rows = rows_of([GOOD, GOOD | {"config": "0" * 32}])
    good = rows.tables["configs"].slice(0, 1)
    bad = pa.table({"config": ["0" * 32], "space": [SPACE], "hyperparameters": [text]}, good.schema)
    done = store.add(Rows({**rows.tables, "configs": pa.concat_tables([good, bad])}))
    assert done.rejections.counts == {
        "hyperparameters not a JSON object of plain, finite values": 1,
        "unknown config, or one turned away": 1,
    }
    assert store.status()["rows"]["evaluations"] == store.status()["rows"]["configs"] == 1


def test_a_config_text_is_made_canonical_so_that_spelling_makes_no_second_config(store):
    spelled = '{ "kernel" : "linear",\n "C": 0.0e3 }'
    assert canonical_config(config(0)) != spelled
    table = pa.table({"config": ["?"], "space": [SPACE], "hyperparameters": [spelled]})
    store.add(Rows({"configs": table}))
    assert store.sql("select config from configs").column("config") == [config_id(SPACE, config(0))]
    assert store.add(block(0)).known["configs"] == 1


def test_a_config_outside_its_declared_space_is_turned_away(store):
    from ConfigSpace import ConfigurationSpace

    from metadb.space import space_id, to_json

    space = ConfigurationSpace(name=SPACE, space={"C": (0.0, 1.0), "kernel": ["linear", "rbf"]})
    declared = {"space": [space_id(space)], "name": [SPACE], "definition": [to_json(space)]}
    done = store.add(
        Rows({"spaces": pa.table(declared), **entities(["toy:task/0"], [config(0), config(9)])})
    )
    assert done.rejections.counts == {"config outside its space": 1}
    assert "C" in done.rejections.examples["config outside its space"]
    assert store.sql("select config from configs").column("config") == [config_id(SPACE, config(0))]


@pytest.mark.parametrize(
    ("tables", "word"),
    [
        ({"evaluation": {"task": ["a:b"]}}, "no table 'evaluation'"),
        ({"evaluations": {"task": ["a:b"], "score": [1.0]}}, "has no column 'score'"),
        ({"evaluations": {"task": ["a:b"], "config": ["c"]}}, "needs the column 'metric'"),
        (
            {"evaluations": {"task": ["a:b"], "config": ["c"], "metric": ["m"], "value": ["good"]}},
            "column 'value' of evaluations must be double",
        ),
        (
            {"evaluations": {"task": ["a:b"], "config": ["c"], "metric": ["m"], "fold": [2**40]}},
            "column 'fold'",
        ),
        (
            {"evaluations": {"task": ["a:b"], "config": ["c"], "metric": ["m"], "fold": [0.5]}},
            "column 'fold'",
        ),
        (
            {"evaluations": {"task": [["a"]], "config": ["c"], "metric": ["m"], "value": [1.0]}},
            "column 'task'",
        ),
    ],
)
def test_rows_of_a_wrong_shape_raise_and_nothing_is_written(store, tables, word):
    rows = Rows(dict(block(0).tables) | {n: pa.table(c) for n, c in tables.items()})
    before = store.version
    with pytest.raises(InvalidRows, match=word):
        store.add(rows)
    assert store.version == before
    assert not any(store.status()["rows"].values())


def test_a_column_told_twice_is_refused(store):
    table = pa.table([["a:b"], ["a:c"]], names=["task", "task"])
    with pytest.raises(InvalidRows, match="'task' twice"):
        store.add(Rows({"tasks": table}))


def test_other_arrow_types_that_fit_are_taken(store):
    rows = block(0)
    table = rows.tables["evaluations"]
    other = pa.table(
        {
            "task": table.column("task").dictionary_encode(),
            "config": table.column("config").cast(pa.large_string()),
            "metric": table.column("metric").cast(pa.string_view()),
            "value": table.column("value").cast(pa.float32()),
            "fold": table.column("fold").cast(pa.uint8()),
        }
    )
    assert store.add(Rows({**rows.tables, "evaluations": other})).added["evaluations"] == 16
    assert store.add(rows).added["evaluations"] == 0


@pytest.mark.parametrize("id_", ["31", "openml/31", ":31", "openml:", "Open ML:31", "a:b\nc"])
@pytest.mark.parametrize("table", ["tasks", "datasets", "flows"])
def test_an_id_says_its_origin(store, table, id_):
    done = store.add(Rows({table: pa.table({table[:-1]: [id_]})}))
    assert done.rejections.counts == {"id not of the form origin:native": 1}


def test_an_id_is_taken_apart(store):
    store.add(Rows({"tasks": pa.table({"task": ["open.ml-2:task/3:1"]})}))
    assert store.sql("select origin, native, kind from tasks").table.to_pylist() == [
        {"origin": "open.ml-2", "native": "task/3:1", "kind": "classification"}
    ]


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_a_metric_has_bounds_in_order(store, bounds):
    row = {"metric": ["m"], "lower_is_better": [True], "lower": [bounds[0]], "upper": [bounds[1]]}
    done = store.add(Rows({"metrics": pa.table(row)}))
    assert done.rejections.counts == {"bounds of a metric in the wrong order": 1}


def test_a_metric_that_turns_round_is_a_conflict(store):
    for lower_is_better in (True, False):
        row = {"metric": ["m"], "lower_is_better": [lower_is_better]}
        done = store.add(Rows({"metrics": pa.table(row)}))
    assert done.rejections.total == 1
    assert store.metric("m").lower_is_better


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        (float("nan"), "ok", "meta-feature not a finite number"),
        (None, "ok", "meta-feature not a finite number"),
        (1.0, "odd", "unknown status"),
    ],
)
def test_a_meta_feature_is_a_finite_number_or_says_why_not(store, value, status, reason):
    row = {"task": ["a:b"], "name": ["n"], "extractor": ["e"], "value": [value], "status": [status]}
    done = store.add(Rows({"tasks": pa.table({"task": ["a:b"]}), "metafeatures": pa.table(row)}))
    assert [r.startswith(reason) for r in done.rejections.counts] == [True]


DETAILS = [
    {"task": "toy:task/0", "name": "zero"},
    {"task": "toy:task/0", "dataset": "toy:data/0", "kind": "classification"},
    {"task": "toy:task/0", "target": "y"},
    {"task": "toy:task/1", "target": "z", "name": "one"},
    {"task": "toy:task/1"},
]


@given(order=st.permutations(DETAILS), cut=st.integers(0, len(DETAILS)))
@settings(max_examples=4)
def test_entities_learn_what_later_rows_know_however_they_are_cut(tmp_path_factory, order, cut):
    with Store(tmp_path_factory.mktemp("enrich") / "store") as store:
        for part in (order[:cut], order[cut:]):
            schema = pa.schema([(n, pa.string()) for n in ("task", "name", "dataset", "target")])
            store.add(Rows({"tasks": pa.Table.from_pylist(part, schema=schema)}))
        found = store.sql("select task, name, dataset, target from tasks order by task")
        assert [tuple(r.values()) for r in found] == [
            ("toy:task/0", "zero", "toy:data/0", "y"),
            ("toy:task/1", "one", None, "z"),
        ]


@pytest.mark.parametrize("together", [True, False])
def test_a_contradicting_entity_teaches_nothing(store, together):
    first = {"task": "toy:task/0", "target": "y", "name": None}
    second = {"task": "toy:task/0", "target": "other", "name": "wrong"}
    beside = {"task": "toy:task/1", "target": "y", "name": "right"}
    parts = [[first, second, beside]] if together else [[first, beside], [second, beside]]
    dones = [store.add(Rows({"tasks": pa.Table.from_pylist(part)})) for part in parts]
    assert sum(done.rejections.total for done in dones) == 1
    assert store.sql("select target, name from tasks order by task").table.to_pylist() == [
        {"target": "y", "name": None},
        {"target": "y", "name": "right"},
    ]


@given(data=st.data())
@settings(max_examples=4)
def test_adding_in_any_split_and_order_with_repeats_is_adding_once(tmp_path_factory, data):
    whole = block(0, n_tasks=2, configs=range(3))
    table = whole.tables["evaluations"]
    n = table.num_rows
    order = data.draw(st.permutations(range(n)))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=2)))
    again = data.draw(st.lists(st.integers(0, n - 1), max_size=6))
    load = Load("l", "test")
    with Store(tmp_path_factory.mktemp("once") / "store") as once:
        once.finish(load, once.add(whole, load=load))
        expected = content(once)
    with Store(tmp_path_factory.mktemp("split") / "store") as split:
        done = None
        for first, last in zip([0, *cuts], [*cuts, n], strict=True):
            part = Rows(
                dict(whole.tables)
                | {"evaluations": table.take(pa.array([*order[first:last], *again], pa.int64()))}
            )
            added = split.add(part, load=load)
            done = added if done is None else (done.merge(added), done)[1]
            assert added.read == {
                t: added.added[t] + added.known[t] + added.rejected[t] for t in added.read
            }
        row = split.finish(load, done)
        assert content(split) == expected
        assert row["n_added"] == n
        assert row["n_read"] == row["n_added"] + row["n_known"] + row["n_rejected"]
        assert row["n_read"] == n + len(again) * (len(cuts) + 1)
        assert row["status"] == "complete"


def test_adding_again_through_another_load_adds_nothing_and_notes_who_saw_it(store):
    one, two = Load("one", "a", path="one.csv"), Load("two", "b", path="two.parquet")
    rows = block(0)
    store.finish(one, store.add(rows, load=one))
    shuffled = list(range(16))
    random.Random(0).shuffle(shuffled)
    other = {n: t.take(shuffled) if n == "evaluations" else t for n, t in rows.tables.items()}
    done = store.add(Rows(other), load=two)
    row = store.finish(two, done)
    assert not any(done.added.values())
    assert done.known == done.read
    assert (row["n_read"], row["n_added"], row["n_known"], row["n_rejected"]) == (16, 0, 16, 0)
    seen = store.sql("select load, source, path, first, count(*) as n from provenance group by all")
    assert sorted(tuple(r.values()) for r in seen) == [
        ("one", "a", "one.csv", True, 16),
        ("two", "b", "two.parquet", False, 16),
    ]
    before = content(store)
    store.add(rows, load=two)
    assert content(store) == before


def test_the_load_of_a_row_is_the_one_that_brings_it(store, tmp_path):
    store.add(block(0), load=Load("one", "a"))
    exported = store.sql("select * from evaluations").table
    with Store(tmp_path / "other") as other:
        done = other.add(Rows({**block(0).tables, "evaluations": exported}))
        assert done.added["evaluations"] == 16
        assert other.sql("select distinct load from evaluations").column("load") == ["add"]
        assert len(other.sql("select * from provenance")) == 16
