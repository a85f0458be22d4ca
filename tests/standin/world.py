"""A small OpenML made up from a seed: data sets, tasks, flows, setups, runs and their evaluations.

Everything is decided by the arguments and by what was done since (`grow`, `delete`), so two worlds
made alike are alike, in this process and in another. Runs are columns, not objects: 100,000 of them
with their evaluations take about two seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tests.standin.catalogue import (
    MEASURE_INDEX,
    MEASURES,
    PROCEDURE,
    PROCEDURES,
    QUALITIES,
)
from tests.standin.entities import Dataset, StandinTask, Study, Upload, User
from tests.standin.flows import Flow, Flows, Setups

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OK, ERROR, SERVER_ERROR, WAITING = range(4)
"""What became of a run: evaluated; failed at its uploader's; failed at the server's; not yet."""
EPOCH = np.datetime64("2014-04-06T23:30:40", "s")
MAX_FOLDS = 10


def mixed(*parts: Any) -> NDArray[np.uint64]:
    """A number that looks random of numbers or arrays of them (splitmix64)."""
    with np.errstate(over="ignore"):
        state = np.uint64(0x9E3779B97F4A7C15)
        for part in parts:
            x = np.asarray(part).astype(np.uint64) + state
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = x ^ (x >> np.uint64(31))
    return np.asarray(state)


def unit(*parts: Any) -> Floats:
    """`mixed` as numbers from 0 to 1."""
    return mixed(*parts).astype(np.float64) / 2.0**64


@dataclass
class World:
    """A seeded OpenML.

    Args:
        tasks: At least 4: classification, every fifth regression, the last a learning curve.
        flows: Top-level flows; the first 14 are one version of each algorithm, then come the next.
        setups: Settings to draw, the default setting of every flow among them; fewer where a flow
            has not so many.
    """

    seed: int = 0
    tasks: int = 12
    flows: int = 28
    setups: int = 400
    runs: int = 2000
    users: int = 6
    history: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.rng = rng
        self.people = [
            User(
                2 + 7 * i,
                f"Person {chr(65 + i % 26)}{i}",
                f"{int(mixed(self.seed, i, 1)):016x}" * 2,
            )
            for i in range(max(self.users, 2))
        ]
        self.datasets = self._datasets(rng, max(self.tasks, 4))
        self.task_list = self._tasks(max(self.tasks, 4))
        self.by_task = {t.id: i for i, t in enumerate(self.task_list)}
        self.by_dataset = {d.id: d for d in self.datasets}
        self.flow_book = Flows()
        self.flow_book.build(self.flows, rng, [p.id for p in self.people])
        self.setup_book = Setups()
        self._draw_setups(self.setups, rng)
        self.version = 0
        self.uploads: dict[int, Upload] = {}
        self._empty_runs()
        self._add_runs(self.runs, rng)
        self.studies = self._studies()
        history, self.history = self.history, []
        for what, n in history:
            getattr(self, what)(n)

    # -- how it is made ---------------------------------------------------------------------

    def recipe(self) -> dict[str, Any]:
        """The arguments that make this world anew, as it is now."""
        names = ("seed", "tasks", "flows", "setups", "runs", "users", "history")
        return {name: getattr(self, name) for name in names}

    def _datasets(self, rng: np.random.Generator, n_tasks: int) -> list[Dataset]:
        made = []
        for i in range(n_tasks):
            regression = i % 5 == 4
            curve = i == n_tasks - 1
            n_rows = 400 if curve else int(rng.integers(40, 160))
            n_classes = 0 if regression and not curve else int(rng.integers(2, 5))
            n_numeric = int(rng.integers(2, 6))
            known = {
                "NumberOfInstances": float(n_rows),
                "NumberOfFeatures": float(n_numeric + 2),
                "NumberOfClasses": float(n_classes),
                "NumberOfNumericFeatures": float(n_numeric + (not n_classes)),
                "NumberOfSymbolicFeatures": float(1 + bool(n_classes)),
                "NumberOfMissingValues": 0.0,
                "NumberOfInstancesWithMissingValues": 0.0,
            }
            drawn = rng.random(len(QUALITIES))
            gone = rng.random(len(QUALITIES)) < 0.1
            qualities = {
                name: known[name] if name in known else None if gone[q] else float(drawn[q])
                for q, name in enumerate(QUALITIES)
            }
            if n_classes == 0:
                qualities |= dict.fromkeys(
                    ("ClassEntropy", "MajorityClassSize", "MinorityClassSize")
                )
            made.append(
                Dataset(
                    id=2 + 3 * i + int(rng.integers(3)),
                    name=f"standin-{'reg' if not n_classes else 'cls'}-{i}",
                    version=1 + i % 2,
                    uploader=self.people[i % len(self.people)].id,
                    status="in_preparation" if i == 2 and n_tasks > 6 else "active",
                    file_id=10_000 + i,
                    n_rows=n_rows,
                    n_numeric=n_numeric,
                    n_classes=n_classes,
                    seed=int(rng.integers(1 << 30)),
                    qualities={} if i == 3 and n_tasks > 6 else qualities,
                    tags=("study_1",) if i % 3 == 0 else ("study_1", "uci"),
                )
            )
        return made

    def _tasks(self, n: int) -> list[StandinTask]:
        made = []
        for i, dataset in enumerate(self.datasets):
            if i == n - 1:
                type_, procedure = 3, PROCEDURE[13]
            elif dataset.kind == "regression":
                type_, procedure = 2, PROCEDURE[7]
            else:
                type_, procedure = (
                    1,
                    (PROCEDURES[0], PROCEDURES[0], PROCEDURES[1], PROCEDURES[2])[i % 4],
                )
            made.append(
                StandinTask(
                    id=3 + 4 * i + i % 3,
                    type=type_,
                    dataset=dataset.id,
                    procedure=procedure,
                    measure="predictive_accuracy" if i % 2 and type_ == 1 else "",
                    tags=("OpenML-standin",) if i % 2 else (),
                )
            )
        return made

    def _draw_setups(self, n: int, rng: np.random.Generator) -> None:
        tops = self.flow_book.tops
        for i, flow in enumerate(tops):
            share = n // len(tops) + (i < n % len(tops))
            if share:
                self.setup_book.draw(flow, share, rng)

    def _empty_runs(self) -> None:
        self.run = np.empty(0, np.int64)
        self.run_task = np.empty(0, np.int64)  # index
        self.run_setup = np.empty(0, np.int64)  # index
        self.run_user = np.empty(0, np.int64)  # index
        self.run_state = np.empty(0, np.int64)
        self.run_time = np.empty(0, "datetime64[s]")
        self.run_alive = np.empty(0, bool)
        self.value = np.empty((0, len(MEASURES)))  # (runs, measures), NaN where there is none

    def _add_runs(self, n: int, rng: np.random.Generator) -> None:
        kinds = np.array(
            [self.flow_book.by_id[f].algorithm.kind == "regression" for f in self.setup_book.flow]
        )
        setup = rng.integers(len(kinds), size=n)
        regression = kinds[setup]
        task = np.empty(n, np.int64)
        for kind, where in ((True, regression), (False, ~regression)):
            of_kind = [i for i, t in enumerate(self.task_list) if (t.kind == "regression") == kind]
            task[where] = rng.choice(of_kind, size=int(where.sum()))
        draw = rng.random(n)
        state = np.select(
            [draw < 0.03, draw < 0.05, draw < 0.07], [ERROR, SERVER_ERROR, WAITING], OK
        )
        start = self.run_time[-1] if len(self.run_time) else EPOCH
        self._append(
            (self.run[-1] if len(self.run) else 99) + np.cumsum(rng.integers(1, 4, n)),
            task,
            setup,
            rng.integers(len(self.people), size=n),
            state,
            start + np.cumsum(rng.integers(1, 2000, n)).astype("timedelta64[s]"),
        )

    def _append(
        self, run: Ints, task: Ints, setup: Ints, user: Ints, state: Ints, time: NDArray[Any]
    ) -> None:
        self.run = np.concatenate([self.run, run])
        self.run_task = np.concatenate([self.run_task, task])
        self.run_setup = np.concatenate([self.run_setup, setup])
        self.run_user = np.concatenate([self.run_user, user])
        self.run_state = np.concatenate([self.run_state, state])
        self.run_time = np.concatenate([self.run_time, time])
        self.run_alive = np.concatenate([self.run_alive, np.ones(len(run), bool)])
        self.value = np.vstack([self.value, self._values(run, task, setup, state)])
        self.version += 1

    def _values(self, run: Ints, task: Ints, setup: Ints, state: Ints) -> Floats:
        """The scores of runs on all measures: the setup's skill, the task's ease, and noise."""
        skill = np.array(self.setup_book.skill)[setup]
        ease = unit(self.seed, 7, np.array([t.id for t in self.task_list]))[task]
        regression = np.array([t.kind == "regression" for t in self.task_list])[task]
        good = np.clip(0.35 + 0.3 * ease + 0.3 * skill + 0.04 * unit(self.seed, 8, run), 0, 1)
        columns = {
            "predictive_accuracy": good,
            "area_under_roc_curve": good + (1 - good) * 0.5,
            "f_measure": good * (0.97 + 0.03 * unit(self.seed, 9, run)),
            "kappa": 2 * good - 1,
            "root_mean_squared_error": np.where(regression, 10, 1) * (1.02 - good),
            "mean_absolute_error": 7 * (1.02 - good),
            "usercpu_time_millis": 10 + 5000 * unit(self.seed, 10, setup, task) * skill,
            "os_information": np.zeros(len(run)),
        }
        found = np.full((len(run), len(MEASURES)), np.nan)
        for i, measure in enumerate(MEASURES):
            has = np.where(
                regression, "regression" in measure.kinds, "classification" in measure.kinds
            )
            has &= (state == OK) & (unit(self.seed, 11, i, run) <= measure.share)
            found[has, i] = np.round(columns[measure.name], 6)[has]
        return found

    def _studies(self) -> list[Study]:
        tasks = tuple(t.id for t in self.task_list if t.type == 1)
        some = self.run[(self.run_state == OK) & self.run_alive][:200]
        creator = self.people[0].id
        return [
            Study(99, "standin-suite", "task", "A suite of tasks", tasks, creator),
            Study(123, "standin-runs", "run", "A study of runs", tuple(some.tolist()), creator),
            Study(124, "", "run", "A study without an alias", tuple(some[:1].tolist()), creator),
        ]

    # -- what can happen to it --------------------------------------------------------------

    def grow(self, runs: int) -> None:
        """Add runs: later ones, some of them of new setups."""
        self.history.append(("grow", runs))
        self._draw_setups(max(runs // 10, 1), self.rng)
        self._add_runs(runs, self.rng)

    def delete(self, run: int) -> None:
        """Remove a run, as its uploader may."""
        at = self.at(run)
        if at is None:
            raise KeyError(run)
        self.history.append(("delete", run))
        self.run_alive[at] = False
        self.version += 1

    def publish(
        self, task: int, setup: int, user: int, upload: Upload, error: str = ""
    ) -> tuple[int, int]:
        """Keep what a client sent as a run; its id, and its place among the runs.

        It is not evaluated yet, as at the server, whose engine comes by later.
        """
        run = int(self.run[-1]) + 1 if len(self.run) else 100
        at = len(self.run)
        self._append(
            np.array([run]),
            np.array([self.by_task[task]]),
            np.array([self.setup_book.index[setup]]),
            np.array([[p.id for p in self.people].index(user)]),
            np.array([ERROR if error else WAITING]),
            np.array([np.datetime64("now", "s")]),
        )
        self.uploads[run] = upload
        return run, at

    def evaluate(self, at: int, values: dict[str, float] | None) -> None:
        """What the evaluation engine found of a published run; None: it has no predictions."""
        self.run_state[at] = SERVER_ERROR if values is None else OK
        for name, value in (values or {}).items():
            self.value[at, MEASURE_INDEX[name]] = round(value, 6)
        self.version += 1

    # -- what is in it ----------------------------------------------------------------------

    def at(self, run: int) -> int | None:
        """The place of a run among the columns; None where there is none."""
        at = int(np.searchsorted(self.run, run))
        return at if at < len(self.run) and self.run[at] == run and self.run_alive[at] else None

    def engines(self, at: Ints) -> NDArray[np.bool_]:
        """Whether a run was evaluated by a second engine too; every twentieth was."""
        return unit(self.seed, 20, self.run[at]) < 0.05

    def second_opinion(self, at: Ints, measure: int | Ints) -> Floats:
        """What the second engine found: a little less."""
        return np.round(self.value[at, measure] * 0.999, 6)

    def n_folds(self, at: Ints) -> Ints:
        """How many values per fold a run has: repeats times folds."""
        of_task = np.array([t.procedure.repeats * t.procedure.n_folds for t in self.task_list])
        return of_task[self.run_task[at]]

    def folds(self, at: Ints, measure: int) -> Floats:
        """The values per fold, (runs, MAX_FOLDS), repeat by repeat; NaN beyond the last one.

        Their mean is the run's value but for rounding and for what was cut off at 0 and 1.
        """
        n = self.n_folds(at)
        which = np.arange(MAX_FOLDS)[None, :]
        noise = np.where(
            which < n[:, None],
            unit(self.seed, 21, measure, self.run[at][:, None], which) - 0.5,
            np.nan,
        )
        noise -= np.nanmean(noise, axis=1, keepdims=True)
        value = self.value[at, measure][:, None]
        spread = value + noise * np.where(n > 1, 0.1, 0.0)[:, None] * np.maximum(
            np.abs(value), 0.01
        )
        bounded = MEASURES[measure].name in (
            "predictive_accuracy",
            "area_under_roc_curve",
            "f_measure",
        )
        return np.round(np.clip(spread, 0, 1) if bounded else spread, 6)

    def samples(self, task: StandinTask) -> list[int]:
        """Training sizes of a learning-curve task, in instances; empty for others."""
        if task.type != 3:
            return []
        most = self.by_dataset[task.dataset].n_rows * 9 // 10
        sizes = [round(2 ** (6 + i / 2)) for i in range(20)]
        return [s for s in sizes if s < most] + [most]

    def curve(self, at: int, measure: int) -> list[list[float]]:
        """The values of a run on a learning-curve task, (folds, samples), the last ones its own."""
        folds = self.folds(np.array([at]), measure)[0]
        n = len(self.samples(self.task_list[self.run_task[at]]))
        share = 1 - 0.3 * 0.7 ** np.arange(n)
        share[-1] = 1.0
        return np.round(folds[~np.isnan(folds)][:, None] * share[None, :], 6).tolist()  # type: ignore[no-any-return]

    def flow_of(self, setup: int) -> Flow:
        """The flow of a setup."""
        book = self.setup_book
        return self.flow_book.by_id[book.flow[book.index[setup]]]

    def hyperparameters(self, setup: int) -> dict[str, Any]:
        """The true setting: name to Python value, parts joined by `__` (`estimator__C`).

        None, True, 3, 0.1 and "gini" are just these; lists are lists; an object that the Python
        client serialised (a component, a function, a type, a distribution) is its dict.
        """
        values, texts = self.setup_book.settings(setup)
        inputs = self.flow_of(setup).all_inputs()
        told = zip(inputs, values, texts, strict=True)
        return {name: v for (name, _, _), v, text in told if text is not None}

    def times(self, at: Ints) -> list[str]:
        """Upload times as the server writes them."""
        return [t.replace("T", " ") for t in np.datetime_as_string(self.run_time[at]).tolist()]

    # -- the truth, to compare a store with -------------------------------------------------

    def run_table(self) -> pa.Table:
        """Every run: run, task, setup, flow, uploader, state, upload_time."""
        at = np.flatnonzero(self.run_alive)
        return self._run_columns(at).append_column("state", pa.array(self.run_state[at]))

    def _run_columns(self, at: Ints) -> pa.Table:
        flows, setups = np.array(self.setup_book.flow), np.array(self.setup_book.ids)
        task = self.run_task[at]
        return pa.table(
            {
                "run": self.run[at],
                "task": np.array([t.id for t in self.task_list])[task],
                "dataset": np.array([t.dataset for t in self.task_list])[task],
                "setup": setups[self.run_setup[at]],
                "flow": flows[self.run_setup[at]],
                "uploader": np.array([p.id for p in self.people])[self.run_user[at]],
                "upload_time": pa.array(self.run_time[at]),
            }
        )

    def evaluations(self, measure: str, engine: int | None = 1) -> pa.Table:
        """Every evaluation in one measure, by run id: the run's columns, engine, value, folds.

        Args:
            engine: 1 is that of every run, 2 that of a few; None is both.
        """
        which = MEASURE_INDEX[measure]
        at = np.flatnonzero(self.run_alive & ~np.isnan(self.value[:, which]))
        folds = [
            row[:n].tolist()
            for row, n in zip(self.folds(at, which), self.n_folds(at).tolist(), strict=True)
        ]
        table = self._run_columns(at)
        table = table.append_column("engine", pa.array(np.ones(len(at), np.int64)))
        table = table.append_column("value", pa.array(self.value[at, which]))
        table = table.append_column("folds", pa.array(folds, pa.list_(pa.float64())))
        also = self.engines(at)
        second = table.filter(pa.array(also)).drop_columns(["engine", "value"])
        second = second.append_column("engine", pa.array(np.full(int(also.sum()), 2)))
        second = second.append_column("value", pa.array(self.second_opinion(at[also], which)))
        second = second.select(table.column_names)
        if engine is None:
            return pa.concat_tables([table, second])
        return table if engine == 1 else second

    def setup_table(self) -> pa.Table:
        """Every setup: setup, flow, flow_name, and the true setting as JSON text."""
        book = self.setup_book
        return pa.table(
            {
                "setup": book.ids,
                "flow": book.flow,
                "flow_name": [self.flow_book.by_id[f].full_name for f in book.flow],
                "hyperparameters": [json.dumps(self.hyperparameters(s)) for s in book.ids],
            }
        )

    def quality_table(self) -> pa.Table:
        """Every known quality: dataset, name, value."""
        rows = [
            (d.id, name, value)
            for d in self.datasets
            for name, value in d.qualities.items()
            if value is not None
        ]
        ids, names, values = zip(*rows, strict=True)
        return pa.table({"dataset": ids, "name": names, "value": values})

    def task_table(self) -> pa.Table:
        """Every task: task, type, dataset, procedure."""
        return pa.table(
            {
                "task": [t.id for t in self.task_list],
                "type": [t.type for t in self.task_list],
                "dataset": [t.dataset for t in self.task_list],
                "procedure": [t.procedure.id for t in self.task_list],
            }
        )


@lru_cache(maxsize=4)
def default(seed: int = 0) -> World:
    """A world that several tests may share, if they leave it as it is."""
    return World(seed=seed)
