"""The store: what every tuning run ever learnt, in ACID Parquet tables that answer SQL."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from metadb.admission import Novelty, Rejections, check, conform
from metadb.errors import InvalidMetric, InvalidRows, NotFound
from metadb.identity import canonical_config, config_id
from metadb.journal import Journal, orphans
from metadb.metrics import METRICS, Metric, canonical, metric_of
from metadb.records import STATUSES, Config, Recommendation, Rows, Task
from metadb.result import Result
from metadb.schema import TABLES, WRITE_ORDER
from metadb.snapshot import Snapshot, connect, version_text
from metadb.tables import Tables

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metadb.history import History

_BATCH = 500_000
_FACTS = ("evaluations", "metafeatures")
_ENRICHED = {"datasets", "tasks", "flows", "configs"}


@dataclass(frozen=True, slots=True)
class Load:
    """One filling of the store, as `loads` tells it.

    Args:
        id: The same for the same content through the same source, so that a second run completes
            the first one.
        source: Name of the source.
    """

    id: str
    source: str
    path: str | None = None
    file_hash: str | None = None
    licence: str | None = None
    citation: str | None = None


@dataclass
class Added:
    """What one or more calls of `add` did, per table."""

    read: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)

    def count(self, table: str, *, read: int = 0, added: int = 0, known: int = 0) -> None:
        self.read[table] = self.read.get(table, 0) + read
        self.added[table] = self.added.get(table, 0) + added
        self.known[table] = self.known.get(table, 0) + known

    def merge(self, other: Added) -> None:
        for table in other.read:
            self.count(
                table,
                read=other.read[table],
                added=other.added[table],
                known=other.known[table],
            )
        self.rejections.merge(other.rejections)


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
        self._journal: Journal | None = None
        self._recorded: set[str] = set()
        self._started: set[str] = set()
        if version is None:
            self._fold_orphans()

    # -- asking -------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The tables as they are now (or at the version the store was opened at)."""
        if self._journal is not None and self._journal.n_lines:
            self.flush()
        if self._snapshot is None or (self._pinned is None and self._stale(self._snapshot)):
            self._snapshot = Snapshot(self._tables, version=self._pinned, memory=self._memory)
        return self._snapshot

    def _stale(self, snapshot: Snapshot) -> bool:
        """Whether a commit followed: one look at the file system a table, no log is read."""
        root = self.path / "tables"
        return any(
            (root / name / "_delta_log" / f"{version + 1:020d}.json").exists()
            for name, version in snapshot.version.items()
        )

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
            "select name, value from metafeatures where task = ? and status = 'ok'", [task]
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

        definition = self._definition(name)
        if definition is not None:
            return from_json(definition)
        texts = self.sql("select hyperparameters from configs where space = ?", [name])
        if not len(texts):
            raise self._no_space(name)
        return infer(name, [json.loads(t) for t in texts.column("hyperparameters")])

    def _definition(self, name: str) -> str | None:
        found = self.sql(
            """
            select s.definition from spaces s left join loads l on l.load = s.load
            where s.name = $name or s.space = $name
            order by s.space = $name desc, l.recorded_at desc nulls last, s.space limit 1
            """,
            {"name": name},
        ).column("definition")
        return str(found[0]) if found else None

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
        there = self.sql("select metric from metrics order by 1").column("metric")
        raise NotFound(f"no metric {name!r}; there are {', '.join(there) or sorted(METRICS)}")

    def history(
        self, space: str, metric: str | None = None, *, tasks: Sequence[str] | None = None
    ) -> History:
        """What recommenders learn from; see `metadb.history.History`.

        Args:
            space: Name of the space.
            metric: Default: the one with the most evaluations in the space.
            tasks: Only these.

        Raises:
            NotFound: No such space, or no evaluation of it under the metric.
        """
        from metadb.gathering import gather

        if metric is None:
            counts = self.sql(
                """
                select e.metric from evaluations e join configs c on c.config = e.config
                join metrics m on m.metric = e.metric
                where c.space = ? group by e.metric, m.unit
                order by m.unit = 's', count(*) desc, e.metric limit 1
                """,
                [space],
            ).column("metric")
            if not counts:
                raise self._no_space(space)
            metric = str(counts[0])
        history = gather(
            self.snapshot, space, self.metric(metric), self._definition(space), tasks
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
            load: Which load they belong to; default: one named after this process.

        Raises:
            InvalidRows: A table or column that is not there, or a value of a wrong type.
        """
        for name in rows.tables:
            if name not in TABLES:
                raise InvalidRows(f"no table {name!r}; there are {', '.join(TABLES)}")
        if load is None:
            anonymous = Load("add", "python")
            done = self.add(rows, load=anonymous)
            self._tally(anonymous, done)
            return done
        self._start(load)
        done = Added()
        for reason, count in rows.rejected.items():
            done.rejections.add(reason, count)
        con = connect(self._memory)
        try:
            for name in WRITE_ORDER:
                if name in rows.tables:
                    self._add_table(con, name, rows, load, done)
        finally:
            con.close()
        return done

    def _add_table(self, con: Any, name: str, rows: Rows, load: Load, done: Added) -> None:
        table, source = TABLES[name], rows.tables[name]
        for relation, column in (("tasks", "task"), ("configs", "config"), ("metrics", "metric")):
            if name in _FACTS:
                self._know(con, relation, column)
        n_batches = max(1, -(-source.num_rows // _BATCH))
        for nth in range(n_batches):
            batch = conform(table, source.slice(nth * _BATCH, _BATCH), load.id)
            turned_away = self._outside(rows) if name == "configs" else None
            good, rejections = check(con, table, batch, turned_away)
            novelty = Novelty(con, table, good, load.id)
            last = name == "evaluations" and nth == n_batches - 1 and rows.cursor is not None
            metadata = {"load": load.id, "cursor": str(rows.cursor)} if last else None
            added = self._tables.append(name, novelty, metadata)
            rejections.merge(novelty.rejections)
            done.count(name, read=batch.num_rows, added=added, known=novelty.n_known)
            done.rejections.merge(rejections)
            if name != "sightings":
                self._sight(con, load, novelty)
            if name in _ENRICHED and novelty.n_known:
                self._enrich(con, name, good)

    def _know(self, con: Any, relation: str, column: str) -> None:
        """Make `known_<relation>`: what evaluations may refer to, as the tables are now."""
        paths = self._tables.open(relation).file_uris()
        columns = "metric, lower, upper" if relation == "metrics" else column
        rows = (
            con.sql(f"select {columns} from read_parquet(?, union_by_name = true)", params=[paths])
            if paths
            else con.sql(
                "select null::varchar as metric, null::double as lower, null::double as upper "
                "where false"
                if relation == "metrics"
                else f"select null::varchar as {column} where false"
            )
        )
        con.register(f"known_{relation}", rows.to_arrow_table())

    def _outside(self, rows: Rows) -> Any:
        """A function that tells which configs lie outside their declared space."""

        def reasons(configs: pa.Table) -> Iterable[str | None]:
            definitions = self._declared(rows, configs)
            found: list[str | None] = [None] * configs.num_rows
            if not definitions:
                return found
            from metadb.space import check as check_space
            from metadb.space import from_json

            texts = configs.column("hyperparameters").to_pylist()
            names = configs.column("space").to_pylist()
            for name, definition in definitions.items():
                places = [i for i, space in enumerate(names) if space == name]
                values = [json.loads(texts[i]) for i in places]
                for i, why in zip(places, check_space(from_json(definition), values), strict=True):
                    found[i] = why
            return found

        return reasons

    def _declared(self, rows: Rows, configs: pa.Table) -> dict[str, str]:
        """Definition of each space of these configs that was declared, here or in the rows."""
        definitions: dict[str, str] = {}
        for name in pc.unique(configs.column("space")).to_pylist():
            definition = self._definition(name)
            if definition is not None:
                definitions[name] = definition
        return definitions

    def _sight(self, con: Any, load: Load, novelty: Novelty) -> None:
        """Note the rows that another load brought first: this load vouches for them too."""
        if not novelty.seen:
            return
        key = pa.chunked_array([chunk for keys in novelty.seen for chunk in keys.chunks], pa.string())
        table = TABLES["sightings"]
        seen = conform(table, pa.table({"key": key}), load.id)
        good, _ = check(con, table, seen)
        self._tables.append("sightings", Novelty(con, table, good, load.id))

    def _enrich(self, con: Any, name: str, rows: pa.Table) -> None:
        """Fill what was not known of entities that are there from rows that know it."""
        table = TABLES[name]
        columns = [c.name for c in table.columns if c.name not in {table.key, "load"}]
        paths = self._tables.open(name).file_uris()
        learnt = " or ".join(f"(e.{c} is null and r.{c} is not null)" for c in columns)
        con.register("given", rows)
        fills = con.sql(
            f"select r.* from given r join read_parquet(?, union_by_name = true) e "
            f"on e.{table.key} = r.{table.key} where {learnt}",
            params=[paths],
        ).to_arrow_table()
        con.unregister("given")
        if fills.num_rows:
            updates = {c: f"coalesce(t.{c}, s.{c})" for c in columns}
            self._tables.rewrite(
                name,
                lambda delta: (
                    delta.merge(
                        fills, f"t.{table.key} = s.{table.key}", source_alias="s", target_alias="t"
                    )
                    .when_matched_update(updates)
                    .execute()
                ),
            )

    # -- loads --------------------------------------------------------------------------------

    def _start(self, load: Load) -> None:
        """Write that a load has started, unless it is there already."""
        if load.id in self._started:
            return
        self._started.add(load.id)
        status = self.sql("select status from loads where load = ?", [load.id]).column("status")
        if not status or status[0] == "forgotten":
            self._write_load(load, "started")

    def finish(self, load: Load, done: Added, cursor: str | None = None) -> dict[str, Any]:
        """Write that a load is complete, with its counts; returns its row.

        The counts are of facts (evaluations and meta-features). `n_added` is what the store holds
        of this load, so that a load completed after a kill counts like an undisturbed one.
        """
        self._start(load)
        n_read = sum(done.read.get(table, 0) for table in _FACTS)
        held, n_rejected = self._held(load), done.rejections.total
        counts = {
            "n_read": n_read,
            "n_added": held,
            "n_known": max(0, n_read - held - n_rejected),
            "n_rejected": n_rejected,
            "rejections": _rejections_text(done.rejections),
        }
        there = self._load_row(load.id)
        if there["status"] != "complete" or any(there[name] != v for name, v in counts.items()):
            self._write_load(load, "complete", cursor=cursor, **counts)
        return self._load_row(load.id)

    def _tally(self, load: Load, done: Added) -> None:
        """Add to the counts of a load that never ends: what is recorded, or added without a load."""
        there = self._load_row(load.id)
        n_read = sum(done.read.get(table, 0) for table in _FACTS)
        if not n_read and not done.rejections.total:
            return
        known = sum(done.known.get(table, 0) for table in _FACTS)
        counts = {
            "n_read": (there["n_read"] or 0) + n_read,
            "n_added": self._held(load),
            "n_known": (there["n_known"] or 0) + known,
            "n_rejected": (there["n_rejected"] or 0) + done.rejections.total,
        }
        self._write_load(load, "complete", rejections=_rejections_text(done.rejections), **counts)

    def _held(self, load: Load) -> int:
        """How many facts the store holds of a load."""
        held = self.sql(
            """
            select (select count(*) from evaluations where load = $load)
                 + (select count(*) from metafeatures where load = $load) as n
            """,
            {"load": load.id},
        )
        return int(held.column("n")[0])

    def _load_row(self, load: str) -> dict[str, Any]:
        return next(iter(self.sql("select * from loads where load = ?", [load])))

    def cursor(self, load: str) -> str | None:
        """Where a load stood at its last commit, so that its source can go on from there."""
        return self._tables.cursor(load)

    def _write_load(self, load: Load, status: str, **more: Any) -> None:
        from metadb import __version__

        row = {
            "load": load.id,
            "source": load.source,
            "path": load.path,
            "file_hash": load.file_hash,
            "licence": load.licence,
            "citation": load.citation,
            "status": status,
            "recorded_at": datetime.now(UTC).replace(tzinfo=None),
            "metadb": __version__,
        } | more
        rows = conform(TABLES["loads"], pa.Table.from_pylist([row]), load.id)
        self._tables.append("loads", lambda files, previous: rows)

    def forget(self, load: str) -> dict[str, int]:
        """Take one load back; returns how many rows left each table.

        What another load brought too stays, and is that load's from now on; a task, config, space
        or metric stays as long as anything refers to it. Older versions still show the rows.

        Raises:
            NotFound: No such load.
        """
        from metadb.forgetting import forget

        if not self.sql("select 1 from loads where load = ?", [load]):
            there = self.sql("select load from loads order by recorded_at desc limit 5").column("load")
            raise NotFound(f"no load {load!r}; the latest are {', '.join(there) or '(none)'}")
        gone = forget(self._tables, lambda: self.snapshot, load)
        row = self._load_row(load)
        self._started.discard(load)
        kept = {name: row[name] for name in ("path", "file_hash", "licence", "citation")}
        self._write_load(Load(load, row["source"], **kept), "forgotten")
        return gone

    def compact(self) -> dict[str, int]:
        """Put small files together, so that queries open fewer; returns files before minus after."""
        saved = {}
        for name in WRITE_ORDER:
            before = len(self._tables.open(name).file_uris())
            if before > 1:
                self._tables.rewrite(name, lambda delta: delta.optimize.compact())
            saved[name] = before - len(self._tables.open(name).file_uris())
        return saved

    # -- recording ----------------------------------------------------------------------------

    def record(
        self,
        task: Task | str,
        config: Config,
        *,
        space: str | ConfigurationSpace,
        metric: str,
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
        (1,000 rows or a second of recording), or when this store is closed or flushed.

        Args:
            task: A task, or the id of one that the store has.
            space: The space itself, or its name.
            value: The score in the metric's own direction; None unless status is ok.
            run: An id of the run; default: a new one, so that nothing is taken for a repeat.

        Returns: the run id.

        Raises:
            NotFound: A task id or metric that is not known.
            InvalidConfig: The config is outside the space.
            InvalidRows: A score that is NaN, infinite, missing or outside its metric's bounds.
        """
        known = self._metric_of_record(metric)
        _check_score(known, value, status, cost_s)
        name = space if isinstance(space, str) else space.name
        if not name:
            raise InvalidRows("the space has no name; give one: ConfigurationSpace(name=...)")
        line = self._entities(task, config, space, str(name), known)
        journal = self._open_journal()
        run = run or f"{journal.id}/{uuid.uuid4().hex[:12]}"
        line["evaluations"] = [
            {
                "task": task if isinstance(task, str) else task.id,
                "config": config_id(str(name), config),
                "metric": known.name,
                "value": None if value is None else float(value),
                "status": status,
                "fold": fold,
                "repeat": repeat,
                "seed": seed,
                "budget": float(budget),
                "budget_unit": budget_unit,
                "cost_s": cost_s,
                "origin": origin,
                "run": run,
            }
        ]
        journal.append(line)
        if journal.due:
            self.flush()
        return run

    def _metric_of_record(self, metric: str) -> Metric:
        name = canonical(metric)
        return METRICS[name] if name in METRICS else self.metric(name)

    def _entities(
        self,
        task: Task | str,
        config: Config,
        space: str | ConfigurationSpace,
        name: str,
        metric: Metric,
    ) -> dict[str, list[dict[str, Any]]]:
        """The rows that an evaluation refers to and that this store object has not yet written."""
        line: dict[str, list[dict[str, Any]]] = {}
        if isinstance(task, str):
            if f"task {task}" not in self._recorded:
                self.task(task)  # raises where it is not there
                self._recorded.add(f"task {task}")
        elif self._first(f"task {task.id}"):
            line["tasks"] = [
                {"task": task.id, "kind": task.kind, "dataset": task.dataset,
                 "target": task.target, "name": task.name}
            ]
            line["metafeatures"] = [
                {"task": task.id, "name": n, "value": float(v), "extractor": "metadb"}
                for n, v in task.metafeatures.items()
            ]
            if task.dataset is not None:
                line["datasets"] = [{"dataset": task.dataset}]
        if not isinstance(space, str):
            from metadb.space import space_id, to_json, validate

            validate(space, config)
            if self._first(f"space {space_id(space)}"):
                line["spaces"] = [
                    {"space": space_id(space), "name": name, "definition": to_json(space)}
                ]
        text = canonical_config(config)
        if self._first(f"config {name} {text}"):
            line["configs"] = [
                {"config": config_id(name, config), "space": name, "hyperparameters": text}
            ]
        if self._first(f"metric {metric.name}"):
            line["metrics"] = [metric_row(metric)]
        return line

    def _first(self, what: str) -> bool:
        first = what not in self._recorded
        self._recorded.add(what)
        return first

    def _open_journal(self) -> Journal:
        if self._journal is not None and self._journal.pid != os.getpid():
            self._journal = None  # a forked child writes its own; the parent's is the parent's
            self._recorded.clear()
        if self._journal is None:
            self._journal = Journal(self.path / "journal")
        return self._journal

    def flush(self) -> None:
        """Fold what was recorded into the tables now."""
        if self._journal is None or not self._journal.n_lines:
            return
        journal, self._journal = self._journal, None  # what folding asks sees no journal to fold
        try:
            self._fold(journal.id, journal.lines())
            journal.clear()
        finally:
            self._journal = journal

    def _fold(self, journal: str, lines: list[dict[str, Any]]) -> None:
        gathered: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            for name, rows in line.items():
                if name in TABLES:
                    gathered.setdefault(name, []).extend(rows)
        tables = {
            name: pa.Table.from_pylist(rows, schema=_sub_schema(name, rows))
            for name, rows in gathered.items()
            if rows
        }
        if tables:
            load = Load(f"record:{journal}", "record")
            self._tally(load, self.add(Rows(tables), load=load))

    def _fold_orphans(self) -> None:
        for path, lines in orphans(self.path / "journal"):
            self._fold(path.stem, lines)

    def record_recommendations(
        self,
        task: Task | str,
        recommendations: Sequence[Recommendation],
        *,
        space: str,
        metric: str,
        recommender: str,
    ) -> list[str]:
        """Keep what was advised, at this store version, with the evaluations it rests on.

        Returns: an id a recommendation; the view `recommendation_provenance` tells the rest.
        """
        version = version_text(self.version)
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = []
        for rank, recommendation in enumerate(recommendations, 1):
            because = recommendation.because
            behind = self.sql(
                """
                select evaluation from evaluations
                where task in (select unnest(?)) and config in (select unnest(?)) and metric = ?
                order by task, fold
                """,
                [list(because.tasks), list(because.configs), because.metric or metric],
            ).column("evaluation")
            rows.append(
                {
                    "recommendation": uuid.uuid4().hex,
                    "recorded_at": now,
                    "task": task if isinstance(task, str) else task.id,
                    "space": space,
                    "metric": metric,
                    "recommender": recommender,
                    "rank": rank,
                    "config": config_id(space, recommendation.config),
                    "hyperparameters": canonical_config(recommendation.config),
                    "expected_loss": recommendation.expected_loss,
                    "probability": recommendation.probability,
                    "tasks": list(because.tasks),
                    "evaluations": behind,
                    "store_version": version,
                }
            )
        if rows:
            table = conform(
                TABLES["recommendations"],
                pa.Table.from_pylist(rows, schema=TABLES["recommendations"].arrow),
                "",
            )
            self._tables.append("recommendations", lambda files, previous: table)
        return [str(row["recommendation"]) for row in rows]

    # -- the object ---------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the store holds: rows a table, spaces, loads, size on disk, version."""
        counts = {
            name: self.sql(f"select count(*) as n from {name}").column("n")[0] for name in TABLES
        }
        files = [p for p in (self.path / "tables").rglob("*.parquet")]
        return {
            "path": str(self.path),
            "rows": counts,
            "spaces": list(self.sql("select * from coverage order by n_evaluations desc, space")),
            "loads": list(
                self.sql(
                    "select load, source, status, recorded_at, n_read, n_added, n_known, n_rejected, "
                    "rejections from loads order by recorded_at"
                )
            ),
            "size_bytes": sum(p.stat().st_size for p in files),
            "n_files": len(files),
            "version": self.version,
        }

    def close(self) -> None:
        """Fold what was recorded and let go of files."""
        if self._journal is not None and self._journal.pid == os.getpid():
            self.flush()
            self._journal.close()
        self._journal = None
        self._snapshot = None

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


def metric_row(metric: Metric) -> dict[str, Any]:
    """A metric as a row of the table `metrics`."""
    return {
        "metric": metric.name,
        "lower_is_better": metric.lower_is_better,
        "unit": metric.unit,
        "lower": metric.lower,
        "upper": metric.upper,
        "doc": metric.doc,
    }


def _sub_schema(name: str, rows: list[dict[str, Any]]) -> pa.Schema:
    """The table's types for the columns that the rows have; JSON alone would guess them."""
    given = {column for row in rows for column in row}
    return pa.schema([f for f in TABLES[name].arrow if f.name in given])


def _rejections_text(rejections: Rejections) -> str:
    return json.dumps(
        {
            reason: {"count": n, "example": rejections.examples.get(reason, "")}
            for reason, n in sorted(rejections.counts.items())
        }
    )


def _check_score(metric: Metric, value: float | None, status: str, cost_s: float | None) -> None:
    if status not in STATUSES:
        raise InvalidRows(f"status {status!r}; there are {', '.join(STATUSES)}")
    if cost_s is not None and not 0 <= cost_s < float("inf"):
        raise InvalidRows(f"cost_s is {cost_s}; give seconds, or leave it out")
    if status != "ok":
        return
    if value is None or not abs(value) < float("inf"):
        raise InvalidRows(
            f"the score of {metric.name} is {value}; give a finite number, or status='failed'"
        )
    low, high = metric.lower, metric.upper
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidRows(
            f"the score {value} of {metric.name} is outside its bounds [{low}, {high}]; a percent "
            "or a loss under a score's name? give the score in the metric's own unit"
        )


__all__ = ["Added", "InvalidMetric", "Load", "Store", "metric_row"]
