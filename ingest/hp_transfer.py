"""Tabulated evaluations for hyperparameter transfer: XGBoost, DeepAR and NAS-Bench-201.

One zip a search space, with one member of CSV text, which is read in memory: its name, in one zip
an absolute path of somebody's laptop, decides nothing. Every value is at the end of training.
Hyperparameters are kept as the tables have them, logarithms included; the edges of NAS-Bench-201
are named after their operations, since their numbers 0 to 4 have no order. `results_reimplem` holds
the progress of optimisers, not evaluations, and is left out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ingest import About
from ingest.building import (
    chunks,
    distinct,
    find,
    mapped,
    matrix,
    metafeature_rows,
    metric_rows,
    rows,
)
from ingest.config_columns import config_rows, config_texts
from ingest.hp_transfer_spaces import BLACKBOXES, OPERATIONS, Blackbox
from ingest.zipped import beginning_of_member, only_member
from metadb.errors import MalformedFile
from metadb.records import Rows

MAX_BYTES = 1 << 28
"""A member that unpacks to more is refused; reading takes about four times its size."""

_CITATION = (
    "Salinas, Shen, Perrone, A Quantile-based Approach for Hyperparameter Transfer Learning, "
    "ICML 2020"
)
_NAS_CITATION = (
    "Dong, Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, "
    "ICLR 2020, as tabulated for "
)
_LENGTH = "dataset_prediction_length"


@dataclass(frozen=True)
class HpTransfer:
    """The files `XGBoost.csv.zip`, `DeepAR.csv.zip` and `nas_bench102.csv.zip`, one load each.

    A file is held whole: 9 MB of text for 50,000 rows, never more than `MAX_BYTES`.

    Args:
        paths: The files, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The zips of evaluations; progress curves of optimisers are left out."""
        return find(
            self.paths,
            "*.csv.zip",
            "zipped CSV files of evaluations (columns hp_..., metric_..., blackbox, task)",
            _is_evaluations,
        )

    def about(self, path: Path) -> About:
        """Licence and papers; the files are the same under either licence."""
        if path.name.startswith("nas"):
            return About("Apache-2.0; NAS-Bench-201: MIT", _NAS_CITATION + _CITATION)
        return About("Apache-2.0; also MIT", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one zip."""
        table, blackbox = _read(path)
        config_table, config = config_rows(blackbox.space, _texts(table, blackbox, path))
        task = mapped(table.column("task"), lambda name: f"hp-transfer:{name}")
        tables = _tasks(table, blackbox.kind)
        evaluations = pa.concat_tables(
            rows(
                "evaluations",
                task=task,
                config=config,
                metric=measure.metric.name,
                value=measure.turned(table.column(column)),
                status="ok",
                budget=1.0,
                budget_unit="fraction",
                cost_s=blackbox.cost_s and table.column(blackbox.cost_s),
                origin="hp-transfer",
            )
            for column, measure in blackbox.measures.items()
        )
        metrics = metric_rows(measure.metric for measure in blackbox.measures.values())
        yield from chunks(
            {**tables, "metrics": metrics, "configs": config_table, "evaluations": evaluations}
        )


def _read(path: Path) -> tuple[pa.Table, Blackbox]:
    """The rows and the search space they are of.

    Raises:
        MalformedFile: It is no such zip, or holds rows of another or of several search spaces.
    """
    content = only_member(path, MAX_BYTES)
    names = _columns(content)
    if not _describes_evaluations(names):
        raise MalformedFile(
            f"{path} holds no CSV text with the columns blackbox, task and hp_...; the progress of "
            "optimisers (results_reimplem) is not evaluations"
        )
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),  # 9 MB take 0.1 s
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: _type(name) for name in names}
            ),
        )
    except pa.ArrowInvalid as error:
        raise MalformedFile(f"{path} holds no CSV text ({str(error).splitlines()[0]})") from error
    found = pc.unique(table.column("blackbox")).to_pylist()
    if len(found) != 1 or found[0] not in BLACKBOXES:
        raise MalformedFile(
            f"{path} is of the search spaces {found[:3]}; one of {', '.join(BLACKBOXES)} is needed"
        )
    blackbox = BLACKBOXES[found[0]]
    needed = [f"hp_{name}" for name in blackbox.hyperparameters] + [*blackbox.measures]
    needed += [blackbox.cost_s] if blackbox.cost_s else []
    lacks = [name for name in needed if name not in names]
    if lacks:
        raise MalformedFile(f"{path} has no column {lacks[0]!r}; {found[0]} needs it")
    if any(table.column(name).null_count for name in (*needed, "task")):
        raise MalformedFile(f"{path} has an empty cell; every cell should hold a value")
    return table, blackbox


def _type(column: str) -> pa.DataType:
    whole = column.startswith("hp_x") or column == "hp_max_depth_index"
    number = column.startswith(("hp_", "metric_")) or column == _LENGTH
    return pa.int64() if whole else pa.float64() if number else pa.string()


def _texts(table: pa.Table, blackbox: Blackbox, path: Path) -> pa.Array:
    """One canonical config text a row."""

    def operation(code: int) -> str:
        if not 0 <= code < len(OPERATIONS):
            raise MalformedFile(
                f"{path}: the operation {code} is not between 0 and {len(OPERATIONS) - 1}"
            )
        return json.dumps(OPERATIONS[code])

    def plain(value: float) -> str:
        return json.dumps(value if isinstance(value, int) else value + 0.0)  # -0.0 is 0.0

    write = operation if blackbox.operations else plain
    return config_texts(
        {name: mapped(table.column(f"hp_{name}"), write) for name in blackbox.hyperparameters}
    )


def _tasks(table: pa.Table, kind: str) -> dict[str, pa.Table]:
    """Tasks named after their data, and how far ahead is forecast, where it is told."""
    names = distinct(pc.unique(table.column("task")).to_pylist())
    tasks = [f"hp-transfer:{name}" for name in names]
    tables = {"tasks": rows("tasks", task=tasks, kind=kind, name=names)}
    if _LENGTH in table.column_names:
        shortest = table.group_by("task", use_threads=False).aggregate([(_LENGTH, "min")])
        tables["metafeatures"] = metafeature_rows(
            [f"hp-transfer:{name}" for name in shortest.column("task").to_pylist()],
            ["prediction_length"],
            matrix(shortest, [f"{_LENGTH}_min"]),  # (tasks, 1)
            "hp-transfer",
        )
    return tables


def _is_evaluations(path: Path) -> bool:
    try:
        return _describes_evaluations(_columns(beginning_of_member(path, 1 << 14)))
    except MalformedFile:
        return False


def _describes_evaluations(columns: Sequence[str]) -> bool:
    return {"blackbox", "task"} <= {*columns} and any(name.startswith("hp_") for name in columns)


def _columns(content: bytes) -> list[str]:
    """The names in the header; none where it is not text, or names a column twice."""
    try:
        names = content.partition(b"\n")[0].decode("utf-8-sig").strip("\r").split(",")
    except UnicodeDecodeError:
        return []
    return names if len({*names}) == len(names) else []
