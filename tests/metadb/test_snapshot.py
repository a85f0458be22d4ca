from __future__ import annotations

import math
import random
import re
import statistics
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadb.dictionary import view_questions
from metadb.errors import QueryRefused
from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS
from metadb.records import Because, Recommendation, Rows, Task
from metadb.schema import TABLES
from metadb.store import Load, Store
from tests.conftest import SPACE, block, config, entities, evaluation, rows_of

TARGET = "TARGET"
WRITES = [
    f"copy (select 1) to '{TARGET}'",
    f"with x as (copy (select 1) to '{TARGET}') select * from x",
    f"WITH x AS (COPY(select 1) to '{TARGET}') select * from x",
    f"with x as (/* */copy/* */(select 1) to '{TARGET}') select * from x",
    f"explain analyze copy (select 1) to '{TARGET}'",
    f"explain analyze with x as (copy (select 1) to '{TARGET}') select * from x",
    f"explain (format json) copy (select 1) to '{TARGET}'",
    f"with x as (copy (select 1) to '{TARGET}'), p as (pivot tasks on kind using count(*)) from x",
    "create table z as pivot tasks on kind using count(*)",
    f"copy (pivot tasks on kind using count(*)) to '{TARGET}'",
    f"select * from query('with x as (co' || 'py (select 1) to ''{TARGET}'') select * from x')",
    f"export database '{TARGET}'",
    f"attach '{TARGET}' as other",
    "explain analyze create table z as select 1",
    "explain analyze set memory_limit = '1GB'",
    "insert into tasks values ('a:b')",
    "with x as (insert into tasks values (1)) select 1",
    "update tasks set name = 'x'",
    "delete from tasks",
    "truncate tasks",
    "drop view tasks",
    "create view z as select 1",
    "create macro f(x) as x",
    "set memory_limit = '1GB'",
    "pragma threads = 1",
    "select 1; select 2",
    "select 1; drop view tasks",
    "begin",
    "checkpoint",
    "install httpfs",
    "load httpfs",
    "prepare x as select 1",
    "call pragma_version()",
    "use memory.main",
    "",
    "-- nothing",
]
READS = [
    "select 1 as a",
    "from tasks",
    "with x as (select 1 as a) select * from x",
    "select * from tasks where status = 'delete'".replace("status", "name"),
    "select 'copy' as a, name as update from tasks",
    "values (1)",
    "table tasks",
    "describe tasks",
    "summarize tasks",
    "show tables",
    "explain select * from tasks",
    "explain analyze select * from tasks",
    "pivot tasks on kind using count(*)",
    "select * from (pivot tasks on kind using count(*))",
    "with p as (pivot tasks on kind using count(*)) select * from p",
    "(select 1) union all (select 2)",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select * from r",
]


@pytest.mark.parametrize("query", WRITES)
def test_what_writes_is_refused_and_does_nothing(store, tmp_path, query):
    target = tmp_path / "written"
    before = store.sql("select view_name from duckdb_views() order by all").table
    with pytest.raises(QueryRefused):
        store.sql(query.replace(TARGET, str(target)))
    assert not target.exists()
    assert store.sql("select view_name from duckdb_views() order by all").table.equals(before)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("asked") / "store") as store:
        store.add(block(0))
        yield store


@pytest.mark.parametrize("query", READS)
def test_what_reads_is_answered(asked, query):
    assert asked.sql(query).columns


def test_parameters_are_bound_never_spliced(asked):
    nasty = "x'; drop view tasks; --"
    assert asked.sql("select ? as a, ? as b", [nasty, 1.5]).table.to_pylist() == [
        {"a": nasty, "b": 1.5}
    ]
    assert asked.sql("select $b as b, $a as a", {"a": None, "b": "?"}).columns == ["b", "a"]
    assert (
        len(asked.sql("select * from tasks where task in (select unnest(?))", [["toy:task/0"]]))
        == 1
    )
    with pytest.raises(QueryRefused):
        asked.sql("select ?")


