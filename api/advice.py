"""One question, one answer: which configurations next for this task, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from api.terminal import config_text
from metadb.errors import MalformedFile, NotFound
from metadb.metrics import Metric, as_loss
from metadb.records import Evaluation, Recommendation, Task, Trial
from metadb.store import Store
from recommenders import family

if TYPE_CHECKING:
    from metadb.datafile import Data
    from metadb.history import History

DEFAULT = "portfolio"


@dataclass(frozen=True, slots=True)
class Advice:
    """Recommendations with their ids in the store and the evaluations each rests on."""

    task: Task
    space: str
    metric: str
    recommender: str
    history: str
    left_out: int
    caution: str | None
    ids: tuple[str, ...]
    recommendations: tuple[Recommendation, ...]
    evaluations: tuple[tuple[str, ...], ...]

    def lines(self) -> Iterator[str]:
        """The answer for people: each configuration, and what it rests on."""
        both = zip(self.recommendations, self.evaluations, strict=True)
        for rank, (r, behind) in enumerate(both, 1):
            yield f"{rank:3}. {config_text(r.config)}"
            named = ", ".join(r.because.tasks[:3]) + (", ..." if len(r.because.tasks) > 3 else "")
            if behind:
                n_tasks = len(r.because.tasks)
                yield f"     rests on {len(behind)} evaluations of {n_tasks} tasks: {named}"

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values, for JSON."""
        return {
            "task": self.task.id,
            "space": self.space,
            "metric": self.metric,
            "recommender": self.recommender,
            "own_evaluations_left_out": self.left_out,
            "caution": self.caution,
            "recommendations": [
                {
                    "recommendation": id_,
                    "rank": rank,
                    "config": dict(r.config),
                    "expected_loss": r.expected_loss,
                    "probability": r.probability,
                    "because": {"tasks": list(r.because.tasks), "evaluations": list(behind)},
                }
                for rank, (id_, r, behind) in enumerate(
                    zip(self.ids, self.recommendations, self.evaluations, strict=True), 1
                )
            ],
        }


def advise(
    store: Store,
    task: Task,
    *,
    space: str,
    metric: str | None = None,
    k: int = 10,
    observed: Sequence[Evaluation] = (),
    recommender: str = DEFAULT,
    seed: int = 0,
) -> Advice:
    """Fit a recommender on every other task, ask it, and keep what it said in the store.

    Where the store has evaluations of the task itself they are left out: the advice is what other
    tasks teach. What was run already is told by `observed` and not advised again.

    Raises:
        NotFound: No such space, metric or recommender, or no other task to learn from.
    """
    learner = family(recommender)
    history = store.history(space, metric)
    left_out = 0
    if task.id in history.tasks:
        left_out = int((history.task == history.tasks.index(task.id)).sum())
        history = history.without(task.id)
    if not history.tasks:
        raise NotFound(f"no other task than {task.id} has evaluations in space {space!r}")
    advised = learner.fit(history, seed=seed).recommend(task, k, observed=observed)
    ids = store.record_recommendations(
        task, advised, space=space, metric=history.metric, recommender=recommender
    )
    rows = store.sql(
        "select recommendation, evaluations from recommendations "
        "where recommendation in (select unnest(?))",
        [ids],
    )
    behind = {row["recommendation"]: tuple(row["evaluations"]) for row in rows}
    return Advice(
        task=task,
        space=space,
        metric=history.metric,
        recommender=recommender,
        history=repr(history),
        left_out=left_out,
        caution=_caution(history),
        ids=tuple(ids),
        recommendations=tuple(advised),
        evaluations=tuple(behind[i] for i in ids),
    )


def _caution(history: History) -> str | None:
    """What to know of a history in which tasks share hardly any configuration."""
    pairs = len(np.unique(history.task.astype(np.int64) * len(history.configs) + history.config))
    n_configs = len(np.unique(history.config))
    if len(history.tasks) > 1 and pairs < 2 * n_configs:
        return (
            f"most of the {n_configs:,} configurations were run on one task only, so nobody can "
            "tell which of them are good on many"
        )
    return None


def task_of_file(path: Path, data: Data) -> Task:
    """A task for a user's file: named by the hash of its content, described by the simple group."""
    from metadb.metafeatures import describe

    digest = sha256(path.read_bytes()).hexdigest()[:12]
    target = data.target or ""
    return Task(
        id=f"local:{digest}/{target}",
        kind=data.kind,
        metafeatures=describe(data),
        dataset=f"local:{digest}",
        target=data.target,
        name=path.stem,
    )


def read_observed(path: Path, metric: Metric) -> list[Evaluation]:
    """Evaluations from a file: a JSON list, or a JSON object a line.

    Each is `{"config": {...}, "value": 0.93}` in the metric's own direction, or has
    `"status": "failed"` in place of a value; `"cost_s"` may be there.

    Raises:
        MalformedFile: It reads differently; the entry is named.
    """
    entries = _entries(path)
    told = []
    for nth, entry in enumerate(entries, 1):
        config = entry.get("config") if isinstance(entry, dict) else None
        if not isinstance(config, dict):
            raise MalformedFile(
                f"{path}, entry {nth}: no config; each entry reads "
                '{"config": {...}, "value": 0.9}'
            )
        value, status = entry.get("value"), entry.get("status", "ok")
        if status == "ok" and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise MalformedFile(
                f'{path}, entry {nth}: its value is {value!r}; give a number, or "status": "failed"'
            )
        loss = float(as_loss(float(value), metric)) if status == "ok" else None
        told.append(Evaluation(Trial(config, id=nth), loss, entry.get("cost_s"), status))
    return told


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"no file {path} with observed evaluations") from error
    except UnicodeDecodeError as error:
        raise MalformedFile(
            f"{path} is not text; give a JSON list or a JSON object a line"
        ) from error
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise MalformedFile(
                f"{path} is neither a JSON list nor a JSON object a line ({error})"
            ) from error
    return found if isinstance(found, list) else [found]
