"""OpenML runs of a random forest and of AdaBoost with their hyperparameters, and task qualities.

The first line of each ARFF file is JSON and says which columns are hyperparameters. Scores are
10-fold means. A hyperparameter is an integer where all its values are written without a point.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest import About
from ingest.building import (
    as_text,
    beginning,
    chunks,
    distinct,
    find,
    mapped,
    metric_rows,
    quality_rows,
    rows,
)
from ingest.config_columns import config_rows, config_texts
from metadb.arff import Arff, read_arff
from metadb.errors import MalformedFile
from metadb.identity import typed
from metadb.metrics import METRICS, canonical
from metadb.records import Rows

_CITATION = "van Rijn, Hutter, Hyperparameter Importance Across Datasets, KDD 2018"
_HEADER = re.compile(r"\s*%\s*\{(?=.*\"flow_id\").*\"col_parameters\"")
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class OpenmlPimp:
    """Files of janvanrijn/openml-pimp, one load each.

    Args:
        paths: The ARFF files and `task_qualities.json`, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The ARFF files that begin with a flow's description, and files of task qualities."""
        return find(
            self.paths,
            "*",
            "ARFF files that begin with % {json with flow_id and col_parameters}, or "
            "task_qualities.json",
            _is_readable,
        )

    def about(self, path: Path) -> About:
        """Licence and paper."""
        return About("BSD-3-Clause", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file."""
        if path.suffix == ".json":
            yield Rows(_qualities(path))
            return
        header, arff = _header(path), read_arff(path)
        measures = [name for name in header["col_measures"] if canonical(name) in METRICS]
        parameters = list(header["col_parameters"])
        needed = [*parameters, *measures, "task_id"]
        lacks = [name for name in needed if name not in arff.table.column_names]
        if lacks or not measures:
            raise MalformedFile(
                f"{path} has no column {lacks[0]!r}, which its first line names"
                if lacks
                else f"{path} has no measure that is known; it has {header['col_measures']}"
            )
        yield from chunks(_runs(arff, path, str(header["flow_id"]), parameters, measures))


def _is_readable(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix == ".arff":
        return _HEADER.match(beginning(path)) is not None
    return path.name == "task_qualities.json"


def _header(path: Path) -> dict[str, Any]:
    """The JSON of the first line."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        line = stream.readline(1 << 20).strip()
    try:
        header = json.loads(line.lstrip("% "))
        complete = all(name in header for name in ("flow_id", "col_parameters", "col_measures"))
    except (ValueError, TypeError) as error:
        raise MalformedFile(
            f"{path}, line 1: must be % and JSON, but reads {line[:80]!r}"
        ) from error
    if not complete:
        raise MalformedFile(f"{path}, line 1: lacks flow_id, col_parameters or col_measures")
    if header.get("normalized_y"):
        raise MalformedFile(f"{path} holds normalised scores (normalized_y), no accuracies")
    return dict(header)


def _runs(
    arff: Arff, path: Path, flow_id: str, parameters: list[str], measures: list[str]
) -> dict[str, pa.Table]:
    table, flow = arff.table, f"openml:flow/{flow_id}"
    space = Counter(name.partition("__")[0] for name in parameters).most_common(1)[0][0]
    numbers = as_text(table.column("task_id"))
    whole = _written_whole(path, arff)
    kinds = dict(arff.attributes)
    columns = {
        name: _values(table.column(name), kinds[name], whole=name in whole) for name in parameters
    }
    configs, config = config_rows(space, config_texts(columns), flow=flow)
    task = mapped(numbers, lambda number: f"openml:task/{number}")
    evaluations = [
        rows(
            "evaluations",
            task=task,
            config=config,
            metric=canonical(measure),
            value=table.column(measure),
            status="ok",
            budget=1.0,
            budget_unit="fraction",
            origin="openml",
            flow=flow,
        )
        for measure in measures
    ]
    return {
        "flows": rows("flows", flow=[flow], library="sklearn"),
        "tasks": rows("tasks", task=distinct(task.to_pylist()), kind="classification"),
        "metrics": metric_rows(METRICS[canonical(measure)] for measure in measures),
        "configs": configs,
        "evaluations": pa.concat_tables(evaluations),
    }


def _values(column: pa.ChunkedArray, kind: Any, *, whole: bool) -> pa.Array:
    """A hyperparameter's values as JSON texts."""
    if kind in ("numeric", "integer"):
        return mapped(column.cast(pa.int64()) if whole else column, _dumped)
    return mapped(column, lambda text: None if text is None else json.dumps(typed(text)))


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _written_whole(path: Path, arff: Arff) -> set[str]:
    """The number columns that hold only whole numbers and whose first one has no point."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.strip().lower() == "@data":
                break
        first = next((line for line in stream if line.strip() and line[0] != "%"), "")
    names = [name for name, _ in arff.attributes]
    spelt = dict(zip(names, first.strip().split(","), strict=False))
    return {
        name
        for name, kind in arff.attributes
        if kind in ("numeric", "integer")
        and _INTEGER.fullmatch(spelt.get(name, "").strip())
        and pc.all(pc.equal(pc.floor(arff.table.column(name)), arff.table.column(name))).as_py()
    }


def _qualities(path: Path) -> dict[str, pa.Table]:
    """Meta-features of tasks from JSON; the literal NaN is missing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = sorted({name for qualities in content.values() for name in qualities})
        values = np.array(
            [[float(q.get(name, np.nan)) for name in names] for q in content.values()]
        )  # (tasks, names)
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedFile(
            f"{path} must be a JSON object of task ids to objects of name and number ({error})"
        ) from error
    tasks = [f"openml:task/{number}" for number in content]
    return {
        "tasks": rows("tasks", task=tasks, kind="classification"),
        "metafeatures": quality_rows(tasks, names, values.reshape(len(tasks), len(names))),
    }