def test_python_variables_are_not_seen(asked):
    tasks_of_mine = pa.table({"secret": [1]})
    assert tasks_of_mine.num_rows == 1
    with pytest.raises(QueryRefused, match="tasks_of_mine"):
        asked.sql("select * from tasks_of_mine")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select * from evaluation", "The tables are configs, datasets, evaluations"),
        ("select scor from evaluations", "scor"),
        ("selec 1", "selec"),
        ("insert into tasks values (1)", "to add rows use add or record"),
    ],
)
def test_a_refusal_says_what_was_wrong_on_one_line(asked, query, words):
    with pytest.raises(QueryRefused) as refused:
        asked.sql(query)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


# -- the views, each against a plain computation over the same rows -----------------------------

BUDGETS, N_TASKS, N_CONFIGS = (0.25, 1.0), 4, 5


def random_rows(seed: int) -> list[dict[str, object]]:
    """Two metrics of two directions, ties, failures, holes, folds and budgets."""
    rng = random.Random(seed)
    found = []
    for task in range(N_TASKS):
        for i in range(N_CONFIGS):
            for metric in ("accuracy", "log_loss"):
                for budget in BUDGETS:
                    if rng.random() < 0.2:
                        continue
                    for fold in range(rng.choice([1, 2, 3])):
                        status = rng.choice(["ok"] * 9 + ["failed", "timeout", "censored"])
                        value = rng.randrange(4) / 4 if status in {"ok", "censored"} else None
                        cost_s = rng.choice([None, rng.randrange(8) / 2])
                        found.append(
                            evaluation(
                                f"toy:task/{task}", i, value, status=status, metric=metric,
                                budget=budget, fold=fold, cost_s=cost_s,
                            )
                        )  # fmt: skip
    rng.shuffle(found)
    return found


def mean(values):
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def plain_results(rows):
    """What `results` says: a row a task, config, metric and budget."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["task"], row["config"], row["metric"], row["budget"]].append(row)
    found = {}
    for key, group in groups.items():
        sign = 1 if METRICS[key[2]].lower_is_better else -1
        losses = [sign * r["value"] for r in group if r["status"] == "ok"]
        whole = len(losses) == len(group)
        found[key] = {
            "loss": mean(losses) if whole else None,
            "value": sign * mean(losses) if whole else None,
            "loss_sd": statistics.stdev(losses) if len(losses) > 1 else None,
            "cost_s": mean([r["cost_s"] for r in group]),
            "n_evaluations": len(group),
            "n_failed": len(group) - len(losses),
        }
    return found


def plain_finals(rows):
    found = {}
    for (task, name, metric, budget), result in sorted(plain_results(rows).items()):
        found[task, name, metric] = result | {"budget": budget}  # the largest comes last
    return found


def same(found, expected):
    """Rows alike, numbers up to rounding."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert set(one) == set(other)
        for name, value in other.items():
            if isinstance(value, float) and one[name] is not None:
                assert math.isclose(one[name], value, abs_tol=1e-12), name
            else:
                assert one[name] == value, name


@pytest.mark.parametrize(
    "query",
    [
        "show tables",
        "select table_name from information_schema.tables",
        "select view_name from duckdb_views()",
        "select name from sqlite_master",
    ],
)
def test_who_asks_what_there_is_sees_the_views_that_nobody_asked_yet(store, query):
    shown = {next(iter(row.values())) for row in store.sql(query)}
    assert set(view_questions()) <= shown


@pytest.fixture(scope="module", params=[0, 1])
def viewed(request, tmp_path_factory):
    rows = random_rows(request.param)
    with Store(tmp_path_factory.mktemp("views") / "store") as store:
        assert store.add(rows_of(rows)).rejections.total == 0
        yield store, rows


def test_losses_turn_the_direction_once(viewed):
    store, rows = viewed
    found = store.sql(
        "select task, config, metric, fold, budget, loss, value from losses order by all"
    )
    expected = [
        {n: r[n] for n in ("task", "config", "metric", "fold", "budget")}
        | {
            "loss": None
            if r["status"] != "ok"
            else (r["value"] if METRICS[r["metric"]].lower_is_better else -r["value"]),
            "value": r["value"],
        }
        for r in rows
    ]
    order = ("task", "config", "metric", "fold", "budget")
    expected.sort(key=lambda r: tuple(r[n] for n in order))
    same(list(found), expected)


