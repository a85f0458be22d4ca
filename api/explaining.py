"""The command `metadb explain`: why a recommendation was made, from the store as it was then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.terminal import (
    COMMON,
    EXIT_OK,
    Common,
    config_text,
    expected_text,
    opened,
    printable,
    say_json,
    trust_text,
)
from metadb.errors import NotFound, QueryRefused

if TYPE_CHECKING:
    from metadb.store import Store

SHOWN = 20
"""So many tasks or evaluations are shown to people; --json has them all."""

_LATEST = """
select recommendation from recommendations
where ($task is null or task = $task) and rank = $rank
order by recorded_at desc, recommendation limit 1
"""


def explain(
    recommendation: str | None = None,
    *,
    task: str | None = None,
    rank: Annotated[int, Parameter(name=["--rank", "-r"])] = 1,
    common: Common = COMMON,
) -> int:
    """Say why a recommendation was made: its figures, and the tasks and evaluations behind it.

    All of it is asked of the store as it was when the recommendation was made.

    Parameters
    ----------
    recommendation
        Its id, or the beginning of it; default: the last one that was asked for.
    task
        The last one that was asked for on this task.
    rank
        Which of the last ones: 1 is the one to try first.
    """
    with opened(common) as store:
        explanation = explained(store, found(store, recommendation, task=task, rank=rank))
    if common.json:
        say_json(explanation.as_dict())
        return EXIT_OK
    for line in explanation.lines():
        print(printable(line))
    return EXIT_OK


@dataclass(frozen=True, slots=True)
class Explanation:
    """A kept recommendation with what stands behind it.

    Args:
        row: Its row of the table `recommendations`.
        evidence: Its row of the view `recommendation_evidence`.
        tasks: Its rows of the view `recommendation_tasks`, most important first.
        behind: Evaluations of other configs, where no task ran this one itself.
        as_of_then: Whether the store could be asked as it was then.
    """

    row: dict[str, Any]
    evidence: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]
    behind: tuple[dict[str, Any], ...]
    as_of_then: bool

    def lines(self) -> Iterator[str]:
        """The explanation for people."""
        r, e = self.row, self.evidence
        yield (
            f"{r['recommendation']}: choice {r['rank']} of {r['recommender']} for task {r['task']}"
        )
        yield f"  {config_text(json.loads(r['hyperparameters']))}"
        figures = expected_text(r["expected_loss"], self._interval(), r["probability"])
        yield f"  {figures or 'it came without an expectation'}"
        members = json.loads(r["members"] or "{}")
        if members:
            yield f"  trusting {trust_text(members)}"
        if r["note"]:
            yield f"  note: {r['note']}"
        yield f"  {self._check()}"
        yield (
            f"  {r['recorded_at']:%Y-%m-%d %H:%M:%S} UTC, space {r['space']}, "
            f"metric {r['metric']}, store version {_version_text(r['store_version'])}"
        )
        if not self.as_of_then:
            yield "  caution: the store cannot be opened as it was then, so this is as it is now"
        if self.tasks:
            yield f"rests on {e['n_evaluations']:,} evaluations of {len(self.tasks):,} tasks"
        yield from _table(_task_rows(self.tasks))
        if self.behind:
            n_configs = len({b["config"] for b in self.behind})
            yield f"learnt from {n_configs:,} configurations like it that these tasks ran"
            yield from _table(_behind_rows(self.behind, json.loads(r["hyperparameters"])))

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain values, for JSON."""
        r, interval = self.row, self._interval()
        plain = ("recommendation", "rank", "recommender", "task", "space", "metric", "recorded_at")
        checked = ("reproducible", "agrees", "expected_loss_by_sql", "probability_by_sql")
        return {
            **{name: r[name] for name in plain},
            "config": json.loads(r["hyperparameters"]),
            "expected_loss": r["expected_loss"],
            "interval": None if interval is None else list(interval),
            "probability": r["probability"],
            "members": json.loads(r["members"] or "{}"),
            "note": r["note"],
            "evaluations": list(r["evaluations"] or []),
            "store_version": json.loads(r["store_version"] or "null"),
            "as_of_then": self.as_of_then,
            **{name: self.evidence[name] for name in checked},
            "tasks": list(self.tasks),
            "behind": list(self.behind),
        }

    def _interval(self) -> tuple[float, float] | None:
        low, high = self.row["expected_from"], self.row["expected_to"]
        return None if low is None or high is None else (low, high)

    def _check(self) -> str:
        """What SQL says of the figures."""
        e = self.evidence
        if not self.tasks:
            return "it rests on no evaluations"
        if not e["reproducible"]:
            ran = f"only {e['n_tasks_run']:,}" if e["n_tasks_run"] else "none"
            return (
                f"{ran} of the {e['n_tasks']:,} tasks ran it; models of what they ran stand in, so "
                "SQL alone cannot tell its figures"
            )
        by_sql = f"regret {e['expected_loss_by_sql']:.2f}, {e['probability_by_sql']:.0%}"
        if e["agrees"]:
            return "SQL over the evaluations behind it gives the same figures"
        return (
            f"the evaluations of the config itself say: {by_sql.replace('%', ' %')}; a model, or "
            "tasks that did not run it, had a say besides"
        )


