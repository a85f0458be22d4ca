"""Taking one load back: what only it brought goes, what others brought too becomes theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from metadb.schema import TABLES

if TYPE_CHECKING:
    from metadb.snapshot import Snapshot
    from metadb.tables import Tables

# What keeps an entity: (the table that refers to it, the column).
_REFERRED: dict[str, tuple[tuple[str, str], ...]] = {
    "evaluations": (),
    "metafeatures": (),
    "configs": (("evaluations", "config"),),
    "tasks": (("evaluations", "task"), ("metafeatures", "task")),
    "metrics": (("evaluations", "metric"),),
    "spaces": (),
    "flows": (("evaluations", "flow"), ("configs", "flow")),
    "datasets": (("tasks", "dataset"),),
}


def forget(tables: Tables, snapshot: Callable[[], Snapshot], load: str) -> dict[str, int]:
    """Remove a load's rows, those that refer to others first; returns rows gone per table.

    A kill in between leaves a store in order: the rest of the load is still there, and forgetting
    it again completes the work.
    """
    gone = {}
    for name, referred in _REFERRED.items():
        key = TABLES[name].key
        kept = " or ".join(
            f"r.{key} in (select {column} from {table} where {column} is not null)"
            for table, column in referred
        )
        fate = snapshot().sql(
            f"""
            select r.{key} as key, min(s.load) as heir, any_value({kept or 'false'}) as referred
            from {name} r left join sightings s on s.key = r.{key} and s.load <> r.load
            where r.load = ? group by r.{key}
            """,
            [load],
        )
        kept_rows = pc.and_(fate.column("referred"), pc.is_null(fate.column("heir")))
        fate = fate.filter(pc.invert(kept_rows)).select(["key", "heir"])
        if fate.num_rows:
            tables.rewrite(name, lambda delta, fate=fate, key=key: _apply(delta, fate, key))
        gone[name] = pc.sum(pc.is_null(fate.column("heir"))).as_py() or 0
    sightings = snapshot().sql(
        """
        select sighting as key, null::varchar as heir from sightings s where s.load = $load
        union all
        select s.sighting, null from sightings s join (
            select evaluation as key, load from evaluations
            union all select metafeature, load from metafeatures
            union all select config, load from configs
            union all select task, load from tasks
            union all select dataset, load from datasets
            union all select flow, load from flows
            union all select space, load from spaces
            union all select metric, load from metrics
        ) r on r.key = s.key and r.load = s.load where s.load <> $load
        """,
        {"load": load},
    )
    if sightings.num_rows:
        tables.rewrite("sightings", lambda delta: _apply(delta, sightings, "sighting"))
    return gone


def _apply(delta: Any, fate: pa.Table, key: str) -> None:
    """One commit: rows without an heir are deleted, the others change their load."""
    merge = delta.merge(fate, f"t.{key} = s.key", source_alias="s", target_alias="t")
    merge = merge.when_matched_delete("s.heir is null")
    if key != "sighting":
        merge = merge.when_matched_update({"load": "s.heir"}, predicate="s.heir is not null")
    merge.execute()
