from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace

from metadb.errors import (
    InvalidConfig,
    InvalidMetric,
    InvalidRows,
    MetadbError,
    NotFound,
    QueryRefused,
)
from metadb.identity import config_id
from metadb.metrics import METRICS, Metric
from metadb.records import Because, Recommendation, Rows, Task
from metadb.store import Load, Store
from tests.conftest import SPACE, block, config, content, entities, evaluation, facts, rows_of

TASK = Task(
    "toy:task/0", dataset="toy:data/0", metafeatures={"nr_inst": 150.0, "odd": float("nan")}
)
COUNT = "select count(*) as n from evaluations"


def n_evaluations(store: Store) -> int:
    return store.sql(COUNT).column("n")[0]


def record(store: Store, i: int = 0, **more):
    told = {"space": SPACE, "metric": "accuracy", "value": 0.5} | more
    return store.record(told.pop("task", TASK), told.pop("config", config(i)), **told)


# -- recording ----------------------------------------------------------------------------------


def test_what_is_recorded_is_seen_at_once_here_and_by_others_after_flush_and_close(path):
    with Store(path) as store, Store(path) as other:
        run = record(store)
        assert n_evaluations(other) == 0
        assert store.sql("select run, value, origin from evaluations").table.to_pylist() == [
            {"run": run, "value": 0.5, "origin": "local"}
        ]
        record(store, 1)
        store.flush()
        assert n_evaluations(other) == 2
        record(store, 2)
        store.close()
        assert n_evaluations(other) == 3
        assert other.task(TASK.id).metafeatures == {"nr_inst": 150.0}
        assert other.task(TASK.id).dataset == "toy:data/0"


def test_the_same_setting_recorded_twice_is_two_runs_unless_the_run_is_named(store):
    assert record(store) != record(store)
    assert n_evaluations(store) == 2
    assert record(store, run="mine") == record(store, run="mine") == "mine"
    assert n_evaluations(store) == 3


def test_every_batch_is_counted_in_the_load_of_its_journal(store):
    for i in range(3):
        record(store, i)
        store.flush()
    (load,) = store.sql("select * from loads")
    assert load["load"].startswith("record:")
    # Three evaluations, and a meta-feature that each batch brings.
    assert (load["n_read"], load["n_added"], load["n_known"], load["n_rejected"]) == (6, 4, 2, 0)


WRONG = [
    ({"value": float("nan")}, InvalidRows, "finite number"),
    ({"value": float("inf")}, InvalidRows, "finite number"),
    ({"value": None}, InvalidRows, "is None"),
    ({"value": 85.0}, InvalidRows, "outside its bounds"),
    ({"value": "good"}, InvalidRows, "value is 'good'"),
    ({"value": 2.0, "status": "censored"}, InvalidRows, "outside its bounds"),
    ({"status": "odd"}, InvalidRows, "there are ok, failed"),
    ({"cost_s": -1.0}, InvalidRows, "give seconds"),
    ({"cost_s": float("nan")}, InvalidRows, "give seconds"),
    ({"cost_s": "fast"}, InvalidRows, "cost_s is 'fast'"),
    ({"budget": 0}, InvalidRows, "positive number"),
    ({"budget": float("nan")}, InvalidRows, "positive number"),
    ({"budget": None}, InvalidRows, "budget is None"),
    ({"budget_unit": None}, InvalidRows, "budget_unit is None"),
    ({"fold": 0.5}, InvalidRows, "whole number"),
    ({"fold": 2**31}, InvalidRows, "more than its column holds"),
    ({"seed": 2**63}, InvalidRows, "more than its column holds"),
    ({"run": 7}, InvalidRows, "run is 7"),
    ({"run": "\ud800"}, InvalidRows, "half a character"),
    ({"origin": "a\x1fb"}, InvalidRows, "control characters"),
    ({"metric": "beauty"}, NotFound, "no metric 'beauty'"),
    ({"task": "toy:task/404"}, NotFound, "no task"),
    ({"task": Task("31")}, InvalidRows, "origin:native"),
    ({"task": Task("a:b", dataset="iris")}, InvalidRows, "data set id 'iris'"),
    ({"task": Task("a:b", target=3)}, InvalidRows, "tasks cannot hold"),
    ({"task": Task("a:b", name="\ud800")}, InvalidRows, "tasks cannot hold"),
    ({"task": Task("a:b", metafeatures={"x": "many"})}, InvalidRows, "x is 'many'"),
    ({"config": {"C": float("nan")}}, InvalidConfig, "finite"),
    ({"config": {"C": [1]}}, InvalidConfig, "list"),
    ({"space": ""}, InvalidRows, "no name"),
    ({"space": ConfigurationSpace()}, InvalidRows, "no name"),
    (
        {"space": ConfigurationSpace(name=SPACE, space={"C": (5.0, 9.0), "kernel": ["linear"]})},
        InvalidConfig,
        "C",
    ),
]


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """One store for all that is refused."""
    with Store(tmp_path_factory.mktemp("patient") / "store") as store:
        yield store


