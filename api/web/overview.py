"""The first page: how much the store holds, how full it is, and what came when."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request, Response

from api.server.wire import Text
from api.web import charts
from api.web.rendering import page
from metadb.errors import NotFound
from metadb.store import Store

ROWS, COLUMNS = 24, 60
"""The coverage map has so many cells at most."""

WAIT_S = 10.0
"""The first reader after a start waits so long; the server works it out ahead."""

_COUNTS = {
    "tasks": "select count(*) as n from tasks",
    "spaces": "select count(distinct space) as n from configs",
    "configurations": "select count(*) as n from configs",
    "evaluations": "select count(*) as n from evaluations",
    "meta-feature values": "select count(*) as n from metafeatures",
}

_SPACES = """
with counted as (
    select c.space, e.task, count(*) as n, count(*) filter (where e.status <> 'ok') as failed
    from evaluations e join configs c on c.config = e.config group by c.space, e.task
),
summed as (
    select space, count(*) as n_tasks, sum(n)::bigint as n_evaluations,
        sum(failed)::bigint as n_failed
    from counted group by space
),
known as (select space, count(*) as n_configs from configs group by space)
select k.space, coalesce(n_tasks, 0) as n_tasks, n_configs,
    coalesce(n_evaluations, 0) as n_evaluations, coalesce(n_failed, 0) as n_failed
from known k left join summed s on s.space = k.space order by n_evaluations desc, k.space
"""

_LOADS = """
select source, path, status, recorded_at, n_added, n_known, n_rejected, licence
from loads order by recorded_at desc, load limit $limit
"""

_ARRIVED = """
select date_trunc('hour', recorded_at) as hour, source, sum(n_added)::bigint as n
from loads where n_added > 0 group by all order by hour, source
"""

_CELLS = """
with there as materialized (
    select distinct e.task, e.config
    from evaluations e join configs c on c.config = e.config where c.space = $space
),
t as (
    select task, row_number() over (order by count(*) desc, task) - 1 as i
    from there group by task
),
c as (
    select config, row_number() over (order by count(*) desc, config) - 1 as j
    from there group by config
)
select i * $rows // greatest($rows, (select count(*) from t)) as y,
    j * $columns // greatest($columns, (select count(*) from c)) as x, count(*) as n,
    any_value((select count(*) from t)) as tasks, any_value((select count(*) from c)) as configs
from there join t on t.task = there.task join c on c.config = there.config
group by y, x
"""


def show(request: Request, space: Annotated[Text | None, Query()] = None) -> Response:
    """The overview, with the map of one space."""
    state = request.app.state
    with state.readers.lent() as store:
        version = store.version
    facts = facts_now(state, version)
    if facts is None:
        return page(request, "waiting.html", title="Overview", what="the overview")
    names = [each["space"] for each in facts["spaces"] if each["n_evaluations"]]
    if space is not None and space not in names:
        raise NotFound(f"no space {space!r} with evaluations; there are {', '.join(names[:10])}")
    chosen = space or (names[0] if names else None)
    cover = facts["cover"]
    if chosen is not None and chosen != names[0]:
        cover = state.findings.of(
            ("coverage", chosen),
            lambda store: coverage(store, chosen),
            version=version,
            wait_s=WAIT_S,
        )
    n_hours = len({row["hour"] for row in facts["arrived"]})
    return page(
        request,
        "overview.html",
        facts=facts,
        chosen=chosen,
        cover=cover,
        cover_chart=None if cover is None else charts.coverage(cover),
        arrivals=charts.arrivals(facts["arrived"]) if n_hours > 1 else None,
    )


def facts_now(state: Any, version: dict[str, int] | None, wait_s: float = WAIT_S) -> Any:
    """The overview's figures; None while they are worked out."""
    return state.findings.of("overview", facts_of, version=version, wait_s=wait_s)


def facts_of(store: Store) -> dict[str, Any]:
    """What the overview counts, and the map of the space with most evaluations."""
    spaces = list(store.sql(_SPACES))
    return {
        "counts": {name: store.sql(query).column("n")[0] for name, query in _COUNTS.items()},
        "spaces": spaces,
        "loads": list(store.sql(_LOADS, {"limit": 20})),
        "arrived": list(store.sql(_ARRIVED)),
        "cover": coverage(store, spaces[0]["space"])
        if spaces and spaces[0]["n_evaluations"]
        else None,
    }


def coverage(store: Store, space: str) -> dict[str, Any]:
    """How full the table of tasks and configurations of a space is, cell by cell."""
    cells = list(store.sql(_CELLS, {"space": space, "rows": ROWS, "columns": COLUMNS}))
    n_tasks, n_configs = cells[0]["tasks"], cells[0]["configs"]
    tall, wide = _sizes(n_tasks, ROWS), _sizes(n_configs, COLUMNS)
    share = np.zeros((len(tall), len(wide)))
    for each in cells:
        share[each["y"], each["x"]] = each["n"] / (tall[each["y"]] * wide[each["x"]])
    return {
        "tasks": n_tasks,
        "configs": n_configs,
        "pairs": sum(each["n"] for each in cells),
        "share": share.tolist(),
        "tall": tall,
        "wide": wide,
    }


def _sizes(n: int, most: int) -> list[int]:
    """How many of `n` fall into each of at most so many cells, as `_CELLS` parts them."""
    places = np.arange(n) * most // max(most, n)
    return [int(count) for count in np.unique(places, return_counts=True)[1]]
