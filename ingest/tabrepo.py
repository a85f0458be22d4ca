"""TabRepo's predecessor: LightGBM configurations of AutoGluon on OpenML tasks.

The metric is AutoGluon's for the kind of task: ROC AUC (binary), log loss (multiclass), root mean
squared error (regression). A config holds what differs from the library's defaults, so that the
default itself is empty. Columns derived within the file (ranks, rescaled losses) are not kept.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ingest import About
from ingest.building import (
    beginning,
    chunks,
    distinct,
    find,
    mapped,
    metric_rows,
    quality_rows,
    rows,
)
from metadb.errors import MalformedFile, NotFound
from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS, Metric
from metadb.protocols import Floats
from metadb.records import Rows

SPACE = "tabrepo-lightgbm"

_CITATION = "Salinas, Erickson, TabRepo, AutoML-Conf 2024"
_COLUMNS = {
    "dataset": pa.string(),
    "framework": pa.string(),
    "problem_type": pa.string(),
    "time_train_s": pa.float64(),
    "metric_error": pa.float64(),
    "time_infer_s": pa.float64(),
}
_METRIC = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
_PER_ROW = Metric("predict_row_s", True, "s", 0.0, None, "Seconds to predict one row.")
_CONFIGS = "configs_lightgbm*.json"
_TASKS = "task_metadata*.csv"
_QUALITIES = ("NumberOf", "MajorityClassSize", "MinorityClassSize", "MaxNominalAttDistinctValues")


@dataclass(frozen=True)
class Tabrepo:
    """Result files with the configs and the task metadata that lie beside them, one load each.

    Args:
        paths: The results CSV, or folders above it.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The CSV files with the columns of TabRepo's results."""
        return find(
            self.paths,
            "*.csv",
            f"CSV files with the columns {', '.join(_COLUMNS)}, beside {_CONFIGS}",
            lambda path: set(_COLUMNS) <= set(beginning(path).partition("\n")[0].split(",")),
        )

    def about(self, path: Path) -> About:
        """Licence, paper, and the three files that belong together."""
        beside = [p for pattern in (_CONFIGS, _TASKS) for p in sorted(path.parent.glob(pattern))]
        return About("Apache-2.0", _CITATION, (path, *beside))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one results file."""
        results = _results(path)
        configs, ids = _configs(_beside(path, _CONFIGS), results.column("framework"), path)
        task = mapped(results.column("dataset"), lambda tid: f"openml:task/{tid}")
        tables = _tasks(next(iter(sorted(path.parent.glob(_TASKS))), None))
        there = set(tables["tasks"].column("task").to_pylist())
        kinds = dict(zip(task.to_pylist(), results.column("problem_type").to_pylist(), strict=True))
        rest = [t for t in distinct(task.to_pylist()) if t not in there]
        more = rows("tasks", task=rest, kind=[_kind(kinds[t]) for t in rest])
        tables["tasks"] = pa.concat_tables([tables["tasks"], more], promote_options="default")
        yield from chunks(
            {
                **tables,
                "metrics": metric_rows([*(METRICS[name] for name in _METRIC.values()), _PER_ROW]),
                "configs": configs,
                "evaluations": _evaluations(results, task, mapped(results["framework"], ids.get)),
            }
        )


def _results(path: Path) -> pa.Table:
    if path.stat().st_size == 0:
        raise MalformedFile(f"{path} is empty")
    try:
        table = pyarrow.csv.read_csv(
            path,
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=_COLUMNS, include_columns=list(_COLUMNS)
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        why = str(error).splitlines()[0]
        raise MalformedFile(
            f"{path} is not a CSV file with the columns {', '.join(_COLUMNS)} ({why})"
        ) from error
    wrong = sorted(set(pc.unique(table.column("problem_type")).to_pylist()) - set(_METRIC), key=str)
    if wrong:
        raise MalformedFile(f"{path}: problem_type {wrong[0]!r}; there are {', '.join(_METRIC)}")
    return table


def _evaluations(results: pa.Table, task: pa.Array, config: pa.Array) -> pa.Table:
    """Quality and prediction time of each run."""
    kind, error = results.column("problem_type").combine_chunks(), results.column("metric_error")
    quality = pc.if_else(pc.equal(kind, "binary"), pc.subtract(1.0, error), error)
    return pa.concat_tables(
        rows(
            "evaluations",
            task=task,
            config=config,
            metric=metric,
            value=value,
            status="ok",
            budget=1.0,
            budget_unit="fraction",
            cost_s=results.column("time_train_s"),
            origin="tabrepo",
        )
        for metric, value in (
            (mapped(kind, _METRIC.get), quality),
            (pa.repeat(pa.scalar(_PER_ROW.name), len(kind)), results.column("time_infer_s")),
        )
    )


def _configs(
    path: Path, frameworks: pa.ChunkedArray, results: Path
) -> tuple[pa.Table, dict[str, str]]:
    """Rows of `configs`, and framework to config id."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        given = {name: dict(entry["hyperparameters"]) for name, entry in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MalformedFile(
            f"{path} must be a JSON object of framework to {{'hyperparameters': ...}} ({error!r})"
        ) from error
    configs = {
        name: {key: value for key, value in values.items() if key != "ag_args"}
        for name, values in given.items()
    }
    names = distinct(frameworks.to_pylist())
    lacks = [name for name in names if name not in configs]
    if lacks:
        raise MalformedFile(f"{results}: the framework {lacks[0]!r} is not in {path.name}")
    ids = {name: config_id(SPACE, configs[name]) for name in names}
    table = rows(
        "configs",
        config=[ids[name] for name in names],
        space=SPACE,
        hyperparameters=[canonical_config(configs[name]) for name in names],
    )
    return table, ids


def _tasks(path: Path | None) -> dict[str, pa.Table]:
    """Tasks, data sets and qualities from the task metadata, where there is such a file."""
    entries: list[dict[str, Any]] = []
    if path is not None:
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                entries = list(csv.DictReader(stream))
        except (ValueError, csv.Error) as error:
            raise MalformedFile(f"{path} is not a CSV file ({error})") from error
        if entries and not {"tid", "ttid", "did", "name", "target_feature"} <= entries[0].keys():
            raise MalformedFile(f"{path} needs the columns tid, ttid, did, name and target_feature")
    tasks = [f"openml:task/{entry['tid']}" for entry in entries]
    datasets = [f"openml:dataset/{entry['did']}" for entry in entries]
    tables = {
        "datasets": rows("datasets", dataset=datasets, name=[entry["name"] for entry in entries]),
        "tasks": rows(
            "tasks",
            task=tasks,
            kind=[_kind(entry["ttid"]) for entry in entries],
            dataset=datasets,
            target=[entry["target_feature"] or None for entry in entries],
            name=[entry["name"] for entry in entries],
        ),
    }
    if entries:
        names = [name for name in entries[0] if name and name.startswith(_QUALITIES)]
        tables["metafeatures"] = quality_rows(tasks, names, _numbers(entries, names, path))
    return tables


def _numbers(entries: list[dict[str, Any]], names: list[str], path: Path | None) -> Floats:
    try:
        return np.array([[float(e[name] or "nan") for name in names] for e in entries])
    except (ValueError, TypeError) as error:
        raise MalformedFile(f"{path}: a quality is not a number ({error})") from error


def _kind(text: str) -> str:
    return "regression" if "regression" in text.lower() else "classification"


def _beside(path: Path, pattern: str) -> Path:
    found = sorted(path.parent.glob(pattern))
    if not found:
        raise NotFound(f"there is no {pattern} beside {path}; it says what the frameworks are")
    return found[0]
