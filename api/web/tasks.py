"""The pages of tasks: all of them, and one with what was measured on it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request, Response

from api.metafeature_chart import TITLES, chart
from api.server.advising import known_task
from api.server.wire import Text
from api.web import charts
from api.web.rendering import page
from metadb.errors import NotFound
from metadb.gathering import described as described_by
from metadb.records import Task
from metadb.store import Store

PAGE = 50
"""Tasks on one page."""

SHOWN = 20
"""Configurations of a leaderboard."""

CURVES = 6
"""Configurations whose learning curves are drawn, the best ones."""

LIKE = 8
"""Similar tasks."""

LIKENESS_S = 2.0
"""Seconds that the page waits for them."""

_TASKS_OF = """
select distinct e.task from evaluations e join configs c on c.config = e.config
where c.space = ? order by 1
"""

_ALL = """
with counted as (
    select task, count(*) as n_evaluations from evaluations group by task
)
select t.task, t.name, t.kind, t.origin, coalesce(n_evaluations, 0) as n_evaluations,
    count(*) over () as total
from tasks t left join counted on counted.task = t.task
where contains(lower(concat_ws(' ', t.task, t.name)), lower($q))
order by n_evaluations desc, t.task limit $limit offset $offset
"""

_MEASURED = """
select space, metric, count(distinct config) as n_configs, sum(n_evaluations)::bigint as n
from results where task = ? group by space, metric order by n desc, space, metric
"""

# As the view `regrets` has it, with the cost, and without a second reading of the evaluations.
_BEST = """
with there as materialized (
    select * from finals where task = $task and space = $space and metric = $metric
),
range as (select min(loss) as least, max(loss) - min(loss) as width from there),
best as (
    select *, rank() over (order by loss nulls last) as rank
    from there order by rank, config limit $limit
)
select
    b.config, c.hyperparameters, b.value,
    case when loss is null then 1.0 when width > 0 then (loss - least) / width else 0.0 end
        as regret,
    b.rank, b.n_evaluations, b.cost_s
from best b join configs c on c.config = b.config, range
order by b.rank, b.config
"""

_CURVES = """
select config, budget_unit, budget, value from learning_curves
where task = $task and metric = $metric and config in (select unnest($configs::varchar[]))
    and value is not null
order by budget
"""


def show_all(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """All tasks, those with most evaluations first."""
    with request.app.state.readers.lent() as store:
        rows = list(store.sql(_ALL, {"q": q, "limit": PAGE, "offset": offset}))
    total = rows[0]["total"] if rows else 0
    return page(request, "tasks.html", q=q, rows=rows, total=total, offset=offset, size=PAGE)


def show(
    request: Request,
    id: Annotated[Text, Query()],
    space: Annotated[Text | None, Query()] = None,
    metric: Annotated[Text | None, Query()] = None,
) -> Response:
    """One task: what was best on it, its learning curves, and what it looks like."""
    state = request.app.state
    task = known_task(state, id)
    with state.readers.lent() as store:
        measured = list(store.sql(_MEASURED, [id]))
        chosen = _chosen(store, measured, space, metric)
        best = [] if chosen is None else _best(store, id, **chosen)
        curves = None if chosen is None else _curves(store, id, best, **chosen)
        try:
            lies = chart(store, task)
        except NotFound:  # it has no meta-feature that others have too
            lies = None
        version = store.version
    near: Any = []
    if chosen is not None and task.metafeatures:
        near = state.findings.of(
            ("likeness", chosen["space"]),
            lambda store: _likeness(store, chosen["space"]),
            version=version,
            wait_s=LIKENESS_S,
        )
        near = None if near is None else near_tasks(near, task)
    return page(
        request,
        "task.html",
        task=task,
        measured=measured,
        chosen=chosen,
        best=best,
        curves=curves,
        lies=lies,
        near=near,
        known=described(task),
    )


def described(task: Task) -> list[tuple[str, str | None, float]]:
    """A task's meta-features: name, what it is called, value; those with a title first."""
    place = {name: nth for nth, name in enumerate(TITLES)}
    names = sorted(task.metafeatures, key=lambda n: (place.get(n, len(place)), n))
    return [(name, TITLES.get(name), task.metafeatures[name]) for name in names]


def near_tasks(likeness: Any, task: Task) -> list[dict[str, Any]]:
    """The most similar tasks, as `nearest` sees them: id and distance."""
    distance = likeness.distance(task)
    order = [i for i in np.argsort(distance, kind="stable") if likeness.tasks[i] != task.id]
    return [
        {"task": likeness.tasks[i], "distance": float(distance[i])}
        for i in order[:LIKE]
        if np.isfinite(distance[i])
    ]


def _likeness(store: Store, space: str) -> Any:
    from recommenders.likeness import Likeness

    tasks = tuple(store.sql(_TASKS_OF, [space]).column("task"))
    return Likeness.of(tasks, described_by(store.snapshot, tasks))


def _chosen(
    store: Store, measured: list[dict[str, Any]], space: str | None, metric: str | None
) -> dict[str, str] | None:
    """Which space and metric are shown: those asked for, or the space's main metric.

    Raises:
        NotFound: The task has no such results.
    """
    if not measured:
        return None
    space = space or measured[0]["space"]
    there = [row["metric"] for row in measured if row["space"] == space]
    if metric is None and len(there) == 1:
        metric = there[0]
    if metric is None and there:
        main = store.main_metric(space)
        metric = main if main in there else there[0]
    if metric is None or metric not in there:
        raise NotFound("this task has no such results; choose a space and metric from the list")
    return {"space": space, "metric": metric}


def _best(store: Store, task: str, *, space: str, metric: str) -> list[dict[str, Any]]:
    asked = {"task": task, "space": space, "metric": metric, "limit": SHOWN}
    rows = store.sql(_BEST, asked)
    return [row | {"hyperparameters": json.loads(row["hyperparameters"])} for row in rows]


def _curves(
    store: Store, task: str, best: list[dict[str, Any]], *, space: str, metric: str
) -> dict[str, Any] | None:
    """The curves of the best configurations, in the unit that most points have."""
    names = {row["config"]: str(nth) for nth, row in enumerate(best[:CURVES], 1)}
    bound = {"task": task, "metric": metric, "configs": list(names)}
    points = [row | {"name": names[row["config"]]} for row in store.sql(_CURVES, bound)]
    if not points:
        return None
    units = [point["budget_unit"] for point in points]
    unit = max(sorted(set(units)), key=units.count)
    shown = [point for point in points if point["budget_unit"] == unit]
    return {"spec": charts.curves(shown, metric=metric, unit=unit), "points": shown, "unit": unit}
