"""Experiments of Syne Tune: a real tuner's folder, and a tiny one by hand."""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ingest import syne_tune
from ingest.load import Loaded, load
from ingest.syne_tune import SyneTune
from metadb.errors import MalformedFile
from metadb.store import Store

TRAINING = """
import argparse
from syne_tune import Reporter
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--st_checkpoint_dir")
given, report = parser.parse_args(), Reporter()
for epoch in (1, 2):
    report(epoch=epoch, accuracy=given.lr / epoch)
"""


def put(store: Store, *paths: Path, **options: Any) -> list[Loaded]:
    return list(load("syne-tune", SyneTune(paths, **options), store, store.path / "cache"))


def evaluations(store: Store) -> list[tuple[Any, ...]]:
    found = store.sql(
        "select run, metric, status, value, budget, budget_unit, e.cost_s, hyperparameters as h "
        "from evaluations e join configs using (config) order by all"
    )
    return [tuple(row.values()) for row in found]


def test_a_report_is_a_point_of_the_curve(tiny: Callable[[str], Path], store: Store) -> None:
    put(store, tiny("syne-tune"))
    one, two = ('{"act":"relu","epochs":2,"lr":1.0}', '{"act":"tanh","epochs":2,"lr":0.125}')
    assert evaluations(store) == [
        ("asha/0", "loss", "ok", 0.25, 2.0, "epochs", 2.0, one),
        ("asha/0", "loss", "ok", 0.5, 1.0, "epochs", 1.0, one),
        ("asha/1", "loss", "ok", 0.75, 1.0, "epochs", 1.0, two),
    ]
    space = store.space("syne-tune:asha")
    assert (space["lr"].lower, space["lr"].upper, space["lr"].log) == (0.125, 1.0, True)
    assert set(space["act"].choices) == {"relu", "tanh"}


def test_a_failed_trial_and_another_metric(tiny: Callable[[str], Path], store: Store) -> None:
    folder = tiny("syne-tune")
    text = (folder / "results.csv").read_text().replace("Stopped", "Failed")
    (folder / "results.csv").write_text(text)
    put(store, folder, metric="loss,note", minimize=False, task="mine:churn")
    assert [row[:4] for row in evaluations(store) if row[2] == "failed"] == [
        ("asha/1", "loss", "failed", None),
        ("asha/1", "note", "failed", None),
    ]
    assert store.metric("note").lower_is_better is False


def test_a_zip_is_read_whatever_its_member_is_called_and_no_bomb_goes_off(
    tiny: Callable[[str], Path], tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny("syne-tune")
    text = (folder / "results.csv").read_text()
    (folder / "results.csv").unlink()
    with zipfile.ZipFile(folder / "results.csv.zip", "w") as archive:
        archive.writestr("../../outside.csv", text)
    put(store, folder)
    assert len(evaluations(store)) == 3
    assert not list(tmp_path.rglob("outside.csv"))
    monkeypatch.setattr(syne_tune, "MAX_BYTES", 50)
    with pytest.raises(MalformedFile, match="unpacks to more than 50 bytes"):
        put(store, folder)


@pytest.mark.filterwarnings("ignore")
def test_syne_tune_itself(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("syne_tune")
    monkeypatch.chdir(tmp_path)  # Syne Tune writes a file `std.out` where it is
    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path / "experiments"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import loguniform
    from syne_tune.optimizer.baselines import ASHA

    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    scheduler = ASHA(
        {"lr": loguniform(1e-3, 1.0)}, metric="accuracy", time_attr="epoch", max_t=2,
        do_minimize=False, random_seed=1,
    )  # fmt: skip
    tuner = Tuner(
        LocalBackend(entry_point=str(script)),
        scheduler,
        StoppingCriterion(max_num_trials_finished=2, max_wallclock_time=15),
        n_workers=1,
        sleep_time=0.1,
        print_update_interval=1e6,
        tuner_name="churn",
        suffix_tuner_name=False,
        save_tuner=False,
    )
    tuner.run()
    (packed,) = tmp_path.rglob("results.csv.zip")
    put(store, tmp_path, space="lr-only")
    with zipfile.ZipFile(packed) as archive:
        told = list(csv.DictReader(StringIO(archive.read("results.csv").decode())))
    assert len(told) > 1
    assert {
        (float(row["epoch"]), float(row["accuracy"]), float(row["config_lr"])) for row in told
    } == {(row[4], row[3], json.loads(row[7])["lr"]) for row in evaluations(store)}
    assert store.space("lr-only")["lr"].log