def test_results_are_means_and_a_config_that_failed_anywhere_has_none(viewed):
    store, rows = viewed
    found = store.sql(
        "select * exclude (space, budget_unit) from results order by task, config, metric, budget"
    )
    expected = [
        dict(zip(("task", "config", "metric", "budget"), key, strict=True)) | result
        for key, result in sorted(plain_results(rows).items())
    ]
    same(list(found), expected)
    assert any(r["n_failed"] and r["loss"] is None for r in expected)


def test_learning_curves_are_the_results_of_more_than_one_budget_in_order(viewed):
    store, rows = viewed
    results = plain_results(rows)
    expected = []
    for key, result in sorted(results.items()):
        if all((*key[:3], budget) in results for budget in BUDGETS):
            named = dict(zip(("task", "config", "metric", "budget"), key, strict=True))
            expected.append(named | {"value": result["value"], "point": 1 + BUDGETS.index(key[3])})
    found = store.sql(
        "select task, config, metric, budget, value, point from learning_curves order by task, config, metric, budget"
    )
    same(list(found), expected)


def test_finals_are_at_the_largest_budget(viewed):
    store, rows = viewed
    found = store.sql(
        "select * exclude (space, budget_unit) from finals order by task, config, metric"
    )
    expected = [
        dict(zip(("task", "config", "metric"), key, strict=True)) | result
        for key, result in sorted(plain_finals(rows).items())
    ]
    same(list(found), expected)


def test_all_of_it_is_more_than_any_number_of_steps(tmp_path):
    store = Store(tmp_path / "store")
    ran = {"space": "s", "metric": "accuracy", "run": "r"}
    for budget, unit, value in (
        (1.0, "fraction", 0.5),
        (100.0, "steps", 0.9),
        (0.5, "fraction", 0),
    ):
        store.record(Task("mine:t"), {"x": 1}, value=value, budget=budget, budget_unit=unit, **ran)
    assert store.sql("select value from finals").column("value") == [0.5]
    assert store.history("s").matrix().tolist() == [[-0.5]]
    store.close()


def test_best_per_task_is_the_least_loss_and_of_equals_the_first(viewed):
    store, rows = viewed
    best = {}
    for (task, name, metric), result in sorted(plain_finals(rows).items()):
        if result["loss"] is not None:
            there = best.get((task, metric))
            if there is None or result["loss"] < there[0]:
                best[task, metric] = (result["loss"], name)
    found = store.sql("select task, metric, loss, config from best_per_task order by task, metric")
    same(
        list(found),
        [
            {"task": t, "metric": m, "loss": loss, "config": c}
            for (t, m), (loss, c) in sorted(best.items())
        ],
    )


def test_the_leaderboard_ranks_ties_alike_and_failures_last(viewed):
    store, rows = viewed
    finals = plain_finals(rows)
    ranks = defaultdict(list)
    for (task, name, metric), result in finals.items():
        mine = math.inf if result["loss"] is None else result["loss"]
        better = sum(
            (math.inf if r["loss"] is None else r["loss"]) < mine
            for (t, _, m), r in finals.items()
            if (t, m) == (task, metric)
        )
        ranks[metric, name].append((1 + better, result["loss"] is None))
    expected = [
        {
            "metric": metric,
            "config": name,
            "mean_rank": float(mean([r for r, _ in told])),
            "n_tasks": len(told),
            "n_best": sum(r == 1 for r, _ in told),
            "n_failed": sum(failed for _, failed in told),
        }
        for (metric, name), told in sorted(ranks.items())
    ]
    same(
        list(store.sql("select * exclude (space) from leaderboard order by metric, config")),
        expected,
    )


