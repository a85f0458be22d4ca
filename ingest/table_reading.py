"""Rows of the store from the files of a mapping, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.batches import Batch, batches, column_names
from ingest.building import (
    CHUNK,
    distinct,
    mapped,
    metafeature_rows,
    metric_rows,
    quality_rows,
    rows,
)
from ingest.config_columns import config_rows, config_texts
from ingest.mapping import Cell, Constant, Sheet, TableMapping
from metadb.errors import MalformedFile
from metadb.metrics import METRICS, canonical
from metadb.records import Rows

_ID = re.compile(r"[a-z0-9_.-]+:.")
_SEEN = 500_000  # configs remembered as written; beyond it some are written again, adding nothing


@dataclass
class Reading:
    """One run through the files of a mapping.

    Attributes:
        tasks: Tasks written so far.
        configs: Ids of configs written so far.
        keys: Key of `[configs]` to its config's text.
    """

    mapping: TableMapping
    tasks: set[str] = field(default_factory=set)
    configs: set[str] = field(default_factory=set)
    keys: dict[str, str | None] = field(default_factory=dict)

    # -- what evaluations refer to --------------------------------------------------------------

    def entities(self) -> dict[str, pa.Table]:
        """Space, tasks, keyed configs and meta-features: all that is read whole."""
        mapping = self.mapping
        tables: dict[str, pa.Table] = {}
        if mapping.definition is not None:
            from metadb.space import from_json, space_id

            tables["spaces"] = rows(
                "spaces",
                space=[space_id(from_json(mapping.definition))],
                name=mapping.space,
                definition=mapping.definition,
            )
        if mapping.configs is not None:
            self.keys = _keyed(mapping.configs)
        if mapping.tasks is not None and mapping.tasks.file is not None:
            tables |= self._described_tasks(mapping.tasks, mapping.tasks.file)
        if mapping.metafeatures is not None and mapping.metafeatures.file is not None:
            found = self._metafeatures(mapping.metafeatures, mapping.metafeatures.file)
            fresh = self._fresh_tasks(found.column("task"))
            tables["tasks"] = _joined([tables["tasks"], fresh]) if "tasks" in tables else fresh
            tables["metafeatures"] = found
        return tables

    def _described_tasks(self, sheet: Sheet, file: Path) -> dict[str, pa.Table]:
        found: list[dict[str, Any]] = []
        for batch in batches(file, sheet.names()):
            columns = {name: _texts(batch, cell) for name, cell in sheet.columns.items()}
            for name in {"task", "dataset"} & columns.keys():
                columns[name] = mapped(columns[name], self._id)
            found += pa.table(columns).to_pylist()
        first = {entry["task"]: entry for entry in reversed(found) if entry["task"]}
        entries = list(first.values())
        self.tasks.update(entry["task"] for entry in entries)
        columns = {name: [entry[name] for entry in entries] for name in sheet.columns}
        tables = {"tasks": rows("tasks", **columns)}
        datasets = distinct(columns.get("dataset", []))
        if datasets:
            tables["datasets"] = rows("datasets", dataset=datasets)
        return tables

    def _fresh_tasks(self, column: pa.ChunkedArray | pa.Array) -> pa.Table:
        """Tasks that were not written yet, with the constants of [tasks]."""
        ids = [task for task in pc.unique(column).to_pylist() if task and task not in self.tasks]
        self.tasks.update(ids)
        sheet = self.mapping.tasks
        constants = {
            name: cell.value
            for name, cell in (sheet.columns if sheet else {}).items()
            if isinstance(cell, Constant)
        }
        return rows("tasks", task=ids, **constants)

    def _metafeatures(self, sheet: Sheet, file: Path) -> pa.Table:
        names = list(self.mapping.features)
        if "name" in sheet.columns or "value" in sheet.columns:
            found = [self._long_features(b, sheet) for b in batches(file, sheet.names())]
            return _joined([rows("metafeatures", task=[], name=[], value=[], extractor=[]), *found])
        names = names or [name for name in column_names(file) if name not in sheet.names()]
        build = (
            quality_rows
            if self.mapping.extractor == "openml"
            else partial(metafeature_rows, extractor=self.mapping.extractor)
        )
        pieces = []
        for batch in batches(file, [*sheet.names(), *names]):
            tasks = mapped(_texts(batch, sheet.columns["task"]), self._id).to_pylist()
            values = [batch.numbers(name).to_numpy(zero_copy_only=False) for name in names]
            matrix = np.column_stack(values) if values else np.empty((len(tasks), 0))
            pieces.append(build(tasks, names, matrix.astype(float)))
        return _joined(pieces or [build([], names, np.empty((0, len(names))))])

    def _long_features(self, batch: Batch, sheet: Sheet) -> pa.Table:
        if not {"name", "value"} <= sheet.columns.keys():
            raise MalformedFile(
                f"{self.mapping.path}: [metafeatures.columns] needs both name and value, or neither"
            )
        value = batch.numbers(str(sheet.columns["value"]))
        long = rows(
            "metafeatures",
            task=mapped(_texts(batch, sheet.columns["task"]), self._id),
            name=_texts(batch, sheet.columns["name"]),
            value=value,
            extractor=self.mapping.extractor,
        )
        return long.filter(pc.is_valid(value))

    # -- evaluations ----------------------------------------------------------------------------

    def evaluations(self, tables: dict[str, pa.Table]) -> Iterator[Rows]:
        """The entities with the first evaluations, then the rest, in pieces of `CHUNK`."""
        sheet = self.mapping.evaluations
        if sheet is None or sheet.file is None:
            return
        wide = [] if "value" in sheet.columns else list(self.mapping.metrics)
        waiting: list[dict[str, pa.Table]] = []
        n_waiting = 0
        columns = distinct([*sheet.names(), *wide])
        size = max(1, CHUNK // max(1, len(wide)))
        for batch in (part for whole in batches(sheet.file, columns) for part in whole.split(size)):
            waiting.append(self._batch(batch, sheet))
            n_waiting += waiting[-1]["evaluations"].num_rows
            if n_waiting >= CHUNK:
                yield Rows(_merged([tables, *waiting]), share=batch.share)
                waiting, n_waiting, tables = [], 0, {}
        if waiting or tables:
            yield Rows(_merged([tables, *waiting]))

    def _batch(self, batch: Batch, sheet: Sheet) -> dict[str, pa.Table]:
        task = mapped(_texts(batch, sheet.columns["task"]), self._id)
        configs, config = self._configs(batch, sheet)
        shared = self._shared(batch, sheet.columns) | {"task": task, "config": config}
        if "value" in sheet.columns:
            names = mapped(_texts(batch, sheet.columns["metric"]), self._metric)
            value = batch.numbers(str(sheet.columns["value"]))
            evaluations = rows("evaluations", metric=names, value=value, **shared)
            used = [METRICS[m] for m in pc.unique(names).to_pylist() if m in METRICS]
        else:
            evaluations = self._wide(batch, shared)
            used = []
        metrics = {metric.name: metric for metric in [*used, *self.mapping.metrics.values()]}
        return {
            "tasks": self._fresh_tasks(task),
            "metrics": metric_rows(metrics.values()),
            "configs": configs,
            "evaluations": evaluations,
        }

    def _wide(self, batch: Batch, shared: Mapping[str, Any]) -> pa.Table:
        """One evaluation a row and metric; an empty cell beside a filled one was not measured."""
        values = {column: batch.numbers(column) for column in self.mapping.metrics}
        filled = [pc.is_valid(value) for value in values.values()]
        none = pc.invert(_any(filled))
        if "status" in shared:
            none = pc.or_(none, pc.fill_null(pc.not_equal(shared["status"], "ok"), False))
        pieces = []
        for column, there in zip(values, filled, strict=True):
            name = self.mapping.metrics[column].name
            piece = rows("evaluations", metric=[name] * len(there), value=values[column], **shared)
            pieces.append(piece.filter(pc.or_(there, none)))
        return pa.concat_tables(pieces)

    def _shared(self, batch: Batch, columns: Mapping[str, Cell]) -> dict[str, Any]:
        """What is the same for all metrics of a row."""
        shared: dict[str, Any] = {"origin": self.mapping.origin}
        for name, read in (
            ("budget_unit", Batch.texts),
            ("run", Batch.texts),
            ("budget", Batch.numbers),
            ("fold", Batch.integers),
            ("repeat", Batch.integers),
            ("seed", Batch.integers),
        ):
            cell = columns.get(name)
            if cell is not None:
                shared[name] = cell.value if isinstance(cell, Constant) else read(batch, str(cell))
        if "status" in columns:
            words = self.mapping.status_map
            shared["status"] = mapped(
                _texts(batch, columns["status"]), lambda word: words.get(word, word)
            )
        cost = columns.get("cost_s")
        if cost is not None:
            shared["cost_s"] = _cost_s(batch, cost)
        return shared

    def _configs(self, batch: Batch, sheet: Sheet) -> tuple[pa.Table, pa.Array]:
        """Configs not written yet, and each row's config id; null where a key is not known."""
        cell = sheet.columns["config"]
        if self.mapping.configs is not None:
            texts = mapped(_texts(batch, cell), self.keys.get)
        else:
            texts = _config_texts(batch, cell, sheet.integers)
        configs, ids = config_rows(self.mapping.space, texts)
        if len(self.configs) > _SEEN:
            self.configs.clear()
        keys = configs.column("config").to_pylist()
        fresh = [key not in self.configs for key in keys]
        self.configs.update(keys)
        return configs.filter(pa.array(fresh, pa.bool_())), ids

    def _id(self, text: str | None) -> str | None:
        """An id with its origin; a text that has one is left as it is."""
        return text if text is None or _ID.match(text) else f"{self.mapping.origin}:{text}"

    def _metric(self, word: str | None) -> str | None:
        metric = None if word is None else self.mapping.metrics.get(word)
        return metric.name if metric else word and canonical(word)


