"""One fixed version of all tables, answering SQL through DuckDB; readers never wait for writers."""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from metadb.errors import NotFound, QueryRefused
from metadb.schema import TABLES, WRITE_ORDER, Table
from metadb.tables import data_files

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from metadb.records import Recommendation
    from metadb.tables import Tables

_FIXINGS = 50
# What may stand in a with clause and writes (DuckDB's parser knows no other way to write in a
# select); and how a statement starts that only reads, where its type does not tell (pivot is
# "multi", and explain analyze runs what it explains).
_CATALOGUE = re.compile(
    r"\b(show|describe|information_schema|duckdb_\w+|pragma\w*|sqlite_\w+|pg_\w+)\b", re.IGNORECASE
)
_WRITES = re.compile(r"\b(copy|insert|update|delete|merge)\b", re.IGNORECASE)
_STARTS = re.compile(
    r"\s*(explain\s+(analyze\s+)?(\([^()]*\)\s*)?)?\(*\s*"
    r"(select|from|with|pivot|unpivot|values|table|describe|show|summarize)\b",
    re.IGNORECASE,
)
_WRITING_NODE = re.compile(r'"type":"(COPY|INSERT|UPDATE|DELETE|MERGE)\w*_NODE"')
_WORD = re.compile(r"\w+")
_SPACE_VIEW = re.compile(r'\bspace"?\s*\.', re.IGNORECASE)

_SQL_TYPES = {
    pa.string(): "varchar",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.bool_(): "boolean",
    pa.timestamp("us"): "timestamp",
    pa.list_(pa.string()): "varchar[]",
    pa.list_(pa.float64()): "double[]",
}


_OPEN: weakref.WeakSet[Snapshot] = weakref.WeakSet()
_INHERITED: list[Snapshot] = []
_WORKING: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}
_STARTING = Lock()
# DuckDB's threads do not outlive a fork: to let go of its parent's connection kills the child.
os.register_at_fork(after_in_child=lambda: _INHERITED.extend(_OPEN))


def connect(
    memory: str, **settings: str | int | bool | float | list[str]
) -> duckdb.DuckDBPyConnection:
    """A fresh in-memory DuckDB that keeps to `memory` and spills to a folder of its own.

    Args:
        settings: DuckDB's, where others are wanted than those here.
    """
    spill = Path(tempfile.gettempdir()) / f"metadb-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    config: dict[str, str | int | bool | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "enable_external_file_cache": False,  # the system keeps files in memory once for all
        "python_enable_replacements": False,  # SQL sees tables, never the caller's variables
        "preserve_insertion_order": False,
    }
    con = duckdb.connect(config=config | settings)
    con.execute("set enable_progress_bar = false")
    return con


def working(memory: str) -> duckdb.DuckDBPyConnection:
    """A connection to the DuckDB that this process works in, which keeps the order of rows.

    To start a DuckDB takes 35 ms, as long as all else that one small add asks of it; what is
    registered in one connection no other one sees.
    """
    started = os.getpid(), memory  # one of a parent is left alone, as it does not outlive a fork
    with _STARTING:
        if started not in _WORKING:
            _WORKING[started] = connect(memory, preserve_insertion_order=True)
        return _WORKING[started].cursor()