def test_coverage_counts_all_evaluations_and_the_cells_they_fill(viewed):
    store, rows = viewed
    expected = []
    for metric in ("accuracy", "log_loss"):
        mine = [r for r in rows if r["metric"] == metric]
        tasks, configs = {r["task"] for r in mine}, {r["config"] for r in mine}
        expected.append(
            {
                "space": SPACE,
                "metric": metric,
                "n_tasks": len(tasks),
                "n_configs": len(configs),
                "n_evaluations": len(mine),
                "n_failed": sum(r["status"] != "ok" for r in mine),
                "share_filled": len({(r["task"], r["config"]) for r in mine})
                / (len(tasks) * len(configs)),
            }
        )
    same(list(store.sql("select * from coverage order by metric")), expected)


def test_parameters_are_a_row_a_value_and_a_number_only_where_it_is_one(store):
    values = {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": "3",
        "e": "inf",
        "f": "nan",
        "g": "x'\"",
        "h": "None",
    }
    store.add(Rows({"configs": pa.table({
        "config": ["?"], "space": ["p"], "hyperparameters": [canonical_config(values)]})}))  # fmt: skip
    found = store.sql("select name, value, number from parameters order by name").table.to_pylist()
    assert found == [
        {"name": "a", "value": "1", "number": 1.0},
        {"name": "b", "value": "0.5", "number": 0.5},
        {"name": "c", "value": "true", "number": None},
        {"name": "d", "value": "3", "number": None},
        {"name": "e", "value": "inf", "number": None},
        {"name": "f", "value": "nan", "number": None},
        {"name": "g", "value": "x'\"", "number": None},
        {"name": "h", "value": "None", "number": None},
    ]


def test_provenance_of_a_recommendation_leads_to_its_evaluations(store):
    store.add(block(0), load=Load("l", "here"))
    ids = [config_id(SPACE, config(i)) for i in (0, 1)]
    because = Because(("toy:task/1",), tuple(ids), "accuracy")
    made = store.record_recommendations(
        "toy:task/7",
        [Recommendation(config(0), 0.1, because=because), Recommendation(config(3))],
        space=SPACE,
        metric="accuracy",
        recommender="portfolio",
    )
    assert len(made) == 2
    found = list(store.sql("select * from recommendation_provenance order by config, fold"))
    assert {r["recommendation"] for r in found} == {made[0]}
    assert [(r["task"], r["config"], r["fold"]) for r in found] == [
        ("toy:task/1", i, fold) for i in sorted(ids) for fold in (0, 1)
    ]
    assert {(r["recommended_for"], r["recommended"], r["rank"], r["load"]) for r in found} == {
        ("toy:task/7", ids[0], 1, "l")
    }
    rank = store.sql("select rank, config, evaluations from recommendations order by rank")
    assert rank.table.to_pylist()[1] == {
        "rank": 2,
        "config": config_id(SPACE, config(3)),
        "evaluations": [],
    }


@pytest.mark.parametrize("name", [*TABLES, *view_questions()])
def test_an_empty_store_answers_every_table_and_view(tmp_path_factory, name, empty):
    assert len(empty.sql(f"select * from {name}")) == 0
    assert empty.sql(f"describe {name}").column("column_name")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("empty") / "store") as store:
        yield store


def test_every_view_says_its_question():
    for name, question in view_questions().items():
        assert re.search(r"\?", question), name


# -- space.<name> -------------------------------------------------------------------------------


def space_of(store: Store, space: str, configs: list[dict[str, object]]) -> list[dict[str, object]]:
    store.add(Rows({"configs": entities([], configs, space)["configs"]}))
    quoted = space.replace('"', '""')
    return list(store.sql(f'select * from space."{quoted}"'))


@pytest.mark.parametrize(
    "space",
    ["svm", "a b", "a.b", "a'b", 'a"b', "a;b", "select", "é日", "%s{}", "openml/flow:1", "\\"],
)
def test_a_space_may_have_an_odd_name(store, space):
    found = space_of(store, space, [{"C": 1.5}, {"C": 2.5}])
    assert sorted(r["C"] for r in found) == [1.5, 2.5]
    assert {r["config"] for r in found} == {config_id(space, {"C": c}) for c in (1.5, 2.5)}


