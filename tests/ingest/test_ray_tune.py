"""Experiments of Ray Tune, written by its own logger and by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.load import Loaded, load
from ingest.ray_tune import RayTune
from metadb.store import Store


def put(store: Store, *paths: Path, **options: Any) -> list[Loaded]:
    return list(load("ray-tune", RayTune(paths, **options), store, store.path / "cache"))


def evaluations(store: Store) -> list[tuple[Any, ...]]:
    found = store.sql(
        "select run, metric, status, value, budget, budget_unit, e.cost_s from evaluations e "
        "order by all"
    )
    return [tuple(row.values()) for row in found]


def test_a_result_is_a_point_of_the_curve(tiny: Callable[[str], Path], store: Store) -> None:
    put(store, tiny("ray-tune"), task="mine:churn")
    assert evaluations(store) == [
        ("t1", "accuracy", "ok", 0.25, 1.0, "iterations", 0.5),
        ("t1", "accuracy", "ok", 0.5, 2.0, "iterations", 1.0),
        ("t1", "accuracy", "ok", 0.75, 3.0, "iterations", 1.5),
        ("t2", "accuracy", "ok", 0.125, 1.0, "iterations", 0.5),
        ("t3", "accuracy", "failed", None, 1.0, "fraction", None),
    ]
    texts = store.sql("select hyperparameters as h from configs order by 1").column("h")
    assert texts[0] == '{"layer/units":8,"lr":0.25,"shape":"[1, 2]"}'


def test_without_the_experiments_state_the_files_tell(
    tiny: Callable[[str], Path], store: Store
) -> None:
    folder = tiny("ray-tune")
    (folder / "churn" / "experiment_state-1.json").write_text("\x80pickled, not JSON")
    put(store, folder)
    assert [row[2] for row in evaluations(store)] == ["ok"] * 4 + ["failed"]


def test_a_trial_that_runs_or_was_mutated_is_counted(
    tiny: Callable[[str], Path], store: Store
) -> None:
    folder = tiny("ray-tune") / "churn"
    state = folder / "experiment_state-1.json"
    state.write_text(state.read_text().replace('TERMINATED\\"', 'RUNNING\\"', 1))
    results = folder / "t2" / "result.json"
    results.write_text(results.read_text().replace('"units": 8', '"units": 16'))
    (loaded,) = put(store, folder)
    assert {row[0] for row in evaluations(store)} == {"t3"}
    assert json.loads(loaded.load["rejections"]).keys() == {
        "a trial that is still running",
        "a trial whose hyperparameters changed while it ran",
    }


@dataclass(eq=False)
class Trial:
    """All that Ray's logger asks of a trial; a real one needs a cluster."""

    config: dict[str, Any]
    local_path: str
    checkpoint: None = None

    def init_local_path(self) -> None:
        Path(self.local_path).mkdir(parents=True, exist_ok=True)


@pytest.mark.filterwarnings("ignore")
def test_what_rays_own_logger_writes(tmp_path: Path, store: Store) -> None:
    pytest.importorskip("ray.tune")
    from ray.tune.logger import JsonLoggerCallback

    logger = JsonLoggerCallback()
    for nth, rate in enumerate((0.5, 0.25)):
        trial = Trial({"lr": rate}, str(tmp_path / "exp" / f"t{nth}"))
        trial.init_local_path()
        logger.log_trial_start(trial)
        for step in (1, 2):
            told = {"val_loss": rate / step, "training_iteration": step, "trial_id": f"id{nth}"}
            logger.log_trial_result(step, trial, told | {"time_total_s": 1.0, "pid": 7})
        logger.log_trial_end(trial)
    put(store, tmp_path)
    assert [row[:5] for row in evaluations(store)] == [
        ("id0", "val_loss", "ok", 0.25, 2.0),
        ("id0", "val_loss", "ok", 0.5, 1.0),
        ("id1", "val_loss", "ok", 0.125, 2.0),
        ("id1", "val_loss", "ok", 0.25, 1.0),
    ]


def test_what_one_result_is_worth_does_not_change_while_others_run(
    tiny: Callable[[str], Path], store: Store
) -> None:
    """A trial stopped at once has a point of a curve, also before another one has ended."""
    folder = tiny("ray-tune") / "churn"
    state = folder / "experiment_state-1.json"
    ended = state.read_text()
    state.write_text(ended.replace('TERMINATED\\"', 'RUNNING\\"', 1))
    put(store, folder)
    early = evaluations(store)
    assert [row[4:6] for row in early if row[0] == "t2"] == [(1.0, "iterations")]
    state.write_text(ended)
    put(store, folder)
    assert set(early) <= set(evaluations(store))
    assert len(evaluations(store)) == 5
