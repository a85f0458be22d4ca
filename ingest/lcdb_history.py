"""Side files of LCDB 1.0: OpenML qualities of data sets, and curves of linear classifiers.

`datasets.csv` holds 64 OpenML qualities of 219 data sets; `results.csv` the accuracy of 100
configurations at 16 training sizes on the training, validation and test part, with the seconds of
fitting and predicting. `loss` is one minus the accuracy and `objective` the last accuracy on the
validation part; both are left out. `configs.csv` repeats the configurations and is not read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ingest import About
from ingest.building import beginning, distinct, find, metric_rows, quality_rows, rows
from ingest.small_files import number, read_records
from metadb.errors import InvalidConfig, MalformedFile
from metadb.identity import canonical_config, config_id, typed
from metadb.metrics import METRICS, Metric
from metadb.protocols import Floats
from metadb.records import Rows

_CITATION = (
    "Mohr, Viering, Loog, van Rijn, LCDB 1.0: An Extensive Learning Curves Database for "
    "Classification Tasks, ECML-PKDD 2022"
)
_PARTS = {
    "accuracy/train": Metric(
        "accuracy/train", False, "1", 0.0, 1.0, "Accuracy on the training part."
    ),
    "accuracy/validation": Metric(
        "accuracy/validation", False, "1", 0.0, 1.0, "Accuracy on the validation part."
    ),
    "accuracy": METRICS["accuracy"],
}
"""In the order of the splits in `m:score_values`: train, validation, test."""

_TIMES = {"fit": METRICS["fit_s"], "predict": METRICS["predict_s"]}
_CURVES = (
    "m:dataset_id",
    "m:workflow",
    "m:fidelity_unit",
    "m:fidelity_values",
    "m:score_types",
    "m:score_values",
    "m:time_types",
    "m:time_values",
)
_QUALITIES = ("openmlid", "Name")


@dataclass(frozen=True)
class LcdbHistory:
    """The files `results.csv` and `datasets.csv`, one load each; told apart by their columns.

    Args:
        paths: The files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The CSV files with curves or with OpenML qualities."""
        return find(
            self.paths,
            "*.csv",
            "CSV files with the column m:score_values (curves) or openmlid (qualities)",
            lambda path: _is_curves(path) or {*_QUALITIES} <= _header(path),
        )

    def about(self, path: Path) -> About:
        """The licence file of the repository lies in `python/`, where the qualities are."""
        return About("none stated" if _is_curves(path) else "MIT", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file."""
        yield Rows(_curves(path) if {*_QUALITIES} - _header(path) else _qualities(path))


def _header(path: Path) -> set[str]:
    """The names of the columns; none where the first line is not CSV."""
    line = beginning(path).partition("\n")[0].removeprefix("\ufeff")
    try:
        return {name for names in csv.reader([line]) for name in names}
    except csv.Error:
        return set()


def _is_curves(path: Path) -> bool:
    return {*_CURVES} <= _header(path)


def _qualities(path: Path) -> dict[str, pa.Table]:
    records = read_records(path, _QUALITIES)
    ids = [_dataset(record["openmlid"], path) for record in records]
    names = [record["Name"] or None for record in records]
    columns = [name for name in (records[0] if records else ()) if name not in _QUALITIES]
    values = np.array(
        [[number(record[name], f"{path}, column {name}") for name in columns] for record in records]
    ).reshape(len(records), len(columns))
    return _tasks(ids, names) | {"metafeatures": quality_rows(ids, columns, values)}


def _curves(path: Path) -> dict[str, pa.Table]:
    records = read_records(path, _CURVES)
    if not records:
        raise MalformedFile(f"{path} holds no row of results")
    curves = [_Curve.read(record, f"{path}, row {n}") for n, record in enumerate(records, start=2)]
    first = {curve.config: curve for curve in reversed(curves)}
    workflows = distinct(curve.workflow for curve in curves)
    tasks = distinct(_dataset(curve.dataset, path) for curve in curves)
    return {
        **_tasks(tasks),
        "metrics": metric_rows([*_PARTS.values(), *_TIMES.values()]),
        "flows": rows("flows", flow=[_flow(name) for name in workflows], name=workflows),
        "configs": rows(
            "configs",
            config=list(first),
            space=[curve.space for curve in first.values()],
            hyperparameters=[curve.hyperparameters for curve in first.values()],
            flow=[_flow(curve.workflow) for curve in first.values()],
        ),
        "evaluations": pa.concat_tables(curve.evaluations() for curve in curves),
    }


