"""LCDB 1.1: every number of the nested lists becomes one evaluation, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest import lcdb, source
from ingest.load import load
from metadb.errors import MalformedFile, NotFound
from metadb.store import Store

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "lcdb11"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data only with {SHARED}")

Tiny = Callable[[str], Path]


def fill(store: Store, *paths: Path) -> list[dict[str, object]]:
    found = load("lcdb", source("lcdb", paths), store, store.path / "cache")
    return [one.load for one in found]


def parse(path: Path) -> None:
    """All rows of a path, without a store."""
    one = source("lcdb", [path])
    for fetched in one.fetch(path):
        list(one.parse(fetched))


def test_each_split_and_its_standard_error_is_a_metric(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("lcdb"))
    found = store.sql(
        "select metric, value from evaluations join configs using (config) "
        "where task = 'openml:dataset/61' and hyperparameters like '%Tree%' and budget = 23 "
        "order by metric"
    )
    assert [tuple(row.values()) for row in found] == [
        ("error_rate", 0.5),
        ("error_rate/standard_error", 0.03125),
        ("error_rate/train", 0.125),
        ("error_rate/train/standard_error", 0.0),
        ("error_rate/validation", 0.375),
        ("error_rate/validation/standard_error", 0.0625),
    ]
    assert store.main_metric("lcdb") == "error_rate"
    metrics = [store.metric(row["metric"]) for row in found]
    assert {(m.lower_is_better, m.lower, m.upper) for m in metrics} == {(True, 0.0, 1.0)}


def test_a_curve_grows_with_the_instances_and_ends_where_it_was_not_run(
    tiny: Tiny, store: Store
) -> None:
    fill(store, tiny("lcdb"))
    found = store.sql(
        "select hyperparameters as h, budget_unit, list(budget order by point) as sizes, "
        "list(value order by point) as losses from learning_curves join configs using (config) "
        "where metric = 'error_rate' and task = 'openml:dataset/61' group by all order by h"
    )
    assert [tuple(row.values()) for row in found] == [
        ('{"learner":"Net"}', "instances", [16.0, 23.0], [0.625, 0.25]),
        ('{"learner":"Tree"}', "instances", [16.0, 23.0, 32.0], [0.625, 0.5, 0.25]),
    ]
    none = "select count(*) as n from evaluations where value is null"
    assert store.sql(none).column("n") == [0]
    net = "select count(*) as n from results where task = 'openml:dataset/3'"
    assert store.sql(net).column("n") == [18]  # six metrics at three sizes of the one learner run


def test_data_sets_learners_and_meta_features_have_their_names(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("lcdb"))
    task = store.task("openml:dataset/61")
    assert (task.name, task.dataset, task.kind) == ("iris", "openml:dataset/61", "classification")
    assert task.metafeatures == {
        "nr_inst": 150.0,
        "nr_attr": 4.0,
        "nr_class": 3.0,
        "MaxClassRatio": 0.33,
        "max_anchor": 121.0,
    }
    flows = store.sql("select flow, name, family from flows order by 1")
    assert [tuple(row.values()) for row in flows] == [
        ("lcdb:Net", "Net", "Net"),
        ("lcdb:Tree", "sklearn.tree.TreeClassifier", "sklearn.TreeClassifier"),
    ]


def test_the_folder_is_one_load_whichever_way_it_is_named(tiny: Tiny, store: Store) -> None:
    folder = tiny("lcdb")
    whole, by_meta = fill(store, folder), fill(store, folder / "meta.json")
    assert len(whole) == len(by_meta) == 1
    assert by_meta[0]["load"] == whole[0]["load"]
    assert store.sql("select count(*) as n from loads").column("n") == [1]


def test_the_summaries_may_be_absent(tiny: Tiny, store: Store) -> None:
    folder = tiny("lcdb")
    for name in ("names.json", "learner_zoo.csv", *(p.name for p in folder.glob("datasets*"))):
        (folder / name).unlink()
    fill(store, folder)
    assert store.status()["rows"]["evaluations"] == 48
    assert store.status()["rows"]["metafeatures"] == 0


def test_a_file_broken_after_the_first_batch_takes_the_load_back(
    tiny: Tiny, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny("lcdb")
    file = folder / "er" / "61.json"
    file.write_text(file.read_text()[:-3])
    monkeypatch.setattr(lcdb, "_BATCH", 1)
    parsed = source("lcdb", [folder]).parse(folder)
    assert next(iter(parsed)).tables["evaluations"].num_rows == 18
    with pytest.raises(MalformedFile, match=r"61\.json is not a JSON file"):
        fill(store, folder)
    assert store.status()["rows"]["evaluations"] == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("er/3.json", "[[[[0.5]]]]", r"3\.json has the shape \(1, 1, 1, 1\), where meta.json says"),
        ("er/3.json", "[[1], [2, 3]]", r"3\.json is not a nested list of numbers"),
        ("er/3.json", '{"a": 1}', r"3\.json is not a nested list of numbers"),
        ("er/3.json", "[" * 100_000, r"3\.json is not a JSON file"),
        ("er/iris.json", "[]", r"iris\.json is not named after an OpenML data set"),
        ("meta.json", "[]", r"meta\.json must be a JSON object with the lists learners"),
        ("meta.json", {"anchors": [16, -1, 32]}, "an anchor is not a positive number"),
        ("meta.json", {"learners": ["Tree", "Tree"]}, "names a learner twice"),
        ("meta.json", {"tvt_labels": ["train", "val", "train"]}, "are not among"),
        ("names.json", "[]", r"names\.json must be a JSON object"),
        ("datasets_FULL_max_anchor.csv", "openml_id,max_anchor\n61,big\n", "'big' stands where"),
        ("learner_zoo.csv", "learner\nTree\n", "has no column 'learner_full'"),
    ],
)
def test_a_wrong_file_is_named_with_what_would_be_right(
    name: str, content: object, said: str, tiny: Tiny
) -> None:
    folder = tiny("lcdb")
    if isinstance(content, dict):
        content = json.dumps(json.loads((folder / name).read_text()) | content)
    (folder / name).write_text(str(content))
    with pytest.raises(MalformedFile, match=said):
        parse(folder)


def test_a_score_outside_its_bounds_is_turned_away_and_counted(tiny: Tiny, store: Store) -> None:
    folder = tiny("lcdb")
    file = folder / "er" / "3.json"
    file.write_text(file.read_text().replace("0.125", "12.5"))
    assert [row["n_rejected"] for row in fill(store, folder)] == [1]
    assert store.status()["rows"]["evaluations"] == 47


def test_a_folder_without_curves_says_so(tiny: Tiny, store: Store) -> None:
    folder = tiny("lcdb")
    for file in (folder / "er").iterdir():
        file.unlink()
    with pytest.raises(NotFound, match="there are no curves"):
        fill(store, folder)


@real
def test_the_real_release_is_in_the_store_number_by_number(store: Store) -> None:
    (row,) = fill(store, SHARED)
    assert row["n_rejected"] == 0
    meta = json.loads((SHARED / "meta.json").read_text())
    files = sorted((SHARED / "er").glob("*.json"))
    values = np.array([json.loads(file.read_text()) for file in files], float)
    # (data sets, learners, statistics, anchors, splits)
    splits = {"train": "/train", "val": "/validation", "test": ""}
    found = {
        row["metric"]: row
        for row in store.sql(
            "select metric, count(*) as n, count(distinct task) as tasks, sum(value) as total, "
            "count(distinct task || config) as curves, sum(value * budget) as weighted "
            "from evaluations group by 1"
        )
    }
    for s, stat in enumerate(("", "/standard_error")):
        for t, split in enumerate(meta["tvt_labels"]):
            numbers = values[:, :, s, :, t]
            row = found.pop(f"error_rate{splits[split]}{stat}")
            assert row["n"] == (~np.isnan(numbers)).sum()
            assert row["tasks"] == len(files) == 177
            assert row["curves"] == 4790
            assert row["total"] == pytest.approx(np.nansum(numbers))
            assert row["weighted"] == pytest.approx(np.nansum(numbers * meta["anchors"]))
    assert not found
    points = "select count(*) as n from evaluations where metric = 'error_rate/validation'"
    assert store.sql(points).column("n") == [301_197]
    nth, learner = files.index(SHARED / "er" / "3.json"), meta["learners"].index("QDA")
    curve = store.sql(
        "select value from evaluations join configs using (config) where metric = 'error_rate' and "
        "task = 'openml:dataset/3' and hyperparameters = '{\"learner\":\"QDA\"}' order by budget"
    ).column("value")
    test = values[nth, learner, 0, :, meta["tvt_labels"].index("test")]
    assert curve == test[~np.isnan(test)].tolist()
