"""OpenML study exports: scores of Weka flows on a study's tasks or data sets, and qualities.

Where a file names only data sets (`openml_data_id`), the task is the unnamed classification task
on the data set and has the data set's id. A run that failed is stored there with the value 0; it
is kept as failed, without a value.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    matrix,
    metric_rows,
    quality_rows,
    repeats,
    rows,
    statuses,
)
from ingest.openml_weka import Weka
from metadb.arff import Arff, read_arff
from metadb.errors import MalformedFile
from metadb.metrics import METRICS, canonical
from metadb.records import Rows

_CITATION = (
    "Vanschoren, van Rijn, Bischl, Torgo, OpenML: networked science in machine learning, "
    "SIGKDD Explorations 15(2), 2013"
)
_ID = {"openml_task_id": "openml:task", "openml_data_id": "openml:dataset"}
_KEYS = {*_ID, "repetition", "algorithm", "runstatus"}
_HEADER = re.compile(rf"@attribute\s+['\"]?({'|'.join(_ID)})\b", re.IGNORECASE)
_JOINT = re.compile(r"@relation\s+['\"]?JOINTMETADATA\b", re.IGNORECASE)
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class OpenmlStudy:
    """ARFF files of joaquinvanschoren/openml-aslib, one load each.

    Args:
        paths: The files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The ARFF files with a column openml_task_id or openml_data_id."""
        return find(
            self.paths,
            "*.arff",
            "ARFF files with a column openml_task_id or openml_data_id",
            lambda path: _HEADER.search(beginning(path)) is not None,
        )

    def about(self, path: Path) -> About:
        """The repository states no licence; OpenML's content is CC-BY."""
        return About("none stated (OpenML content is CC-BY-4.0)", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file: runs, qualities, or both side by side."""
        arff = _read(path)
        key, measures, qualities = _columns(arff, path)
        ids = as_text(arff.table.column(key))
        if ids.null_count:
            raise MalformedFile(f"{path} has a row without {key}")
        tables = _tasks(distinct(ids.to_pylist()), key)
        if measures:
            names = distinct(arff.table.column("algorithm").to_pylist())
            weka = Weka.of(names, str(path))
            metrics = [METRICS[canonical(measure)] for measure in measures]
            tables |= {
                "flows": weka.flows,
                "configs": weka.configs,
                "metrics": metric_rows(metrics),
            }
            tables["evaluations"] = _evaluations(arff.table, ids, key, weka, measures)
        if qualities:
            first = {text: row for row, text in reversed(list(enumerate(ids.to_pylist())))}
            tasks = [f"{_ID[key]}/{text}" for text in first]
            values = matrix(arff.table.take(pa.array(list(first.values()), pa.int64())), qualities)
            tables["metafeatures"] = quality_rows(tasks, qualities, values)
        yield from chunks(tables)


def _read(path: Path) -> Arff:
    """The file; the header of the joint table stands alone, which elsewhere is a file cut short."""
    if _JOINT.search(beginning(path)) and path.stat().st_size < _HEADER_BYTES:
        text = beginning(path, _HEADER_BYTES)
        if text.endswith("\n") and "\n@data" not in text.lower():
            return read_arff(io.StringIO(text + "@data\n"))
    return read_arff(path)


def _columns(arff: Arff, path: Path) -> tuple[str, list[str], list[str]]:
    """The id column, the measures and the qualities."""
    names = arff.table.column_names
    key = next((name for name in _ID if name in names), None)
    if key is None:
        raise MalformedFile(
            f"{path} has no column openml_task_id or openml_data_id; it is no OpenML study export"
        )
    others = [name for name, kind in arff.attributes if name not in _KEYS and kind == "numeric"]
    if "algorithm" not in names:
        return key, [], others
    measures = [name for name in others if canonical(name) in METRICS]
    if not measures:
        raise MalformedFile(
            f"{path} has runs but no measure that is known; its columns are {', '.join(names[:20])}"
        )
    return key, measures, [name for name in others if name not in measures]


def _tasks(ids: list[str], key: str) -> dict[str, pa.Table]:
    tasks = [f"{_ID[key]}/{text}" for text in ids]
    if key == "openml_task_id":
        return {"tasks": rows("tasks", task=tasks, kind="classification")}
    return {
        "datasets": rows("datasets", dataset=tasks),
        "tasks": rows("tasks", task=tasks, kind="classification", dataset=tasks),
    }


def _evaluations(
    table: pa.Table, ids: pa.Array, key: str, weka: Weka, measures: list[str]
) -> pa.Table:
    task = mapped(ids, lambda text: f"{_ID[key]}/{text}")
    config = mapped(table.column("algorithm"), weka.config.get)
    flow = mapped(table.column("algorithm"), weka.flow.get)
    status = statuses(table.column("runstatus")) if "runstatus" in table.column_names else "ok"
    repeat = repeats(table.column("repetition")) if "repetition" in table.column_names else None
    bare = pa.scalar(None, pa.float64())
    return pa.concat_tables(
        rows(
            "evaluations",
            task=task,
            config=config,
            metric=canonical(measure),
            value=pc.if_else(pc.equal(status, "ok"), table.column(measure), bare),
            status=status,
            repeat=repeat,
            budget=1.0,
            budget_unit="fraction",
            origin="openml",
            flow=flow,
        )
        for measure in measures
    )
