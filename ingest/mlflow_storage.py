"""What MLflow keeps of runs, read as it lies there: folders of small files, tables, or a CSV."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingest.sqlite import reading
from ingest.text_csv import text_columns
from metadb.errors import MalformedFile

META = "meta.yaml"
"""Of a run or an experiment: flat YAML, a key and a value a line."""

_TABLES = ("experiments", "runs", "params", "metrics", "tags")
_STATUSES = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")  # by number
_PARENT = "mlflow.parentRunId"
_KEY = re.compile(r"([A-Za-z_]\w*):(?: +(.*))?$")


@dataclass
class Logged:
    """The runs of one experiment, and what they logged a column each.

    Args:
        seconds: Per run from its start to its end, None where not known.
        parents: Ids of runs that other runs are nested in.
        run: Per logged value the index of its run. metric, value, step, time: As they are written.
    """

    runs: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    seconds: list[float | None] = field(default_factory=list)
    params: list[dict[str, str]] = field(default_factory=list)
    parents: set[str] = field(default_factory=set)
    run: list[int] = field(default_factory=list)
    metric: list[str] = field(default_factory=list)
    value: list[Any] = field(default_factory=list)
    step: list[Any] = field(default_factory=list)
    time: list[Any] = field(default_factory=list)

    def add(self, run: str, status: str, seconds: float | None) -> None:
        """A run, before what it logged."""
        self.runs.append(run)
        self.statuses.append(status)
        self.seconds.append(seconds)
        self.params.append({})


# -- a tracking folder --------------------------------------------------------------------------


def experiments(folder: Path) -> list[Path]:
    """The folders of experiments with runs: this one, those in it, or those in its `mlruns`."""
    if not folder.is_dir():
        return []
    if _is_experiment(folder):
        return [folder]
    for above in (folder, folder / "mlruns"):
        if above.is_dir():
            found = [path for path in sorted(above.iterdir()) if _is_experiment(path)]
            if found:
                return found
    return []


def _is_experiment(folder: Path) -> bool:
    if not (folder / META).is_file():
        return False
    content = meta(folder / META)
    if "run_id" in content or content.get("lifecycle_stage") == "deleted":
        return False
    with os.scandir(folder) as entries:  # MLflow makes an empty one by itself, "Default"
        return any(Path(entry.path, META).is_file() for entry in entries)


def from_folder(folder: Path) -> Logged:
    """The runs of an experiment, those that were deleted left out.

    Raises:
        MalformedFile: A file breaks off, or is not what MLflow writes.
    """
    logged = Logged()
    for path in sorted(entry.path for entry in os.scandir(folder) if entry.is_dir()):
        if Path(path, META).is_file():
            _run(Path(path), logged)
    return logged


def _run(folder: Path, logged: Logged) -> None:
    content = meta(folder / META)
    if "status" not in content or "run_id" not in content:
        raise MalformedFile(f"{folder / META} is no run of MLflow: it lacks a status or a run_id")
    if content.get("lifecycle_stage") == "deleted":
        return
    start, end = (_milliseconds(content.get(key)) for key in ("start_time", "end_time"))
    seconds = None if start is None or end is None else (end - start) / 1000
    logged.add(content["run_id"], _status(folder, content["status"]), seconds)
    for name, path in _files(folder / "params"):
        logged.params[-1][name] = _text(path)
    for name, path in _files(folder / "metrics"):
        lines = _text(path).splitlines()
        words = [word for line in lines for word in _three(line, path)]
        n = len(words) // 3
        logged.run += [len(logged.runs) - 1] * n
        logged.metric += [name] * n
        logged.time += words[::3]
        logged.value += words[1::3]
        logged.step += words[2::3]
    parent = folder / "tags" / _PARENT
    if parent.is_file():
        logged.parents.add(_text(parent).strip())


def _three(line: str, path: str) -> list[str]:
    """Time, value and step of a line; MLflow before 1.0 wrote no step."""
    words = line.split()
    if len(words) not in (2, 3):
        raise MalformedFile(f"{path}: {line[:60]!r} is not a time, a value and a step")
    return words if len(words) == 3 else [*words, "0"]


def _files(folder: str | Path, before: str = "") -> Iterator[tuple[str, str]]:
    """The files below a folder with their names; a name may hold slashes."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda one: one.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{before}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            yield f"{before}{entry.name}", entry.path


def _text(path: str | Path) -> str:
    try:  # the quickest way: a tracking folder holds some ten files a run
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            return stream.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedFile(f"{path} is no text of MLflow: {error}") from error


def _status(folder: Path, status: str) -> str:
    if status.isdigit() and 0 < int(status) < len(_STATUSES):
        return _STATUSES[int(status)]
    if status in _STATUSES:
        return status
    raise MalformedFile(f"{folder / META} has the status {status!r}; there are 1 to 5")


def _milliseconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None


