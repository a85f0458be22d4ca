"""Runs of MLflow: a tracking folder, a tracking database (SQLite), or a CSV of `search_runs`.

Params are the configuration, the last value of a metric is its score at the full budget, and a
metric that was logged at several steps is a learning curve besides. MLflow itself is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest import About
from ingest.building import beginning, find
from ingest.mlflow_storage import (
    META,
    Logged,
    experiments,
    from_csv,
    from_folder,
    from_tables,
    meta,
)
from ingest.sqlite import is_sqlite, local
from ingest.study import OWN, Study, as_budgets, joined, points, study_rows, wanted
from metadb.errors import MalformedFile, WrongUsage
from metadb.identity import typed
from metadb.records import Rows

_WHAT = "a tracking folder of MLflow (mlruns), its SQLite file, or a CSV of search_runs"
_STATUS = {"FINISHED": "ok", "FAILED": "failed", "KILLED": "censored"}
_UNFINISHED = "a run that is still running or scheduled"
_SYSTEM = "system/"


@dataclass(frozen=True)
class Mlflow:
    """Experiments of MLflow: one load for each folder, database or CSV file.

    Args:
        paths: Tracking folders, folders of experiments, CSV files, SQLite files or their URLs.
        task: Id of the task; default `mlflow:<experiment>`.
        metric: The metrics to keep; default all whose direction is known.
        space: Name of the space; default `mlflow:<experiment>`.
        study: The one experiment to read; default all.
        minimize: Direction of metrics whose name does not tell it.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The folders of experiments, and the files."""
        found: list[Path] = []
        for path in map(local, self.paths):
            if "://" in str(path):
                raise WrongUsage(
                    f"{path} is a server; export its runs with "
                    "mlflow.search_runs(...).to_csv('runs.csv') and load that file"
                )
            folders = experiments(Path(path))
            names = [folder for folder in folders if self._asked_for(folder)]
            found += names if folders else find([path], "*", _WHAT, _is_export)
            if folders and not names:
                wanted([str(meta(folder / META)["name"]) for folder in folders], self, path)
        return found

    def _asked_for(self, folder: Path) -> bool:
        return self.study in (None, meta(folder / META).get("name"))

    def about(self, path: Path) -> About:
        """The user's own results; of a folder, what names its runs and tells their end."""
        if path.is_file():
            return About(OWN)
        runs = sorted(entry.path for entry in os.scandir(path) if entry.is_dir())
        files = [path / META, *(Path(run) / META for run in runs)]
        return About(OWN, None, tuple(file for file in files if file.is_file()))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one folder or file, experiment by experiment."""
        if path.is_dir():
            studies = {str(meta(path / META).get("name", path.name)): from_folder(path)}
        elif is_sqlite(path):
            studies = from_tables(path)
        else:
            studies = from_csv(path)
        for name in wanted(list(studies), self, path):
            try:
                study = _study(name, studies[name])
            except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
                raise MalformedFile(f"{path} cannot be read as runs of MLflow: {error}") from error
            yield from study_rows(study, self)


def _is_export(path: Path) -> bool:
    if is_sqlite(path):
        return path.suffix in (".db", ".sqlite", ".sqlite3")
    return (
        path.suffix == ".csv"
        and path.is_file()
        and {"run_id", "status"}
        <= set(beginning(path, 1 << 12).partition("\n")[0].strip().split(","))
    )


def _study(name: str, logged: Logged) -> Study:
    status = np.array([_STATUS.get(one, "") for one in logged.statuses], dtype=object)
    history = _history(logged, status != "")
    names: list[str] = pc.unique(history["metric"]).to_pylist()
    parents = logged.parents & set(logged.runs)
    broken = [
        i
        for i, one in enumerate(status)
        if one in ("failed", "censored") and logged.runs[i] not in parents
    ]
    unfinished = int((status == "").sum())
    return Study(
        tuner="mlflow",
        name=name,
        configs=[{key: typed(text) for key, text in config.items()} for config in logged.params],
        runs=logged.runs,
        points=joined(
            [
                *_measured(history, logged, status),
                points(
                    trial=[i for i in broken for _ in names],
                    metric=names * len(broken),
                    status=[status[i] for i in broken for _ in names],
                    cost_s=[logged.seconds[i] for i in broken for _ in names],
                ),
            ]
        ),
        objectives=dict.fromkeys(names),
        rejected={_UNFINISHED: unfinished} if unfinished else {},
    )


def _history(logged: Logged, ended: np.ndarray) -> pa.Table:
    """What ended runs logged, in order of run, metric, step and time."""
    run = pa.array(logged.run, pa.int64())
    keys = pa.array(logged.metric, pa.string())
    table = pa.table(
        {
            "run": run,
            "metric": keys,
            "step": pc.cast(pa.array(logged.step), pa.int64()),
            "time": pc.cast(pa.array(logged.time), pa.int64()),
            "value": pc.cast(pa.array(logged.value), pa.float64()),
        }
    )
    kept = pc.and_(pa.array(ended, pa.bool_()).take(run), pc.invert(pc.starts_with(keys, _SYSTEM)))
    order = [(name, "ascending") for name in ("run", "metric", "step", "time")]
    return table.filter(kept).sort_by(order)


def _measured(history: pa.Table, logged: Logged, status: np.ndarray) -> Iterator[pa.Table]:
    """The last value of each metric of a finished run, and the curves of all."""
    if not history.num_rows:
        return
    run = history["run"].to_numpy()
    metric = history["metric"].combine_chunks().dictionary_encode().indices.to_numpy()
    step = history["step"].to_numpy()
    begins = np.r_[True, (run[1:] != run[:-1]) | (metric[1:] != metric[:-1])]
    group = np.cumsum(begins) - 1
    moves = np.r_[False, (step[1:] != step[:-1]) & ~begins[1:]]
    ends = np.r_[begins[1:], True]
    last = history.filter(pa.array(ends & (status[run] == "ok")))
    seconds = pa.array(logged.seconds, pa.float64())
    yield points(
        trial=last["run"],
        metric=last["metric"],
        value=last["value"],
        cost_s=seconds.take(last["run"].combine_chunks()),
    )
    curve = history.filter(pa.array((np.bincount(group, moves) > 0)[group]))
    yield points(
        trial=curve["run"],
        metric=curve["metric"],
        value=curve["value"],
        budget=as_budgets(curve["step"], curve["run"]),
        budget_unit="steps",
    )
