"""Experiments of Syne Tune: `results.csv.zip` (or `results.csv`) with its `metadata.json`.

Every row is one report of a trial: a point of its learning curve. `tuner.dill` is never read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest import About
from ingest.building import find
from ingest.small_files import read_object
from ingest.study import OWN, Study, as_budgets, joined, of_the_study, points, study_rows
from ingest.text_csv import text_columns
from ingest.zipped import only_member
from metadb.declared import Choice, Declared, Range
from metadb.errors import MalformedFile
from metadb.identity import typed
from metadb.records import Rows

MAX_BYTES = 1 << 30
"""A results file that unpacks to more is refused."""

_RESULTS = ("results.csv.zip", "results.csv")
_METADATA = "metadata.json"
_CONFIG = "config_"
_UNIT = {"epoch": "epochs", "iteration": "iterations", "step": "steps", "iter": "iterations"}
_ITS_OWN = ("trial_id", "step", "elapsed_time")


@dataclass(frozen=True)
class SyneTune:
    """Experiments of Syne Tune, one load each.

    Args:
        paths: Folders of experiments or folders above them, or files `results.csv.zip`.
        task: Id of the task; default `syne-tune:<experiment>`.
        metric: The metrics to keep; default those that were tuned.
        space: Name of the space; default `syne-tune:<experiment>`.
        study: The one experiment to read; default all.
        minimize: Direction of metrics that were reported but not tuned.
    """

    paths: Sequence[str | Path]
    task: str | None = None
    metric: str | None = None
    space: str | None = None
    study: str | None = None
    minimize: bool | None = None

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The results files; of a folder that has both forms, the packed one."""
        what = f"{' or '.join(_RESULTS)} of Syne Tune, with {_METADATA}"
        found = find(self.paths, "results.csv*", what, lambda path: path.name in _RESULTS)
        packed = {path.parent for path in found if path.suffix == ".zip"}
        found = [path for path in found if path.suffix == ".zip" or path.parent not in packed]
        return of_the_study(found, lambda path: path.resolve().parent.name, self, self.paths[0])

    def about(self, path: Path) -> About:
        """The user's own results, and the two files that belong together."""
        metadata = path.parent / _METADATA
        return About(OWN, None, (path, *([metadata] if metadata.is_file() else [])))

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one experiment."""
        results, metadata = _results(path), _metadata(path.parent / _METADATA)
        try:
            study = _study(path, results, metadata, self.metric)
        except (
            pa.ArrowException,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
        ) as error:
            raise MalformedFile(
                f"{path} and its {_METADATA} do not fit together ({error!r})"
            ) from error
        yield from study_rows(study, self)


def _study(path: Path, results: pa.Table, metadata: dict[str, Any], metric: str | None) -> Study:
    objectives = _objectives(metadata)
    if metric is not None:  # another reported column may be asked for
        others = [name for name in results.column_names if not _is_its_own(name)]
        objectives = dict.fromkeys(others) | objectives
    declared = _declared(metadata)
    codes = results["trial_id"].combine_chunks().dictionary_encode()
    trial, ids = codes.indices, codes.dictionary.to_pylist()
    first = [pc.index(trial, i).as_py() for i in range(len(ids))]
    name = path.resolve().parent.name
    parts = [
        _points(results, trial, one, _resource(results, metadata))
        for one in objectives
        if one in results.column_names
    ]
    return Study(
        tuner="syne-tune",
        name=name,
        configs=_configs(results.take(pa.array(first, pa.int64())), declared),
        runs=[f"{name}/{one}" for one in ids],
        points=joined([*parts, _failures(results, trial, len(ids), list(objectives))]),
        objectives=objectives,
        declared=declared,
    )


def _objectives(metadata: dict[str, Any]) -> dict[str, bool | None]:
    names = metadata.get("metric_names") or []
    mode = metadata.get("metric_mode")
    modes = mode if isinstance(mode, list) else [mode] * len(names)
    return {
        str(name): None if one is None else one != "max"
        for name, one in zip(names, modes, strict=True)
    }


def _is_its_own(name: str) -> bool:
    return name in _ITS_OWN or name.startswith(("st_", _CONFIG))


def _resource(results: pa.Table, metadata: dict[str, Any]) -> str | None:
    """The column that counts what a trial was given; None where no trial reported twice."""
    asked = metadata.get("scheduler_kwargs") or {}
    named = [asked.get(key) for key in ("resource_attr", "time_attr")]
    for name in [*named, *_UNIT, "epochs"]:
        if name in results.column_names:
            return str(name)
    count = pc.value_counts(results["trial_id"]).field("counts")
    return "st_worker_iter" if (pc.max(count).as_py() or 0) > 1 else None


def _points(results: pa.Table, trial: pa.Array, metric: str, resource: str | None) -> pa.Table:
    """The reports of one metric; the cost is the worker's clock."""
    cost = "st_worker_time" if "st_worker_time" in results.column_names else None
    value = _numbers(results, metric)
    budget: Any = 1.0 if resource is None else as_budgets(_numbers(results, resource), trial)
    unit = "fraction" if resource is None else _UNIT.get(resource, resource)
    return points(
        trial=trial,
        metric=metric,
        value=value,
        budget=budget,
        budget_unit="iterations" if resource == "st_worker_iter" else unit,
        cost_s=None if cost is None else _numbers(results, cost),
    ).filter(pc.is_valid(value))


