"""ASLib scenarios: algorithms run on instances, with a status for each run.

A scenario whose instances are OpenML tasks and whose algorithms are OpenML flows is kept under
OpenML's ids, so that it meets the same runs from elsewhere. Of other scenarios, an instance is a
task `aslib:<scenario>/<instance>`, and an algorithm a config of the space named like the scenario.
Features of *algorithms* (`algorithm_feature_values.arff`) are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest import About
from ingest.aslib_description import Description, Measure, read_description
from ingest.building import (
    as_text,
    beginning,
    chunks,
    distinct,
    find,
    mapped,
    matrix,
    metafeature_rows,
    metric_rows,
    quality_rows,
    repeats,
    rows,
    statuses,
)
from ingest.openml_weka import Weka, is_flow
from metadb.arff import read_arff
from metadb.errors import MalformedFile, NotFound
from metadb.identity import canonical_config, config_id
from metadb.protocols import Floats
from metadb.records import Rows

_CITATION = (
    "Bischl et al., ASlib: A Benchmark Library for Algorithm Selection, "
    "Artificial Intelligence 237 (2016) 41-58"
)
_RUNS = "algorithm_runs.arff"


@dataclass(frozen=True)
class Aslib:
    """Scenarios of the algorithm-selection library, one load each.

    Args:
        paths: Scenario folders, or folders above them.
    """

    paths: Sequence[str | Path]

    def fetch(self, cache: Path, cursor: str | None = None) -> list[Path]:
        """The scenario folders; auto-sklearn's meta-data, which look alike, are left out."""
        files = find(
            self.paths,
            _RUNS,
            "ASLib scenarios (folders with description.txt and algorithm_runs.arff)",
            lambda path: (path.parent / "description.txt").is_file(),
        )
        folders = distinct(file.parent for file in files)
        scenarios = [f for f in folders if not (f / "configurations.csv").is_file()]
        if not scenarios:
            raise NotFound(
                f"{folders[0]} is auto-sklearn's meta-data, not a scenario: its values are losses "
                "under the names of scores, which the source aslib does not read"
            )
        return scenarios

    def about(self, path: Path) -> About:
        """Licence and citation of the library."""
        return About("GPL-3.0 (stated in the README of coseal/aslib_data)", _CITATION)

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one scenario folder."""
        description = read_description(_inside(path, "description.txt"))
        runs = _Runs.read(_inside(path, _RUNS), description)
        scenario: _Openml | _Own = (
            _Openml.of(runs, path) if _is_openml(path, runs) else _Own.of(runs, description)
        )
        tables = {
            **scenario.entities(),
            "metrics": metric_rows(measure.metric for measure in description.measures),
            "evaluations": runs.evaluations(scenario),
        }
        features = path / "feature_values.arff"
        if features.is_file():
            names, values, instances = _features(features)
            tasks = [scenario.task(instance) for instance in instances]
            there = set(tables["tasks"].column("task").to_pylist())
            more = [(t, i) for t, i in zip(tasks, instances, strict=True) if t not in there]
            if more:
                tables["tasks"] = pa.concat_tables([tables["tasks"], scenario.tasks(more)])
            cost_s = _costs(path / "feature_costs.arff", description, names, values, instances)
            tables["metafeatures"] = scenario.metafeatures(tasks, names, values, cost_s)
        yield from chunks(tables)


@dataclass(frozen=True, slots=True)
class _Runs:
    """`algorithm_runs.arff`, column by column; `repeat` is None where there is one repetition."""

    instance: pa.Array
    algorithm: pa.Array
    repeat: pa.Array | None
    status: pa.Array
    values: dict[str, Floats]
    description: Description

    @classmethod
    def read(cls, path: Path, description: Description) -> _Runs:
        table = read_arff(path).table
        columns = [measure.column for measure in description.measures]
        needed = ["instance_id", "repetition", "algorithm", *columns, "runstatus"]
        lacks = [name for name in needed if name not in table.column_names]
        if lacks:
            raise MalformedFile(
                f"{path} has no column {lacks[0]!r}; a scenario with this description.txt needs "
                f"{', '.join(needed)}"
            )
        instance = as_text(table.column("instance_id"))
        algorithm = as_text(table.column("algorithm"))
        if instance.null_count or algorithm.null_count:
            raise MalformedFile(f"{path} has a run without instance_id or algorithm")
        return cls(
            instance,
            algorithm,
            repeats(table.column("repetition")),
            statuses(table.column("runstatus")),
            {name: matrix(table, [name])[:, 0] for name in columns},
            description,
        )

    def evaluations(self, scenario: _Openml | _Own) -> pa.Table:
        task, config = mapped(self.instance, scenario.task), mapped(self.algorithm, scenario.config)
        flow = scenario.flow and mapped(self.algorithm, scenario.flow.get)
        cost_s = self._cost_s()
        return pa.concat_tables(
            rows(
                "evaluations",
                task=task,
                config=config,
                metric=measure.metric.name,
                **self._scores(measure),
                repeat=self.repeat,
                budget=1.0,
                budget_unit="fraction",
                cost_s=cost_s,
                origin=scenario.origin,
                flow=flow,
            )
            for measure in self.description.measures
        )

    def _scores(self, measure: Measure) -> dict[str, pa.Array]:
        """Value and status; a run time that reached the cutoff is a bound, whatever is written."""
        value, status = self.values[measure.column], self.status
        cutoff_s = self.description.cutoff_s
        bare = pa.scalar(None, pa.float64())
        ok = pc.equal(status, "ok")
        if not measure.runtime or cutoff_s is None:
            scores = pa.array(value, from_pandas=True)
            return {"value": pc.if_else(ok, scores, bare), "status": status}
        reached = pc.and_(ok, pa.array(value >= cutoff_s))
        cut = pc.or_(pc.equal(status, "timeout"), reached)
        capped = pa.array(np.minimum(value, cutoff_s), from_pandas=True)
        return {
            "value": pc.if_else(cut, cutoff_s, pc.if_else(ok, capped, bare)),
            "status": pc.if_else(cut, "censored", status),
        }

    def _cost_s(self) -> pa.Array | None:
        """Seconds, where the scenario measured them; of a run cut off, the cutoff."""
        for measure in self.description.measures:
            if measure.runtime:
                scores = self._scores(measure)
                known = pc.is_in(scores["status"], value_set=pa.array(["ok", "censored"]))
                return pc.if_else(known, scores["value"], pa.scalar(None, pa.float64()))
        return None


@dataclass(frozen=True, slots=True)
class _Openml:
    """A scenario of OpenML tasks and flows."""

    instances: list[str]
    weka: Weka
    origin: str = "openml"

    @classmethod
    def of(cls, runs: _Runs, path: Path) -> _Openml:
        names = distinct(runs.algorithm.to_pylist())
        return cls(distinct(runs.instance.to_pylist()), Weka.of(names, str(path / _RUNS)))

    @property
    def flow(self) -> dict[str, str]:
        return self.weka.flow

    def task(self, instance: str) -> str:
        return f"openml:task/{instance}"

    def config(self, algorithm: str) -> str:
        return self.weka.config[algorithm]

    def tasks(self, ids: Sequence[tuple[str, str]]) -> pa.Table:
        return rows("tasks", task=[task for task, _ in ids], kind="classification")

    def entities(self) -> dict[str, pa.Table]:
        return {
            "flows": self.weka.flows,
            "tasks": self.tasks([(self.task(i), i) for i in self.instances]),
            "configs": self.weka.configs,
        }

    def metafeatures(
        self, tasks: list[str], names: list[str], values: Floats, cost_s: Floats | None
    ) -> pa.Table:
        return quality_rows(tasks, names, values)


@dataclass(frozen=True, slots=True)
class _Own:
    """A scenario with instances and algorithms of its own."""

    scenario: str
    instances: list[str]
    algorithms: list[str]
    origin: str = "aslib"
    flow: None = None

    @classmethod
    def of(cls, runs: _Runs, description: Description) -> _Own:
        algorithms = distinct(runs.algorithm.to_pylist())
        return cls(description.scenario, distinct(runs.instance.to_pylist()), algorithms)

    def task(self, instance: str) -> str:
        return f"aslib:{self.scenario}/{instance}"

    def config(self, algorithm: str) -> str:
        return config_id(self.scenario, {"algorithm": algorithm}, self.native(algorithm))

    def native(self, algorithm: str) -> str:
        return f"aslib:{self.scenario}/{algorithm}"

    def tasks(self, ids: Sequence[tuple[str, str]]) -> pa.Table:
        names = [instance for _, instance in ids]
        tasks = [task for task, _ in ids]
        return rows("tasks", task=tasks, kind="algorithm selection", name=names)

    def entities(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks([(self.task(i), i) for i in self.instances]),
            "configs": rows(
                "configs",
                config=[self.config(algorithm) for algorithm in self.algorithms],
                space=self.scenario,
                native=[self.native(algorithm) for algorithm in self.algorithms],
                hyperparameters=[canonical_config({"algorithm": a}) for a in self.algorithms],
            ),
        }

    def metafeatures(
        self, tasks: list[str], names: list[str], values: Floats, cost_s: Floats | None
    ) -> pa.Table:
        return metafeature_rows(tasks, names, values, "aslib", cost_s)


def _is_openml(path: Path, runs: _Runs) -> bool:
    """Whether instances are OpenML task ids and algorithms OpenML flows."""
    readme = path / "readme.txt"
    said = runs.description.scenario + (beginning(readme) if readme.is_file() else "")
    return (
        "openml" in said.lower()
        and all(instance.isdigit() for instance in distinct(runs.instance.to_pylist()))
        and all(is_flow(algorithm) for algorithm in distinct(runs.algorithm.to_pylist()))
    )


def _features(path: Path) -> tuple[list[str], Floats, list[str]]:
    """Names, values (instances, names) and instances; the first repetition of each instance."""
    arff = read_arff(path)
    names = [
        name
        for name, kind in arff.attributes
        if name not in {"instance_id", "repetition"} and kind in ("numeric", "integer")
    ]
    if "instance_id" not in arff.table.column_names:
        raise MalformedFile(f"{path} has no column 'instance_id'; whose values are these?")
    instances = as_text(arff.table.column("instance_id")).to_pylist()
    first = {instance: row for row, instance in reversed(list(enumerate(instances)))}
    kept = sorted(first.values())
    return names, matrix(arff.table, names)[kept], [instances[row] for row in kept]


def _costs(
    path: Path, description: Description, names: list[str], values: Floats, instances: list[str]
) -> Floats | None:
    """Seconds per feature: a step's seconds in equal shares over the features it gave a value to.

    So the costs of a task's meta-features add up to what its steps took.
    """
    if not path.is_file():
        return None
    table = read_arff(path).table
    steps = [name for name in table.column_names if name not in {"instance_id", "repetition"}]
    lines = {x: row for row, x in enumerate(as_text(table.column("instance_id")).to_pylist())}
    seconds = matrix(table, steps)
    rows_of = np.array([lines.get(instance, -1) for instance in instances])
    cost_s = np.full(values.shape, np.nan)
    taken: set[str] = set()
    for nth, step in enumerate(steps):
        features = set(description.steps.get(step, names if len(steps) == 1 else ())) - taken
        taken |= features
        which = np.array([name in features for name in names])
        there = ~np.isnan(values) & which
        spent = np.where(rows_of >= 0, seconds[rows_of, nth], np.nan)
        share = spent / np.maximum(there.sum(axis=1), 1)
        cost_s = np.where(there, share[:, None], cost_s)
    return cost_s


def _inside(path: Path, name: str) -> Path:
    if not (path / name).is_file():
        raise NotFound(f"the scenario {path} has no file {name}")
    return path / name
