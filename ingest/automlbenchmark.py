"""The AutoML benchmark of 2019: whole AutoML systems on OpenML tasks, with hours to spend.

A config is a system in one version on a number of cores; its budget is the seconds it may use. The
time stamp tells runs apart, so that a run is one evaluation in whichever files it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    matrix,
    metafeature_rows,
    metric_rows,
    rows,
)
from ingest.config_columns import config_rows
from metadb.errors import MalformedFile, WrongUsage
from metadb.identity import canonical_config
from metadb.metrics import METRICS
from metadb.records import Rows

SPACE = "automlbenchmark"

_CITATION = (
    "Gijsbers, LeDell, Thomas, Poirier, Bischl, Vanschoren, An Open Source AutoML Benchmark, "
    "AutoML workshop at ICML 2019"
)
_NUMBERS = ("duration", "acc", "auc", "logloss")
_NEEDED = {
    **dict.fromkeys(("id", "task", "framework", "version", "utc", "info"), pa.string()),
    "fold": pa.int32(),
    **dict.fromkeys(_NUMBERS, pa.float64()),
}
_METRICS = {"acc": "accuracy", "auc": "roc_auc", "logloss": "log_loss"}
_QUALITIES = ("nrows", "nfeatures", "nclasses", "class_imbalance")
_METADATA = {
    **dict.fromkeys(("task", "name", "dataset"), pa.string()),
    **dict.fromkeys(_QUALITIES, pa.float64()),
}
_UNLIMITED = ("constantpredictor", "randomforest")  # the same run stands in the tables of all hours
_TABLE = re.compile(r"(\d+)h")
_INPUT = re.compile(r"results_.*-(\d+)c(\d+)h(_ref)?")
_TABLE_CORES = 8  # every run of the tables with a time stamp stands in an 8-core input file
_MEMORY = re.compile(r"MemoryError|OutOfMemory|out of memory", re.IGNORECASE)
_GONE = re.compile(r"Missing predictions|Exception: Aborting")
_LATE = re.compile(r"in the requested time")


@dataclass(frozen=True)
class Automlbenchmark:
    """The folders `tables` (published results) and `input` (raw runs) of the benchmark's reports.

    A file's time limit and cores are read from its name; below a folder, files whose names do not
    tell are left out unless both are given.

    Args:
        paths: CSV files, or folders above them.
        hours: Time limit of files whose names do not tell.
        cores: Cores of files whose names do not tell.
    """

    paths: Sequence[str | Path]
    hours: float | None = None
    cores: int | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The CSV files with the columns of the benchmark's results, and those of its tasks."""
        return find(
            self.paths,
            "*.csv",
            f"CSV files with the columns {', '.join(_NEEDED)}, named like 1h/all_results.csv or "
            "results_small-8c1h.csv",
            lambda path: (
                _is_metadata(path)
                or (_header(path) >= set(_NEEDED) and self._limits(path) is not None)
            ),
        )

    def about(self, path: Path) -> About:
        """Licence and paper."""
        return About("MIT", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one file: of results, or of what is known of the tasks."""
        if _is_metadata(path):
            yield Rows(_described(_read(path, _METADATA), path))
            return
        limits = self._limits(path)
        if limits is None:
            raise WrongUsage(
                f"the name of {path} does not tell its time limit and cores; load the files under "
                "tables/1h, 4h and 8h or named like results_small-8c1h.csv, or give hours and cores"
            )
        hours, cores = limits
        results = _results(path)
        task = _tasks(results, path)
        tasks = distinct(task.to_pylist())
        configs, config = _configs(results, cores)
        yield from chunks(
            {
                "tasks": rows("tasks", task=tasks, kind="classification"),
                "metrics": metric_rows([METRICS[name] for name in _METRICS.values()]),
                "configs": configs,
                "evaluations": _evaluations(results, task, config, hours * 3600),
            }
        )

    def _limits(self, path: Path) -> tuple[float, int] | None:
        """Hours and cores of a file."""
        if found := _INPUT.fullmatch(path.stem):
            return float(found[2]), int(found[1])
        if found := _TABLE.fullmatch(path.resolve().parent.name):
            return float(found[1]), _TABLE_CORES
        if self.hours is None or self.cores is None:
            return None
        return self.hours, self.cores


def _header(path: Path) -> set[str]:
    return set(beginning(path).partition("\n")[0].strip().split(","))


def _is_metadata(path: Path) -> bool:
    return _header(path) >= set(_METADATA)


def _read(path: Path, types: dict[str, pa.DataType]) -> pa.Table:
    if path.stat().st_size == 0:
        raise MalformedFile(f"{path} is empty")
    try:
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=list(types), strings_can_be_null=True
            ),
        ).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        why = str(error).splitlines()[0]
        raise MalformedFile(
            f"{path} is not a CSV file with the columns {', '.join(types)} ({why})"
        ) from error


def _results(path: Path) -> pa.Table:
    """The runs, systems by one name each: the tables write autoweka for the input's AutoWEKA."""
    table = _read(path, _NEEDED)
    framework = mapped(table["framework"], lambda f: None if f is None else _system(f))
    if framework.null_count or table["fold"].null_count:
        raise MalformedFile(f"{path}: each run needs a framework and a fold, but one has none")
    return table.set_column(table.column_names.index("framework"), "framework", framework)


def _system(framework: str) -> str:
    return framework.lower().removesuffix("_enc")


def _tasks(results: pa.Table, path: Path) -> pa.Array:
    """OpenML's task of each run; a run that never was has only the name of its task."""
    names, ids = results["task"].combine_chunks(), results["id"].combine_chunks()
    known = dict(zip(names.to_pylist(), ids.to_pylist(), strict=True))
    known |= {n: i for n, i in zip(names.to_pylist(), ids.to_pylist(), strict=True) if i}
    return _ids(pc.coalesce(ids, mapped(names, known.get)), "task", path)


def _ids(column: pa.Array | pa.ChunkedArray, what: str, path: Path) -> pa.Array:
    """Ids from the ends of addresses: openml.org/t/31 is openml:task/31."""
    address = re.compile(rf"openml\.org/{what[0]}/(\d+)")

    def native(text: str | None) -> str:
        found = address.fullmatch(text or "")
        if found is None:
            raise MalformedFile(
                f"{path}: a {what} is {text!r}; it should be like openml.org/{what[0]}/31"
            )
        return f"openml:{what}/{found[1]}"

    return mapped(column, native)


def _configs(results: pa.Table, cores: int) -> tuple[pa.Table, pa.Array]:
    """A config a system and version; a run that never was has the version of the others."""
    names, versions = (results[column].to_pylist() for column in ("framework", "version"))
    known = {name: version for name, version in zip(names, versions, strict=True) if version}
    pairs = [(n, v or known.get(n)) for n, v in zip(names, versions, strict=True)]
    texts = {
        (name, version): canonical_config(
            {"framework": name, "cores": cores} | ({"version": version} if version else {})
        )
        for name, version in dict.fromkeys(pairs)
    }
    return config_rows(SPACE, pa.array([texts[pair] for pair in pairs]))


def _evaluations(results: pa.Table, task: pa.Array, config: pa.Array, limit_s: float) -> pa.Table:
    """A row a run and metric; a failed run has the metrics that its task has in this file."""
    ok = pc.or_(
        pc.or_(*(results[c].is_valid() for c in ("acc", "auc"))), results["logloss"].is_valid()
    )
    unlimited = pc.is_in(results["framework"], pa.array(_UNLIMITED))
    status = pc.if_else(ok, "ok", _failures(results, limit_s))
    made = []
    for column, metric in _METRICS.items():
        value = results[column]
        of_task = pc.is_in(task, pc.unique(task.filter(value.is_valid())))
        there = pc.or_(
            value.is_valid(), pc.and_(pc.invert(ok), of_task if column != "acc" else True)
        )
        made.append(
            rows(
                "evaluations",
                task=task,
                config=config,
                metric=metric,
                value=value,
                status=status,
                fold=results["fold"],
                budget=pc.if_else(unlimited, 1.0, limit_s),
                budget_unit=pc.if_else(unlimited, "fraction", "s"),
                cost_s=results["duration"],
                origin=SPACE,
                run=results["utc"],
            ).filter(there)
        )
    return pa.concat_tables(made)


def _failures(results: pa.Table, limit_s: float) -> pa.Array:
    """Why each run failed, if it did: for memory, for time, or else."""
    late = pc.fill_null(pc.greater_equal(results["duration"], limit_s), False)
    kind = mapped(results["info"], lambda info: _kind(info or ""))
    gone = pc.if_else(late, "timeout", "failed")  # without a word: killed, or lost on its way
    return pc.if_else(pc.equal(kind, "gone"), gone, kind)


def _kind(info: str) -> str:
    for kind, pattern in (("memout", _MEMORY), ("timeout", _LATE), ("gone", _GONE)):
        if pattern.search(info):
            return kind
    return "failed"


def _described(known: pa.Table, path: Path) -> dict[str, pa.Table]:
    """Tasks, data sets and the few meta-features of the benchmark's list of tasks."""
    task, dataset = _ids(known["task"], "task", path), _ids(known["dataset"], "dataset", path)
    tasks = task.to_pylist()
    return {
        "datasets": rows("datasets", dataset=dataset, name=known["name"]),
        "tasks": rows(
            "tasks", task=task, kind="classification", dataset=dataset, name=known["name"]
        ),
        "metafeatures": metafeature_rows(tasks, _QUALITIES, matrix(known, _QUALITIES), SPACE),
    }