class Snapshot:
    """The tables at one version, with the views of `views.sql` over them.

    Args:
        tables: The store's tables.
        version: Table name to Delta version; what is not named is taken as it is now.
        memory: DuckDB's memory limit.

    Raises:
        NotFound: There is no such version, or no longer.
    """

    def __init__(
        self, tables: Tables, *, version: Mapping[str, int] | None = None, memory: str
    ) -> None:
        opened = _fix(tables, version or {})
        self.version = {name: delta.version() for name, delta in opened.items()}
        self.con = connect(memory)
        _OPEN.add(self)
        self._made, self._making = set[str](), RLock()  # which views there are
        for name, delta in opened.items():
            try:
                select = reading(self.con, TABLES[name], data_files(delta))
                if name == "loads":  # a log of states: the last one counts
                    last = "row_number() over (partition by load order by recorded_at desc) = 1"
                    select = f"{select} qualify {last}"
                self.con.execute(f"create view {name} as {select}")
            except duckdb.IOException as error:
                raise NotFound(
                    f"version {delta.version()} of the table {name} can no longer be read: its "
                    "files are gone, as after compact with keep_days"
                ) from error

    def beside(self) -> Snapshot:
        """The same, to be asked by another thread: one SQL engine with one memory limit serves all.

        To open the tables anew takes .2 s with 150 files, and each engine keeps what it read.
        """
        other = copy(self)
        other.con = self.con.cursor()
        _OPEN.add(other)
        return other

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pa.Table:
        """The rows that one reading statement answers.

        Raises:
            QueryRefused: The statement fails, or is not one single reading statement.
        """
        try:
            if not self._only_reads(query):
                raise QueryRefused(
                    "the store answers one select statement at a time and changes nothing by SQL; "
                    "to write the answer to a file use --format, to add rows use add or record"
                )
            if _SPACE_VIEW.search(query):
                self.make_space_views()
            if _CATALOGUE.search(query):
                self._make_views(views())
            try:
                return self._answer(query, parameters)
            except duckdb.CatalogException:  # it may name a view
                named = _words(query)
                self._make_views(name for name in views() if name in named)
                return self._answer(query, parameters)
        except duckdb.Error as error:
            raise QueryRefused(_explain(error)) from error

    def _answer(self, query: str, parameters: Sequence[Any] | Mapping[str, Any]) -> pa.Table:
        return self.con.sql(query, params=parameters or None).to_arrow_table()

    def _make_views(self, names: Iterable[str]) -> None:
        """Some views of `views.sql`, with those they rest on.

        To bind them all takes longer than most questions to the tables.
        """
        with self._making:
            for name in names:
                if name not in self._made:
                    statement = views()[name]
                    self._make_views(n for n in views() if n != name and n in _words(statement))
                    self.con.execute(statement.replace("create view", "create or replace view", 1))
                    self._made.add(name)

    def _only_reads(self, query: str) -> bool:
        statements = self.con.extract_statements(query)
        if len(statements) != 1:
            return False
        select = statements[0].type == duckdb.StatementType.SELECT
        if not _WRITES.search(query):
            return select or _STARTS.match(query) is not None
        if not select:
            return False
        parsed = self.con.execute("select json_serialize_sql(?)", [query]).fetchall()[0][0]
        return _WRITING_NODE.search(parsed) is None

    def definition(self, space: str) -> str | None:
        """The newest definition of a space, given by name or id; None where it is not declared."""
        found = self.sql(
            """
            select s.definition from spaces s left join loads l on l.load = s.load
            where s.name = $name or s.space = $name
            order by s.space = $name desc, l.recorded_at desc nulls last, s.space limit 1
            """,
            {"name": space},
        )
        return str(found.column(0)[0].as_py()) if found.num_rows else None

    def behind(self, recommendation: Recommendation, metric: str) -> list[str]:
        """The evaluations that a recommendation rests on, as ids.

        As in the view `finals`, each config counts at the largest budget it was given.
        """
        because = recommendation.because
        found = self.sql(
            """
            select evaluation from evaluations
            where task in (select unnest(?::varchar[]))
                and config in (select unnest(?::varchar[])) and metric = ?
            qualify dense_rank() over (
                partition by task, config
                order by budget_unit = 'fraction' and budget >= 1 desc, budget desc, budget_unit
            ) = 1
            order by task, fold, evaluation
            """,
            [list(because.tasks), list(because.configs), because.metric or metric],
        )
        return list(found.column("evaluation").to_pylist())

    def make_space_views(self) -> None:
        """`space.<name>`: one row a config, one typed column a hyperparameter."""
        with self._making:
            if "spaces" not in self._made:
                self._make_space_views()
                self._made.add("spaces")

    def _make_space_views(self) -> None:
        spaces = self.con.execute("select distinct space from configs order by space").fetchall()
        columns: dict[str, list[tuple[str, str]]] = {space: [] for (space,) in spaces}
        for space, name, kind in self.con.execute(
            """
            select space, p.key, case
                when bool_and(p.type in ('UBIGINT', 'BIGINT')
                    and try_cast(p.value::varchar as bigint) is not null) then 'bigint'
                when bool_and(p.type in ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT')) then 'double'
                when bool_and(p.type = 'BOOLEAN') then 'boolean' else 'varchar' end
            from configs, json_each(configs.hyperparameters) p
            group by space, p.key order by space, p.key
            """
        ).fetchall():
            columns[space].append((name, kind))
        self.con.execute("create schema if not exists space")
        for space, view in _shown(columns, taken=()).items():
            # A hyperparameter named like the key would hide it, so the key keeps its name.
            shown = _shown([name for name, _ in columns[space]], taken=("config",))
            selected = [
                f"cast(json_extract_string(hyperparameters, {_text(_pointer(name))}) as {kind}) "
                f"as {_name(shown[name])}"
                for name, kind in columns[space]
            ]
            columns_sql = ", ".join(["config", *selected])
            self.con.execute(
                f"create or replace view space.{_name(view)} as select {columns_sql} "
                f"from configs where space = {_text(space)}"
            )


