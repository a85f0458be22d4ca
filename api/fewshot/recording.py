"""What a few-shot training brought, in the store: an evaluation of its config, and a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from metadb.identity import config_id
from metadb.models import keep
from metadb.records import Task

if TYPE_CHECKING:
    from metadb.store import Store
    from optimizers.fewshot.evaluation import Scores
    from optimizers.fewshot.learner import FewShotLearner
    from optimizers.fewshot.training import Look


def task_of(about: Mapping[str, Any], described: Mapping[str, float]) -> Task:
    """The few-shot tasks that a learner is judged by, as one task of the store.

    The same data, classes to judge by, ways, shots and queries are the same task.
    """
    if "content" not in about:
        native = f"{about['data'].replace(':', '/')}/{about['shots']}-shot"
        return Task(f"fewshot:{native}", kind="few_shot", name=native.replace("/", " "))
    decides = (about["content"], sorted(about["tested"]), about["queries"])
    digest = blake2b(repr(decides).encode(), digest_size=6).hexdigest()
    kind = f"{about['ways']}-way-{about['shots']}-shot"
    return Task(
        f"fewshot:{digest}/{kind}", kind="few_shot", name=f"{about['data']} {kind}",
        metafeatures={
            "nr_class": float(about["ways"]), "shots": float(about["shots"]), **described
        },
    )  # fmt: skip


def record(
    store: Store,
    about: Mapping[str, Any],
    learner: FewShotLearner,
    scores: Scores,
    looks: Sequence[Look],
    *,
    described: Mapping[str, float],
    run: str,
) -> tuple[str, str | None]:
    """Keep the score on the tested classes, at a budget of the steps taken, and the weights.

    Args:
        described: Meta-features of the classes to judge by.
        run: The id of the training; recorded again, nothing is added.

    Returns: the task's id, and the model's; None where nothing was learnt across tasks.
    """
    from optimizers.fewshot.building import space_of
    from optimizers.fewshot.weights import tensors_of
    from optimizers.tensor_file import packed

    task, steps = task_of(about, described), looks[-1].step if looks else 0
    space, took_s = space_of(about["learner"]), looks[-1].elapsed_s if looks else 0.0
    store.record(
        task, about["config"], space=space, metric=scores.metric, value=scores.mean,
        budget=float(max(steps, 1)), budget_unit="steps", cost_s=scores.cost_s + took_s,
        seed=about["seed"], run=run,
    )  # fmt: skip
    if learner.outer is None:
        return task.id, None
    store.flush()  # the model's row refers to the task and the config
    return task.id, keep(
        store,
        packed(tensors_of(learner), about),
        {
            "task": task.id, "config": config_id(f"fewshot_{about['learner']}", about["config"]),
            "learner": about["learner"], "trained_on": list(about.get("trained", ())),
            "metric": scores.metric, "value": scores.mean, "half_width": scores.half_width,
            "steps": steps, "cost_s": took_s, "about": about,
        },
    )  # fmt: skip
