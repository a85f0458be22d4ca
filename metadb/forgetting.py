"""Taking one load back: what only it brought goes, what others brought too becomes theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from metadb.schema import TABLES

if TYPE_CHECKING:
    from metadb.snapshot import Snapshot
    from metadb.tables import Tables

# What keeps an entity: (the table that refers to it, the column, the column it refers to).
_REFERRED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "evaluations": (),
    "metafeatures": (),
    "models": (),
    "configs": (("evaluations", "config", "config"), ("models", "config", "config")),
    "tasks": (
        ("evaluations", "task", "task"),
        ("metafeatures", "task", "task"),
        ("models", "task", "task"),
    ),
    "metrics": (("evaluations", "metric", "metric"), ("models", "metric", "metric")),
    "spaces": (("configs", "space", "name"),),
    "flows": (("evaluations", "flow", "flow"), ("configs", "flow", "flow")),
    "datasets": (("tasks", "dataset", "dataset"),),
}


def forget(tables: Tables, snapshot: Callable[[], Snapshot], load: str) -> dict[str, int]:
    """Remove a load's rows, those that refer to others first; returns rows gone per table.

    A kill in between leaves a store in order: the rest of the load is still there, and forgetting
    it again completes the work. What a load forgotten before had brought, and other rows have
    referred to since, goes with the last of those.
    """
    tables.set_cursor(load, "")  # its source starts anew, should it come again
    gone = {}
    for name, referred in _REFERRED.items():
        key = TABLES[name].key
        kept = " or ".join(
            f"r.{own} in (select {column} from {table} where {column} is not null)"
            for table, column, own in referred
        )
        fate = snapshot().sql(
            f"""
            with out as (
                select $load as load union select load from loads where status = 'forgotten'
            )
            select r.{key} as key, min(s.load) as heir, any_value({kept or "false"}) as referred
            from {name} r left join sightings s
                on s.key = r.{key} and s.load not in (select load from out)
            where r.load in (select load from out) group by r.{key}
            """,
            {"load": load},
        )
        kept_rows = pc.and_(fate.column("referred"), pc.is_null(fate.column("heir")))
        fate = fate.filter(pc.invert(kept_rows)).select(["key", "heir"])
        if fate.num_rows:
            tables.rewrite(name, partial(_apply, fate=fate, key=key))
        gone[name] = pc.sum(pc.is_null(fate.column("heir"))).as_py() or 0
    sightings = snapshot().sql(
        """
        select sighting as key, null::varchar as heir from sightings s where s.load = $load
        union all
        select s.sighting, null from sightings s join (
            select evaluation as key, load from evaluations
            union all select metafeature, load from metafeatures
            union all select model, load from models
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
        tables.rewrite("sightings", partial(_apply, fate=sightings, key="sighting"))
    return gone


def _apply(delta: Any, fate: pa.Table, key: str) -> None:
    """One commit: rows without an heir are deleted, the others change their load."""
    merge = delta.merge(fate, f"t.{key} = s.key", source_alias="s", target_alias="t")
    merge = merge.when_matched_delete("s.heir is null")
    if key != "sighting":
        merge = merge.when_matched_update({"load": "s.heir"}, predicate="s.heir is not null")
    merge.execute()
