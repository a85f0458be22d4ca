"""Laws over what all tuners' sources do alike: names, signs, spaces, what was measured twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingest import source
from ingest.study import Study, as_budgets, points, study_rows, tidy
from metadb.declared import Choice, Range
from metadb.errors import MalformedFile, NotFound, WrongUsage
from metadb.store import Store


@dataclass
class Asked:
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None


def study(objectives: dict[str, bool | None], values: list[float], **more: Any) -> Study:
    """One trial a value, all of the first objective."""
    n = len(values)
    found = points(trial=list(range(n)), metric=next(iter(objectives)), value=values)
    configs = more.pop("configs", [{"x": i / 2} for i in range(n)])
    runs = [f"s/{i}" for i in range(n)]
    return Study(
        "tuner", "s", configs, runs, more.pop("points", found), objectives=objectives, **more
    )


def put(store: Store, one: Study, **asked: Any) -> list[tuple[Any, ...]]:
    """The evaluations that come of a study, in the order of their configs."""
    for rows in study_rows(one, Asked(**asked)):
        store.add(rows)
    found = store.sql(
        "select e.metric, m.lower_is_better as lower, value, status from evaluations e "
        "join configs using (config) join metrics m using (metric) order by hyperparameters"
    )
    return [tuple(row.values()) for row in found]


@pytest.mark.parametrize(
    ("theirs", "lower", "asked", "ours"),
    [
        ("accuracy", False, {}, ("accuracy", False, 0.5)),
        ("predictive_accuracy", None, {}, ("accuracy", False, 0.5)),
        ("accuracy", True, {}, ("s/accuracy", True, 0.5)),  # a loss under a score's name
        ("neg_log_loss", False, {}, ("log_loss", True, -0.5)),
        ("neg_mean_gamma_deviance", False, {}, ("mean_gamma_deviance", True, -0.5)),
        ("val_log_loss", None, {}, ("val_log_loss", True, 0.5)),
        ("test/f1", None, {}, ("test/f1", False, 0.5)),
        ("val_brier_score", None, {}, ("val_brier_score", True, 0.5)),
        ("odd", True, {}, ("odd", True, 0.5)),
        ("odd", None, {"minimize": False}, ("odd", False, 0.5)),
        ("odd", False, {"metric": "odd=accuracy"}, ("accuracy", False, 0.5)),
        ("accuracy", None, {"minimize": True}, ("accuracy", False, 0.5)),  # its name tells it
    ],
)
def test_a_metric_is_what_it_is(
    theirs: str, lower: bool | None, asked: Any, ours: tuple[str, bool, float]
) -> None:
    (rows,) = study_rows(study({theirs: lower}, [0.5]), Asked(**asked))
    (metric,) = rows.tables["metrics"].to_pylist()
    (found,) = rows.tables["evaluations"].to_pylist()
    assert (metric["metric"], metric["lower_is_better"], found["value"]) == ours
    assert (found["metric"], found["status"]) == (metric["metric"], "ok")


def test_options_that_contradict_the_study_are_refused(store: Store) -> None:
    one = study({"s/objective": True}, [0.5], anonymous=True)
    assert put(store, one, metric="error_rate")[0][0] == "error_rate"
    with pytest.raises(WrongUsage, match="accuracy is better the other way"):
        put(store, one, metric="accuracy")
    with pytest.raises(WrongUsage, match="names 2 metrics"):
        put(store, one, metric="error_rate,log_loss")
    with pytest.raises(WrongUsage, match="mine:churn"):
        put(store, one, task="churn")
    with pytest.raises(NotFound, match="no metric 'odd'; there are loss"):
        put(store, study({"loss": True}, [0.5]), metric="odd")
    with pytest.raises(WrongUsage, match="--minimize"):
        put(store, study({"odd": None}, [0.5]), metric="odd")


@pytest.mark.parametrize("name", ["odd", "val_neg_log_loss"])
def test_a_metric_without_direction_is_counted(name: str) -> None:
    (rows,) = study_rows(study({name: None}, [0.5, 0.25]), Asked())
    assert not rows.tables
    ((reason, count),) = rows.rejected.items()
    assert (repr(name) in reason, count) == (True, 2)


def test_budgets_stay_what_they_were_when_a_study_grows() -> None:
    """A later trial that counts from 0 moves its own steps only."""
    steps, trial = pa.array([1, 2, 5, 0, 1]), pa.array([0, 0, 1, 2, 2])
    assert as_budgets(steps, trial).to_pylist() == [1, 2, 5, 1, 2]
    assert as_budgets(steps[:3], trial[:3]).to_pylist() == [1, 2, 5]
    floats = as_budgets(steps.cast(pa.float64()), trial)
    assert floats.to_pylist() == [1.0, 2.0, 5.0, 1.0, 2.0]


def test_of_two_measurements_at_one_place_the_last_counts(store: Store) -> None:
    twice = points(
        trial=[0, 0, 0, 1],
        metric="loss",
        value=[1.0, 2.0, 3.0, float("nan")],
        budget=[1.0, 2.0, 1.0, 1.0],
        budget_unit="epochs",
    )
    one = study({"loss": True}, [0.0, 0.0], points=twice)
    assert put(store, one) == [
        ("loss", True, 2.0, "ok"),
        ("loss", True, 3.0, "ok"),
        ("loss", True, None, "failed"),  # a score that is no number
    ]


def test_values_that_are_not_plain_become_texts() -> None:
    config = {"a": [1, 2], "b": {"c": None, "d": {"e": 1}}, "f": float("inf"), "g": {}}
    assert tidy(config) == {"a": "[1, 2]", "b/c": None, "b/d/e": 1, "f": "inf", "g": "{}"}


DECLARED = {
    "kernel": Choice(("rbf", "linear", None)),
    "C": Range(0.125, 8.0, log=True),
    "gamma": Range(0.0, 1.0),
}
CONFIGS = [
    {"kernel": "rbf", "C": 1.0, "gamma": 0.5},
    {"kernel": "linear", "C": 16.0},  # beyond the bounds: enqueued by hand
    {"kernel": None, "C": 0.5},
    {"kernel": "rbf", "C": 2.0, "gamma": 0.25},
]


def test_what_a_tuner_declares_is_the_space_with_the_conditions_its_trials_show(
    store: Store,
) -> None:
    one = study({"loss": True}, [1.0, 2.0, 3.0, 4.0], configs=CONFIGS, declared=DECLARED)
    assert len(put(store, one, space="svm")) == 4
    space = store.space("svm")
    assert (space["C"].lower, space["C"].upper, space["C"].log) == (0.125, 16.0, True)
    assert set(space["kernel"].choices) == {"rbf", "linear", "None"}
    (condition,) = space.conditions
    assert (condition.child.name, condition.parent.name, condition.value) == (
        "gamma",
        "kernel",
        "rbf",
    )


def test_a_trial_that_failed_half_way_has_no_config(store: Store) -> None:
    found = points(
        trial=[0, 1, 2], metric="loss", value=[1.0, 2.0, None], status=["ok", "ok", "failed"]
    )
    configs = [*CONFIGS[:2], {"C": 4.0}]
    one = study({"loss": True}, [0.0] * 3, configs=configs, declared=DECLARED, points=found)
    (rows,) = study_rows(one, Asked())
    assert rows.tables["evaluations"].num_rows == 2
    assert list(rows.rejected.values()) == [1]


def test_a_space_that_does_not_explain_its_trials_is_inferred(store: Store) -> None:
    configs = [{"C": 1.0, "gamma": 0.5}, {"C": 2.0}, {"C": 1.0}, {"C": 3.0, "gamma": 0.5}]
    declared = {name: DECLARED[name] for name in ("C", "gamma")}
    one = study({"loss": True}, [1.0, 2.0, 3.0, 4.0], configs=configs, declared=declared)
    assert len(put(store, one)) == 4
    assert store.sql("select * from spaces").table.num_rows == 0
    texts = store.sql("select hyperparameters as h from configs").column("h")
    assert sorted(map(len, map(json.loads, texts))) == [1, 1, 2, 2]


def test_studies_of_one_name_meet_only_where_the_space_is_named(store: Store) -> None:
    """Who calls every study `s` has, of two tuners, two spaces, unless he says it is one."""
    first = study({"loss": True}, [1.0, 2.0], declared={"x": Range(0.0, 1.0)})
    other = study({"loss": True}, [3.0], configs=[{"y": "a"}])
    other = replace(other, tuner="other")
    put(store, first, task="mine:t")
    assert len(put(store, other, task="mine:t")) == 3
    assert set(store.spaces().column("space")) == {"tuner:s", "other:s"}
    assert store.space("tuner:s").name == "tuner:s"


WRONG = {
    "optuna": ("journal.log", '"values": [0.75]', '"values": [{}]'),
    "smac": ("runhistory.json", '{"depth": 3}', '"depth"'),
    "ray-tune": ("churn/t1/result.json", '"training_iteration": 2', '"training_iteration": []'),
    "syne-tune": ("metadata.json", 'lower\\": 0.125', 'lower\\": null'),
    "mlflow": ("1/run1/metrics/accuracy", "0.75", "much"),
    "cv-results": ("forest.csv", "0.625", "0.6.25"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_the_wrong_kind_is_refused_in_one_sentence(
    name: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tiny(name)
    place, right, wrong = WRONG[name]
    text = (folder / place).read_text()
    assert right in text
    (folder / place).write_text(text.replace(right, wrong))
    one = source(name, [folder])
    with pytest.raises(MalformedFile, match=r"^[^\n]+$"):
        [rows for path in one.fetch(tmp_path) for rows in one.parse(path)]
