"""Rows of several answers or files, added to the store together: a commit costs the same for all.

What is waiting is bounded: 40,000 rows, or what came within ten seconds.
"""

from __future__ import annotations

import time

import pyarrow as pa

from metadb.records import Rows
from metadb.store import Added, Load, Store

BATCH_ROWS, BATCH_S = 40_000, 10.0


class Batch:
    """Adds the rows of one load in batches.

    Args:
        done: What was added so far.
        n_rows: How many rows were taken so far.
    """

    def __init__(self, store: Store, load: Load) -> None:
        self._store = store
        self._load = load
        self.done = Added()
        self.n_rows = 0
        self._empty()

    def _empty(self) -> None:
        self._tables: dict[str, list[pa.Table]] = {}
        self._rejected: dict[str, int] = {}
        self._cursor: str | None = None
        self._n_waiting = 0
        self._begun = time.monotonic()
        self._taken = False

    def take(self, rows: Rows) -> None:
        """Take rows in, and add what is waiting when it is time."""
        self._taken = True
        for name, table in rows.tables.items():
            self._tables.setdefault(name, []).append(table)
            self._n_waiting += table.num_rows
            self.n_rows += table.num_rows
        for reason, count in rows.rejected.items():
            self._rejected[reason] = self._rejected.get(reason, 0) + count
        self._cursor = rows.cursor or self._cursor
        if self._n_waiting >= BATCH_ROWS or time.monotonic() - self._begun > BATCH_S:
            self.add()

    def add(self) -> None:
        """Add what is waiting, with the last cursor in the same commit."""
        if not self._taken:
            return
        tables = {
            name: pa.concat_tables(parts, promote_options="default")
            for name, parts in self._tables.items()
        }
        rows = Rows(tables, self._cursor, self._rejected)
        self._empty()
        self.done.merge(self._store.add(rows, load=self._load))
