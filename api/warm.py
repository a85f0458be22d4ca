"""Where a search by `metadb tune` starts from, and a file that remembers it for the same search."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.advice import Adviser
from api.terminal import json_text
from metadb.identity import parse_config
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from metadb.store import Store

ENOUGH = 0.5
"""A metric that so large a share of the past tasks know is learnt from; else the best known is."""

OWN = 3
"""So many of the best configurations of earlier searches on the same task are tried again."""

_METRICS = """
select e.metric, count(distinct e.task) as n_tasks
from evaluations e join configs c on c.config = e.config
where c.space = $space and e.task <> $task and e.metric in (select unnest($metrics::varchar[]))
group by e.metric
"""

_OWN = """
select c.hyperparameters from finals f join configs c on c.config = f.config
where f.task = $task and f.space = $space and f.metric = $metric and f.loss is not null
    and f.budget_unit = 'fraction' and f.budget >= 1
order by f.loss, f.config limit $n
"""


@dataclass(frozen=True, slots=True)
class First:
    """A configuration that is tried before the search begins.

    Args:
        why: `advised`, `default` or `before`: by past tasks, a learner's default, or the best of
            earlier searches on this task.
        tasks: The past tasks it rests on, most important first.
        expected: Its expected regret, 0 to 1.
    """

    config: Config
    why: str
    tasks: tuple[str, ...] = ()
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """What a search began with.

    Args:
        first: Tried first, in order.
        said: What it rests on, a sentence each.
        spent_s: Seconds that the search took so far.
    """

    first: tuple[First, ...]
    said: tuple[str, ...]
    spent_s: float = 0.0

    @property
    def configs(self) -> list[Config]:
        """The configurations, in order."""
        return [one.config for one in self.first]


def start_of(
    store: Store,
    task: Task,
    *,
    space: str,
    metrics: Sequence[str],
    may: Callable[[Config], bool],
    k: int,
    seed: int,
    say: Callable[[str], object],
) -> tuple[Start, Adviser | None]:
    """The best of earlier searches on the same task, and who speaks for past tasks, if any do.

    Args:
        metrics: The metric of the search, then others that may be learnt from in its place.
        may: Whether a configuration belongs to the search.
        k: Past tasks advise so many configurations; 0: the past is not asked.
    """
    before = [c for c in _before(store, task, space, metrics[0]) if may(c)] if k else []
    said = []
    if before:
        said.append(
            f"this task was tuned before: its best {len(before)} configurations so far come first"
        )
    adviser = adviser_of(
        store, task, space=space, metrics=metrics, may=may, k=k, seed=seed, say=say
    )
    if adviser is None:
        why = "the past is not asked" if not k else f"the store knows no other task of {space}"
        said.append(f"{why}: the default of each learner comes first")
    else:
        metric = adviser.history.metric
        if metric != metrics[0]:
            said.append(f"past tasks know little of {metrics[0]}, so they advise by {metric}")
        said.append(f"warm start by {adviser.recommender}, learnt from {adviser.learnt_from}")
        said += [f"caution: {caution}" for caution in adviser.cautions()]
    return Start(tuple(First(config, "before") for config in before), tuple(said)), adviser


def adviser_of(
    store: Store,
    task: Task,
    *,
    space: str,
    metrics: Sequence[str],
    may: Callable[[Config], bool],
    k: int,
    seed: int,
    say: Callable[[str], object],
) -> Adviser | None:
    """Who speaks for past tasks; None where there are none, or `k` is 0."""
    metric = _learnt_metric(store, task, space, metrics) if k else None
    if metric is None:
        return None
    return Adviser.of(store, task, space=space, metric=metric, seed=seed, may=may, say=say)


def asking(adviser: Adviser, k: int, observed: Sequence[Evaluation]) -> list[First]:
    """What past tasks advise now, to be tried first."""
    return [
        First(r.config, "advised", r.because.tasks, r.expected_loss)
        for r in adviser.ask(k, observed).recommendations
    ]


def _before(store: Store, task: Task, space: str, metric: str) -> list[Config]:
    found = store.sql(_OWN, {"task": task.id, "space": space, "metric": metric, "n": OWN})
    return [parse_config(text) for text in found.column("hyperparameters")]


def _learnt_metric(store: Store, task: Task, space: str, metrics: Sequence[str]) -> str | None:
    """The metric of the search where enough past tasks know it, else the one that most know."""
    asked = {"space": space, "task": task.id, "metrics": list(metrics)}
    known = {row["metric"]: row["n_tasks"] for row in store.sql(_METRICS, asked)}
    if not known:
        return None
    best = max(known.values())
    wanted = known.get(metrics[0], 0)
    if wanted >= ENOUGH * best:
        return metrics[0]
    return next(m for m in metrics if known.get(m) == best)


# The file: in the store, so that the same command goes on with the same search.


def read_start(path: Path) -> Start | None:
    """What `write_start` wrote; None where there is nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        first = tuple(
            First(f["config"], f["why"], tuple(f["tasks"]), f["expected"]) for f in found["first"]
        )
        return Start(first, tuple(found["said"]), float(found["spent_s"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_start(path: Path, start: Start, **about: Any) -> None:
    """Remember how a search began and how long it took, whole or not at all."""
    content = {
        **about,
        "first": [
            {"config": dict(f.config), "why": f.why, "tasks": list(f.tasks), "expected": f.expected}
            for f in start.first
        ],
        "said": list(start.said),
        "spent_s": start.spent_s,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json_text(content), encoding="utf-8")
    part.replace(path)