NAMES = ["config", "CONFIG", "config_", "C", "c", "x/y", "~1", "~", 'q"q', "q'q", "$.a", "0", "a.b",
         " ", "é", "--", "); drop view tasks; --", "a\x00b", "select", "hyperparameters"]  # fmt: skip


def test_a_hyperparameter_may_have_an_odd_name(store):
    values = {name: i for i, name in enumerate(NAMES)}
    (found,) = space_of(store, "odd", [values])
    assert found.pop("config") == config_id("odd", values)
    assert sorted(found.values()) == sorted(values.values())
    assert found["x/y"] == NAMES.index("x/y")
    assert len(store.sql("select * from tasks")) == 0


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
        st.integers(0, 9) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
        max_size=4,
    ),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=6)
def test_foreign_text_never_becomes_sql(tmp_path_factory, values, space):
    with Store(tmp_path_factory.mktemp("foreign") / "store") as store:
        (found,) = space_of(store, space, [values])
        assert sorted(map(str, list(found.values())[1:])) == sorted(map(str, values.values()))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "BIGINT"),
        ([1, 2.5], "DOUBLE"),
        ([True, False], "BOOLEAN"),
        ([True, 1], "VARCHAR"),
        (["a", 1.5], "VARCHAR"),
        (["1", "2"], "VARCHAR"),
        ([2**63, 1], "DOUBLE"),
        ([2**70], "DOUBLE"),
        ([-(2**63)], "BIGINT"),
    ],
    ids=str,
)
def test_a_column_has_the_type_that_holds_all_its_values(store, values, kind):
    found = space_of(store, "typed", [{"x": v} for v in values] + [{"y": 0}])
    assert sum(r["x"] is None for r in found) == 1  # absent = inactive
    types = store.sql("describe space.typed").table.to_pylist()
    assert [t["column_type"] for t in types if t["column_name"] == "x"] == [kind]


@pytest.mark.parametrize(
    "query", ['select * from "space"."svm"', "select s.C from space . svm s", "from SPACE.svm"]
)
def test_a_space_view_is_there_however_it_is_written(store, query):
    space_of(store, "svm", [{"C": 1.0}])
    assert len(store.sql(query)) == 1


def test_spaces_whose_names_differ_in_case_are_both_there(store):
    space_of(store, "SVM", [{"C": 1.0}])
    space_of(store, "svm", [{"C": 2.0}, {"C": 3.0}])
    views = store.sql("select view_name from duckdb_views() where schema_name = 'space' order by 1")
    assert views.column("view_name") == ["SVM", "svm_"]
    assert sorted(store.sql("select C from space.svm_").column("C")) == [2.0, 3.0]


def test_a_space_that_is_new_is_seen(store):
    assert len(space_of(store, "one", [{"x": 1}])) == 1
    assert len(space_of(store, "two", [{"x": 1}, {"x": 2}])) == 2
    assert len(space_of(store, "one", [{"x": 1}, {"y": "z"}])) == 2


# -- readers and those who take back -------------------------------------------------------------


def test_a_reader_between_the_steps_of_forgetting_sees_nothing_dangle(store, monkeypatch):
    from metadb import snapshot as module
    from metadb.tables import Tables

    store.add(block(0), load=Load("gone", "test"))
    plain, forgotten = Tables.open, []

    def open_late(self, name, version=None):
        if name == "metafeatures" and not forgotten:  # the evaluations are fixed already
            forgotten.append(name)
            Store(store.path).forget("gone")
        return plain(self, name, version)

    tables = Tables(store.path)
    monkeypatch.setattr(Tables, "open", open_late)
    seen = module.Snapshot(tables, memory="200MB")
    assert forgotten
    counted = "select (select count(*) from evaluations) as e, (select count(*) from configs) as c"
    assert seen.sql(counted).to_pylist() == [{"e": 0, "c": 0}]
