"""One search of `metadb tune`: begun from the past, recorded, gone on with after a stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

from api.search_progress import search_progress
from api.terminal import Common, remark
from api.warm import Start, read_start, start_of, write_start
from metadb.errors import NotFound
from metadb.metrics import Metric, as_loss
from metadb.records import Config, Evaluation, Task

if TYPE_CHECKING:
    from metadb.store import Store
    from optimizers.objective import CrossValidation
    from optimizers.prepared import Prepared
    from optimizers.progress import Progress

LEAST_ROWS = 60
"""The smallest budget of a search over several budgets stands for so many training rows or more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search.

    Args:
        learners: Only these; None: all of the kind.
        trials, time_s: Where it ends, whatever comes first; at least one is given.
        trial_time_s: Of one trial.
        warm: So many configurations come first, half of them advised by past tasks.
        executor: Name of an executor; None: this process.
        parallel: Trials at a time; None: as many as the executor has workers.
        device: Of perceptrons.
        seed: Of folds, learners and the search.
    """

    optimizer: str
    metric: Metric
    learners: tuple[str, ...] | None = None
    trials: int | None = 50
    time_s: float | None = None
    trial_time_s: float | None = None
    warm: int = 10
    executor: str | None = None
    parallel: int | None = None
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a search.

    Args:
        run: The id of the search in the store.
        evaluations: In the order of their ends.
        start: What it began with.
        resumed: How many evaluations were there before this command.
        why: Why trials failed, a sentence to how often.
        objective: What was minimised.
    """

    run: str
    evaluations: list[Evaluation]
    start: Start
    resumed: int
    why: dict[str, int]
    objective: CrossValidation


def run_id(task: Task, plan: Plan, folds: int) -> str:
    """The id of a search: the same data, target and settings, the same id.

    How long it may take, and where it runs, are no part of it.
    """
    from optimizers.learners import KINDS

    learners = sorted(plan.learners or KINDS[task.kind][1])
    decides = (task.id, plan.metric.name, learners, plan.optimizer, plan.seed, folds, plan.warm)
    return f"tune-{blake2b(repr(decides).encode(), digest_size=6).hexdigest()}"


def search(store: Store, task: Task, ready: Prepared, plan: Plan, common: Common) -> Found:
    """Search, or go on searching, until the plan's end.

    Raises:
        Busy: Another process is at this very search.
        NotFound: No such optimiser, learner or executor.
    """
    from optimizers import OPTIMIZERS, run
    from optimizers.fold_recording import FoldRecording
    from optimizers.learners import KINDS, space_of
    from optimizers.objective import CrossValidation

    if plan.optimizer not in OPTIMIZERS:
        known = ", ".join(OPTIMIZERS)
        raise NotFound(f"no optimiser {plan.optimizer!r}; there are {known}")
    space = space_of(task.kind, plan.learners)
    named = run_id(task, plan, ready.folds)
    objective = CrossValidation(
        ready.x, ready.y, ready.features.categorical, folds=ready.folds, seed=plan.seed,
        kind=task.kind, metric=plan.metric.name, device=plan.device,
    )  # fmt: skip
    recording = FoldRecording(
        store, task, space_of(task.kind), plan.metric, folds=ready.folds, run=named, seed=plan.seed
    )
    with recording:
        done = recording.done()
        remembered = store.path / "runs" / f"{named}.json"
        start = read_start(remembered) if done else None
        if start is None:
            start = _start(store, task, KINDS[task.kind][0], plan, common)
            write_start(remembered, start, task=task.id, run=named)
        for line in start.said:
            remark(common, line)
        optimizer = OPTIMIZERS[plan.optimizer](
            space, warm_start=start.configs, seed=plan.seed, **_budgets(plan.optimizer, ready)
        )
        left_s = None if plan.time_s is None else plan.time_s - start.spent_s
        if (plan.trials is not None and len(done) >= plan.trials) or (
            left_s is not None and left_s <= 0
        ):
            remark(common, f"this search is done: {len(done)} trials; its model is fitted again")
            return Found(named, done, start, len(done), {}, objective)
        if done:
            remark(common, f"going on: {len(done)} trials of this search were run before")
        why: dict[str, int] = {}

        began = monotonic()

        def spent() -> None:
            took = Start(start.first, start.said, start.spent_s + monotonic() - began)
            write_start(remembered, took, task=task.id, run=named)

        def remember(progress: Progress) -> None:
            spent()
            if progress.why is not None:
                why[progress.why] = why.get(progress.why, 0) + 1

        objective.load(plan.learners)
        quiet = common.quiet or common.json
        with (
            _executor(plan) as executor,
            search_progress(quiet=quiet, best=lambda loss: _text(loss, plan.metric)) as told,
        ):
            evaluations = run(
                optimizer, objective, trials=plan.trials, time_s=left_s, executor=executor,
                parallel=plan.parallel, trial_time_s=plan.trial_time_s, record=recording,
                resume=done, callbacks=[remember, told],
            )  # fmt: skip
        spent()
    return Found(named, evaluations, start, len(done), why, objective)


def _start(store: Store, task: Task, space: str, plan: Plan, common: Common) -> Start:
    from optimizers.learners import KINDS, defaults
    from optimizers.scoring import SCORES

    learners = set(plan.learners or KINDS[task.kind][1])
    metrics = tuple(dict.fromkeys((plan.metric.name, *SCORES[task.kind])))

    def may(config: Config) -> bool:
        return config.get("learner") in learners

    return start_of(
        store, task, space=space, metrics=metrics, defaults=defaults(task.kind, plan.learners),
        may=may, k=plan.warm, seed=plan.seed, say=lambda said: remark(common, said),
    )  # fmt: skip


def _budgets(optimizer: str, ready: Prepared) -> dict[str, float]:
    """The smallest budget of a search over several: a fraction that rows enough stand for."""
    from optimizers import OPTIMIZERS

    named = inspect.signature(OPTIMIZERS[optimizer]).parameters
    if "least" not in named:
        return {}
    rows = len(ready.y) * (ready.folds - 1) / ready.folds
    enough = max(LEAST_ROWS, 3 * len(ready.classes)) / rows
    return {"least": min(0.5, max(1 / 27, enough))}


@contextmanager
def _executor(plan: Plan) -> Iterator[Any]:
    """The executor of a plan; None for this process."""
    if plan.executor is None and (plan.parallel or 1) == 1:
        yield None
        return
    from optimizers.executors import EXECUTORS

    made: Callable[[int | None], Any] = EXECUTORS[plan.executor or "local"]
    with made(plan.parallel) as executor:
        yield executor


def _text(loss: float, metric: Metric) -> str:
    return f"{metric.name} {float(as_loss(loss, metric)):.5g}"