@pytest.mark.parametrize(("wrong", "error", "words"), WRONG, ids=lambda w: str(w)[:30])
def test_what_is_wrong_is_refused_at_once_and_harms_no_later_record(patient, wrong, error, words):
    before = n_evaluations(patient)
    fresh = Task(f"toy:fresh/{before}")
    with pytest.raises(error, match=words):
        record(patient, **({"task": fresh} | wrong))
    record(patient, task=fresh)  # its task was not taken for written
    assert n_evaluations(patient) == before + 1
    assert not sum(patient.sql("select n_rejected from loads").column("n_rejected"))


def test_a_failed_run_is_recorded_without_a_value_whatever_it_is_given(store):
    record(store, status="failed", value=float("nan"))
    record(store, status="timeout", value=85.0, cost_s=3)
    record(store, status="memout", value=None)
    assert store.sql("select distinct value from evaluations").column("value") == [None]
    assert n_evaluations(store) == 3


def test_numpy_values_are_plain_values(store):
    record(
        store,
        config={"C": np.float32(0.5), "kernel": np.str_("rbf")},
        value=np.float32(0.25),
        fold=np.int64(1),
        seed=np.uint8(3),
        budget=np.int64(9),
        budget_unit="epochs",
        cost_s=np.float32(2),
    )
    query = "select config, value, fold, seed, budget, cost_s from evaluations"
    assert list(store.sql(query)) == [
        {
            "config": config_id(SPACE, {"C": 0.5, "kernel": "rbf"}),
            "value": 0.25,
            "fold": 1,
            "seed": 3,
            "budget": 9.0,
            "cost_s": 2.0,
        }
    ]


def test_a_config_outside_a_space_that_the_store_declares_is_refused_at_once(path):
    space = ConfigurationSpace(name=SPACE, space={"C": (0.0, 1.0), "kernel": ["linear", "rbf"]})
    with Store(path) as store:
        record(store, 1, space=space)
    with Store(path) as store:
        record(store, 2)
        with pytest.raises(InvalidConfig, match="C"):
            record(store, 9)
        assert n_evaluations(store) == 2
        assert store.space(SPACE) == space


def test_what_was_recorded_legally_is_kept_though_the_space_is_declared_anew(path):
    wide = ConfigurationSpace(name=SPACE, space={"C": (0.0, 9.0), "kernel": ["linear", "rbf"]})
    narrow = ConfigurationSpace(name=SPACE, space={"C": (0.0, 1.0), "kernel": ["linear", "rbf"]})
    with Store(path) as store, Store(path) as other:
        record(store, 0, space=wide)
        store.flush()
        record(other, 1, space=narrow)
        other.flush()
        record(store, 9, space=wide)
        store.flush()
        assert n_evaluations(store) == 3
        assert not sum(store.sql("select n_rejected from loads").column("n_rejected"))


def test_recording_goes_on_after_its_load_was_taken_back(path):
    with Store(path) as store, Store(path) as other:
        record(store)
        store.flush()
        (load,) = store.sql("select load from loads").column("load")
        other.forget(load)
        assert n_evaluations(store) == 0
        record(store)
        store.forget(load)
        record(store)
        record(store, 1)
        assert n_evaluations(store) == 2
        assert not sum(filter(None, store.sql("select n_rejected from loads").column("n_rejected")))