def found(store: Store, beginning: str | None, *, task: str | None = None, rank: int = 1) -> str:
    """The id of the recommendation that is meant.

    Raises:
        NotFound: There is none, or the beginning of its id is that of several.
    """
    if beginning is None:
        last = store.sql(_LATEST, {"task": task, "rank": rank}).column("recommendation")
        if last:
            return str(last[0])
        asked = f" for task {task!r}" if task else ""
        which = f" number {rank}" if rank != 1 else ""
        raise NotFound(
            f"{store.path} keeps no recommendation{which}{asked}; ask for one: metadb recommend"
        )
    ids = store.sql(
        "select recommendation from recommendations where starts_with(recommendation, ?) "
        "and (?::varchar is null or task = ?) order by recommendation = ? desc, 1 limit 4",
        [beginning.lower(), task, task, beginning.lower()],
    ).column("recommendation")
    if not ids:
        raise NotFound(
            f"no recommendation in {store.path} has an id that begins with {beginning!r}; see: "
            "metadb sql 'select * from recommendations order by recorded_at desc limit 10'"
        )
    if len(ids) > 1 and ids[0] != beginning.lower():
        shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        raise NotFound(f"{beginning!r} begins the ids of several: {shown}; give more of it")
    return str(ids[0])


def explained(store: Store, recommendation: str) -> Explanation:
    """A kept recommendation with its evidence, as the store had it when it was made.

    Raises:
        NotFound: There is no such recommendation.
    """
    rows = list(
        store.sql("select * from recommendations where recommendation = ?", [recommendation])
    )
    if not rows:
        raise NotFound(f"no recommendation {recommendation!r} in {store.path}")
    version = json.loads(rows[0]["store_version"] or "null")
    if version:
        # The recommendation itself came after the version that it was made from.
        of_then = version | {"recommendations": store.version["recommendations"]}
        try:
            from metadb.store import Store

            with Store(store.path, version=of_then, create=False) as then:
                return _gathered(then, rows[0], as_of_then=True)
        except (NotFound, QueryRefused):  # files that it needs were compacted away
            pass
    return _gathered(store, rows[0], as_of_then=False)


def _gathered(store: Store, row: dict[str, Any], *, as_of_then: bool) -> Explanation:
    of_it = "where recommendation = ?"
    asked = [row["recommendation"]]
    evidence = store.sql(f"select * from recommendation_evidence {of_it}", asked)
    tasks = store.sql(
        "select task, weight, value, regret, rank, n_configs, n_evaluations "
        f"from recommendation_tasks {of_it} order by place",
        asked,
    )
    behind = store.sql(
        f"""
        with b as (select distinct task, config from recommendation_provenance {of_it}),
        g as (select * from regrets where space = ? and metric = ?)
        select b.config, c.hyperparameters, b.task, g.value, g.regret, g.rank, g.n_configs
        from b join configs c on c.config = b.config
        left join g on g.task = b.task and g.config = b.config
        where b.config <> ? order by g.regret, b.task, b.config
        """,
        [*asked, row["space"], row["metric"], row["config"]],
    )
    return Explanation(row, next(iter(evidence)), tuple(tasks), tuple(behind), as_of_then)


def _task_rows(tasks: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, ...]]:
    if not tasks:
        return
    total = sum(t["weight"] for t in tasks) or 1.0
    yield ("weight", "value", "regret", "rank", "task")
    for t in tasks:
        yield (f"{t['weight'] / total:.0%}".replace("%", " %"), *_result(t), t["task"])


def _behind_rows(
    behind: tuple[dict[str, Any], ...], config: dict[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Evaluations of other configs, of which only what is not as in `config` is shown."""
    yield ("value", "regret", "rank", "task", "what is different")
    for b in behind:
        other = json.loads(b["hyperparameters"])
        differs = {k: v for k, v in other.items() if k not in config or config[k] != v}
        missing = "".join(f", no {k}" for k in config if k not in other)
        yield (*_result(b), b["task"], (config_text(differs) + missing).removeprefix(", "))


def _result(row: dict[str, Any]) -> tuple[str, str, str]:
    """What a config reached on a task: value, regret, rank."""
    if row["regret"] is None:
        return "-", "-", "not run"
    value = "failed" if row["value"] is None else f"{row['value']:.4g}"
    return value, f"{row['regret']:.2f}", f"{row['rank']:,} of {row['n_configs']:,}"


def _table(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """The rows below their header, numbers to the right and texts to the left."""
    every = list(rows)
    shown = every[: SHOWN + 1]
    if not shown:
        return
    to_right = ("weight", "value", "regret", "rank")
    width = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = [
            cell.rjust(w) if name in to_right else cell.ljust(w)
            for cell, w, name in zip(row, width, every[0], strict=True)
        ]
        yield "  " + "  ".join(cells).rstrip()
    if len(every) > len(shown):
        yield f"  and {len(every) - len(shown):,} more (--json has them all)"


def _version_text(version: str | None) -> str:
    """The tables that have something, with their versions."""
    there = json.loads(version or "null") or {}
    return ", ".join(f"{name} {n}" for name, n in sorted(there.items()) if n) or "unknown"
