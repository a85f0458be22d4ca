"""Tables in zips: units turned, operations named, and a zip that decides nothing."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import hp_transfer, source
from ingest.load import load
from ingest.zipped import only_member
from metadb.errors import MalformedFile
from metadb.store import Store

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hp-transfer-evaluations"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data only with {SHARED}")

Tiny = Callable[[str], Path]


def fill(store: Store, *paths: Path) -> list[dict[str, object]]:
    found = load("hp-transfer", source("hp-transfer", paths), store, store.path / "cache")
    return [one.load for one in found]


def parse(path: Path) -> None:
    """All rows of a path, without a store."""
    one = source("hp-transfer", [path])
    for fetched in one.fetch(path):
        list(one.parse(fetched))


def content(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.infolist()[0]).decode()


def rewrite(path: Path, **members: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)


def test_percent_becomes_a_share_and_millions_a_count(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("hp-transfer"))
    found = store.sql(
        "select e.metric, value, m.unit from evaluations e join metrics m using (metric) "
        "where task = 'hp-transfer:pets' order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("accuracy", 0.625, "1"),
        ("accuracy/train", 0.8, "1"),
        ("latency_s", 0.25, "s"),
        ("n_parameters", 135156.0, "1"),
    ]
    assert store.main_metric("nas-bench-201") == "accuracy"


def test_an_error_stays_an_error_and_seconds_are_the_cost(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("hp-transfer"))
    found = store.sql(
        "select task, metric, value, cost_s from losses "
        "where space in ('hp-transfer-xgboost', 'hp-transfer-deepar') order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("hp-transfer:games", "error_rate", 0.5, None),
        ("hp-transfer:toys", "error_rate", 0.125, None),
        ("hp-transfer:trade", "crps", 1.25, 90.0),
        ("hp-transfer:trade", "rmse", 700.0, 90.0),
        ("hp-transfer:trade", "throughput", 1000.0, 90.0),
        ("hp-transfer:trade", "train_loss", -5.5, 90.0),
    ]
    assert not store.metric("throughput").lower_is_better
    assert store.task("hp-transfer:trade").metafeatures == {"prediction_length": 14.0}
    assert store.task("hp-transfer:trade").kind == "forecasting"


def test_an_architecture_is_one_config_on_all_its_tasks(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("hp-transfer"))
    texts = store.sql("select hyperparameters as h from configs order by space, h").column("h")
    assert texts == [
        '{"context_length_ratio_log":-0.5,"dropout_rate_log":-2.0,"learning_rate_log":-6.0,'
        '"num_batches_per_epoch_log":7.0,"num_cells":4.0,"num_layers":0.7}',
        '{"colsample_bytree":0.5,"eta":0.25,"log2_alpha":1e-05,"log2_gamma":-2.0,'
        '"log2_lambda":-4.5,"log2_min_child_weight":1.5,"max_depth_index":3,"subsample":0.75}',
        '{"colsample_bytree":0.5,"eta":0.25,"log2_alpha":2.0,"log2_gamma":0.0,'
        '"log2_lambda":-4.5,"log2_min_child_weight":2.5,"max_depth_index":12,"subsample":0.75}',
        '{"x0":"avg_pool_3x3","x1":"nor_conv_3x3","x2":"nor_conv_1x1","x3":"skip_connect",'
        '"x4":"none","x5":"none"}',
    ]


def test_progress_curves_of_optimisers_are_left_out(tiny: Tiny) -> None:
    folder = tiny("hp-transfer")
    names = [path.name for path in source("hp-transfer", [folder]).fetch(folder)]
    assert names == ["DeepAR.csv.zip", "XGBoost.csv.zip", "nas.csv.zip"]
    with pytest.raises(
        MalformedFile, match=r"progress\.csv\.zip holds no CSV text with the columns"
    ):
        list(source("hp-transfer", []).parse(folder / "progress.csv.zip"))


@pytest.mark.parametrize("member", ["/tmp/metadb-evil.csv", "../../metadb-evil.csv", "C:\\evil"])
def test_the_name_of_a_member_writes_nothing(member: str, tiny: Tiny, store: Store) -> None:
    file = tiny("hp-transfer") / "nas.csv.zip"
    text = content(file)
    rewrite(file, **{member: text})
    before = {path for path in file.parents[2].rglob("*") if store.path not in path.parents}
    fill(store, file)
    after = {path for path in file.parents[2].rglob("*") if store.path not in path.parents}
    assert after - before <= {store.path}
    assert not Path("/tmp/metadb-evil.csv").exists()
    assert store.status()["rows"]["evaluations"] == 8


def test_a_zip_bomb_is_read_to_the_limit_and_refused(
    tiny: Tiny, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hp_transfer, "MAX_BYTES", 100_000)
    file = tiny("hp-transfer") / "XGBoost.csv.zip"
    text = content(file)
    rewrite(file, table=text + text.splitlines()[1][:5] * 2_000_000)
    assert file.stat().st_size < 100_000
    with pytest.raises(MalformedFile, match="unpacks to more than 100,000 bytes"):
        fill(store, file)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("nas.csv.zip", "4,3,2,1,0,0,text,80", "4,3,2,1,0,7,text,80", "the operation 7 is not"),
        ("nas.csv.zip", "pets,NAS", "pets,FCNET", "is of the search spaces"),
        ("nas.csv.zip", ",0.135156,", ",,", "has an empty cell"),
        ("nas.csv.zip", ",62.5,", ",high,", "holds no CSV text"),
        ("nas.csv.zip", "metric_latency", "metric_delay", "has no column 'metric_latency'"),
        ("nas.csv.zip", "blackbox", "space", "the columns blackbox, task"),
    ],
)
def test_a_wrong_table_is_named_with_what_would_be_right(
    file: str, old: str, new: str, said: str, tiny: Tiny
) -> None:
    path = tiny("hp-transfer") / file
    rewrite(path, table=content(path).replace(old, new, 1))
    with pytest.raises(MalformedFile, match=said):
        parse(path)


def test_a_broken_member_of_another_compression_is_named(tmp_path: Path) -> None:
    path = tmp_path / "XGBoost.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("table", "a,b\n" * 500)
    body = path.read_bytes()
    path.write_bytes(body[:50] + b"\xff" * 12 + body[62:])
    with pytest.raises(MalformedFile, match="is not a zip that can be read"):
        only_member(path, 1 << 20)


def test_a_zip_of_several_members_is_refused(tiny: Tiny) -> None:
    file = tiny("hp-transfer") / "nas.csv.zip"
    rewrite(file, one=content(file), two="")
    with pytest.raises(MalformedFile, match="holds 2 members; it should hold one"):
        parse(file)


@real
def test_the_real_tables_agree_with_pandas(store: Store) -> None:
    pd = pytest.importorskip("pandas")
    assert {row["n_rejected"] for row in fill(store, SHARED)} == {0}
    raw = {
        name: pd.read_csv(io.StringIO(content(SHARED / f"{name}.csv.zip")))
        for name in ("XGBoost", "DeepAR", "nas_bench102")
    }
    assert sum(map(len, raw.values())) == 99_385
    columns = {
        ("hp-transfer-xgboost", "error_rate"): raw["XGBoost"].metric_error,
        ("hp-transfer-deepar", "crps"): raw["DeepAR"].metric_CRPS,
        ("hp-transfer-deepar", "rmse"): raw["DeepAR"].metric_RMSE,
        ("hp-transfer-deepar", "throughput"): raw["DeepAR"].metric_throughput,
        ("hp-transfer-deepar", "train_loss"): raw["DeepAR"].metric_train_loss,
        ("nas-bench-201", "accuracy"): 1 - raw["nas_bench102"].metric_error / 100,
        ("nas-bench-201", "accuracy/train"): raw["nas_bench102"].metric_train_accuracy / 100,
        ("nas-bench-201", "latency_s"): raw["nas_bench102"].metric_latency,
        ("nas-bench-201", "n_parameters"): raw["nas_bench102"].metric_params_size * 1e6,
    }
    found = store.sql(
        "select space, metric, count(*) as n, avg(value) as mean, min(value) as least, "
        "max(value) as most from losses group by 1, 2"
    )
    assert {(row["space"], row["metric"]) for row in found} == columns.keys()
    for row in found:
        expected = columns[row["space"], row["metric"]]
        assert row["n"] == len(expected)
        assert row["mean"] == pytest.approx(expected.mean(), rel=1e-9)
        assert row["least"] == pytest.approx(expected.min(), rel=1e-12)
        assert row["most"] == pytest.approx(expected.max(), rel=1e-12)
    seconds = "select sum(cost_s) as s from losses where metric = 'crps'"
    assert store.sql(seconds).column("s") == [raw["DeepAR"].metric_time.sum()]


@real
def test_operations_are_those_that_the_architecture_names(store: Store) -> None:
    fill(store, SHARED / "nas_bench102.csv.zip")
    rows = csv.DictReader(io.StringIO(content(SHARED / "nas_bench102.csv.zip")))
    named = {row["arch_str"]: None for row in rows}
    made = store.sql('select * from space."nas-bench-201"').table.to_pylist()
    assert len(made) == len(named) == 15_625
    assert {
        "|{x0}~0|+|{x1}~0|{x2}~1|+|{x3}~0|{x4}~1|{x5}~2|".format(**config) for config in made
    } == named.keys()