def _failures(results: pa.Table, trial: pa.Array, n: int, metrics: Sequence[str]) -> pa.Table:
    """A failed trial has no score at the full budget."""
    if "st_status" not in results.column_names:
        return points(trial=[])
    status = dict(zip(trial.to_pylist(), results["st_status"].to_pylist(), strict=True))  # the last
    failed = [i for i in range(n) if status[i] == "Failed"]
    return points(
        trial=[i for i in failed for _ in metrics],
        metric=list(metrics) * len(failed),
        status="failed",
    )


def _configs(first: pa.Table, declared: Declared | None) -> list[dict[str, Any]]:
    """The hyperparameters of each trial, from the columns of its first report."""
    names = [name for name in first.column_names if name.startswith(_CONFIG)]
    columns = {
        name.removeprefix(_CONFIG): [
            None if text == "" else _value(text, (declared or {}).get(name.removeprefix(_CONFIG)))
            for text in first[name].to_pylist()
        ]
        for name in names
    }
    return [
        {name: column[i] for name, column in columns.items() if column[i] is not None}
        for i in range(first.num_rows)
    ]


def _value(text: str, one: Range | Choice | None) -> Any:
    """A cell as the space has it: `1` is 1.0 of a range of floats, or the choice written so."""
    value = typed(text)
    if isinstance(one, Range) and isinstance(value, int | float):
        return int(value) if one.whole else float(value)
    if isinstance(one, Choice):
        equal = [choice for choice in one.values if str(choice) == text or choice == value]
        return equal[0] if equal else value
    return value


def _declared(metadata: dict[str, Any]) -> Declared | None:
    """The space, where the metadata has it: `{"lr": {"domain_cls": "Float", ...}, "epochs": 3}`."""
    text = metadata.get("config_space")
    if text is None:
        return None
    content = json.loads(text) if isinstance(text, str) else text
    return {name: _domain(entry) for name, entry in content.items()}


def _domain(entry: Any) -> Range | Choice:
    if not isinstance(entry, dict):
        return Choice((entry,))
    kind, given = entry["domain_cls"], entry["domain_kwargs"]
    log = "Log" in str(entry.get("sampler_cls")) or bool(given.get("log_scale"))
    if "categories" in given:
        return Choice(tuple(given["categories"]))
    whole = kind == "Integer" or bool(given.get("cast_int"))
    return Range(float(given["lower"]), float(given["upper"]), log, whole)


# -- files ------------------------------------------------------------------------------------


def _results(path: Path) -> pa.Table:
    """All columns as text."""
    try:
        packed = path.suffix == ".zip"
        table = text_columns(only_member(path, MAX_BYTES) if packed else path.read_bytes())
    except (pa.ArrowException, OSError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise MalformedFile(f"{path} is no results file of Syne Tune: {why}") from error
    if "trial_id" not in table.column_names:
        raise MalformedFile(f"{path} is no results file of Syne Tune; it has no column 'trial_id'")
    return table


def _numbers(results: pa.Table, name: str) -> pa.Array:
    """A column as numbers; an empty cell is null."""
    text = results[name].combine_chunks()
    missing = pc.equal(text, "")
    text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
    return pc.cast(text, pa.float64())


def _metadata(path: Path) -> dict[str, Any]:
    return read_object(path, "as Syne Tune writes it") if path.is_file() else {}