def test_recording_by_task_id_or_own_metric_folds_no_line_alone(store):
    store.add(block(0))
    store.add(Rows({"metrics": entities([], [])["metrics"].slice(0, 0)}))
    row = {"metric": ["speed"], "lower_is_better": [True]}
    import pyarrow as pa

    store.add(Rows({"metrics": pa.table(row)}))
    for nth in range(30):
        record(store, task=f"toy:task/{nth % 2}", metric="speed", value=3.0)
    (load,) = store.sql("select * from loads where source = 'record'")
    assert load["n_added"] == 30
    assert len(store._tables.open("evaluations").file_uris()) <= 4


def test_two_recorders_at_once_lose_nothing(path):
    with Store(path) as one, Store(path) as two:
        for i in range(6):
            record(one if i % 2 else two, i)
            if i == 3:
                one.flush()
        assert n_evaluations(one) + 0 >= 3
    with Store(path) as store:
        assert n_evaluations(store) == 6
        assert len(store.sql("select * from loads where source = 'record'")) == 2
        assert not list((path / "journal").iterdir())


def _record_in_child(store, path, said):
    record(store, 1, task=Task("toy:child/0"))
    with Store(path) as own:
        declared = ConfigurationSpace(name="mine", space={"C": (0.0, 9.0)})
        record(own, task=Task("toy:child/1"), config={"C": 1.0}, space=declared)
        try:
            record(own, 2)
        except MetadbError as error:
            said.put(str(error))
        try:
            own.sql(COUNT)
        except MetadbError as error:
            said.put(str(error))
    try:
        store.sql(COUNT)
    except MetadbError as error:
        said.put(str(error))
    store.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_records_and_leaves_its_parents_journal_alone(path):
    fork = multiprocessing.get_context("fork")
    with Store(path) as store:
        record(store)
        store.flush()
        record(store, 3)
        said = fork.Queue()
        child = fork.Process(target=_record_in_child, args=(store, path, said))
        child.start()
        texts = [said.get(timeout=30) for _ in range(3)]
        child.join(30)
        assert child.exitcode == 0
        assert all("forked" in text and "spawn" in text for text in texts)
        record(store, 4)
        store.flush()
        tasks = store.sql("select task, count(*) as n from evaluations group by all order by all")
        assert [tuple(r.values()) for r in tasks] == [
            ("toy:child/0", 1),
            ("toy:child/1", 1),
            ("toy:task/0", 3),
        ]


def test_what_a_process_recorded_before_it_was_gone_is_there_when_the_store_is_opened(path):
    store = Store(path)
    record(store)
    store._recorder._journal._file.close()  # as a kill frees the lock
    with Store(path) as other:
        assert n_evaluations(other) == 1
        assert not list((path / "journal").iterdir())


# -- versions -----------------------------------------------------------------------------------


def test_a_version_shows_exactly_what_was_there_whatever_came_after(path):
    seen = []
    with Store(path) as store:
        steps = (
            lambda: store.add(block(0), load=Load("a", "test")),
            lambda: store.add(block(1), load=Load("b", "test")),
            lambda: record(store),
            store.compact,
            lambda: store.forget("a"),
            store.compact,
            lambda: store.add(block(0), load=Load("a", "test")),
        )
        for step in steps:
            step()
            seen.append((store.version, content(store, without=())))
    for version, then in seen:
        with Store(path, version=version) as old:
            assert content(old, without=()) == then
            assert old.version == version


def test_compacting_changes_no_answer(store):
    for nth in range(3):
        store.add(block(nth))
        record(store, nth)
    asked = "select * replace (round(loss_sd, 12) as loss_sd) from results order by all"
    before, views = content(store, without=()), list(store.sql(asked))
    saved = store.compact()
    assert saved["evaluations"] == 5
    assert content(store, without=()) == before
    assert list(store.sql(asked)) == views
    assert not any(store.compact().values())


