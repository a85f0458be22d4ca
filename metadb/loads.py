"""The log of loads: every filling of the store, what it brought and what was turned away."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metadb.admission import Rejections, complete, fit
from metadb.schema import TABLES
from metadb.snapshot import reading, working
from metadb.tables import data_files

if TYPE_CHECKING:
    import duckdb

    from metadb.tables import Tables

FACTS = ("evaluations", "metafeatures")


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
    """What one or more calls of `add` did, per table: read = added + known + rejected."""

    read: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)

    def count(
        self, table: str, *, read: int = 0, added: int = 0, known: int = 0, rejected: int = 0
    ) -> None:
        """Count rows of one table."""
        self.read[table] = self.read.get(table, 0) + read
        self.added[table] = self.added.get(table, 0) + added
        self.known[table] = self.known.get(table, 0) + known
        self.rejected[table] = self.rejected.get(table, 0) + rejected

    def merge(self, other: Added) -> None:
        """Add another count to this one."""
        for table in other.read:
            self.count(
                table,
                read=other.read[table],
                added=other.added[table],
                known=other.known[table],
                rejected=other.rejected[table],
            )
        self.rejections.merge(other.rejections)

    @property
    def n_read(self) -> int:
        """Facts read, and whatever else was turned away; entities that went in are not counted."""
        facts = sum(self.read.get(table, 0) - self.rejected.get(table, 0) for table in FACTS)
        return facts + self.rejections.total


class Loads:
    """The table `loads`: a log of states, of which the last one of each load counts.

    Args:
        tables: The store's tables.
        memory: Memory limit of the SQL engine.
    """

    def __init__(self, tables: Tables, memory: str) -> None:
        self._tables = tables
        self._memory = memory
        self._started: set[str] = set()

    def row(self, load: str) -> dict[str, Any] | None:
        """The last state of a load; None where there is no such load."""
        with working(self._memory) as con:
            return self._row(con, load)

    def start(self, load: Load) -> None:
        """Write that a load has started, unless it is there already."""
        if load.id in self._started:
            return
        there = self.row(load.id)
        if there is None or there["status"] == "forgotten":
            self._write(lambda: _state(load, "started"))
        self._started.add(load.id)

    def finish(self, load: Load, done: Added, cursor: str | None = None) -> dict[str, Any]:
        """Write that a load is complete, with its counts; returns its row.

        The counts are of facts (evaluations and meta-features) and of all that was turned away.
        `n_added` is what the store holds of this load, so that a load completed after a kill
        counts like an undisturbed one.
        """
        self.start(load)
        with working(self._memory) as con:
            there, held = self._row(con, load.id) or {}, self._held(con, load.id)
        n_rejected = done.rejections.total
        counts = {
            "n_read": max(done.n_read, held + n_rejected),
            "n_added": held,
            "n_known": max(0, done.n_read - held - n_rejected),
            "n_rejected": n_rejected,
            "rejections": _rejections_text(done.rejections.counts, done.rejections.examples),
        }
        if there["status"] != "complete" or any(there[name] != v for name, v in counts.items()):
            self._write(lambda: _state(load, "complete", cursor=cursor, **counts))
        return self.row(load.id) or {}

    def tally(self, load: Load, done: Added) -> None:
        """Add to the counts of a load that never ends: what is recorded, or added without a load.

        The state is told anew in each try of the commit, so that no other process's are lost.
        """
        if not done.n_read:
            return

        def state() -> dict[str, Any]:
            there, held = self._row(con, load.id) or {}, self._held(con, load.id)
            n_read = (there.get("n_read") or 0) + done.n_read
            n_rejected = (there.get("n_rejected") or 0) + done.rejections.total
            before = json.loads(there.get("rejections") or "{}")
            counts = {reason: told["count"] for reason, told in before.items()}
            examples = {reason: told["example"] for reason, told in before.items()}
            for reason, count in done.rejections.counts.items():
                counts[reason] = counts.get(reason, 0) + count
            return _state(
                load,
                "complete",
                n_read=n_read,
                n_added=held,
                n_known=max(0, n_read - held - n_rejected),
                n_rejected=n_rejected,
                rejections=_rejections_text(counts, done.rejections.examples | examples),
            )

        with working(self._memory) as con:
            self._write(state)

    def forget(self, load: str) -> None:
        """Write that a load was taken back."""
        there = self.row(load) or {}
        kept = {name: there[name] for name in ("path", "file_hash", "licence", "citation")}
        self._write(lambda: _state(Load(load, there["source"], **kept), "forgotten"))
        self._started.clear()

    def _row(self, con: duckdb.DuckDBPyConnection, load: str) -> dict[str, Any] | None:
        last = "select * from ({}) where load = ? order by recorded_at desc limit 1"
        return next(iter(self._ask(con, "loads", last, load)), None)

    def _held(self, con: duckdb.DuckDBPyConnection, load: str) -> int:
        """How many facts the store holds of a load."""
        held = "select count(*) as n from ({}) where load = ?"
        return sum(int(self._ask(con, table, held, load)[0]["n"]) for table in FACTS)

    def _ask(
        self, con: duckdb.DuckDBPyConnection, table: str, query: str, load: str
    ) -> list[dict[str, Any]]:
        """Ask one table as it is now; a snapshot would open them all."""
        source = reading(con, TABLES[table], data_files(self._tables.open(table)))
        return list(con.sql(query.format(source), params=[load]).to_arrow_table().to_pylist())

    def _write(self, state: Callable[[], Mapping[str, Any]]) -> None:
        def row(*_: object) -> pa.Table:
            table = TABLES["loads"]
            return complete(table, fit(table, pa.Table.from_pylist([dict(state())])), "")

        self._tables.append("loads", row)


def _state(load: Load, status: str, **more: Any) -> dict[str, Any]:
    from metadb import __version__

    return {
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


def _rejections_text(counts: Mapping[str, int], examples: Mapping[str, str]) -> str:
    return json.dumps(
        {
            reason: {"count": n, "example": examples.get(reason, "")}
            for reason, n in sorted(counts.items())
        }
    )
