"""One search of `metadb tune`: begun from the past, recorded, gone on with after a stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

from api.opening import Begun, Opening
from api.search_progress import search_progress
from api.terminal import Common, remark
from api.warm import (
    First,
    Start,
    adviser_of,
    asking,
    read_start,
    start_of,
    write_start,
)
from metadb.errors import NotFound
from metadb.metrics import Metric, as_loss
from metadb.records import Evaluation, Task

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from api.advice import Adviser
    from metadb.protocols import Optimizer
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
        warm: Past tasks advise so many configurations, between the learners' defaults.
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
    warm: int = 7
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
    from optimizers.learners import defaults, space_of
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
        past = _Past(store, task, plan, common)
        if start is None:
            start = past.start()
            write_start(remembered, start, task=task.id, run=named)
        for line in start.said:
            remark(common, line)
        opening = Opening(start.first, defaults(task.kind, plan.learners), past.ask, k=plan.warm)
        optimizer = _optimizer(space, opening, plan, ready)
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

        def now() -> Start:
            return Start(tuple(opening.first), start.said, start.spent_s + monotonic() - began)

        def spent() -> None:
            write_start(remembered, now(), task=task.id, run=named)

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
    return Found(named, evaluations, now(), len(done), why, objective)


@dataclass(slots=True)
class _Past:
    """Past tasks, learnt from when they are first needed."""

    store: Store
    task: Task
    plan: Plan
    common: Common
    _adviser: Adviser | None = None
    _known: bool = False

    def start(self) -> Start:
        """What a new search begins with."""
        start, self._adviser = start_of(self.store, self.task, **self._asked)
        self._known = True
        return start

    def ask(self, k: int, observed: Sequence[Evaluation]) -> list[First]:
        """What past tasks advise; nothing where there are none."""
        if not self._known:
            self._adviser = adviser_of(self.store, self.task, **self._asked)
            self._known = True
        return [] if self._adviser is None else asking(self._adviser, k, observed)

    @property
    def _asked(self) -> dict[str, Any]:
        from optimizers.learners import KINDS
        from optimizers.scoring import SCORES

        plan, (space, learners) = self.plan, KINDS[self.task.kind]
        allowed = set(plan.learners or learners)
        return {
            "space": space,
            "metrics": tuple(dict.fromkeys((plan.metric.name, *SCORES[self.task.kind]))),
            "may": lambda config: config.get("learner") in allowed,
            "k": plan.warm,
            "seed": plan.seed,
            "say": lambda said: remark(self.common, said),
        }


def _optimizer(
    space: ConfigurationSpace, opening: Opening, plan: Plan, ready: Prepared
) -> Optimizer:
    """The search; one over several budgets begins on a part of the rows, and asks the past once."""
    from optimizers import OPTIMIZERS

    family: Callable[..., Optimizer] = OPTIMIZERS[plan.optimizer]
    budgets = _budgets(plan.optimizer, ready)
    if budgets:
        return family(space, warm_start=[*opening.untold()], seed=plan.seed, **budgets)
    return Begun(opening, family(space, seed=plan.seed))


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
