"""auto-sklearn's meta-data: for each data set the configuration that a long search found best.

Values are losses under the names of scores: `accuracy`, `roc_auc` and `r2` hold one minus it, and
are turned back here. A folder is one metric on one kind of task; those of binary and of multiclass
classification hold the same rows. Meta-features carry the seconds they took. The JSON files of
auto-sklearn 2.0 below `askl2` are read by `ingest.autosklearn2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest import About, autosklearn2
from ingest.building import (
    as_text,
    chunks,
    distinct,
    find,
    mapped,
    matrix,
    metafeature_rows,
    metric_rows,
    repeats,
    rows,
    statuses,
)
from ingest.small_files import read_records
from metadb.arff import read_arff
from metadb.errors import InvalidConfig, MalformedFile, NotFound
from metadb.identity import canonical_config, config_id, typed
from metadb.metrics import METRICS, Metric, canonical
from metadb.protocols import Floats
from metadb.records import Rows
from metadb.sklearn_metric import from_sklearn

SPACE = "autosklearn"

_CITATION = "Feurer et al., Efficient and Robust Automated Machine Learning, NeurIPS 2015"
_RUNS, _CONFIGS = "algorithm_runs.arff", "configurations.csv"
_VALUES, _COSTS = "feature_values.arff", "feature_costs.arff"
_DESCRIPTION = "description.txt"
_KEYS = ("instance_id", "repetition", "algorithm", "runstatus")
_STEP = re.compile(r"^feature_step ([^:\s]+):(.*)$", re.MULTILINE)
_KINDS = {"classifier:__choice__": "classification", "regressor:__choice__": "regression"}

_OWN = {
    metric.name: metric
    for metric in (
        Metric("median_absolute_error", True, "target", 0.0, None, "Median absolute error."),
        Metric("mean_squared_log_error", True, "1", 0.0, None, "Mean squared error of log1p."),
        Metric("average_precision", False, "1", 0.0, 1.0, "Area below precision and recall."),
        *(
            Metric(f"{name}_{mean}", False, "1", 0.0, 1.0, f"{name}, {mean} average.")
            for name in ("f1", "precision", "recall")
            for mean in ("binary", "macro", "micro", "samples")
        ),
    )
}
"""auto-sklearn's metrics that metadb has no name for."""


