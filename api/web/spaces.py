"""The pages of spaces, each the settings of an algorithm: what was tried, is good, matters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import Query, Request, Response

from api.importance import shortened
from api.server.wire import Text
from api.web import charts
from api.web.overview import facts_now
from api.web.rendering import number, page
from metadb.errors import NotFound
from metadb.store import Store

if TYPE_CHECKING:
    from recommenders.importance import Importance

SHOWN = 20
"""Configurations of a leaderboard."""

LINES = 150
"""Configurations that are drawn: the best third of them, and others evenly."""

AXES = 8
"""Hyperparameters that are drawn."""

JUDGED = 20
"""Tasks that the importance is taken over, those with most evaluations."""

MOST_BRANCHES = 30
"""What has more values than this is nothing that a space branches by."""

DRAWN = 12
"""Hyperparameters whose importance is drawn; the table has all."""

WAIT_S = 1.0
"""Seconds that the page waits for what takes long; then it looks again."""

LITTLE = 0.1
"""Forests that predict less of the variance than this are warned about."""

_METRICS = """
select metric, n_tasks, n_configs, n_evaluations, n_failed, share_filled
from coverage where space = ? order by n_evaluations desc, metric
"""

_CONFIGS = """
with judged as (
    select config, avg(regret) as regret, count(*) as n_tasks, sum(n_failed)::bigint as n_failed,
        count(*) filter (where rank = 1) as n_best
    from regrets where space = $space and metric = $metric group by config
)
select j.*, c.hyperparameters from judged j join configs c on c.config = j.config
order by regret, n_tasks desc, j.config
"""


def show_all(request: Request) -> Response:
    """All spaces."""
    state = request.app.state
    with state.readers.lent() as store:
        version = store.version
    facts = facts_now(state, version)
    if facts is None:
        return page(request, "waiting.html", title="Spaces", what="the list of spaces")
    return page(request, "spaces.html", rows=facts["spaces"])


def show(
    request: Request,
    name: Annotated[Text, Query()],
    metric: Annotated[Text | None, Query()] = None,
    branch: Annotated[Text | None, Query()] = None,
) -> Response:
    """One space; `branch` is a value of what its configurations branch by, a learner say."""
    state = request.app.state
    with state.readers.lent() as store:
        chosen = metric or store.main_metric(name)
        version = store.version
    found = state.findings.of(
        ("space", name, chosen, branch),
        lambda s: found_of(s, name, chosen, branch),
        version=version,
        wait_s=WAIT_S,
    )
    matters = None
    if found is not None:
        matters = state.studies.of(
            ("importance", name, chosen),
            lambda store: matters_of(store, name, chosen),
            version=version,
            wait_s=WAIT_S,
        )
    return page(
        request, "space.html", name=name, metric=chosen, found=found, matters=matters, most=JUDGED
    )


def found_of(store: Store, space: str, metric: str, branch: str | None) -> dict[str, Any]:
    """What was tried in a space, and what is good in it.

    Raises:
        NotFound: It has no results under the metric, or no such branch.
    """
    metrics = list(store.sql(_METRICS, [space]))
    rows = list(store.sql(_CONFIGS, {"space": space, "metric": metric}))
    if not rows:
        there = ", ".join(row["metric"] for row in metrics)
        raise NotFound(f"no results of space {space!r} under metric {metric!r}; there are {there}")
    for row in rows:
        row["hyperparameters"] = json.loads(row["hyperparameters"])
    branches = branches_of(rows)
    if branches is None:
        alike = rows
    else:
        by, values = branches
        branch = str(rows[0]["hyperparameters"][by]) if branch is None else branch
        alike = [row for row in rows if str(row["hyperparameters"][by]) == branch]
        if not alike:
            raise NotFound(f"no configuration has {by} {branch!r}; there are {', '.join(values)}")
    few = _spread(alike)
    axes, lines = coordinates(few)
    return {
        "metrics": metrics,
        "best": rows[:SHOWN],
        "branches": branches,
        "branch": branch,
        "n_configs": len(alike),
        "n_drawn": len(few),
        "axes": axes,
        "parallel": charts.parallel(lines, axes) if len(axes) > 1 else None,
    }


def branches_of(rows: Sequence[dict[str, Any]]) -> tuple[str, list[str]] | None:
    """By which hyperparameter configurations differ in what else they have, and its values.

    None where all have the same hyperparameters, or no single one decides.
    """
    every = [row["hyperparameters"] for row in rows]
    shared = set.intersection(*(set(one) for one in every))
    if all(len(one) == len(shared) for one in every):
        return None
    for name in sorted(shared):
        values = {str(one[name]) for one in every if isinstance(one[name], str)}
        if 1 < len(values) <= MOST_BRANCHES:
            return name, sorted(values)
    return None


def coordinates(
    rows: Sequence[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Axes and lines of a parallel coordinates plot.

    Numbers lie by their logarithm where they span decades; words by their order. Drawn are the
    hyperparameters that most of these configurations have, and that differ.
    """
    names = {name for row in rows for name in row["hyperparameters"]}
    values = {name: [row["hyperparameters"].get(name) for row in rows] for name in names}
    differ = [n for n in names if len({str(v) for v in values[n] if v is not None}) > 1]
    order = sorted(differ, key=lambda n: (values[n].count(None), n))[:AXES]
    axes, places = [], []
    labels = shortened(order)
    for name in order:
        axis, place = _axis(name, values[name])
        axes.append(axis | {"label": labels[name]})
        places.append(place)
    lines = [
        {"regret": row["regret"], "places": [place[nth] for place in places]}
        for nth, row in enumerate(rows)
    ]
    return axes, lines