def _texts(batch: Batch, cell: Cell) -> pa.Array:
    if isinstance(cell, Constant):
        return pa.repeat(pa.scalar(str(cell.value)), batch.table.num_rows)
    return batch.texts(str(cell))


def _cost_s(batch: Batch, cell: Cell) -> pa.Array | float:
    """Seconds, summed over several columns as far as they are known."""
    if isinstance(cell, Constant):
        return float(cell.value)
    parts = [batch.numbers(name) for name in ((cell,) if isinstance(cell, str) else cell)]
    total = pc.fill_null(parts[0], 0.0)
    for part in parts[1:]:
        total = pc.add(total, pc.fill_null(part, 0.0))
    known = _any([pc.is_valid(part) for part in parts])
    return pc.if_else(known, total, pa.scalar(None, pa.float64()))


def _config_texts(batch: Batch, cell: Cell, integers: frozenset[str]) -> pa.Array:
    """Canonical texts from one column of JSON, or from a column a hyperparameter."""
    if isinstance(cell, str):
        return batch.configs(cell)
    names = cell if isinstance(cell, tuple) else ()
    return config_texts({name: batch.fragments(name, whole=name in integers) for name in names})


def _keyed(sheet: Sheet) -> dict[str, str | None]:
    """Key to canonical text, from the file of [configs]; it is held in memory."""
    if sheet.file is None:
        return {}
    key, cell = str(sheet.columns["key"]), sheet.columns.get("config")
    if cell is None:
        cell = tuple(name for name in column_names(sheet.file) if name != key)
    names = (
        [key, *((cell,) if isinstance(cell, str) else cell)]
        if not isinstance(cell, Constant)
        else []
    )
    if len(names) < 2:
        raise MalformedFile(f"{sheet.file} has no hyperparameters beside the column {key!r}")
    keyed: dict[str, str | None] = {}
    for batch in batches(sheet.file, names):
        texts = _config_texts(batch, cell, sheet.integers).to_pylist()
        keyed |= dict(zip(batch.texts(key).to_pylist(), texts, strict=True))
    return keyed


def _any(flags: Sequence[pa.Array]) -> pa.Array:
    found = flags[0]
    for flag in flags[1:]:
        found = pc.or_(found, flag)
    return found


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default")


def _merged(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Each table's pieces put together; metrics, which all batches repeat, once."""
    merged: dict[str, pa.Table] = {}
    for name in distinct(name for part in parts for name in part):
        pieces = [part[name] for part in parts if name in part]
        merged[name] = _joined(pieces)
    if "metrics" in merged:
        entries = {entry["metric"]: entry for entry in merged["metrics"].to_pylist()}
        merged["metrics"] = pa.Table.from_pylist(
            list(entries.values()), schema=merged["metrics"].schema
        )
    return merged
