"""What a few-shot training brought, as evaluations of its configuration in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from metadb.records import Task

if TYPE_CHECKING:
    from metadb.store import Store
    from optimizers.fewshot.evaluation import Scores
    from optimizers.fewshot.training import Look


def task_of(about: Mapping[str, Any]) -> Task:
    """The few-shot tasks that a learner is judged by, as one task of the store.

    The same data, classes to judge by, ways, shots and queries are the same task.
    """
    if "content" not in about:
        native = f"sinusoid/{about['shots']}-shot"
        return Task(f"fewshot:{native}", kind="few_shot", name=native.replace("/", " "))
    decides = (about["content"], sorted(about["tested"]), about["queries"])
    digest = blake2b(repr(decides).encode(), digest_size=6).hexdigest()
    kind = f"{about['ways']}-way-{about['shots']}-shot"
    return Task(
        f"fewshot:{digest}/{kind}", kind="few_shot", name=f"{about['data']} {kind}",
        metafeatures={"nr_class": float(about["ways"]), "shots": float(about["shots"])},
    )  # fmt: skip


def record(
    store: Store, about: Mapping[str, Any], scores: Scores, looks: Sequence[Look], run: str
) -> str:
    """Keep the score on the tested classes, at a budget of the steps taken; returns the task's id.

    Args:
        run: The id of the training; recorded again, nothing is added.
    """
    from optimizers.fewshot.building import space_of

    task, steps = task_of(about), looks[-1].step if looks else 0
    store.record(
        task, about["config"], space=space_of(about["learner"]), metric=scores.metric,
        value=scores.mean, budget=float(max(steps, 1)), budget_unit="steps",
        cost_s=scores.cost_s + (looks[-1].elapsed_s if looks else 0.0), seed=about["seed"], run=run,
    )  # fmt: skip
    return task.id
