"""Recording evaluations one at a time: checked at once, journalled, folded into tables later."""

from __future__ import annotations

import math
import os
import time
import uuid
from operator import index
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metadb.adding import fitting
from metadb.admission import ID
from metadb.errors import InvalidMetric, InvalidRows, NotFound
from metadb.identity import canonical_config, config_id
from metadb.journal import Journal, orphans
from metadb.loads import Load
from metadb.metrics import METRICS, Metric, canonical, check_score, differ, metric_row
from metadb.records import STATUSES, Config, Rows, Task
from metadb.schema import TABLES
from metadb.tables import forked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ConfigSpace import ConfigurationSpace

    from metadb.store import Store

FOLDING = 0.1
"""Folding may take so large a share of the time: where it is slow, lines wait for longer."""

_INTEGERS = {"fold": 2**31, "repeat": 2**31, "seed": 2**63}


class Recorder:
    """What one store object records.

    Each batch of the journal is whole in itself: it holds the tasks, configs, spaces and metrics
    that its evaluations refer to, so that nothing done to the store meanwhile can orphan them.

    Args:
        store: The store to record into.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.path.absolute() / "journal"
        self._journal: Journal | None = None
        self._written: set[str] = set()  # what the journal's batch holds already
        self._tasks: set[str] = set()  # ids of tasks that were found in the store
        self._metrics: dict[str, Metric] = {}
        self._spaces: dict[str, ConfigurationSpace | None] = {}
        self._legal: set[tuple[str, str]] = set()

    @property
    def pending(self) -> bool:
        """Whether lines wait to be folded by this process."""
        journal = self._mine()
        return journal is not None and journal.n_lines > 0

    def record(
        self, task: Task | str, config: Config, space: str | ConfigurationSpace, row: dict[str, Any]
    ) -> str:
        """Write one evaluation through to the journal; `row` is what `evaluations` says of it."""
        journal = self._mine() or self._open()
        metric = self._metric(row["metric"])
        name = space if isinstance(space, str) else space.name
        if not name or not isinstance(name, str):
            raise InvalidRows("the space has no name; give one: ConfigurationSpace(name=...)")
        run = row["run"] or f"{journal.id}/{uuid.uuid4().hex[:12]}"
        evaluation = _checked(row, metric) | {
            "task": task if isinstance(task, str) else task.id,
            "config": config_id(name, config),
            "run": run,
        }
        line, marks = self._entities(task, config, space, name, metric)
        try:
            journal.append(line | {"evaluations": [evaluation]})
        except UnicodeEncodeError as error:
            raise InvalidRows(f"{error.object[error.start]!a} is half a character") from error
        self._written |= marks  # only what is written counts as written
        if journal.due:
            self.flush()
        return str(run)

    def flush(self) -> None:
        """Fold what was recorded, here and by processes that are gone, into the tables.

        A forked process leaves it to the next process that opens the store.
        """
        if forked():
            return
        journal = self._mine()
        if journal is not None and journal.n_lines:
            self._journal = None  # what folding asks sees no journal to fold
            start = time.monotonic()
            try:
                self._fold(journal.id, journal.lines())
                journal.clear()
                self._written.clear()
            finally:
                self._journal = journal
                journal.wait_s = max(1.0, (time.monotonic() - start) / FOLDING)
        for path, lines in orphans(self._folder):
            self._fold(path.stem, lines)

    def close(self) -> None:
        """Fold what was recorded and let go of the journal."""
        journal = self._mine()
        if journal is not None:
            try:
                self.flush()
            finally:
                journal.close()
        self._journal = None
        self.forget()

    def forget(self) -> None:
        """Forget what the store is known to hold."""
        for known in (self._written, self._tasks, self._metrics, self._spaces, self._legal):
            known.clear()

    def _mine(self) -> Journal | None:
        """The journal of this process; a forked one does not touch its parent's."""
        if self._journal is not None and self._journal.pid != os.getpid():
            self._journal = None
            self._written.clear()
        return self._journal

    def _open(self) -> Journal:
        self._journal = Journal(self._folder)
        self._written.clear()
        return self._journal

    def _metric(self, metric: str | Metric) -> Metric:
        name = canonical(metric if isinstance(metric, str) else metric.name)
        if isinstance(metric, Metric) and name not in self._metrics:
            self._metrics[name] = self._own(metric, name)
        if isinstance(metric, Metric) and differ(self._metrics[name], metric):
            raise InvalidMetric(
                f"the store has {self._metrics[name]}, which {metric} contradicts; rename yours"
            )
        if name not in self._metrics:
            known = METRICS.get(name) if forked() else None
            journal, self._journal = self._journal, None  # what is asked needs no line of it
            try:
                self._metrics[name] = known or self._store.metric(name)
            finally:
                self._journal = journal
        return self._metrics[name]

    def _own(self, metric: Metric, name: str) -> Metric:
        """A metric of the caller's own, or the one of that name that is known."""
        try:
            return self._store.metric(name)
        except NotFound:
            return metric

    def _entities(
        self,
        task: Task | str,
        config: Config,
        space: str | ConfigurationSpace,
        name: str,
        metric: Metric,
    ) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
        """The rows that an evaluation refers to and that the batch lacks, and their marks."""
        line: dict[str, list[dict[str, Any]]] = {}
        marks: set[str] = set()

        def lacks(mark: str) -> bool:
            if mark in self._written:
                return False
            marks.add(mark)
            return True

        if isinstance(task, str):
            if task not in self._tasks:
                self._store.task(task)  # raises where it is not there
                self._tasks.add(task)
        elif lacks(f"task {task.id}"):
            line |= _task_rows(task)
        text = canonical_config(config)
        self._validate(space, name, config, text)
        if not isinstance(space, str):
            from metadb.space import space_id, to_json

            id_ = space_id(space)
            if lacks(f"space {id_}"):
                line["spaces"] = [{"space": id_, "name": name, "definition": to_json(space)}]
        if lacks(f"config {name} {text}"):
            line["configs"] = [
                {"config": config_id(name, config), "space": name, "hyperparameters": text}
            ]
        if lacks(f"metric {metric.name}"):
            line["metrics"] = [metric_row(metric)]
        for table, rows in line.items():
            _as_table(table, rows)
        return line, marks

    def _validate(
        self, space: str | ConfigurationSpace, name: str, config: Config, text: str
    ) -> None:
        """Let a config pass that is legal in its space, or whose space was never declared."""
        declared: ConfigurationSpace | None
        if isinstance(space, str):
            if (name, text) in self._legal:
                return
            if name not in self._spaces:
                from metadb.space import from_json

                definition = self._store.snapshot.definition(name)
                self._spaces[name] = None if definition is None else from_json(definition)
            declared = self._spaces[name]
        else:
            declared = space
        if declared is not None:
            from metadb.space import validate

            validate(declared, config)
        if isinstance(space, str):
            self._legal.add((name, text))

    def _fold(self, journal: str, lines: Iterable[dict[str, Any]]) -> None:
        gathered: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            for name, rows in line.items():
                if name in TABLES:  # a newer metadb may have written of more
                    gathered.setdefault(name, []).extend(rows)
        tables = {name: _as_table(name, rows) for name, rows in gathered.items()}
        if tables:
            self._store.fold(fitting(Rows(tables)), Load(f"record:{journal}", "record"))


