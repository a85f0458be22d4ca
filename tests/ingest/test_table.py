"""The source `table`: what a mapping can say, and what it is told when it is wrong."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest import source, table_reading
from ingest.load import Loaded, load
from metadb.errors import MalformedFile, NotFound
from metadb.store import Store

HEAD = 'origin = "lab"\nspace = "svm"\n[evaluations]\n'
COLUMNS = '[evaluations.columns]\ntask = "task"\nconfig = ["C", "kernel"]\n'
METRICS = '[evaluations.metrics]\nacc = "accuracy"\n'
CSV = "task,C,kernel,acc\niris,1,rbf,0.9\nwine,0.5,,0.8\n"


def folder(tmp_path: Path, mapping: str, **files: str | bytes) -> Path:
    path = tmp_path / "mine"
    path.mkdir()
    (path / "metadb.toml").write_text(mapping)
    for name, content in files.items():
        file = path / name.replace("__", ".")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fill(store: Store, path: Path) -> Loaded:
    (loaded,) = load("table", source("table", [path]), store, store.path / "cache")
    return loaded


def configs(store: Store) -> list[str]:
    texts = store.sql("select hyperparameters as h from configs order by 1").column("h")
    return [str(text) for text in texts]


def scores(store: Store) -> list[tuple[object, ...]]:
    found = store.sql("select task, metric, value, status from evaluations order by all")
    return [tuple(row.values()) for row in found]


def test_the_sample_of_metadb_itself(tmp_path: Path, store: Store) -> None:
    from ConfigSpace import ConfigurationSpace

    from metadb.space import to_json

    mapping = """
