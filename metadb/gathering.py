"""From the tables to a History: one grouping in SQL, integer codes out, no loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.history import Configs, History
from metadb.metrics import Metric, as_loss
from metadb.protocols import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from metadb.snapshot import Snapshot

# Codes are given by order of id, so the same store gives the same history.
_ENTRIES = """
with c as (
    select config, hyperparameters, (row_number() over (order by config) - 1)::integer as code
    from configs where space = $space
),
t as (select task, (row_number() over (order by task) - 1)::integer as code from tasks)
select
    t.code as task, c.code as config, e.budget, e.budget_unit as unit,
    case when bool_and(e.status = 'ok') then avg(e.value) end as value, avg(e.cost_s) as cost_s
from evaluations e join c on c.config = e.config join t on t.task = e.task
where e.metric = $metric {only}
group by t.code, c.code, e.budget_unit, e.budget
order by t.code, c.code, e.budget, e.budget_unit
"""


def gather(
    snapshot: Snapshot,
    space: str,
    metric: Metric,
    definition: str | None,
    tasks: Sequence[str] | None,
) -> History:
    """The history of one space under one metric; entries come in order of task, config, budget."""
    parameters: dict[str, Any] = {"space": space, "metric": metric.name}
    only = ""
    if tasks is not None:
        only, parameters["tasks"] = "and e.task in (select unnest($tasks::varchar[]))", list(tasks)
    entries = snapshot.sql(_ENTRIES.format(only=only), parameters)
    task, config = (entries.column(c).to_numpy() for c in ("task", "config"))  # (n,)
    value = entries.column("value").to_numpy().astype(float)  # NaN where failed
    loss = np.where(np.isnan(value), np.inf, as_loss(value, metric))
    task_codes, task_place = np.unique(task, return_inverse=True)
    config_codes, config_place = np.unique(config, return_inverse=True)
    all_tasks = snapshot.sql(
        "select task, coalesce(dataset, task) as dataset from tasks order by task"
    )
    all_configs = snapshot.sql(
        "select config, hyperparameters from configs where space = ? order by config", [space]
    )
    run_tasks, run_configs = all_tasks.take(task_codes), all_configs.take(config_codes)
    ids = tuple(run_tasks.column("task").to_pylist())
    return History(
        metric=metric.name,
        tasks=ids,
        configs=Configs(
            space,
            tuple(run_configs.column("config").to_pylist()),
            tuple(run_configs.column("hyperparameters").to_pylist()),
            definition,
        ),
        task=task_place.astype(np.int32),
        config=config_place.astype(np.int32),
        loss=loss,
        cost_s=entries.column("cost_s").to_numpy().astype(float),
        budget=_budgets(entries),
        described=described(snapshot, ids),
        datasets=tuple(run_tasks.column("dataset").to_pylist()),
    )


def _budgets(entries: pa.Table) -> Floats:
    """The budgets, (n,); beside other units, all of it (1 fraction) is more than any number."""
    budget: Floats = entries.column("budget").to_numpy().astype(float)
    unit = entries.column("unit").to_numpy()
    whole = (unit == "fraction") & (budget >= 1)
    return np.where(whole, np.inf, budget) if (unit != "fraction").any() else budget


def described(snapshot: Snapshot, tasks: Sequence[str]) -> dict[str, Floats]:
    """Meta-feature name to values over tasks, (tasks,), NaN where unknown.

    The view `descriptions` says which of several extractors speaks.
    """
    rows = snapshot.sql(
        """
        select task, name, value from descriptions
        where task in (select unnest(?::varchar[])) order by name
        """,
        [list(tasks)],
    )
    place = {task: i for i, task in enumerate(tasks)}
    found: dict[str, Floats] = {}
    for row in rows.to_pylist():
        values = found.setdefault(row["name"], np.full(len(tasks), np.nan))
        values[place[row["task"]]] = row["value"]
    return found
