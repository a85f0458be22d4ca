"""One fixed version of all tables, answering SQL through DuckDB; readers never wait for writers."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import duckdb
import pyarrow as pa

from metadb.errors import QueryRefused
from metadb.schema import TABLES, WRITE_ORDER
from metadb.tables import Tables

_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}

_SQL_TYPES = {
    pa.string(): "varchar",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.bool_(): "boolean",
    pa.timestamp("us"): "timestamp",
    pa.list_(pa.string()): "varchar[]",
}


def connect(memory: str) -> duckdb.DuckDBPyConnection:
    """A fresh in-memory DuckDB that keeps to `memory` and spills to a folder of its own."""
    spill = os.path.join(tempfile.gettempdir(), f"metadb-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    con = duckdb.connect(
        config={
            "memory_limit": memory,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,  # SQL sees tables, never the caller's variables
            "preserve_insertion_order": False,
        }
    )
    con.execute("set enable_progress_bar = false")
    return con


class Snapshot:
    """The tables at one version, with the views of `views.sql` over them.

    Args:
        tables: The store's tables.
        version: Table name to Delta version; what is not named is taken as it is now.
        memory: DuckDB's memory limit.
    """

    def __init__(
        self, tables: Tables, *, version: Mapping[str, int] | None = None, memory: str
    ) -> None:
        self.version: dict[str, int] = {}
        self.con = connect(memory)
        self._spaces_ready = False
        # What refers to others is fixed first, so nothing it refers to is missing.
        for name in reversed(WRITE_ORDER):
            delta = tables.open(name, (version or {}).get(name))
            self.version[name] = delta.version()
            self.con.execute(_view(self.con, name, sorted(delta.file_uris())))
        for statement in _statements(files("metadb").joinpath("views.sql").read_text()):
            self.con.execute(statement)

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> pa.Table:
        """The rows that one reading statement answers.

        Raises:
            QueryRefused: The statement fails, or is not one single reading statement.
        """
        try:
            statements = self.con.extract_statements(query)
            kinds = {statement.type for statement in statements}
            if len(statements) != 1 or not kinds <= _READS:
                raise QueryRefused(
                    "the store answers one select statement at a time and changes nothing by SQL; "
                    "to write the answer to a file use --format, to add rows use add or record"
                )
            if "space." in query.lower():
                self._make_space_views()
            relation = self.con.sql(query, params=parameters or None)
            return relation.to_arrow_table()
        except duckdb.Error as error:
            raise QueryRefused(_explain(error)) from error

    def _make_space_views(self) -> None:
        """`space.<name>`: one row a config, one typed column a hyperparameter."""
        if self._spaces_ready:
            return
        self._spaces_ready = True
        self.con.execute("create schema space")
        columns: dict[str, list[tuple[str, str]]] = {}
        for space, name, kind in self.con.execute(
            """
            select space, p.key, case
                when bool_and(p.type in ('UBIGINT', 'BIGINT')) then 'bigint'
                when bool_and(p.type in ('UBIGINT', 'BIGINT', 'DOUBLE')) then 'double'
                when bool_and(p.type = 'BOOLEAN') then 'boolean' else 'varchar' end
            from configs, json_each(configs.hyperparameters) p
            group by space, p.key order by space, p.key
            """
        ).fetchall():
            columns.setdefault(space, []).append((name, kind))
        for space, named in columns.items():
            # A hyperparameter named like the key would hide it, so the key keeps its name.
            selected = ", ".join(
                f"cast(json_extract_string(hyperparameters, {_text(_pointer(name))}) as {kind}) "
                f"as {_name(name if name != 'config' else 'config_')}"
                for name, kind in named
            )
            self.con.execute(
                f"create view space.{_name(space)} as select config, {selected} "
                f"from configs where space = {_text(space)}"
            )


def _view(con: duckdb.DuckDBPyConnection, name: str, paths: list[str]) -> str:
    """The view of one table over its files; a column that older files lack is null."""
    table = TABLES[name]
    there: set[str] = set()
    source = "(select 1 where false)"
    if paths:
        source = f"read_parquet([{', '.join(map(_text, paths))}], union_by_name = true)"
        there = {row[0] for row in con.execute(f"describe from {source}").fetchall()}
    columns = [
        c.name if c.name in there else f"null::{_SQL_TYPES[c.type]} as {c.name}"
        for c in table.columns
    ]
    select = f"select {', '.join(columns)} from {source}"
    if name == "loads":  # a log of states: the last one counts
        select += " qualify row_number() over (partition by load order by recorded_at desc) = 1"
    return f"create view {name} as {select}"


def _statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [part for part in "\n".join(lines).split(";") if part.strip()]


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
        text += f" The tables are {', '.join(sorted(TABLES))}; see docs/data-dictionary.md for the views."
    return " ".join(text.split())


def version_text(version: Mapping[str, int]) -> str:
    """A store version as the text that `recommendations.store_version` holds."""
    return json.dumps(dict(version), sort_keys=True)