@dataclass(frozen=True, slots=True)
class _Curve:
    """One row of `results.csv`: a configuration at growing training sizes."""

    dataset: str
    workflow: str
    space: str
    config: str
    hyperparameters: str
    sizes: Floats  # (points,)
    scores: Floats  # (points, splits)
    times: Floats  # (points, fit and predict)

    @classmethod
    def read(cls, record: Mapping[str, str], where: str) -> _Curve:
        if record["m:fidelity_unit"] != "samples":
            unit = record["m:fidelity_unit"]
            raise MalformedFile(f"{where}: m:fidelity_unit is {unit!r}; only samples can be read")
        workflow = record["m:workflow"]
        space = f"lcdb-{workflow.rpartition('.')[2].removesuffix('Workflow').lower()}"
        config = {
            name.removeprefix("p:"): typed(text)
            for name, text in record.items()
            if name.startswith("p:") and text
        }
        sizes = _list(record, "m:fidelity_values", where, 1)
        scores = _list(record, "m:score_values", where, 3)
        times = _list(record, "m:time_values", where, 2)
        n, which = len(sizes), _names(record, "m:score_types", where, ("accuracy",))
        order = _names(record, "m:time_types", where, tuple(_TIMES))
        widths = (len(record["m:score_types"].split(",")), len(record["m:time_types"].split(",")))
        if scores.shape != (n, len(_PARTS), widths[0]) or times.shape != (n, widths[1]):
            raise MalformedFile(
                f"{where}: {n} sizes, but scores of shape {scores.shape} and times of shape "
                f"{times.shape}; right are (sizes, train-validation-test, types) and (sizes, types)"
            )
        try:
            text = canonical_config(config)
        except InvalidConfig as error:
            raise MalformedFile(f"{where}: {error}") from error
        return cls(
            dataset=record["m:dataset_id"],
            workflow=workflow,
            space=space,
            config=config_id(space, config),
            hyperparameters=text,
            sizes=sizes,
            scores=scores[:, :, which[0]],
            times=times[:, order],
        )

    def evaluations(self) -> pa.Table:
        """A row for each size and metric, with the seconds of fitting and predicting."""
        names = [*_PARTS, *(metric.name for metric in _TIMES.values())]
        values = np.column_stack([self.scores, self.times])  # (points, metrics)
        return rows(
            "evaluations",
            task=f"openml:dataset/{self.dataset}",
            config=self.config,
            metric=names * len(self.sizes),
            value=values.ravel(),
            status="ok",
            budget=np.repeat(self.sizes, len(names)),
            budget_unit="instances",
            cost_s=np.repeat(self.times.sum(axis=1), len(names)),
            origin="lcdb",
            flow=_flow(self.workflow),
        )


def _list(record: Mapping[str, str], column: str, where: str, depth: int) -> Floats:
    """A nested list of numbers, written as Python writes it."""
    try:
        found: Floats = np.array(json.loads(record[column]), float)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedFile(f"{where}: {column} is not a nested list of numbers") from error
    if found.ndim != depth or not found.size:
        raise MalformedFile(f"{where}: {column} is nested {found.ndim} deep; right are {depth}")
    return found


def _names(
    record: Mapping[str, str], column: str, where: str, needed: tuple[str, ...]
) -> list[int]:
    """Where the needed names stand in a list of names, such as `['fit', 'predict']`."""
    names = [name.strip(" '\"[]") for name in record[column].split(",")]
    if not {*needed} <= {*names}:
        raise MalformedFile(f"{where}: {column} is {names}; it needs {', '.join(needed)}")
    return [names.index(name) for name in needed]


def _dataset(text: str, path: Path) -> str:
    if not (text.isascii() and text.isdigit()):
        raise MalformedFile(f"{path}: {text[:40]!r} is not the number of an OpenML data set")
    return f"openml:dataset/{text}"


def _tasks(ids: list[str], names: list[str | None] | None = None) -> dict[str, pa.Table]:
    return {
        "datasets": rows("datasets", dataset=ids, name=names),
        "tasks": rows("tasks", task=ids, kind="classification", dataset=ids, name=names),
    }


def _flow(workflow: str) -> str:
    return f"lcdb:{workflow}"
