from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from metadb import tables
from metadb.identity import config_id
from metadb.records import Because, Recommendation, Rows
from metadb.schema import TABLES
from metadb.store import Store
from metadb.tables import Tables
from recommenders.evidence import from_tasks
from recommenders.regret import normalised_regret
from tests.conftest import SPACE, block, config, entities, evaluation, rows_of

NEW = ("expected_from", "expected_to", "weights", "members", "note")


def patchy():
    """Ten configs on five tasks in two folds; some were not run, some failed, one task is flat."""
    rng = np.random.default_rng(0)
    evaluations = []
    for t in range(5):
        for i in range(10):
            if rng.random() < 0.25:
                continue
            value = 0.5 if t == 4 else round(rng.random(), 3)
            bad = {"status": "failed", "value": None} if rng.random() < 0.1 else {"value": value}
            evaluations += [evaluation(f"toy:task/{t}", i, fold=0, value=value)]
            evaluations += [evaluation(f"toy:task/{t}", i, fold=1) | bad]
            evaluations += [evaluation(f"toy:task/{t}", i, fold=0, value=0.1, budget=0.5)]
    return rows_of(evaluations)


def advise(history, places, weight=None):
    """What a family that rests on past tasks says of the configs at `places`."""
    regret = normalised_regret(history.matrix())
    for place in places:
        ran = np.flatnonzero(~np.isnan(regret[:, place]))
        w = None if weight is None else weight[ran]
        e = from_tasks(regret[ran][:, [place]], w)
        yield Recommendation(
            history.configs[place],
            float(e.expected[0]),
            (float(e.low[0]), float(e.high[0])),
            float(e.probability[0]),
            Because(
                tuple(history.tasks[t] for t in ran),
                (history.configs.ids[place],),
                "accuracy",
                () if w is None else tuple(w),
            ),
        )


def kept(store, recommendations, **more):
    names = {"space": SPACE, "metric": "accuracy", "recommender": "mine"} | more
    return store.record_recommendations("toy:new", recommendations, **names)


@pytest.mark.parametrize(
    "weight", [None, np.array([0.7, 0.0, 2.0, 0.1, 1.3])], ids=["even", "uneven"]
)
def test_sql_reproduces_the_figures_of_a_recommendation(store, weight):
    store.add(patchy())
    history = store.history(SPACE, "accuracy")
    assert np.isinf(history.loss).any()
    assert np.isnan(history.matrix()).any()
    kept(store, list(advise(history, range(10), weight)))
    found = list(store.sql("select * from recommendation_evidence order by rank"))
    assert len(found) == 10
    for row in found:
        assert row["reproducible"]
        assert row["agrees"]
        assert row["expected_loss_by_sql"] == pytest.approx(row["expected_loss"], abs=1e-9)
        assert row["probability_by_sql"] == pytest.approx(row["probability"], abs=1e-9)
        assert row["n_evaluations"] == 2 * row["n_tasks"] or weight is not None
        assert row["configs"] == [row["config"]]


def test_regrets_are_those_of_the_history(store):
    store.add(patchy())
    history = store.history(SPACE, "accuracy")
    regret, loss = normalised_regret(history.matrix()), history.matrix()
    rows = list(store.sql("select * from regrets"))
    assert len(rows) == (~np.isnan(regret)).sum()
    for row in rows:
        t, c = history.tasks.index(row["task"]), history.configs.ids.index(row["config"])
        assert row["regret"] == pytest.approx(regret[t, c], abs=1e-12)
        assert row["rank"] == 1 + (loss[t] < loss[t, c]).sum()
        assert row["n_configs"] == (~np.isnan(regret[t])).sum()


def test_the_tasks_of_a_recommendation_come_with_weight_and_result(store):
    store.add(block(0, 3))
    ids = tuple(config_id(SPACE, config(i)) for i in (0, 1))
    tasks = ("toy:task/2", "toy:task/0")
    because = Because(tasks, ids[:1], "accuracy", (3.0, 1.0))
    (id_,) = kept(store, [Recommendation(config(0), 0.1, (0.0, 0.3), 0.5, because)])
    rows = list(store.sql("select * from recommendation_tasks order by place"))
    assert [(r["recommendation"], r["task"], r["weight"]) for r in rows] == [
        (id_, "toy:task/2", 3.0),
        (id_, "toy:task/0", 1.0),
    ]
    for row in rows:
        (value,) = store.sql(
            "select value from finals where task = ? and config = ?", [row["task"], ids[0]]
        ).column("value")
        assert row["value"] == value
        assert row["n_evaluations"] == 2
        assert row["configs"] == [ids[0]]


