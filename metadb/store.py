"""The store: what every tuning run ever learnt, in ACID Parquet tables that answer SQL."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from metadb.adding import Adding, fitting
from metadb.advised import advised
from metadb.errors import MetadbError, NotFound
from metadb.loads import Added, Load, Loads
from metadb.metrics import METRICS, Metric, canonical, metric_of
from metadb.recording import Recorder
from metadb.records import Config, Recommendation, Rows, Task
from metadb.result import Result
from metadb.schema import TABLES, WRITE_ORDER
from metadb.snapshot import Snapshot
from metadb.tables import Tables, data_files, refuse_fork

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.history import History


class Store:
    """A folder of tables: add to it, record into it, ask it.

    Many processes may add and ask at once. A store object itself is not for several threads.

    Args:
        path: The store's folder; made if it is not there.
        version: Open it as it was: table name to version, as `Store.version` gave it.
        memory: Memory limit of the SQL engine; what needs more spills to disk.
        create: Whether to make a store that is not there.

    Raises:
        NotAStore: The path holds something else, or nothing and `create` is false.
        NewerSchema: A newer metadb wrote it.
        NotFound: It has no such version (raised by the first question).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        version: Mapping[str, int] | None = None,
        memory: str = "200MB",
        create: bool = True,
    ) -> None:
        self.path = Path(path)
        self._tables = Tables(self.path, create=create)
        self._pinned = dict(version) if version is not None else None
        self._memory = memory
        self._snapshot: Snapshot | None = None
        self._loads = Loads(self._tables, memory)
        self._recorder = Recorder(self)
        if version is None:
            self.flush()  # what processes that are gone have recorded

    # -- asking -------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The tables as they are now (or at the version the store was opened at)."""
        refuse_fork()
        if self._recorder.pending:
            self.flush()
        if self._snapshot is None or (self._pinned is None and self._stale(self._snapshot)):
            self._snapshot = Snapshot(self._tables, version=self._pinned, memory=self._memory)
        return self._snapshot

    def _stale(self, snapshot: Snapshot) -> bool:
        """Whether a commit followed: one look at the file system a table, no log is read."""
        root = self._tables.root / "tables"
        return any(
            (root / name / "_delta_log" / f"{version + 1:020d}.json").exists()
            for name, version in snapshot.version.items()
        )

    def beside(self) -> Store:
        """This store as it is now, for another thread to read.

        What is asked of it is asked of one version, by the SQL engine of this one.
        """
        snapshot = self.snapshot
        other = Store(self.path, version=snapshot.version, memory=self._memory, create=False)
        other._snapshot = snapshot.beside()
        return other

    @property
    def version(self) -> dict[str, int]:
        """Table name to Delta version; `Store(path, version=...)` opens the store as it was."""
        return dict(self.snapshot.version)

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Result:
        """The answer to one select statement over the tables and views.

        Args:
            query: DuckDB SQL; `?` and `$name` stand for parameters.

        Raises:
            QueryRefused: The statement fails, or would change something.
        """
        return Result(self.snapshot.sql(query, parameters))

    def tasks(self) -> Result:
        """All tasks with what is known of them, and how many evaluations each has."""
        return self.sql(
            """
            select t.task, t.kind, t.name, t.dataset, t.target, count(e.evaluation) as n_evaluations
            from tasks t left join evaluations e on e.task = t.task
            group by all order by t.task
            """
        )

    def task(self, task: str) -> Task:
        """One task with its meta-features.

        Raises:
            NotFound: The store has no such task.
        """
        rows = list(self.sql("select * from tasks where task = ?", [task]))
        if not rows:
            near = self.sql(
                "select task from tasks order by levenshtein(task, ?) limit 3", [task]
            ).column("task")
            hint = f"; did you mean {', '.join(near)}?" if near else "; the store is empty"
            raise NotFound(f"no task {task!r} in {self.path}{hint}")
        known = self.sql(
            "select name, value from descriptions where task = ? order by name", [task]
        )
        row = rows[0]
        return Task(
            task,
            kind=row["kind"],
            metafeatures={r["name"]: r["value"] for r in known},
            dataset=row["dataset"],
            target=row["target"],
            name=row["name"],
        )

    def spaces(self) -> Result:
        """The spaces that have configs: how many, and whether the space was declared."""
        return self.sql(
            """
            select c.space, count(*) as n_configs, bool_or(s.name is not null) as declared
            from configs c left join (select distinct name from spaces) s on s.name = c.space
            group by c.space order by n_configs desc, c.space
            """
        )

    def space(self, name: str) -> ConfigurationSpace:
        """A space by name or id: as declared (the newest), or else inferred from its configs.

        Raises:
            NotFound: No such space.
        """
        from metadb.inference import infer
        from metadb.space import from_json

        definition = self.snapshot.definition(name)
        if definition is not None:
            return from_json(definition)
        texts = self.sql("select hyperparameters from configs where space = ?", [name])
        if not len(texts):
            raise self._no_space(name)
        return infer(name, [json.loads(t) for t in texts.column("hyperparameters")])

    def _no_space(self, name: str) -> NotFound:
        there = self.spaces().column("space")
        hint = f"there are {', '.join(there[:10])}" if there else "the store is empty"
        return NotFound(f"no space {name!r} in {self.path}; {hint}")

    def metric(self, name: str) -> Metric:
        """A metric by any of its names.

        Raises:
            NotFound: Neither the store nor metadb knows it.
        """
        rows = list(self.sql("select * from metrics where metric = ?", [canonical(name)]))
        if rows:
            return metric_of(rows[0])
        if canonical(name) in METRICS:
            return METRICS[canonical(name)]
        there = {*self.sql("select metric from metrics").column("metric"), *METRICS}
        raise NotFound(
            f"no metric {name!r}; there are {', '.join(sorted(there))}; to record one of your own, "
            "say what it is: metadb.metrics.Metric(name, lower_is_better)"
        )

    def main_metric(self, space: str) -> str:
        """The score (not the time) with the most evaluations in a space, a well-known one first.

        Raises:
            NotFound: No such space, or one without evaluations.
        """
        counts = self.sql(
            """
            select e.metric from evaluations e join configs c on c.config = e.config
            join metrics m on m.metric = e.metric
            where c.space = $1 group by e.metric, m.unit
            order by m.unit in ('s', 'ms'), e.metric not in (select unnest($2::varchar[])),
                count(*) desc, e.metric limit 1
            """,
            [space, list(METRICS)],
        ).column("metric")
        if not counts:
            raise self._no_space(space)
        return str(counts[0])

    def history(
        self, space: str, metric: str | None = None, *, tasks: Sequence[str] | None = None
    ) -> History:
        """What recommenders learn from; see `metadb.history.History`.

        Args:
            space: Name of the space.
            metric: Default: the space's `main_metric`.
            tasks: Only these.

        Raises:
            NotFound: No such space, or no evaluation of it under the metric.
        """
        from metadb.gathering import gather

        metric = metric or self.main_metric(space)
        history = gather(
            self.snapshot, space, self.metric(metric), self.snapshot.definition(space), tasks
        )
        if len(history) == 0:
            there = self.sql(
                "select distinct metric from results where space = ? order by 1", [space]
            ).column("metric")
            if not there:
                raise self._no_space(space)
            raise NotFound(
                f"no evaluation of space {space!r} under metric {metric!r}"
                f"{' on these tasks' if tasks else ''}; its metrics are {', '.join(there)}"
            )
        return history

    # -- adding -------------------------------------------------------------------------------

    def add(self, rows: Rows, *, load: Load | None = None) -> Added:
        """Add rows that are not there yet; rows that may not enter are counted and named.

        Adding the same rows again, through whatever source, adds nothing. Each table's new rows
        appear at once or not at all; what is referred to is written first.

        Args:
            load: Which load they belong to; default: one that never ends, named `add`.

        Raises:
            InvalidRows: A table or column that is not there, or a value of a wrong type; then
                nothing is written.
        """
        self._check_writable()
        fitted = fitting(rows)
        into = load or Load("add", "python")
        self._loads.start(into)
        adding = Adding(
            self._tables, into.id, memory=self._memory, definition=self._newest_definition
        )
        done = adding.run(fitted, rows.cursor, rows.rejected)
        if load is None:
            self._loads.tally(into, done)
        return done

    def _newest_definition(self, space: str) -> str | None:
        if not self._recorder.pending and not data_files(self._tables.open("spaces")):
            return None  # none was ever declared: no snapshot is made to find it out
        return self.snapshot.definition(space)

    def start(self, load: Load) -> None:
        """Write that a load has begun, unless it is there already."""
        self._check_writable()
        self._loads.start(load)

    def finish(self, load: Load, done: Added, cursor: str | None = None) -> dict[str, Any]:
        """Write that a load is complete, with its counts; returns its row."""
        self._check_writable()
        return self._loads.finish(load, done, cursor)

    def cursor(self, load: str) -> str | None:
        """Where a load stood at its last commit, so that its source can go on from there."""
        return self._tables.cursor(load)

    def forget(self, load: str) -> dict[str, int]:
        """Take one load back; returns how many rows left each table.

        What another load brought too stays, and is that load's from now on; a task, config, space
        or metric stays as long as anything refers to it. Older versions still show the rows.

        Raises:
            NotFound: No such load.
        """
        from metadb.forgetting import forget

        self._check_writable()
        self.flush()
        if self._loads.row(load) is None:
            there = self.sql("select load from loads order by recorded_at desc limit 5")
            latest = ", ".join(there.column("load")) or "(none)"
            raise NotFound(f"no load {load!r}; the latest are {latest}")
        with self._tables.alone():
            gone = forget(self._tables, lambda: self.snapshot, load)
            self._loads.forget(load)
        self._recorder.forget()
        return gone

    def compact(self, *, keep_days: float | None = None, more_than: int = 1) -> dict[str, int]:
        """Put small files together, so that queries open fewer; returns how many fewer.

        Args:
            more_than: Tables of so many files or fewer are left as they are.
            keep_days: Also remove from disk what no version of the last so many days needs; older
                versions can then no longer be opened. Default: every version is kept.
        """
        self._check_writable()
        self.flush()
        saved = {}
        for name in WRITE_ORDER:
            saved[name] = 0
            if (before := len(self._tables.open(name).file_uris())) > more_than:
                self._tables.compact(name)
                saved[name] = before - len(self._tables.open(name).file_uris())
            if keep_days is not None:
                self._tables.vacuum(name, keep_days)
        if keep_days is not None:
            from metadb.models import sweep

            sweep(self, keep_days)
        return saved

    # -- recording ----------------------------------------------------------------------------

    def record(
        self,
        task: Task | str,
        config: Config,
        *,
        space: str | ConfigurationSpace,
        metric: str | Metric,
        value: float | None = None,
        status: str = "ok",
        budget: float = 1.0,
        budget_unit: str = "fraction",
        cost_s: float | None = None,
        fold: int | None = None,
        repeat: int | None = None,
        seed: int | None = None,
        run: str | None = None,
        origin: str = "local",
    ) -> str:
        """Remember one evaluation as it ends; safe against kill -9 when this returns.

        It is seen by this store's own queries at once, and by other processes within a batch
        (1,000 rows, or a second of recording, more where folding takes longer than a tenth of it),
        or when this store is closed or flushed.

        Args:
            task: A task, or the id of one that the store has.
            space: The space itself, or its name.
            metric: A metric by name, or one of your own: `Metric("mine", lower_is_better=False)`.
            value: The score in the metric's own direction; None unless status is ok.
            run: An id of the run; default: a new one, so that nothing is taken for a repeat.

        Returns: the run id.

        Raises:
            NotFound: A task id or metric that is not known.
            InvalidMetric: A metric of your own that contradicts the one the store has.
            InvalidConfig: The config is outside the space.
            InvalidRows: A score that is NaN, infinite, missing or outside its metric's bounds.
        """
        self._check_writable()
        row = {
            "metric": metric,
            "value": value,
            "status": status,
            "fold": fold,
            "repeat": repeat,
            "seed": seed,
            "budget": budget,
            "budget_unit": budget_unit,
            "cost_s": cost_s,
            "origin": origin,
            "run": run,
        }
        return self._recorder.record(task, config, space, row)

    def flush(self) -> None:
        """Fold what was recorded into the tables now."""
        self._recorder.flush()

    def fold(self, fitted: Mapping[str, pa.Table], load: Load) -> None:
        """Add what a recorder has checked and journalled."""
        self._loads.start(load)
        adding = Adding(self._tables, load.id, memory=self._memory, definition=None)
        self._loads.tally(load, adding.run(fitted))

    def record_recommendations(
        self,
        task: Task | str,
        recommendations: Sequence[Recommendation],
        *,
        space: str,
        metric: str,
        recommender: str,
        version: Mapping[str, int] | None = None,
    ) -> list[str]:
        """Keep what was advised, at this store version, with the evaluations it rests on.

        Args:
            version: The store version that the recommender learnt from, where it is not this one.

        Returns: an id a recommendation; the views `recommendation_evidence`,
        `recommendation_tasks` and `recommendation_provenance` tell the rest.
        """
        self._check_writable()
        learnt_at = self.snapshot
        if version is not None and dict(version) != learnt_at.version:
            learnt_at = Snapshot(self._tables, version=version, memory=self._memory)
        rows = advised(
            learnt_at,
            task if isinstance(task, str) else task.id,
            recommendations,
            space=space,
            metric=metric,
            recommender=recommender,
        )
        if rows:
            table = pa.Table.from_pylist(rows, schema=TABLES["recommendations"].arrow)
            self._tables.append("recommendations", lambda *_: table)
        return [str(row["recommendation"]) for row in rows]

    # -- the object ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the store holds: rows a table, spaces, loads, size on disk, version."""
        counts = {
            name: self.sql(f"select count(*) as n from {name}").column("n")[0] for name in TABLES
        }
        files = list((self._tables.root / "tables").rglob("*.parquet"))
        return {
            "path": str(self.path),
            "rows": counts,
            "spaces": list(self.sql("select * from coverage order by n_evaluations desc, space")),
            "loads": list(
                self.sql(
                    "select load, source, status, recorded_at, n_read, n_added, n_known, "
                    "n_rejected, rejections from loads order by recorded_at, load"
                )
            ),
            "size_bytes": sum(p.stat().st_size for p in files),
            "n_files": len(files),
            "version": self.version,
        }

    def close(self) -> None:
        """Fold what was recorded and let go of files."""
        self._recorder.close()
        self._snapshot = None

    def _check_writable(self) -> None:
        if self._pinned is not None:
            raise MetadbError(
                f"{self.path} was opened at an older version, to look; open it without `version` "
                "to write"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return self.sql(
            "select space, metric, n_tasks, n_configs, n_evaluations from coverage order by all"
        )._repr_html_()


__all__ = ["Added", "Load", "Store"]