def meta(path: Path) -> dict[str, str]:
    """The keys of a flat YAML file with their values as texts; lists and null are left out.

    A line that is indented goes on with the value above, as YAML folds a long one.

    Raises:
        MalformedFile: It is empty, or has a line that is no such thing.
    """
    found: dict[str, str] = {}
    key = ""
    for line in _text(path).splitlines():
        match = _KEY.match(line)
        if match:
            key = match[1]
            found[key] = (match[2] or "").strip()
        elif line.startswith((" ", "- ")) and key:
            found[key] = f"{found[key].removesuffix(chr(92))} {line.strip()}".strip()
        elif line.strip():
            raise MalformedFile(f"{path}: {line[:60]!r} is no line of {META} of MLflow")
    if not found:
        raise MalformedFile(f"{path} is empty; MLflow writes the run's or experiment's data there")
    plain = {key: _unquoted(value, path) for key, value in found.items()}
    return {key: value for key, value in plain.items() if value not in ("null", "[]", "{}")}


def _unquoted(text: str, path: Path) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text)))
        except ValueError as error:
            raise MalformedFile(f"{path}: {text[:60]} is no text ({error})") from error
    return text


# -- a tracking database ------------------------------------------------------------------------


def from_tables(path: Path) -> dict[str, Logged]:
    """The experiments of a tracking database that have runs, by name."""
    found: dict[str, Logged] = {}
    with reading(path, _TABLES, "MLflow") as con:
        for experiment, name in con.execute(
            "select experiment_id, name from experiments where lifecycle_stage = 'active' "
            "and experiment_id in (select experiment_id from runs) "
            "order by experiment_id"
        ).fetchall():
            unique = name if name not in found else f"{name}/{experiment}"  # of another workspace
            logged = found[unique] = Logged()
            asked = [experiment]
            for run, status, start, end in con.execute(
                "select run_uuid, status, start_time, end_time from runs "
                "where experiment_id = ? and lifecycle_stage = 'active' order by run_uuid",
                asked,
            ):
                logged.add(
                    run, status, None if start is None or end is None else (end - start) / 1e3
                )
            place = {run: i for i, run in enumerate(logged.runs)}
            of = "join runs using (run_uuid) where experiment_id = ? and lifecycle_stage = 'active'"
            for run, key, text in con.execute(
                f"select run_uuid, key, value from params {of}", asked
            ):
                logged.params[place[run]][key] = text
            query = f"select value from tags {of} and key = ?"
            logged.parents = {text for (text,) in con.execute(query, [experiment, _PARENT])}
            rows = con.execute(
                "select run_uuid, key, case when is_nan then null else value end, step, timestamp "
                f"from metrics {of}",
                asked,
            ).fetchall()
            if rows:
                runs, keys, values, steps, times = zip(*rows, strict=True)
                logged.run, logged.metric = [place[run] for run in runs], list(keys)
                logged.value, logged.step, logged.time = list(values), list(steps), list(times)
    return found


# -- an export ----------------------------------------------------------------------------------


def from_csv(path: Path) -> dict[str, Logged]:
    """The runs of `mlflow.search_runs(...).to_csv(path)` by experiment; without history."""
    table = _csv(path)
    found: dict[str, Logged] = {}
    columns = {name: table[name].to_pylist() for name in table.column_names}
    names = columns.get("experiment_id") or [path.stem] * table.num_rows
    metrics = [name for name in columns if name.startswith("metrics.")]
    params = [name for name in columns if name.startswith("params.")]
    for row, experiment in enumerate(names):
        logged = found.setdefault(experiment, Logged())
        start, end = (columns.get(key, [""] * (row + 1))[row] for key in ("start_time", "end_time"))
        logged.add(columns["run_id"][row], columns["status"][row], _between(start, end, path))
        for name in params:
            if columns[name][row]:
                logged.params[-1][name.removeprefix("params.")] = columns[name][row]
        for name in metrics:
            if columns[name][row]:
                logged.run.append(len(logged.runs) - 1)
                logged.metric.append(name.removeprefix("metrics."))
                logged.value.append(columns[name][row])
        parent = columns.get(f"tags.{_PARENT}")
        if parent and parent[row]:
            logged.parents.add(parent[row])
    for logged in found.values():
        logged.step = logged.time = ["0"] * len(logged.run)
    return found


def _csv(path: Path) -> pa.Table:
    try:
        table = text_columns(path.read_bytes())
    except (pa.ArrowException, ValueError) as error:
        why = str(error).splitlines()[0][:200]
        raise MalformedFile(f"{path} is no CSV of MLflow's search_runs: {why}") from error
    if not {"run_id", "status"} <= set(table.column_names):
        raise MalformedFile(
            f"{path} is no CSV of MLflow's search_runs; it needs the columns run_id and status"
        )
    return table


def _between(start: str, end: str, path: Path) -> float | None:
    if not start or not end:
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError) as error:
        raise MalformedFile(f"{path}: {start!r} or {end!r} is no time ({error})") from error
