"""Adding rows to the tables: each batch checked, told from what is there, and appended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from metadb.admission import ENRICHED, REFERRING, Novelty, check, complete, differs, fit
from metadb.errors import InvalidRows
from metadb.identity import parse_config
from metadb.loads import Added
from metadb.schema import TABLES, WRITE_ORDER
from metadb.snapshot import reading, working
from metadb.tables import data_files

if TYPE_CHECKING:
    import duckdb

    from metadb.records import Rows
    from metadb.tables import Tables

_BATCH = 500_000
_KNOWN = {"tasks": "task", "configs": "config", "metrics": "metric, lower, upper"}

Definition = Callable[[str], str | None]
"""The declared definition of a space by its name, or None."""


def fitting(rows: Rows) -> dict[str, pa.Table]:
    """The tables of `rows` with the store's types, in the order in which they are written.

    Raises:
        InvalidRows: A table or column that is not there, or a value of a wrong type.
    """
    for name in rows.tables:
        if name not in TABLES:
            raise InvalidRows(f"no table {name!r}; there are {', '.join(TABLES)}")
    return {n: fit(TABLES[n], rows.tables[n]) for n in WRITE_ORDER if n in rows.tables}


class Adding:
    """One call of `Store.add`, or the folding of one journal.

    Args:
        tables: The store's tables.
        load: The load that the rows belong to.
        memory: Memory limit of the SQL engine.
        definition: Tells the declared spaces, outside of which no config may lie; None where the
            configs were checked already.
    """

    def __init__(
        self, tables: Tables, load: str, *, memory: str, definition: Definition | None
    ) -> None:
        self._tables = tables
        self._load = load
        self._memory = memory
        self._definition = definition
        self.done = Added()

    def run(
        self,
        fitted: Mapping[str, pa.Table],
        cursor: str | None = None,
        rejected: Mapping[str, int] | None = None,
    ) -> Added:
        """Add the rows that `fitting` gave; the cursor is in the last commit of evaluations."""
        for reason, count in (rejected or {}).items():
            self.done.rejections.add(reason, count)
        # It keeps the order of rows: of two that conflict, the first.
        with working(self._memory) as con, self._tables.together():
            for name, rows in fitted.items():
                self._add_table(con, name, rows, cursor)
            if cursor is not None and "evaluations" not in fitted:
                self._tables.set_cursor(self._load, cursor)
        return self.done

    def _add_table(
        self, con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table, cursor: str | None
    ) -> None:
        table = TABLES[name]
        if name in REFERRING:
            for relation, columns in _KNOWN.items():
                con.register(f"known_{relation}", self._now(con, relation, columns))
        for first in range(0, max(1, rows.num_rows), _BATCH):
            batch = complete(table, rows.slice(first, _BATCH), self._load)
            checked = check(con, table, batch, self._outside if name == "configs" else None)
            novelty = Novelty(con, table, checked.rows, self._load)
            last = first + _BATCH >= rows.num_rows
            at_end = name == "evaluations" and last and cursor is not None
            metadata = {"load": self._load, "cursor": str(cursor)} if at_end else None
            added = self._tables.append(name, novelty, metadata)
            checked.rejections.merge(novelty.rejections)
            self.done.count(
                name,
                read=batch.num_rows,
                added=added,
                known=novelty.n_known + checked.n_same,
                rejected=checked.rejections.total,
            )
            self.done.rejections.merge(checked.rejections)
            if name != "sightings":
                self._sight(con, novelty)
            if name in ENRICHED and novelty.n_known:
                self._enrich(con, name, checked.rows)

    def _now(self, con: duckdb.DuckDBPyConnection, name: str, columns: str) -> pa.Table:
        """Columns of a table as it is now."""
        source = reading(con, TABLES[name], data_files(self._tables.open(name)))
        return con.sql(f"select {columns} from ({source})").to_arrow_table()

    def _outside(self, configs: pa.Table) -> Iterable[str | None]:
        """Per config why it lies outside its declared space, or None."""
        found: list[str | None] = [None] * configs.num_rows
        if self._definition is None:
            return found
        texts = configs.column("hyperparameters").to_pylist()
        natives = configs.column("native").to_pylist()
        names = configs.column("space").to_pylist()
        for name in pc.unique(configs.column("space")).to_pylist():
            definition = None if name is None else self._definition(name)
            if definition is None:
                continue
            from metadb.space import check as check_space
            from metadb.space import from_json

            places = [i for i, space in enumerate(names) if space == name and not natives[i]]
            values = [parse_config(texts[i]) for i in places]
            for i, why in zip(places, check_space(from_json(definition), values), strict=True):
                found[i] = why
        return found

    def _sight(self, con: duckdb.DuckDBPyConnection, novelty: Novelty) -> None:
        """Note the rows that another load brought first: this load vouches for them too."""
        if not novelty.seen:
            return
        keys = [chunk for seen in novelty.seen for chunk in seen.chunks]
        table = TABLES["sightings"]
        rows = pa.table({"key": pa.chunked_array(keys, pa.string())})
        checked = check(con, table, complete(table, rows, self._load))
        self._tables.append("sightings", Novelty(con, table, checked.rows, self._load))

    def _enrich(self, con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
        """Fill what was not known of entities that are there from rows that know it."""
        table = TABLES[name]
        columns = [c.name for c in table.columns if c.name not in {table.key, "load"}]
        learnt = " or ".join(f"(e.{c} is null and r.{c} is not null)" for c in columns)
        there = reading(con, table, data_files(self._tables.open(name)))
        con.register("given", rows)
        fills = con.sql(
            f"select r.* from given r join ({there}) e on e.{table.key} = r.{table.key} "
            f"where ({learnt}) and not coalesce({differs(table, 'r', 'e')}, false)"
        ).to_arrow_table()
        con.unregister("given")
        if fills.num_rows:
            updates = {c: f"coalesce(t.{c}, s.{c})" for c in columns}
            same = f"t.{table.key} = s.{table.key}"
            self._tables.rewrite(
                name,
                lambda delta: (
                    delta.merge(fills, same, source_alias="s", target_alias="t")
                    .when_matched_update(updates)
                    .execute()
                ),
            )