origin = "sample"
licence = "Apache-2.0"
space = "space.json"
[evaluations]
file = "evaluations.parquet"
[evaluations.columns]
task = "task"
config = "config"
fold = "fold"
budget = "fraction"
budget_unit = { value = "fraction" }
status = "status"
cost_s = ["fit_s", "predict_s"]
[evaluations.metrics]
accuracy = "accuracy"
balanced_accuracy = "balanced_accuracy"
fit_s = "fit_s"
predict_s = "predict_s"
[tasks]
file = "tasks.parquet"
columns = { task = "task", dataset = "dataset", target = "target", name = "name" }
[metafeatures]
file = "metafeatures.parquet"
columns = { task = "task" }
extractor = "metadb"
"""
    space = ConfigurationSpace(name="classifiers", space={"C": (0.1, 10.0)})
    path = folder(tmp_path, mapping, space__json=to_json(space))
    rows = [
        {"task": "iris", "config": json.dumps({"C": c}), "fold": 0, "fraction": f, "status": s,
         "accuracy": a, "balanced_accuracy": a, "fit_s": 1.0, "predict_s": p}
        for c, f, s, a, p in (
            (1.0, 0.5, "ok", 0.9, 0.25), (1.0, 1.0, "ok", 0.95, 0.5),
            (2.0, 1.0, "failed", None, None), (99.0, 1.0, "ok", 0.9, 0.5),
        )
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path / "evaluations.parquet")
    pq.write_table(
        pa.table({"task": ["iris"], "dataset": ["iris"], "target": ["species"], "name": ["Iris"]}),
        path / "tasks.parquet",
    )
    pq.write_table(
        pa.table(
            {"task": ["iris"], "nr_inst": [150], "nr_attr": [None]},
        ),
        path / "metafeatures.parquet",
    )
    loaded = fill(store, path)
    assert loaded.load["n_rejected"] == 1 + 4  # a config outside the space, and its evaluations
    found = store.sql(
        "select metric, budget, status, value, e.cost_s from evaluations e order by all"
    )
    assert len(found) == 3 * 4
    assert [tuple(row.values()) for row in found][:3] == [
        ("accuracy", 0.5, "ok", 0.9, 1.25),
        ("accuracy", 1.0, "failed", None, 1.0),
        ("accuracy", 1.0, "ok", 0.95, 1.5),
    ]
    task = store.task("sample:iris")
    assert (task.dataset, task.target, task.name) == ("sample:iris", "species", "Iris")
    assert task.metafeatures == {"nr_inst": 150.0}
    assert loaded.load["load"].startswith("table:mine@")


def test_a_cell_of_csv_is_what_its_text_stands_for(tmp_path: Path, store: Store) -> None:
    text = "task,C,kernel,acc\niris,1,rbf,0.9\niris,1.0,true,0.8\niris,None,,.7\n"
    fill(store, folder(tmp_path, HEAD + 'file = "r.csv"\n' + COLUMNS + METRICS, r__csv=text))
    assert configs(store) == [
        '{"C":"None"}',
        '{"C":1,"kernel":"rbf"}',
        '{"C":1.0,"kernel":true}',
    ]


@pytest.mark.parametrize("name", ["r.tsv", "r.csv.gz", "r.jsonl", "r.json", "r.ndjson.gz"])
def test_the_suffix_says_what_a_file_is(name: str, tmp_path: Path, store: Store) -> None:
    rows = [{"task": "iris", "C": 1, "kernel": "rbf", "acc": 0.9},
            {"task": "wine", "C": 0.5, "kernel": None, "acc": 0.8}]  # fmt: skip
    content = CSV
    if "json" in name:
        content = json.dumps(rows) if name == "r.json" else "\n".join(map(json.dumps, rows))
    if "tsv" in name:
        content = content.replace(",", "\t")
    raw = gzip.compress(content.encode()) if name.endswith("gz") else content.encode()
    path = folder(tmp_path, HEAD + f'file = "{name}"\n' + COLUMNS + METRICS, **{name: raw})
    fill(store, path)
    assert configs(store) == ['{"C":0.5}', '{"C":1,"kernel":"rbf"}']
    assert scores(store) == [
        ("lab:iris", "accuracy", 0.9, "ok"),
        ("lab:wine", "accuracy", 0.8, "ok"),
    ]


def test_parquet_cells_have_their_columns_type(tmp_path: Path, store: Store) -> None:
    path = folder(
        tmp_path,
        HEAD + 'file = "r.parquet"\nintegers = ["kernel"]\n' + COLUMNS + METRICS,
    )
    pq.write_table(
        pa.table(
            {
                "task": pa.array([31, 31, 31]),
                "C": pa.array([1.0, math.nan, 2.0]),
                "kernel": pa.array([3.0, 4.0, None]),  # whole, but pandas wrote floats
                "acc": pa.array([0.5, math.nan, math.inf]),
            }
        ),
        path / "r.parquet",
    )
    loaded = fill(store, path)
    assert configs(store) == ['{"C":1.0,"kernel":3}', '{"C":2.0}', '{"kernel":4}']
    assert scores(store) == [("lab:31", "accuracy", 0.5, "ok")]
    assert json.loads(loaded.load["rejections"])["score is NaN or infinite"]["count"] == 2


def test_configs_as_json_objects_structs_and_bad_texts(tmp_path: Path, store: Store) -> None:
    columns = '[evaluations.columns]\ntask = { value = "iris" }\nconfig = "config"\n'
    lines = [
        '{"config": {"b": 1, "a": null}, "acc": 0.5}',
        '{"config": "{\\"a\\": 2}", "acc": 0.6}',
        '{"config": "no json", "acc": 0.7}',
        '{"config": {"a": [1]}, "acc": 0.7}',
    ]
    path = folder(
        tmp_path, HEAD + 'file = "r.jsonl"\n' + columns + METRICS, r__jsonl="\n".join(lines)
    )
    loaded = fill(store, path)
    assert configs(store) == ['{"a":2}', '{"b":1}']
    assert loaded.load["n_rejected"] == 4  # two configs and their evaluations


def test_a_metric_a_row_in_the_long_form(tmp_path: Path, store: Store) -> None:
    mapping = HEAD + (
        'file = "r.csv"\n[evaluations.columns]\ntask = "task"\nconfig = ["C"]\nmetric = "what"\n'
        'value = "how_much"\nseed = "seed"\nbudget = { value = 9 }\n'
        'budget_unit = { value = "epochs" }\n'
        '[evaluations.metrics]\nloss = { metric = "my_loss", lower_is_better = true }\n'
    )
    text = ("task,C,what,how_much,seed\niris,1,predictive_accuracy,0.9,7\niris,1,loss,3.5,7\n"
            "iris,1,unheard,1,7\n")  # fmt: skip
    loaded = fill(store, folder(tmp_path, mapping, r__csv=text))
    assert scores(store) == [
        ("lab:iris", "accuracy", 0.9, "ok"),
        ("lab:iris", "my_loss", 3.5, "ok"),
    ]
    assert json.loads(loaded.load["rejections"])["unknown metric"]["count"] == 1
    (budget,) = store.sql("select distinct budget, budget_unit, seed from evaluations")
    assert tuple(budget.values()) == (9.0, "epochs", 7)


def test_configs_of_a_file_of_their_own(tmp_path: Path, store: Store) -> None:
    mapping = HEAD + (
        'file = "r.csv"\n[evaluations.columns]\ntask = "task"\nconfig = "id"\n'
        + METRICS
        + '[configs]\nfile = "configs.csv"\ncolumns = { key = "id" }\n'
        '[tasks]\ncolumns = { kind = { value = "regression" } }\n'
    )
    path = folder(
        tmp_path,
        mapping,
        r__csv="task,id,acc\niris,1,0.9\niris,2,0.8\niris,3,0.7\n",
        configs__csv="id,C,kernel\n1,0.5,rbf\n2,2,\n",
    )
    loaded = fill(store, path)
    assert configs(store) == ['{"C":0.5,"kernel":"rbf"}', '{"C":2}']
    assert json.loads(loaded.load["rejections"])["no config"]["count"] == 1
    assert store.task("lab:iris").kind == "regression"


def test_an_empty_cell_beside_a_filled_one_was_not_measured(tmp_path: Path, store: Store) -> None:
    mapping = HEAD + 'file = "r.csv"\n' + COLUMNS + METRICS + 'auc = "roc_auc"\n'
    text = "task,C,kernel,acc,auc\na,1,,0.9,\nb,1,,,0.8\nc,1,,,\n"
    loaded = fill(store, folder(tmp_path, mapping, r__csv=text))
    assert scores(store) == [("lab:a", "accuracy", 0.9, "ok"), ("lab:b", "roc_auc", 0.8, "ok")]
    assert json.loads(loaded.load["rejections"])["no score although its status is ok"]["count"] == 2


def test_metafeatures_in_the_long_form_and_from_openml(tmp_path: Path, store: Store) -> None:
    mapping = (
        'origin = "lab"\n[metafeatures]\nfile = "m.csv"\nextractor = "other"\n'
        'columns = { task = "task", name = "feature", value = "number" }\n'
    )
    path = folder(tmp_path, mapping, m__csv="task,feature,number\niris,nr_inst,150\niris,skew,\n")
    fill(store, path)
    assert store.task("lab:iris").metafeatures == {"nr_inst": 150.0}
    path.joinpath("metadb.toml").write_text(
        'origin = "lab"\n[metafeatures]\nfile = "q.csv"\nextractor = "openml"\n'
        'columns = { task = "task" }\n'
    )
    (path / "q.csv").write_text("task,NumberOfInstances\nwine,178\n")
    fill(store, path)
    assert store.task("lab:wine").metafeatures["nr_inst"] == 178


def test_large_files_come_in_pieces(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_reading, "CHUNK", 1000)
    monkeypatch.setattr("ingest.batches.BLOCK_BYTES", 4096)
    lines = [f"t{i % 7},{i % 50},rbf,{i % 2},{i}" for i in range(5000)]
    mapping = HEAD + 'file = "r.csv"\n' + COLUMNS + 'seed = "seed"\n' + METRICS
    path = folder(tmp_path, mapping, r__csv="task,C,kernel,acc,seed\n" + "\n".join(lines))
    pieces = [rows.tables for rows in source("table", [path]).parse(path)]
    assert len(pieces) >= 4
    assert sum(piece["configs"].num_rows for piece in pieces) == 50
    assert sum(piece["tasks"].num_rows for piece in pieces) == 7
    fill(store, path)
    assert len(scores(store)) == 5000


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ('origin = "Lab 1"', "origin is 'Lab 1'"),
        ("origin = ", "cannot be read"),
        ('origin = "lab"', "names no data"),
        ('origin = "lab"\nlicense = "MIT"', "unknown key 'license'; did you mean 'licence'"),
        (HEAD + 'fyle = "r.csv"', r"unknown key 'fyle' in \[evaluations\]; did you mean 'file'"),
        (HEAD + 'file = "r.csv"\ncolumns = { task = "task" }', "which column is 'config'"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS, "no metric"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + 'value = "acc"\n' + METRICS, "both metric and"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + '[evaluations.metrics]\nacc = "acuracy"',
         "'accuracy'"),
        (
            HEAD + 'file = "r.csv"\n' + COLUMNS
            + '[evaluations.metrics]\nacc = { metric = "accuracy", lower_is_better = true }',
            "lower_is_better is False",
        ),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + 'fold = { value = "x" }\n' + METRICS, "fold is"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + "fold = 3\n" + METRICS, "or a constant"),
        (HEAD + 'file = "../r.csv"\n' + COLUMNS + METRICS, "outside its folder"),
        (HEAD + 'file = "/etc/passwd"\n' + COLUMNS + METRICS, "outside its folder"),
        (HEAD + 'file = "link.csv"\n' + COLUMNS + METRICS, "outside its folder"),
        (HEAD + 'file = "rr.csv"\n' + COLUMNS + METRICS, "not there; did you mean 'r.csv'"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + 'fold = "fodl"\n' + METRICS, "column 'fodl'"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + '[evaluations.metrics]\nac = "accuracy"',
         "column 'ac', which r.csv does not have; did you mean 'acc'"),
        (HEAD + 'file = "r.xls"\n' + COLUMNS + METRICS, "right is one of .csv"),
        (HEAD + 'file = "bad.csv"\n' + COLUMNS + METRICS, "row 2: 'high' in column 'acc'"),
        (HEAD + 'file = "r.csv"\n' + COLUMNS + METRICS + '[evaluations.status_map]\nx = "bad"',
         "ok, failed"),
        ('origin = "lab"\nspace = "r.json"\n[evaluations]\nfile = "r.csv"\n' + COLUMNS + METRICS,
         "r.json"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_what_would_be_right(
    mapping: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "out.csv").write_text(CSV)
    path = folder(
        tmp_path, mapping, r__csv=CSV, r__xls="x", r__json="[]",
        bad__csv=CSV.replace("0.8", "high"),
    )  # fmt: skip
    (path / "link.csv").symlink_to(tmp_path / "out.csv")
    with pytest.raises((MalformedFile, NotFound), match=says):
        list(source("table", [path]).parse(path))


def test_a_data_file_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(CSV)
    with pytest.raises(MalformedFile, match=r"write a metadb\.toml"):
        list(source("table", [tmp_path / "r.csv"]).parse(tmp_path / "r.csv"))


def test_a_mapping_may_be_json(tmp_path: Path, store: Store) -> None:
    content = {
        "origin": "lab",
        "evaluations": {
            "file": "r.csv",
            "columns": {"task": "task", "config": ["C", "kernel"]},
            "metrics": {"acc": "accuracy"},
        },
    }
    (tmp_path / "mine.json").write_text(json.dumps(content))
    (tmp_path / "r.csv").write_text(CSV)
    loaded = fill(store, tmp_path / "mine.json")
    assert loaded.load["n_added"] == 2
    assert store.spaces().column("space") == ["lab"]


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("r.parquet", b"PAR1 and no more"),
        ("r.jsonl", b'{"task": "a"}\n{"task": '),
        ("r.json", b'[{"task": "a"}, 3]'),
        ("r.csv.gz", b"no gzip"),
        ("r.csv", b"\xff\xfe\x00\x01\n\xff"),
    ],
)
def test_a_damaged_file_is_named(name: str, damaged: bytes, tmp_path: Path) -> None:
    path = folder(tmp_path, HEAD + f'file = "{name}"\n' + COLUMNS + METRICS, **{name: damaged})
    with pytest.raises((MalformedFile, NotFound), match=name):
        list(source("table", [path]).parse(path))


def test_the_load_changes_with_the_data_and_not_with_its_neighbours(
    tmp_path: Path, store: Store
) -> None:
    path = folder(tmp_path, HEAD + 'file = "r.csv"\n' + COLUMNS + METRICS, r__csv=CSV)

    def seen() -> str:
        return str(fill(store, path).load["load"])

    first = seen()
    (path / "notes.txt").write_text("not read")
    assert seen() == first
    (path / "r.csv").write_text(CSV + "new,1,rbf,0.5\n")
    assert seen() != first


def test_the_marker_of_a_store_is_no_mapping(tmp_path: Path, store: Store) -> None:
    path = folder(tmp_path, HEAD + 'file = "r.csv"\n' + COLUMNS + METRICS, r__csv=CSV)
    Store(path / "store").close()
    assert source("table", [path]).fetch(tmp_path) == [path]
    with pytest.raises(NotFound, match=r"metadb\.toml"):
        source("table", [path / "store"]).fetch(tmp_path)
