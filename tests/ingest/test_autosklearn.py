"""auto-sklearn's meta-data: losses turned back into scores, and inactive means absent."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest import source
from ingest.load import load
from metadb.arff import read_arff
from metadb.errors import MalformedFile, NotFound
from metadb.store import Store

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "autosklearn-metadata"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data only with {SHARED}")

Tiny = Callable[[str], Path]


def fill(store: Store, *paths: Path) -> list[dict[str, Any]]:
    found = load("autosklearn", source("autosklearn", paths), store, store.path / "cache")
    return [one.load for one in found]


def parse(path: Path) -> None:
    """All rows of a path, without a store."""
    one = source("autosklearn", [path])
    for fetched in one.fetch(path):
        list(one.parse(fetched))


def test_one_minus_a_score_becomes_the_score(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("autosklearn"))
    found = store.sql(
        "select task, metric, value, status, hyperparameters as h from evaluations "
        "join configs using (config) order by task"
    )
    assert [tuple(row.values()) for row in found] == [
        (
            "autosklearn:regression/moons",
            "r2",
            0.75,
            "ok",
            '{"regressor:__choice__":"sgd","regressor:sgd:alpha":0.5,"regressor:sgd:average":true}',
        ),
        (
            "autosklearn:regression/stars",
            "r2",
            None,
            "failed",
            '{"regressor:__choice__":"knn","regressor:knn:k":3}',
        ),
        (
            "autosklearn:regression/suns",
            "r2",
            -0.5,
            "ok",
            '{"regressor:__choice__":"knn","regressor:knn:k":3}',
        ),
    ]
    assert store.status()["rows"]["configs"] == 2  # two numbers, one config


@pytest.mark.parametrize(
    ("column", "metric", "value"),
    [
        ("accuracy", "accuracy", 0.75),
        ("roc_auc", "roc_auc", 0.75),
        ("f1_macro", "f1_macro", 0.75),
        ("f1", "f1_binary", 0.75),  # as in scikit-learn
        ("f1_weighted", "f1", 0.75),
        ("log_loss", "log_loss", 0.25),
        ("root_mean_squared_error", "rmse", 0.25),
        ("mean_squared_log_error", "mean_squared_log_error", 0.25),
    ],
)
def test_each_metric_has_its_own_direction(
    column: str, metric: str, value: float, tiny: Tiny, store: Store
) -> None:
    file = tiny("autosklearn") / "algorithm_runs.arff"
    file.write_text(file.read_text().replace("r2", column).replace("1.5", "0.5"))
    fill(store, file)
    best = "select value from evaluations where task like '%moons' and metric = ?"
    assert store.sql(best, [metric]).column("value") == [value]


def test_the_costs_of_features_add_up_to_all_steps(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("autosklearn"))
    found = store.sql(
        "select name, value, cost_s, extractor from metafeatures where task like '%moons' order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("KMax", 2.0, 2.125, "autosklearn"),
        ("KMin", -1.5, 2.25, "autosklearn"),
        ("n", 10.0, 0.5, "autosklearn"),
    ]
    assert store.task("autosklearn:regression/suns").metafeatures == {"n": 20.0, "KMax": 4.0}
    assert store.task("autosklearn:regression/comets").name == "comets"  # features and no run


def test_the_same_rows_under_another_name_count_once(tiny: Tiny, store: Store) -> None:
    folder = tiny("autosklearn")
    fill(store, folder)
    twin = folder.rename(folder.with_name("r2_twin.regression_dense"))
    assert [row["n_added"] for row in fill(store, twin)] == [0]


def test_sparse_data_are_searched_in_a_space_of_their_own(tiny: Tiny, store: Store) -> None:
    folder = tiny("autosklearn")
    fill(store, folder)
    fill(store, folder.rename(folder.with_name("r2_regression_sparse")))
    counts = store.sql("select space, count(*) as n from configs group by 1 order by 1")
    assert [tuple(row.values()) for row in counts] == [
        ("autosklearn-regression-dense", 2),
        ("autosklearn-regression-sparse", 2),
    ]
    assert store.status()["rows"]["tasks"] == 4


def test_a_folder_is_the_same_from_within(
    tiny: Tiny, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny("autosklearn")
    monkeypatch.chdir(folder.rename(folder.with_name("r2_regression_sparse")))
    fill(store, Path())
    assert store.sql("select distinct space as s from configs").column("s") == [
        "autosklearn-regression-sparse"
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("algorithm_runs.arff", "1.0,4,", "1.0,5,", "the algorithm '5' is not in configurations"),
        ("algorithm_runs.arff", "r2", "glory", "the metric 'glory' is not one of auto-sklearn's"),
        ("algorithm_runs.arff", "moons,", "?,", "a run without instance_id"),
        ("algorithm_runs.arff", "r2 NUMERIC", "r2 STRING", "needs the columns"),
        ("configurations.csv", "regressor:__choice__", "choice", "needs a row, and a column"),
        ("configurations.csv", "sgd,0.5,True,", "sgd,0.5", "line 2: too few or too many cells"),
        ("feature_values.arff", "suns", "moons", "every row should have an instance_id of its own"),
        ("feature_costs.arff", "instance_id", "id", "has no column 'instance_id'"),
    ],
)
def test_a_wrong_file_is_named_with_what_would_be_right(
    name: str, old: str, new: str, said: str, tiny: Tiny
) -> None:
    folder = tiny("autosklearn")
    (folder / name).write_text((folder / name).read_text().replace(old, new, 1))
    with pytest.raises(MalformedFile, match=said):
        parse(folder)


def test_a_folder_without_runs_says_so(tiny: Tiny) -> None:
    folder = tiny("autosklearn")
    (folder / "algorithm_runs.arff").unlink()
    with pytest.raises(NotFound, match=r"no file .*algorithm_runs\.arff"):
        list(source("autosklearn", []).parse(folder))


# -- auto-sklearn 2.0 -----------------------------------------------------------------------------


def askl2(folder: Path, metric: str = "balanced_accuracy", **changes: Any) -> Path:
    content = {
        "metafeatures": {"NumberOfFeatures": {"7": 4.0, "9": 8.0}},
        "strategies": ["holdout", "folds", "halving"],
        "y_values": [[0.25, 0.5, 0.125], [0.0, 1.0, 0.75]],
    }
    file = folder / "askl2" / metric / "askl2_training_data.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content | changes))
    return file


@pytest.mark.parametrize(
    ("metric", "value"),
    [("balanced_accuracy", [0.75, 0.5, 0.875]), ("log_loss", [0.25, 0.5, 0.125])],
)
def test_a_matrix_of_strategies_is_evaluations(
    metric: str, value: list[float], tmp_path: Path, store: Store
) -> None:
    askl2(tmp_path, metric)
    fill(store, tmp_path)
    found = store.sql(
        "select metric, value from evaluations join configs using (config) "
        "where task = 'openml:task/7' and space = 'autosklearn-strategies' "
        "order by position(json_extract_string(hyperparameters, '$.strategy') in "
        "'holdout folds halving')"
    )
    assert [tuple(row.values()) for row in found] == [(metric, v) for v in value]
    assert store.task("openml:task/9").metafeatures == {"NumberOfFeatures": 8.0}


def test_a_portfolio_is_configs_without_evaluations(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "askl2_portfolios" / "greedy.json"
    file.parent.mkdir()
    config = {"classifier:__choice__": "sgd", "classifier:sgd:average": "False"}
    file.write_text(json.dumps({"portfolio": {"a": config, "b": config | {"x": 0.5}}}))
    fill(store, tmp_path)
    texts = store.sql("select hyperparameters as h, space from configs order by 1")
    assert [tuple(row.values()) for row in texts] == [
        (
            '{"classifier:__choice__":"sgd","classifier:sgd:average":false,"x":0.5}',
            "autosklearn-classification-dense",
        ),
        (
            '{"classifier:__choice__":"sgd","classifier:sgd:average":false}',
            "autosklearn-classification-dense",
        ),
    ]
    assert store.status()["rows"]["evaluations"] == 0


@pytest.mark.parametrize(
    ("metric", "changes", "said"),
    [
        ("glory", {}, "the folder of a matrix is named after its metric"),
        ("log_loss", {"y_values": [[1.0]]}, r"y_values has the shape \(1, 1\)"),
        ("log_loss", {"y_values": [["x"] * 3] * 2}, "a list of lists of numbers"),
        ("log_loss", {"metafeatures": {}}, "metafeatures must be name to task to number"),
        ("log_loss", {"metafeatures": {"n": {"x": 1, "9": 2}}}, "tasks are numbers of OpenML"),
    ],
)
def test_a_wrong_matrix_is_named(
    metric: str, changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = askl2(tmp_path, metric, **changes)
    with pytest.raises(MalformedFile, match=said):
        parse(file)


@pytest.mark.parametrize(
    "text",
    ["[]", '{"portfolio": []}', '{"portfolio": {"a": 1}}', '{"portfolio": {"a": {"b": []}}}'],
)
def test_a_wrong_portfolio_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "greedy.json"
    file.write_text(text)
    with pytest.raises(MalformedFile, match="greedy"):
        list(source("autosklearn", []).parse(file))


# -- real data ------------------------------------------------------------------------------------


@real
def test_the_real_folders_agree_with_the_raw_files(store: Store) -> None:
    loaded = fill(store, SHARED)
    assert len(loaded) == 21
    assert sum(row["n_rejected"] for row in loaded) == 0
    scores = {"accuracy", "balanced_accuracy", "roc_auc", "r2"}
    ours = {"mean_absolute_error": "mae", "mean_squared_error": "mse"}
    ours |= {"root_mean_squared_error": "rmse"}
    for path in SHARED.glob("*/algorithm_runs.arff"):
        arff = read_arff(path).table
        (column,) = {*arff.column_names} - {"instance_id", "repetition", "algorithm", "runstatus"}
        losses = [v for v in arff.column(column).to_pylist() if v is not None]
        with (path.parent / "configurations.csv").open(newline="") as stream:
            n_configs = len({tuple(row[1:]) for row in csv.reader(stream)}) - 1
        space = "autosklearn-" + path.parent.name.rpartition(".")[2].replace("_", "-")
        if "regression" in path.parent.name:
            space = "autosklearn-regression-dense"
        (row,) = store.sql(
            "select count(*) as n, count(distinct config) as c, count(value) as ok, "
            "avg(value) as mean from losses where space = ? and metric = ?",
            [space, ours.get(column, column)],
        )
        mean = sum(losses) / len(losses)
        assert row["n"] == arff.num_rows
        assert row["c"] == n_configs
        assert row["ok"] == len(losses)
        assert row["mean"] == pytest.approx(1 - mean if column in scores else mean)
    counts = store.sql(
        "select count(distinct task) as t, count(distinct name) as f, count(*) as n "
        "from metafeatures where task like 'autosklearn:%' group by task like '%regression/%' "
        "order by t"
    )
    assert [tuple(row.values()) for row in counts] == [(111, 31, 3441), (208, 37, 7696)]
    missing = "select count(*) as n from metafeatures where cost_s is null and task like 'auto%'"
    assert store.sql(missing).column("n") == [0]


@real
def test_the_costs_of_real_features_add_up(store: Store) -> None:
    folder = SHARED / "r2_regression_dense"
    fill(store, folder)
    costs = read_arff(folder / "feature_costs.arff").table.drop_columns(["repetition"]).to_pylist()
    total = {row.pop("instance_id"): sum(row.values()) for row in costs}
    found = store.sql("select task, sum(cost_s) as s from metafeatures group by 1")
    assert {row["task"].partition("/")[2]: row["s"] for row in found} == pytest.approx(total)


@real
def test_the_real_matrices_are_losses_and_not_regrets(store: Store) -> None:
    """A perfect log loss is that of a clipped 1; guessing among 49 classes is right once in 49."""
    fill(store, SHARED / "askl2")
    for metric in ("balanced_accuracy", "log_loss", "roc_auc"):
        raw = json.loads((SHARED / "askl2" / metric / "askl2_training_data.json").read_text())
        flat = [v for row in raw["y_values"] for v in row]
        (row,) = store.sql(
            "select count(*) as n, avg(value) as mean, min(value) as least from evaluations "
            "where metric = ?",
            [metric],
        )
        mean = sum(flat) / len(flat)
        assert row["n"] == len(flat)
        assert row["mean"] == pytest.approx(mean if metric == "log_loss" else 1 - mean)
        if metric == "balanced_accuracy":
            assert row["least"] == pytest.approx(1 / 49)
        if metric == "log_loss":
            assert row["least"] == pytest.approx(1e-15, rel=1e-3)
