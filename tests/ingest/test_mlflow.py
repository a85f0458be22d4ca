"""Runs of MLflow: what the real client writes to a folder, a database and a CSV, and by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.load import Loaded, load
from ingest.mlflow import Mlflow
from ingest.mlflow_storage import meta
from metadb.errors import MalformedFile, NotFound, WrongUsage
from metadb.store import Store


def put(store: Store, *paths: str | Path, **options: Any) -> list[Loaded]:
    return list(load("mlflow", Mlflow(paths, **options), store, store.path / "cache"))


def evaluations(store: Store) -> list[tuple[Any, ...]]:
    found = store.sql(
        "select run, metric, budget_unit, budget, value, status, e.cost_s, hyperparameters as h "
        "from evaluations e join configs using (config) order by all"
    )
    return [tuple(row.values()) for row in found]


def test_the_last_value_is_the_score_and_steps_are_a_curve(
    tiny: Callable[[str], Path], store: Store
) -> None:
    put(store, tiny("mlflow"))
    one, two = '{"deep":true,"lr":0.5}', '{"deep":false,"lr":2}'
    assert evaluations(store) == [
        ("run1", "accuracy", "fraction", 1.0, 0.75, "ok", 8.0, one),
        ("run1", "val_loss", "fraction", 1.0, 0.25, "ok", 8.0, one),
        ("run1", "val_loss", "steps", 1.0, 1.0, "ok", None, one),
        ("run1", "val_loss", "steps", 2.0, 0.25, "ok", None, one),  # logged twice at step 1
        ("run2", "accuracy", "fraction", 1.0, None, "failed", 8.0, two),
        ("run2", "val_loss", "fraction", 1.0, None, "failed", 8.0, two),
    ]


def test_a_run_that_goes_on_is_counted_and_one_that_was_killed_has_no_score(
    tiny: Callable[[str], Path], store: Store
) -> None:
    folder = tiny("mlflow") / "1"
    for run, status in (("run1", "5"), ("run2", "1")):
        file = folder / run / "meta.yaml"
        file.write_text(file.read_text().replace("status: 3", "x").replace("status: 4", "x"))
        file.write_text(file.read_text().replace("\nx\n", f"\nstatus: {status}\n"))
    (loaded,) = put(store, folder, metric="val_loss=log_loss")
    assert [row[1:6] for row in evaluations(store)] == [
        ("log_loss", "fraction", 1.0, None, "censored"),
        ("log_loss", "steps", 1.0, 1.0, "ok"),
        ("log_loss", "steps", 2.0, 0.25, "ok"),
    ]
    assert json.loads(loaded.load["rejections"]).keys() == {
        "a run that is still running or scheduled"
    }


def test_a_meta_file_is_flat_yaml(tmp_path: Path) -> None:
    file = tmp_path / "meta.yaml"
    file.write_text(
        "name: a long name that goes on\n  in a second line\nodd: 'it''s'\n"
        'wide: "tab\\tand \\xE4"\ntags:\n- one\nnothing: null\nempty: []\n'
    )
    assert meta(file) == {
        "name": "a long name that goes on in a second line",
        "odd": "it's",
        "wide": "tab\tand ä",
        "tags": "- one",
    }
    file.write_text("!!python/object/apply:os.system ['echo']\n")
    with pytest.raises(MalformedFile, match=r"is no line of meta\.yaml"):
        meta(file)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["folder", "database"])
def test_mlflow_itself(
    kind: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy" if kind == "database" else "mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "mlruns" if kind == "folder" else f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=f"file://{place}" if kind == "folder" else place)
    name = "a study: its name is of such a length that YAML folds it into a second line, äöü"
    experiment = client.create_experiment(name)
    parent = client.create_run(experiment).info.run_id
    client.set_terminated(parent)
    runs = {}
    for nth, status in enumerate(("FINISHED", "FAILED", "RUNNING")):
        run = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
        runs[run] = status
        client.log_param(run, "model/rate", nth / 4)
        client.log_param(run, "layers", [8, 4])
        client.log_metric(run, "accuracy", 0.5 + nth / 8)
        client.log_metric(run, "system/cpu", 99.0)
        for step in range(2):
            client.log_metric(run, "fold/val_loss", 1 / (step + 1), step=step * 100)
        if status != "RUNNING":
            client.set_terminated(run, status)
    (loaded,) = [one for one in put(store, place) if one.load["n_read"]]
    assert loaded.load["n_rejected"] == 1
    done, broken, _ = runs
    one, two = ('{"layers":"[8, 4]","model/rate":0.0}', '{"layers":"[8, 4]","model/rate":0.25}')
    found = [(*row[:6], row[7]) for row in evaluations(store)]
    assert set(found) == {
        (done, "accuracy", "fraction", 1.0, 0.5, "ok", one),
        (done, "fold/val_loss", "fraction", 1.0, 0.5, "ok", one),
        (done, "fold/val_loss", "steps", 1.0, 1.0, "ok", one),
        (done, "fold/val_loss", "steps", 101.0, 0.5, "ok", one),
        (broken, "accuracy", "fraction", 1.0, None, "failed", two),
        (broken, "fold/val_loss", "fraction", 1.0, None, "failed", two),
        (broken, "fold/val_loss", "steps", 1.0, 1.0, "ok", two),
        (broken, "fold/val_loss", "steps", 101.0, 0.5, "ok", two),
    }
    assert store.sql("select distinct task as t from evaluations").column("t") == [f"mlflow:{name}"]
    with pytest.raises(NotFound, match="no study 'other'"):
        put(store, place, study="other")


EXPORT = """run_id,experiment_id,status,start_time,end_time,metrics.accuracy,params.lr,tags.note
r1,7,FINISHED,2026-01-01 00:00:01.5+00:00,2026-01-01 00:00:03+00:00,0.75,0.5,"two
lines"
r2,7,FAILED,2026-01-01 00:00:01+00:00,,,,
r3,8,RUNNING,2026-01-01 00:00:01+00:00,,0.5,1,
"""


def test_an_export_has_scores_without_curves(tmp_path: Path, store: Store) -> None:
    (tmp_path / "runs.csv").write_text(EXPORT)
    with pytest.raises(WrongUsage, match="holds the studies 7, 8"):
        put(store, tmp_path, task="mine:churn")
    put(store, tmp_path)
    assert evaluations(store) == [
        ("r1", "accuracy", "fraction", 1.0, 0.75, "ok", 1.5, '{"lr":0.5}'),
        ("r2", "accuracy", "fraction", 1.0, None, "failed", None, "{}"),
    ]
    with pytest.raises(WrongUsage, match="search_runs"):
        put(store, "https://mlflow.example")