@dataclass(frozen=True)
class Autosklearn:
    """Folders `<metric>_<kind of task>_<dense or sparse>` and JSON files, one load each.

    Args:
        paths: The folders or JSON files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The folders with `algorithm_runs.arff` beside `configurations.csv`, and JSON files."""
        files = find(
            self.paths,
            "*.*",
            f"auto-sklearn's meta-data ({_RUNS} beside {_CONFIGS}, or JSON files of askl2)",
            lambda file: (
                (file.name == _RUNS and (file.parent / _CONFIGS).is_file())
                or autosklearn2.is_part(file)
            ),
        )
        return distinct(file if file.suffix == ".json" else file.parent for file in files)

    def about(self, path: Path) -> About:
        """Licence, papers, and the files of a folder that are read."""
        if path.suffix == ".json":
            return About("BSD-3-Clause", autosklearn2.CITATION)
        names = (_RUNS, _CONFIGS, _VALUES, _COSTS, _DESCRIPTION)
        files = tuple(path / name for name in names if (path / name).is_file())
        return About("BSD-3-Clause", _CITATION, files)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one folder or JSON file."""
        if path.suffix == ".json":
            yield autosklearn2.parse(path)
            return
        sparse = path.resolve().name.endswith("_sparse")
        kind, configs, ids = _configs(path / _CONFIGS, sparse=sparse)
        evaluations, metric = _evaluations(path / _RUNS, kind, ids)
        tasks, names, values, cost_s = _features(path, kind)
        tasks = distinct([*tasks, *evaluations.column("task").to_pylist()])
        yield from chunks(
            {
                "tasks": rows("tasks", task=tasks, kind=kind, name=[_name(task) for task in tasks]),
                "metrics": metric_rows([metric]),
                "configs": configs,
                "metafeatures": metafeature_rows(
                    tasks[: len(values)], names, values, "autosklearn", cost_s
                ),
                "evaluations": evaluations,
            }
        )


def _task(kind: str, name: str) -> str:
    """A name alone is not enough: 40 data sets have a task of either kind."""
    return f"autosklearn:{kind}/{name}"


def _name(task: str) -> str:
    return task.partition("/")[2]


def _configs(path: Path, *, sparse: bool) -> tuple[str, pa.Table, dict[str, str]]:
    """Kind of task, rows of `configs`, and key to config id; an empty cell says inactive."""
    records = read_records(path, ("idx",))
    kind = next((kind for column, kind in _KINDS.items() if records and column in records[0]), None)
    if kind is None:
        raise MalformedFile(f"{path} needs a row, and a column {' or '.join(_KINDS)}")
    space = f"{SPACE}-{kind}-{'sparse' if sparse else 'dense'}"
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    for record in records:
        config = {name: typed(text) for name, text in record.items() if text and name != "idx"}
        try:
            key = ids[record["idx"]] = config_id(space, config)
            texts[key] = canonical_config(config)
        except InvalidConfig as error:
            raise MalformedFile(f"{path}, idx {record['idx'][:20]}: {error}") from error
    table = rows("configs", config=list(texts), space=space, hyperparameters=list(texts.values()))
    return kind, table, ids


def _evaluations(path: Path, kind: str, config: dict[str, str]) -> tuple[pa.Table, Metric]:
    """The runs, and the metric they are measured with, turned into what it is called."""
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    arff = read_arff(path)
    columns = [name for name, _ in arff.attributes if name not in _KEYS]
    lacks = [name for name in _KEYS if name not in arff.table.column_names]
    if lacks or len(columns) != 1 or dict(arff.attributes)[columns[0]] != "numeric":
        raise MalformedFile(f"{path} needs the columns {', '.join(_KEYS)} and one of numbers")
    metric = _metric(columns[0], path)
    key = as_text(arff.table.column("algorithm"))
    unknown = [name for name in pc.unique(key).to_pylist() if name not in config]
    if unknown or arff.table.column("instance_id").null_count:
        raise MalformedFile(
            f"{path}: {f'the algorithm {unknown[0]!r} is not in {_CONFIGS}' if unknown else ''}"
            f"{'' if unknown else 'a run without instance_id'}"
        )
    loss, status = arff.table.column(columns[0]), statuses(arff.table.column("runstatus"))
    value = loss if metric.lower_is_better else pc.subtract(1.0, loss)
    evaluations = rows(
        "evaluations",
        task=mapped(as_text(arff.table.column("instance_id")), lambda name: _task(kind, name)),
        config=mapped(key, config.get),
        metric=metric.name,
        value=pc.if_else(pc.equal(status, "ok"), value, pa.scalar(None, pa.float64())),
        status=status,
        repeat=repeats(arff.table.column("repetition")),
        budget=1.0,
        budget_unit="fraction",
        origin="autosklearn",
    )
    return evaluations, metric


def _metric(column: str, path: Path) -> Metric:
    """What a column is, whose best value is 1 for scores and 0 for losses."""
    known = {m.name: m for m in (*METRICS.values(), *_OWN.values()) if m.unit != "s"}
    name = canonical(from_sklearn(column))
    if name not in known:
        raise MalformedFile(
            f"{path}: the metric {column!r} is not one of auto-sklearn's that are known: "
            f"{', '.join(sorted(known))}"
        )
    return known[name]


def _features(path: Path, kind: str) -> tuple[list[str], list[str], Floats, Floats | None]:
    """Tasks, names, values and seconds of the meta-features; none where there is no such file."""
    if not (path / _VALUES).is_file():
        return [], [], np.empty((0, 0)), None
    tasks, names, values = _feature_matrix(path / _VALUES, kind)
    if not (path / _COSTS).is_file():
        return tasks, names, values, None
    there, steps, seconds = _feature_matrix(path / _COSTS, kind)
    given = [steps.index(name) if name in steps else -1 for name in names]
    padded = np.column_stack([np.nan_to_num(seconds), np.zeros(len(there))])
    cost_s = padded[:, given]  # (tasks, names), the last column for what has no step
    provided = _steps(path / _DESCRIPTION)
    for nth, step in enumerate(steps):
        targets = [names.index(name) for name in provided.get(step, ()) if name in names]
        if step not in names and targets:  # what several features share
            cost_s[:, targets] += padded[:, [nth]] / len(targets)
    place = {task: row for row, task in enumerate(there)}
    known = np.array([place.get(task, -1) for task in tasks])
    return tasks, names, values, np.where(known[:, None] < 0, np.nan, cost_s[known])


def _feature_matrix(path: Path, kind: str) -> tuple[list[str], list[str], Floats]:
    arff = read_arff(path)
    if "instance_id" not in arff.table.column_names:
        raise MalformedFile(f"{path} has no column 'instance_id'; whose values are these?")
    instances = as_text(arff.table.column("instance_id")).to_pylist()
    if None in instances or len({*instances}) < len(instances):
        raise MalformedFile(f"{path}: every row should have an instance_id of its own")
    names = [name for name, of in arff.attributes if name not in _KEYS and of == "numeric"]
    return [_task(kind, name) for name in instances], names, matrix(arff.table, names)


def _steps(path: Path) -> dict[str, list[str]]:
    """Step to the features that rest on it, from the lines `feature_step STEP: A, B`."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return {
        step: [name.strip() for name in names.split(",")] for step, names in _STEP.findall(text)
    }