def test_a_config_that_nobody_ran_is_not_reproducible_and_names_what_stands_behind(store):
    store.add(block(0, 3))
    near = tuple(config_id(SPACE, config(i)) for i in (2, 3))
    because = Because(("toy:task/0", "toy:task/1"), near, "accuracy", note="from surrogates")
    kept(store, [Recommendation({"C": 99.5, "kernel": "rbf"}, 0.2, (0.1, 0.4), 0.1, because)])
    kept(store, [Recommendation(config(1))], recommender="random")
    surrogate, nothing = store.sql("select * from recommendation_evidence order by recommender")
    assert not surrogate["reproducible"]
    assert not surrogate["agrees"]
    assert surrogate["expected_loss_by_sql"] is None
    assert (surrogate["n_tasks"], surrogate["n_tasks_run"]) == (2, 0)
    assert surrogate["n_evaluations"] == 8
    assert surrogate["configs"] == sorted(near)
    assert not nothing["reproducible"]
    assert (nothing["n_tasks"], nothing["configs"]) == (0, [])


def test_figures_that_the_evaluations_do_not_bear_out_are_seen(store):
    store.add(block(0, 3))
    because = Because(("toy:task/0",), (config_id(SPACE, config(1)),), "accuracy")
    kept(store, [Recommendation(config(1), 0.123, (0.1, 0.4), 0.456, because)])
    (row,) = store.sql("select * from recommendation_evidence")
    assert row["reproducible"]
    assert not row["agrees"]


def test_all_that_a_recommendation_says_is_kept(store):
    store.add(block(0))
    because = Because(
        ("toy:task/1", "toy:task/0"),
        (),
        "accuracy",
        (0.75, 0.25),
        {"rgpe": 0.7, "oboe": 0.3},
        "Mind.",
    )
    kept(store, [
        Recommendation(config(0), 0.1, (0.05, 0.2), 0.4, because),
        Recommendation(config(1)),
        Recommendation(config(2), float("nan"), None, float("nan")),
    ])  # fmt: skip
    full, plain, unknown = store.sql("select * from recommendations order by rank")
    assert {name: full[name] for name in NEW} == {
        "expected_from": 0.05,
        "expected_to": 0.2,
        "weights": [0.75, 0.25],
        "members": json.dumps({"rgpe": 0.7, "oboe": 0.3}),
        "note": "Mind.",
    }
    assert full["probability"] == 0.4
    assert [plain[name] for name in NEW] == [None, None, [], None, None]
    assert unknown["expected_loss"] is None
    assert unknown["probability"] is None


def test_a_config_known_by_its_id_at_the_origin_is_recorded_under_the_stores_id(store):
    configs = pa.table({"space": ["weka"], "native": ["flow/1"], "hyperparameters": ['{"a":"x"}']})
    store.add(Rows(entities(["toy:task/0"], []) | {"configs": configs}))
    (id_,) = store.sql("select config from configs where space = 'weka'").column("config")
    assert id_ != config_id("weka", {"a": "x"})
    kept(store, [Recommendation({"a": "x"}), Recommendation({"a": "y"})], space="weka")
    found = store.sql("select config from recommendations order by rank").column("config")
    assert found == [id_, config_id("weka", {"a": "y"})]


def test_a_store_written_before_there_was_evidence_goes_on(path, monkeypatch):
    now = TABLES["recommendations"]
    with monkeypatch.context() as then:
        older = tuple(c for c in now.columns if c.since == 1)
        then.setitem(TABLES, "recommendations", replace(now, columns=older))
        then.setattr(tables, "SCHEMA", 1)
        made = Tables(path)
        row = {c.name: [None] for c in older} | {
            "recommendation": ["old"], "task": ["t"], "space": [SPACE], "metric": ["accuracy"],
            "recommender": ["portfolio"], "rank": [1], "config": ["c"], "hyperparameters": ["{}"],
            "expected_loss": [0.3], "tasks": [["toy:task/0"]], "evaluations": [["e"]],
        }  # fmt: skip
        schema = TABLES["recommendations"].arrow
        old = pa.table([pa.array(row[f.name], f.type) for f in schema], schema=schema)
        made.append("recommendations", lambda *_: old)
        before = made.open("recommendations").version()
    assert not {f.name for f in made.open("recommendations").schema().fields} & set(NEW)
    with Store(path) as store:
        (row,) = store.sql("select * from recommendations")
        assert [row[name] for name in NEW] == [None] * 5
        (row,) = store.sql("select * from recommendation_evidence")
        assert (row["expected_loss"], row["reproducible"]) == (0.3, False)
        store.add(block(0))
        because = Because(("toy:task/0",), (config_id(SPACE, config(0)),), "accuracy", (1.0,))
        kept(store, [Recommendation(config(0), 0.1, (0.0, 0.2), 0.9, because)])
        weights = store.sql("select weights from recommendations order by rank, recommendation")
        assert sorted(map(str, weights.column("weights"))) == ["None", "[1.0]"]
        store.compact()
        assert len(store.sql("select * from recommendation_tasks")) == 2
    with Store(path, version={"recommendations": before}) as then_:
        (row,) = then_.sql("select * from recommendation_evidence")
        assert row["recommendation"] == "old"
