"""What the kept answers say, as rows of the store; needs the answers and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.building import distinct, mapped, metric_rows, quality_rows, rows
from ingest.openml.answers import document, entries, evaluations, setups, tasks_of
from ingest.openml.archive import Answer, Archive
from ingest.openml.hyperparameters import configuration, decoded
from ingest.openml.listing import function_of
from ingest.openml.measures import SEARCH_SCORE, metric_of_measure
from ingest.openml.selection import KINDS
from metadb.errors import MalformedFile
from metadb.identity import canonical_config, config_id, family
from metadb.records import Rows

Tables = dict[str, pa.Table]

MAIN_ENGINE = 1
_FRESH = 100
"""Pages read ahead that are kept in memory."""


class Reading:
    """Turns answers into rows, one at a time, in the order of the ledger.

    It remembers which setup is which configuration (about 150 bytes each), which data set a task
    is set on, and how its folds are numbered.

    Args:
        archive: Where the answers lie.
        origin: What ids begin with; `openml` is the production server.
        since: Leave out runs uploaded before this date.
    """

    def __init__(self, archive: Archive, origin: str, since: str | None = None) -> None:
        self._archive = archive
        self._origin = origin
        self._since = since
        self._learnt_to = 0
        self._config: dict[int, str] = {}
        self._seed: dict[int, int] = {}
        self._params: dict[int, tuple[str, dict[str, Any]]] = {}  # of searches
        self._new: dict[str, tuple[str, str, int]] = {}
        self._flow_name: dict[int, str] = {}
        self._tasks: dict[int, Mapping[str, Any]] = {}
        self._doubled: dict[str, set[int]] = {}
        self._qualities: dict[int, dict[str, float]] = {}
        self._splits: dict[int, tuple[int, int]] = {}
        self._fresh: dict[int, pa.Table] = {}

    def rows(self, answer: Answer) -> Rows:
        """The rows of one answer, with the place in the ledger as cursor.

        Raises:
            MalformedFile: The answer is damaged, or not what it was when it came.
        """
        try:
            self._learn(answer)
            tables, rejected = _READERS[answer.kind](self, answer)
        except (ValueError, KeyError) as error:
            raise MalformedFile(
                f"{self._archive.path(answer)} cannot be read ({error}); remove it to ask again"
            ) from error
        return Rows(tables, f"{self._archive.id}:{answer.n}", rejected)

    def parsed(self, n: int, page: pa.Table) -> None:
        """Take the rows of an answer that was parsed already."""
        if len(self._fresh) < _FRESH:
            self._fresh[n] = page

    def answer(self, path: Path) -> Answer:
        """The answer that lies at a path."""
        return self._archive.at(path)

    # -- what later answers need --------------------------------------------------------------

    def _learn(self, upto: Answer) -> None:
        """Tasks, splits and setups of all answers that are there."""
        there = self._archive.answers[self._learnt_to :]
        self._learnt_to += len(there)
        for answer in there:
            if answer.file is None:
                continue
            if answer.kind in ("tasks", "task"):
                for task in tasks_of(self._document(answer)):
                    self._tasks[int(task["task_id"])] = task
            elif answer.kind == "qualities":
                told = entries(self._document(answer), "data_qualities", "quality")
                known = {str(one["name"]): _number(one.get("value")) for one in told}
                self._qualities[answer.told["dataset"]] = known
            elif answer.kind == "procedures":
                path = ("estimationprocedures", "estimationprocedure")
                for one in entries(self._document(answer), *path):
                    folds = str(one.get("folds") or "")
                    repeats = str(one.get("repeats") or "1")
                    if folds.isdigit() and repeats.isdigit():
                        self._splits[int(one["id"])] = (int(repeats), int(folds))
            elif answer.kind == "engines":
                self._doubled.setdefault(function_of(answer), set()).update(answer.told["ids"])
            elif answer.kind in ("setups", "inline", "evaluations"):
                self._learn_setups(answer)

    def _learn_setups(self, answer: Answer) -> None:
        if answer.kind != "setups":  # names first: a setup tells its flow by number only
            page = self._page(answer)
            flows, names = (page.column(c).to_pylist() for c in ("flow_id", "flow_name"))
            self._flow_name.update(set(zip(flows, names, strict=True)))
        if answer.kind == "evaluations":
            return
        for setup, flow, parameters in setups(self._archive.body(answer)):
            if setup not in self._config:
                self._learn_setup(setup, flow, parameters)

    def _learn_setup(
        self, setup: int, flow: int, parameters: tuple[tuple[str, str, str], ...]
    ) -> None:
        name = self._flow_name.get(flow) or (parameters[0][0] if parameters else f"flow/{flow}")
        config, seed = configuration(name, parameters)
        space = family(name)
        text = canonical_config(config)
        key = config_id(space, config)
        self._config[setup] = key
        self._new[key] = (space, text, flow)
        if seed is not None:
            self._seed[setup] = seed
        if "SearchCV(" in name:
            self._params[setup] = (name, config)

    def _document(self, answer: Answer) -> dict[str, Any]:
        return document(self._archive.body(answer))

    def _page(self, answer: Answer) -> pa.Table:
        page = self._fresh.get(answer.n)
        if page is None:
            page = evaluations(self._archive.body(answer))
            if len(self._fresh) < _FRESH:
                self._fresh[answer.n] = page
        return page

    # -- one reader a kind --------------------------------------------------------------------

    def _read_tasks(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        told = tasks_of(self._document(answer))
        data = {int(task["did"]): task for task in told}
        inputs = [
            {one["name"]: one.get("value") for one in entries(task, "input")} for task in told
        ]
        return {
            "datasets": rows(
                "datasets",
                dataset=[self._id("dataset", did) for did in data],
                name=[str(task["name"]) for task in data.values()],
            ),
            "tasks": rows(
                "tasks",
                task=[self._id("task", task["task_id"]) for task in told],
                kind=[KINDS.get(int(t["task_type_id"]), "other") for t in told],
                dataset=[self._id("dataset", task["did"]) for task in told],
                target=[_word(given.get("target_feature")) for given in inputs],
                name=[str(task["name"]) for task in told],
            ),
            # a task may come after the qualities of its data set
            "metafeatures": pa.concat_tables(self._described(did) for did in data),
        }, {}

    def _read_qualities(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        return {"metafeatures": self._described(answer.told["dataset"])}, {}

    def _described(self, dataset: int) -> pa.Table:
        """The qualities of a data set as meta-features of its tasks."""
        known = self._qualities.get(dataset, {})
        tasks = sorted(n for n, task in self._tasks.items() if int(task["did"]) == dataset)
        values = np.tile(np.array(list(known.values()), np.float64), (len(tasks), 1))
        return quality_rows([self._id("task", n) for n in tasks], list(known), values)

    def _read_setups(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        return self._configs(), {}

    def _configs(self) -> Tables:
        """The flows and configurations not told yet."""
        new, self._new = self._new, {}
        if not new:
            return {}
        flows = distinct(flow for _, _, flow in new.values())
        names = [self._flow_name.get(flow) for flow in flows]
        return {
            "flows": rows(
                "flows",
                flow=[self._id("flow", flow) for flow in flows],
                name=names,
                family=[None if name is None else family(name) for name in names],
                version=[None if n is None else n.rpartition("(")[2].rstrip(")") for n in names],
                library=[None if name is None else name.split(".")[0] for name in names],
            ),
            "configs": rows(
                "configs",
                config=list(new),
                space=[space for space, _, _ in new.values()],
                hyperparameters=[text for _, text, _ in new.values()],
                flow=[self._id("flow", flow) for _, _, flow in new.values()],
            ),
        }

    def _read_evaluations(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        page = self._page(answer)
        self._fresh.pop(answer.n, None)
        if answer.kind == "evaluations":
            page = self._without_doubled(page)
        page, rejected = self._wanted(page)
        if not page.num_rows:
            return self._configs(), rejected
        measure = page.column("function")[0].as_py()
        metric = metric_of_measure(measure)
        told = self._named(page) | {"metric": metric.name, "value": page.column("value")}
        return {
            **self._configs(),
            "metrics": metric_rows([metric]),
            "evaluations": rows("evaluations", **told, **self._whole()),
        }, rejected

    def _without_doubled(self, page: pa.Table) -> pa.Table:
        """Without rows that do not say whose score they are, of runs that have several."""
        if not page.num_rows or not page.column("evaluation_engine_id").null_count:
            return page
        doubled = self._doubled.get(page.column("function")[0].as_py())
        if not doubled:
            return page
        runs = pa.array(doubled, pa.int64())
        return page.filter(pc.invert(pc.is_in(page.column("run_id"), value_set=runs)))

    def _wanted(self, page: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        """The rows to keep: with a value, of a known setup, not too old."""
        known = pa.array(self._config.keys(), pa.int64())
        described = pc.is_in(page.column("setup_id"), value_set=known)
        if self._since is not None:
            page = page.filter(pc.greater_equal(page.column("upload_time"), self._since))
            described = pc.is_in(page.column("setup_id"), value_set=known)
        n_unknown = page.num_rows - (pc.sum(described).as_py() or 0)
        page = page.filter(described)
        n_empty = page.column("value").null_count
        scored = pc.or_(page.column("value").is_valid(), page.column("values").is_valid())
        page = page.filter(scored)
        rejected = {
            "setup that the server does not describe": n_unknown,
            "no score": n_empty if page.column("values").null_count else 0,
        }
        return page, {why: n for why, n in rejected.items() if n}

    def _named(self, page: pa.Table) -> dict[str, Any]:
        """The ids of a page's rows as the store has them."""
        return {
            "task": mapped(page.column("task_id"), lambda i: self._id("task", i)),
            "config": mapped(page.column("setup_id"), self._config.get),
            "seed": mapped(page.column("setup_id"), self._seed.get, pa.int64()),
            "flow": mapped(page.column("flow_id"), lambda i: self._id("flow", i)),
            "run": _runs(page),
        }

    def _whole(self) -> dict[str, Any]:
        return {"status": "ok", "budget": 1.0, "budget_unit": "fraction", "origin": self._origin}

    def _read_folds(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        page, rejected = self._wanted(evaluations(self._archive.body(answer)))
        page = page.filter(page.column("values").is_valid())
        if not page.num_rows:
            return {}, rejected
        values = [json.loads(text) for text in page.column("values").to_pylist()]
        n = [len(scores) for scores in values]
        places = [
            self._fold(task, i, k)
            for task, k in zip(page.column("task_id").to_pylist(), n, strict=True)
            for i in range(k)
        ]
        metric = metric_of_measure(page.column("function")[0].as_py())
        page = page.take(pa.array(np.repeat(np.arange(len(n)), n)))
        told = self._named(page) | {
            "metric": metric.name,
            "value": [float(score) for scores in values for score in scores],
            "repeat": [repeat for repeat, _ in places],
            "fold": [fold for _, fold in places],
        }
        return {
            "metrics": metric_rows([metric]),
            "evaluations": rows("evaluations", **told, **self._whole()),
        }, rejected

    def _fold(self, task: int, i: int, n: int) -> tuple[int | None, int]:
        """Repeat and fold of the i-th of n values: the folds of the first repeat come first."""
        given = {one["name"]: one.get("value") for one in entries(self._tasks[task], "input")}
        repeats, folds = self._splits.get(int(given.get("estimation_procedure") or 0), (1, n))
        return (i // folds, i % folds) if repeats > 1 and repeats * folds == n else (None, i)

    def _read_trace(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        """A search's iterations: what each one tried, and the best score so far after it."""
        told = answer.told
        steps = entries(self._document(answer), "trace", "trace_iteration")
        if not steps or told["setup"] not in self._params:
            return {}, {}
        name, search = self._params[told["setup"]]
        inner, base = _within(name, search)
        space = family(inner)
        configs, evaluated = [], []
        for step in steps:
            config = base | _tried(step["setup_string"])
            configs.append(config)
            evaluated.append((config_id(space, config), step))
        texts = {config_id(space, config): canonical_config(config) for config in configs}
        scores = [_number(step["evaluation"]) for _, step in evaluated]
        common: dict[str, Any] = {
            "task": self._id("task", told["task"]),
            "metric": SEARCH_SCORE.name,
            "repeat": [int(step["repeat"]) for _, step in evaluated],
            "fold": [int(step["fold"]) for _, step in evaluated],
            "status": "ok",
            "origin": self._origin,
        }
        tried = rows(
            "evaluations",
            **common,
            config=[key for key, _ in evaluated],
            value=scores,
            budget=1.0,
            budget_unit="fraction",
            run=[f"{told['run']}/{step['iteration']}" for _, step in evaluated],
        )
        n, best = _best_so_far(common["repeat"], common["fold"], scores)
        curve = rows(
            "evaluations",
            **common,
            config=self._config[told["setup"]],
            value=best,
            budget=n,
            budget_unit="iterations",
            run=str(told["run"]),
        )
        tables = self._configs()
        keys, values = list(texts), list(texts.values())
        made = rows("configs", config=keys, space=space, hyperparameters=values)
        tables["configs"] = _joined(tables.get("configs"), made)
        tables["metrics"] = metric_rows([SEARCH_SCORE])
        tables["evaluations"] = _joined(tried, curve)
        return tables, {}

    def _read_curve(self, answer: Answer) -> tuple[Tables, dict[str, int]]:
        """A learning-curve run's scores at its sample sizes, 2^(6 + s/2) instances for sample s."""
        told = answer.told
        scores = [
            one
            for one in entries(self._document(answer), "run", "output_data", "evaluation")
            if one.get("name") == told["function"] and "sample" in one and one.get("value")
        ]
        if not scores or told["setup"] not in self._config:
            return {}, {}
        metric = metric_of_measure(told["function"])
        return {
            **self._configs(),
            "metrics": metric_rows([metric]),
            "evaluations": rows(
                "evaluations",
                task=self._id("task", told["task"]),
                config=self._config[told["setup"]],
                metric=metric.name,
                value=[float(one["value"]) for one in scores],
                repeat=[int(one["repeat"]) for one in scores],
                fold=[int(one["fold"]) for one in scores],
                budget=[float(round(2 ** (6 + int(one["sample"]) / 2))) for one in scores],
                budget_unit="instances",
                status="ok",
                origin=self._origin,
                run=str(told["run"]),
            ),
        }, {}

    def _id(self, what: str, number: Any) -> str:
        return f"{self._origin}:{what}/{int(number)}"


_READERS = {
    "tasks": Reading._read_tasks,
    "task": Reading._read_tasks,
    "qualities": Reading._read_qualities,
    "setups": Reading._read_setups,
    "evaluations": Reading._read_evaluations,
    "inline": Reading._read_evaluations,
    "engines": Reading._read_evaluations,
    "folds": Reading._read_folds,
    "trace": Reading._read_trace,
    "curve": Reading._read_curve,
}


def _runs(page: pa.Table) -> pa.ChunkedArray:
    """The runs' ids; with another engine than OpenML's own, `run@engine`: its score differs."""
    run = page.column("run_id").cast(pa.string())
    engine = page.column("evaluation_engine_id").cast(pa.string())
    other = pc.fill_null(pc.not_equal(engine, str(MAIN_ENGINE)), fill_value=False)
    return pc.if_else(other, pc.binary_join_element_wise(run, engine, "@"), run)


def _within(name: str, search: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The flow that a search tunes, and its configuration to begin with."""
    inner = name[name.index("(") + 1 :].partition("=")[2]
    depth, end = 0, len(inner)
    for at, char in enumerate(inner):
        depth += (char == "(") - (char == ")")
        if depth < 0 or (char == "," and depth == 0):
            end = at
            break
    prefix = "estimator__"
    begun = {k.removeprefix(prefix): v for k, v in search.items() if k.startswith(prefix)}
    return inner[:end], begun


def _tried(setup_string: Any) -> dict[str, Any]:
    """The values of one iteration, by hyperparameter."""
    told = json.loads(setup_string) if isinstance(setup_string, str) else setup_string
    values = {
        name.removeprefix("parameter_"): decoded(v if isinstance(v, str) else json.dumps(v))
        for name, v in dict(told).items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _best_so_far(
    repeat: list[int], fold: list[int], scores: list[float]
) -> tuple[list[float], list[float]]:
    """How many iterations a fold's search has had at each row, and its best score by then."""
    n: dict[tuple[int, int], int] = {}
    best: dict[tuple[int, int], float] = {}
    steps, bests = [], []
    for r, f, score in zip(repeat, fold, scores, strict=True):
        n[r, f] = n.get((r, f), 0) + 1
        best[r, f] = max(best.get((r, f), score), score)
        steps.append(float(n[r, f]))
        bests.append(best[r, f])
    return steps, bests


def _joined(one: pa.Table | None, other: pa.Table) -> pa.Table:
    return other if one is None else pa.concat_tables([one, other], promote_options="default")


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _word(text: Any) -> str | None:
    return text if isinstance(text, str) and text else None