def _axis(name: str, values: Sequence[Any]) -> tuple[dict[str, Any], list[float | None]]:
    given = [v for v in values if v is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in given):
        low, high = min(given), max(given)
        log = low > 0 and high / low >= 100
        bend = np.log if log else float
        first, last = float(bend(low)), float(bend(high))
        axis = {"name": name, "low": number(low), "high": number(high), "log": log,
                "n_values": len(set(given))}  # fmt: skip
        return axis, [
            None if v is None else float((bend(v) - first) / (last - first)) for v in values
        ]
    words = sorted({str(v) for v in given})
    axis = {"name": name, "low": words[0], "high": words[-1], "log": False,
            "n_values": len(words)}  # fmt: skip
    return axis, [None if v is None else words.index(str(v)) / (len(words) - 1) for v in values]


def _spread(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some of the configurations: the best ones, and of the others every so many-th."""
    if len(rows) <= LINES:
        return list(rows)
    best = LINES // 3
    others = np.linspace(best, len(rows) - 1, LINES - best).astype(int)
    return rows[:best] + [rows[i] for i in others]


def matters_of(store: Store, space: str, metric: str) -> dict[str, Any]:
    """Which hyperparameters matter, over the tasks with most evaluations."""
    from recommenders.importance import Importance

    tasks = store.sql(
        "select task from results where space = ? and metric = ? "
        "group by task order by count(*) desc, task limit ?",
        [space, metric, JUDGED],
    ).column("task")
    found = Importance.fit(store.history(space, metric, tasks=tasks))
    shares = [
        {"name": each.names[0], "median": each.median, "low": each.low, "high": each.high,
         "mean_rank": each.mean_rank, "share_first": each.share_first}
        for each in found.across()
    ]  # fmt: skip
    return {
        "shares": shares,
        "chart": charts.importance(shares[:DRAWN]) if shares else None,
        "n_tasks": sum(why is None for why in found.why),
        "explained": _explained(found),
        "little": bool((found.explained < LITTLE).any()),
        "why": next((why for why in found.why if why is not None), None),
    }


def _explained(found: Importance) -> float | None:
    known = found.explained[~np.isnan(found.explained)]
    return float(np.median(known)) if len(known) else None