# -- asking -------------------------------------------------------------------------------------


def test_an_empty_store_answers_and_says_that_it_is_empty(store):
    status = store.status()
    assert set(status["rows"].values()) == {0}
    assert status["spaces"] == status["loads"] == []
    assert len(store.tasks()) == len(store.spaces()) == 0
    assert "0 rows" in store._repr_html_()
    for ask in (
        lambda: store.task("a:b"),
        lambda: store.space("svm"),
        lambda: store.history("svm"),
        lambda: store.history("svm", "accuracy"),
    ):
        with pytest.raises(NotFound, match="the store is empty"):
            ask()
    assert store.metric("predictive_accuracy") == METRICS["accuracy"]
    assert not any(store.compact().values())
    with pytest.raises(NotFound, match=r"no load 'x'; the latest are \(none\)"):
        store.forget("x")


def test_what_is_not_there_is_named_with_what_is(store):
    store.add(block(0))
    with pytest.raises(NotFound, match="did you mean toy:task/0, toy:task/1"):
        store.task("toy:task/O")
    with pytest.raises(NotFound, match="there are svm"):
        store.space("svn")
    with pytest.raises(NotFound, match=r"there are accuracy, balanced_accuracy, .*log_loss"):
        store.metric("beauty")
    with pytest.raises(NotFound, match="its metrics are accuracy"):
        store.history("svm", "log_loss")
    with pytest.raises(NotFound, match="on these tasks"):
        store.history("svm", "accuracy", tasks=["toy:task/404"])
    with pytest.raises(NotFound):
        store.history("svm", tasks=[])
    with pytest.raises(QueryRefused):
        store.sql("drop table evaluations")


def test_status_adds_up(store):
    store.add(block(0))
    record(store)
    status = store.status()
    assert status["rows"]["evaluations"] == 17
    assert status["rows"]["tasks"] == 2
    assert sum(s["n_evaluations"] for s in status["spaces"]) == 17
    assert all(type(s["n_evaluations"]) is int for s in status["spaces"])
    assert {load["status"] for load in status["loads"]} == {"complete"}
    assert status["size_bytes"] > 0
    assert status["version"] == store.version
    assert [dict(r) for r in store.spaces()] == [
        {"space": SPACE, "n_configs": 12, "declared": False}
    ]
    assert [r["n_evaluations"] for r in store.tasks()] == [9, 8]


def test_an_undeclared_space_is_inferred_and_a_declared_one_is_as_declared(store):
    store.add(block(0))
    assert set(store.space(SPACE)) == {"C", "kernel"}
    space = ConfigurationSpace(name=SPACE, space={"C": (0.0, 9.0), "kernel": ["linear", "rbf"]})
    record(store, space=space)
    assert store.space(SPACE) == space
    (id_,) = store.sql("select space from spaces").column("space")
    assert store.space(id_) == space


def test_the_cursor_is_that_of_the_last_commit_with_or_without_evaluations(store):
    load = Load("paged", "test")
    assert store.cursor("paged") is None
    store.add(Rows(block(0).tables, cursor="1"), load=load)
    assert store.cursor("paged") == "1"
    store.add(Rows({"tasks": entities(["a:b"], [])["tasks"]}, cursor="2"), load=load)
    assert store.cursor("paged") == "2"
    store.add(block(2), load=load)
    store.add(Rows(block(3).tables, cursor="other"), load=Load("other", "test"))
    assert store.cursor("paged") == "2"


def test_a_load_completed_after_a_break_counts_like_an_undisturbed_one(path, tmp_path):
    load = Load("l", "test")
    parts = [block(0), block(2)]
    with Store(tmp_path / "calm") as calm:
        done = calm.add(parts[0], load=load)
        done.merge(calm.add(parts[1], load=load))
        expected = calm.finish(load, done)
    with Store(path) as broken:
        broken.add(parts[0], load=load)
    with Store(path) as store:
        done = store.add(parts[0], load=load)
        done.merge(store.add(parts[1], load=load))
        row = store.finish(load, done)
        assert row | {"recorded_at": None} == expected | {"recorded_at": None}
        version = store.version
        store.finish(load, done)
        assert store.version == version  # what is known already is not written again