def _as_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """The rows with the table's types, for the columns that they have; JSON would guess them."""
    given = {column for row in rows for column in row}
    schema = pa.schema([f for f in TABLES[name].arrow if f.name in given])
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, UnicodeEncodeError) as error:
        raise InvalidRows(f"{name} cannot hold {rows[0]}: {error}") from error


def _task_rows(task: Task) -> dict[str, list[dict[str, Any]]]:
    for what, id_ in (("task", task.id), ("data set", task.dataset)):
        if id_ is not None and not (isinstance(id_, str) and ID.fullmatch(id_)):
            raise InvalidRows(f"the {what} id {id_!r} is not of the form origin:native")
    rows: dict[str, list[dict[str, Any]]] = {
        "tasks": [
            {
                "task": task.id,
                "kind": task.kind,
                "dataset": task.dataset,
                "target": task.target,
                "name": task.name,
            }
        ],
        "metafeatures": [
            {"task": task.id, "name": name, "value": number, "extractor": "metadb"}
            for name, value in task.metafeatures.items()
            if math.isfinite(number := _number(name, value))
        ],
    }
    if task.dataset is not None:
        rows["datasets"] = [{"dataset": task.dataset}]
    return {name: found for name, found in rows.items() if found}


def _checked(row: dict[str, Any], metric: Metric) -> dict[str, Any]:
    """The evaluation's row with plain values that its table takes."""
    status = row["status"]
    if status not in STATUSES:
        raise InvalidRows(f"status {status!r}; there are {', '.join(STATUSES)}")
    value = None if row["value"] is None else _number("value", row["value"])
    if status not in {"ok", "censored"}:
        value = None  # a run without a score has none, whatever number stands in its place
    check_score(metric, value, status)
    cost_s = None if row["cost_s"] is None else _number("cost_s", row["cost_s"])
    if cost_s is not None and not 0 <= cost_s < math.inf:
        raise InvalidRows(f"cost_s is {cost_s}; give seconds, or leave it out")
    budget = _number("budget", row["budget"])
    if not 0 < budget < math.inf:
        raise InvalidRows(f"budget is {budget}; give a positive number, 1.0 fraction is everything")
    checked = row | {"metric": metric.name, "value": value, "cost_s": cost_s, "budget": budget}
    for name, limit in _INTEGERS.items():
        checked[name] = None if row[name] is None else _integer(name, row[name], limit)
    for name in ("budget_unit", "origin", "run"):
        text = row[name]
        if (text is not None or name != "run") and (not isinstance(text, str) or "\x1f" in text):
            raise InvalidRows(f"{name} is {text!r}; give text without control characters")
    return checked


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidRows(f"{name} is {value!r}; give a number") from error


def _integer(name: str, value: Any, limit: int) -> int:
    try:
        whole = index(value)
    except TypeError as error:
        raise InvalidRows(f"{name} is {value!r}; give a whole number") from error
    if not -limit <= whole < limit:
        raise InvalidRows(f"{name} is {whole}, more than its column holds")
    return whole
