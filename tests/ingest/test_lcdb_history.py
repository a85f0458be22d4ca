"""The side files of LCDB 1.0: curves with their seconds, and OpenML qualities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import source
from ingest.load import load
from metadb.errors import MalformedFile
from metadb.store import Store

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "lcdb-history"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data only with {SHARED}")

Tiny = Callable[[str], Path]


def fill(store: Store, *paths: Path) -> list[dict[str, object]]:
    found = load("lcdb-history", source("lcdb-history", paths), store, store.path / "cache")
    return [one.load for one in found]


def parse(path: Path) -> None:
    """All rows of a path, without a store."""
    one = source("lcdb-history", [path])
    for fetched in one.fetch(path):
        list(one.parse(fetched))


def test_a_row_becomes_a_curve_with_the_seconds_of_each_size(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("lcdb-history"))
    found = store.sql(
        "select metric, budget, value, cost_s, budget_unit as u from evaluations "
        "join configs using (config) where hyperparameters like '%0.5%' order by metric, budget"
    )
    assert [tuple(row.values()) for row in found] == [
        ("accuracy", 16.0, 0.625, 0.75, "instances"),
        ("accuracy", 32.0, 0.875, 1.5, "instances"),
        ("accuracy/train", 16.0, 1.0, 0.75, "instances"),
        ("accuracy/train", 32.0, 1.0, 1.5, "instances"),
        ("accuracy/validation", 16.0, 0.5, 0.75, "instances"),
        ("accuracy/validation", 32.0, 0.75, 1.5, "instances"),
        ("fit_s", 16.0, 0.5, 0.75, "instances"),
        ("fit_s", 32.0, 1.0, 1.5, "instances"),
        ("predict_s", 16.0, 0.25, 0.75, "instances"),
        ("predict_s", 32.0, 0.5, 1.5, "instances"),
    ]
    assert store.main_metric("lcdb-linear") == "accuracy"


def test_hyperparameters_are_typed_and_none_is_one_value(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("lcdb-history"))
    texts = store.sql("select hyperparameters as h from configs order by 1").column("h")
    assert texts == [
        '{"C":0.002,"dual":false,"scaler":"minmax"}',
        '{"C":0.5,"dual":true,"scaler":"None"}',
    ]


def test_qualities_come_under_openmls_names_and_ours(tiny: Tiny, store: Store) -> None:
    first, second = fill(store, tiny("lcdb-history"))
    assert (first["licence"], second["licence"]) == ("MIT", "none stated")
    features = store.task("openml:dataset/7").metafeatures
    assert features["NumberOfInstances"] == features["nr_inst"] == 150
    assert "ClassEntropy" not in features
    assert store.task("openml:dataset/8").metafeatures["ClassEntropy"] == 1.5
    assert store.task("openml:dataset/8").name == "eight"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("samples", "folds", "row 2: m:fidelity_unit is 'folds'; only samples can be read"),
        ("[16, 32]", "[16]", r"1 sizes, but scores of shape \(2, 3, 2\)"),
        ("[16, 32]", "[16, x]", "m:fidelity_values is not a nested list of numbers"),
        ("[16, 32]", "[[16, 32]]", "m:fidelity_values is nested 2 deep; right are 1"),
        ("'accuracy'", "'auc'", "m:score_types is .*; it needs accuracy"),
        (",7,x.", ",seven,x.", "'seven' is not the number of an OpenML data set"),
        ("0.75,7", "7", "too few or too many cells"),
    ],
)
def test_a_wrong_cell_is_named_and_nothing_is_added(
    old: str, new: str, said: str, tiny: Tiny
) -> None:
    file = tiny("lcdb-history") / "results.csv"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(MalformedFile, match=said):
        parse(file)


@real
def test_the_real_files_agree_with_pandas(store: Store) -> None:
    pd = pytest.importorskip("pandas")
    assert {row["n_rejected"] for row in fill(store, SHARED)} == {0}
    raw = pd.read_csv(SHARED / "datasets.csv").set_index("openmlid").drop(columns="Name")
    found = store.sql(
        "select count(*) as n, count(distinct task) as tasks, count(distinct name) as names, "
        "sum(value) as total from metafeatures where extractor = 'openml'"
    )
    assert tuple(next(iter(found)).values()) == (
        219 * 64 - 3077,
        219,
        64,
        pytest.approx(raw.sum().sum()),
    )
    runs = pd.read_csv(SHARED / "results.csv", keep_default_na=False)
    scores = runs["m:score_values"].map(json.loads)
    last = store.sql(
        "select value from finals where metric = 'accuracy/validation' order by value"
    ).column("value")
    assert last == sorted(runs["objective"])
    mean = "select avg(value) as v, count(*) as n from evaluations where metric = 'accuracy'"
    (row,) = store.sql(mean)
    expected = [point[2][0] for curve in scores for point in curve]
    assert (row["v"], row["n"]) == (pytest.approx(sum(expected) / len(expected)), 1600)
    seconds = [sum(map(sum, json.loads(text))) for text in runs["m:time_values"]]
    total = "select sum(cost_s) as s from evaluations where metric = 'accuracy'"
    assert store.sql(total).column("s") == [pytest.approx(sum(seconds))]
    assert store.status()["rows"]["configs"] == 100