def test_what_a_source_left_out_is_counted_too(store):
    load = Load("l", "test")
    row = store.finish(load, store.add(Rows(block(0).tables, rejected={"odd line": 3}), load=load))
    assert (row["n_read"], row["n_added"], row["n_known"], row["n_rejected"]) == (19, 16, 0, 3)


def test_recommendations_name_the_version_they_were_made_from(path):
    import json

    with Store(path) as store:
        store.add(block(0))
        before = store.version
        because = Because(("toy:task/0",), (config_id(SPACE, config(0)),), "accuracy")
        (id_,) = store.record_recommendations(
            Task("new:task"), [Recommendation(config(0), 0.1, probability=0.9, because=because)],
            space=SPACE, metric="accuracy", recommender="portfolio",
        )  # fmt: skip
        store.add(block(5))
        (row,) = store.sql("select * from recommendations where recommendation = ?", [id_])
        assert json.loads(row["store_version"]) == before
        assert row["task"] == "new:task"
        assert row["tasks"] == ["toy:task/0"]
        assert len(row["evaluations"]) == 2
        assert store.record_recommendations(
            "new:task", [], space=SPACE, metric="accuracy", recommender="portfolio"
        ) == []  # fmt: skip
    with Store(path, version=json.loads(row["store_version"])) as then:
        there = then.sql("select evaluation from evaluations").column("evaluation")
        assert set(row["evaluations"]) <= set(there)


def test_the_order_of_adding_decides_nothing(path, tmp_path):
    parts = [block(0), block(1), rows_of([evaluation("toy:task/9", 3, status="failed")])]
    with Store(path) as one, Store(tmp_path / "other") as two:
        for part in parts:
            one.add(part)
        for part in reversed(parts):
            two.add(part)
        assert facts(one) == facts(two)


def test_a_closed_store_can_be_used_again(path):
    store = Store(path)
    record(store)
    store.close()
    store.close()
    record(store, 1)
    assert n_evaluations(store) == 2
    store.close()
    assert not os.listdir(path / "journal")


def test_a_metric_of_ones_own_is_recorded_and_may_not_be_contradicted(tmp_path):
    mine = Metric("beauty", lower_is_better=False, lower=0.0)
    with Store(tmp_path / "store") as store:
        task = Task("toy:task/own")
        store.record(task, {"x": 1}, space="own", metric=mine, value=3.5)
        store.record(task, {"x": 2}, space="own", metric=mine, value=2.5)
        assert store.sql(
            "select metric, value, loss from losses order by value"
        ).table.to_pylist() == [
            {"metric": "beauty", "value": 2.5, "loss": -2.5},
            {"metric": "beauty", "value": 3.5, "loss": -3.5},
        ]
        with pytest.raises(InvalidRows, match="outside its bounds"):
            store.record(task, {"x": 3}, space="own", metric=mine, value=-1.0)
    with Store(tmp_path / "store") as store, pytest.raises(InvalidMetric, match="contradicts"):
        store.record(task, {"x": 3}, space="own", metric=Metric("beauty", True), value=1.0)


def test_compacting_with_days_to_keep_gives_space_back(tmp_path):
    def size():
        return sum(p.stat().st_size for p in (tmp_path / "store").rglob("*.parquet"))

    with Store(tmp_path / "store") as store:
        for i in range(12):
            store.record(Task("toy:task/1"), {"x": i}, space="s", metric="accuracy", value=0.5)
            store.flush()
        store.compact()
        before, answer = size(), store.sql("select * from evaluations order by run").table
        store.compact(keep_days=0)
        assert size() < before / 2
        assert store.sql("select * from evaluations order by run").table == answer


def test_threads_of_one_process_fill_their_stores_side_by_side(tmp_path):
    def filled(i):
        with Store(tmp_path / str(i)) as store:
            store.add(block(i))
            return n_evaluations(store)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(filled, range(8))) == [16] * 8