def _fix(tables: Tables, version: Mapping[str, int]) -> dict[str, DeltaTable]:
    """All tables at versions that fit together: nothing refers to a row that is not there.

    What refers to others is fixed first, so that what it refers to can only have grown since; if
    rows were taken back meanwhile, all is fixed anew.
    """
    for _ in range(_FIXINGS):
        opened = {name: tables.open(name, version.get(name)) for name in reversed(WRITE_ORDER)}
        if not any(
            name not in version and tables.rewritten(name, delta.version())
            for name, delta in opened.items()
        ):
            break
    return opened


def reading(con: duckdb.DuckDBPyConnection, table: Table, paths: list[str]) -> str:
    """The select over a table's files; a column that all of them are too old for is null."""
    there = {c.name for c in table.columns if c.since <= table.since} if paths else set()
    source = "(select 1 where false)"
    if paths:
        younger = any(c.since > table.since for c in table.columns)
        listed = ", ".join(map(_text, paths))
        source = f"read_parquet([{listed}]{', union_by_name = true' if younger else ''})"
        if younger:
            there = {row[0] for row in con.execute(f"describe from {source}").fetchall()}
    columns = [
        c.name if c.name in there else f"null::{_SQL_TYPES[c.type]} as {c.name}"
        for c in table.columns
    ]
    return f"select {', '.join(columns)} from {source}"


def _shown(names: Iterable[str], *, taken: Iterable[str]) -> dict[str, str]:
    """Names as SQL can hold them: not empty, and different though SQL ignores their case."""
    used, shown = set(taken), {}
    for name in names:
        text = name.replace("\0", "") or "_"
        while text.lower() in used:
            text += "_"
        used.add(text.lower())
        shown[name] = text
    return shown


@cache
def views() -> dict[str, str]:
    """View name to the statement that creates it; a view stands after those it rests on."""
    script = files("metadb").joinpath("views.sql").read_text()
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    statements = [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
    return {statement.split()[2]: statement for statement in statements}


def _words(text: str) -> set[str]:
    """What may be names in SQL, in lower case."""
    return {word.lower() for word in _WORD.findall(text)}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _explain(error: duckdb.Error) -> str:
    """DuckDB's own first lines, and what there is to ask for."""
    text = str(error).split("LINE 1:")[0].strip()
    if "does not exist" in text and "Table" in text:
        tables = ", ".join(sorted(TABLES))
        text += f" The tables are {tables}; see docs/data-dictionary.md for the views."
    return " ".join(text.split())


def version_text(version: Mapping[str, int]) -> str:
    """A store version as the text that `recommendations.store_version` holds."""
    return json.dumps(dict(version), sort_keys=True)
