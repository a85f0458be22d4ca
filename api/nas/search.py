"""One search of `metadb nas`: begun from the past, recorded, gone on with after a stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from api.terminal import Common, progress, remark
from api.warm import First, Start, adviser_of, asking, read_start, write_start
from metadb.errors import InvalidConfig, NotFound, WrongUsage

if TYPE_CHECKING:
    from metadb.protocols import Optimizer
    from metadb.records import Config, Evaluation, Task
    from metadb.store import Store
    from optimizers.nas.objective import Training
    from optimizers.nas.space import NasSpace

ALIASES = {"evolution": "regularized_evolution"}
"""Short names."""

METRIC = "accuracy"
"""What is searched for, and what past tasks are asked about."""

RUNGS = 9
"""A search of several budgets begins with this part of the epochs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search.

    Args:
        optimizer: Of `NAS_OPTIMIZERS` or `WEIGHT_SHARING`.
        trials, time_s: Where it ends, whatever comes first.
        trial_time_s: Of one trial.
        epochs: Of a training.
        search_epochs: Of the supernet, where weights are shared.
        warm: Past tasks advise so many architectures, tried first.
        decides: All that makes this search another one.
    """

    optimizer: str
    trials: int | None
    time_s: float | None
    trial_time_s: float | None
    epochs: int
    search_epochs: int
    warm: int
    seed: int
    decides: tuple[Any, ...]

    @property
    def run(self) -> str:
        """The id of the search in the store: the same data and settings, the same id."""
        return f"nas-{blake2b(repr(self.decides).encode(), digest_size=6).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a search.

    Args:
        evaluations: In the order of their ends.
        start: What it began with.
        resumed: How many evaluations were there before this command.
        why: Why trials failed, a sentence to how often.
        shared_s: Seconds that the training of a supernet took; 0 where there is none.
        taught: What past tasks gave the search beside what it began with: an `expectation` of its
            predictor, a `prior` of where it draws, or nothing.
    """

    evaluations: list[Evaluation]
    start: Start
    resumed: int
    why: dict[str, int]
    shared_s: float
    taught: str | None = None


def named(optimizer: str) -> str:
    """The full name of an optimiser.

    Raises:
        NotFound: There is none of that name.
    """
    from optimizers.nas import NAS_OPTIMIZERS
    from optimizers.nas.weight_sharing import WEIGHT_SHARING

    name = ALIASES.get(optimizer, optimizer)
    if name not in NAS_OPTIMIZERS and name not in WEIGHT_SHARING:
        known = ", ".join([*NAS_OPTIMIZERS, *WEIGHT_SHARING])
        raise NotFound(f"no optimiser of architectures {optimizer!r}; there are {known}")
    return name


def search(
    store: Store, task: Task, objective: Training, plan: Plan, out: Path, common: Common
) -> Found:
    """Search, or go on searching, until the plan's end.

    Raises:
        Busy: Another process is at this very search.
    """
    from api.search_progress import search_progress
    from optimizers import run
    from optimizers.nas.curve_recording import CurveRecording

    space, why = objective.space, dict[str, int]()
    recording = CurveRecording(store, task, space.space, run=plan.run, seed=plan.seed)
    with recording:
        done = recording.done()
        remembered = store.path / "runs" / f"{plan.run}.json"
        start = read_start(remembered)
        if start is None or not done:
            start = _start(store, task, objective, plan, out, common)
            write_start(remembered, start, task=task.id, run=plan.run)
        for line in start.said:
            remark(common, line)
        if done:
            remark(common, f"going on: {len(done)} trials of this search were run before")
        trials = plan.trials if not _shares(plan.optimizer) else 1
        if trials is not None and len(done) >= trials:
            return Found(done, start, len(done), why, start.spent_s)

        def remember(told: Any) -> None:
            if told.why is not None:
                why[told.why] = why.get(told.why, 0) + 1

        taught = _taught(store, task, space, plan, common)
        quiet = common.quiet or common.json
        best: Callable[[float], str] = lambda loss: f"accuracy {-loss:.4f}"  # noqa: E731
        with search_progress(quiet=quiet, best=best) as told:
            evaluations = run(
                _optimizer(space, start.configs, taught, plan), objective, trials=trials,
                time_s=plan.time_s, trial_time_s=plan.trial_time_s, record=recording, resume=done,
                callbacks=[remember, told],
            )  # fmt: skip
    return Found(evaluations, start, len(done), why, start.spent_s, next(iter(taught), None))


def _optimizer(
    space: NasSpace, first: list[Config], taught: dict[str, Any], plan: Plan
) -> Optimizer:
    from optimizers.nas import NAS_OPTIMIZERS
    from optimizers.nas.epochs import Epochs

    name = "random" if _shares(plan.optimizer) else plan.optimizer
    made, told = NAS_OPTIMIZERS[name], {"warm_start": first, "seed": plan.seed} | taught
    if {"least", "most"} <= set(inspect.signature(made).parameters):
        return made(space, least=max(1.0, plan.epochs / RUNGS), most=float(plan.epochs), **told)
    return Epochs(made(space, **told), plan.epochs)


def _taught(
    store: Store, task: Task, space: NasSpace, plan: Plan, common: Common
) -> dict[str, Any]:
    """What past tasks give the search itself, as its keyword argument; random search stays so."""
    from optimizers.nas import NAS_OPTIMIZERS
    from optimizers.nas.expectation import Expectation
    from recommenders.region import Region

    if not plan.warm or _shares(plan.optimizer) or plan.optimizer == "random":
        return {}
    takes = inspect.signature(NAS_OPTIMIZERS[plan.optimizer]).parameters
    if not {"expectation", "prior"} & set(takes):
        return {}
    try:
        history = store.history(str(space.space.name), METRIC)
        if task.id in history.tasks:
            history = history.without(task.id)
        if not len(history):
            return {}
        remark(common, f"learning what to expect from {len(history.tasks)} other tasks")
        if "expectation" in takes:
            return {"expectation": Expectation.fit(history, space)}
        return {"prior": Region.fit(history, task, seed=plan.seed)}
    except NotFound:  # nobody ran an architecture of this space
        return {}
    except (InvalidConfig, WrongUsage) as error:  # of a space of other operations, or all failed
        remark(common, f"the past is of no use to {plan.optimizer}: {error}")
        return {}


def _start(
    store: Store, task: Task, objective: Training, plan: Plan, out: Path, common: Common
) -> Start:
    """What the search begins with: the cell of a supernet, or what past tasks advise."""
    if _shares(plan.optimizer):
        begun = perf_counter()
        config = _shared(objective, plan, out, common)
        spent_s = perf_counter() - begun
        why = f"found by {plan.optimizer} with shared weights, in {spent_s:.0f} s"
        return Start((First(config, "advised"),), (f"one architecture, {why}",), spent_s)
    space = objective.space

    def may(config: Config) -> bool:
        return space.graph(config).connected

    adviser = adviser_of(
        store, task, space=str(space.space.name), metrics=[METRIC], may=may, k=plan.warm,
        seed=plan.seed, say=lambda text: remark(common, text),
    )  # fmt: skip
    if adviser is None:
        asked = f"the store knows no other task of {space.space.name}"
        return Start((), (asked if plan.warm else "the past is not asked",))
    advised = asking(adviser, plan.warm, ())
    first = tuple(First(space.canonical(f.config), f.why, f.tasks, f.expected) for f in advised)
    return Start(first, (f"warm start by {adviser.recommender}, from {adviser.learnt.about}",))


def _shared(objective: Training, plan: Plan, out: Path, common: Common) -> Config:
    from optimizers.nas.weight_sharing import share

    (x, y), half = objective.images.train, len(objective.images.train[0]) // 2
    if half < 2:
        raise WrongUsage("shared weights need four images to learn from, or more")
    with progress("epochs", quiet=common.quiet or common.json) as heard:
        # half of the images for weights, half for the cell: those to judge by stay unseen
        return share(
            plan.optimizer, objective.space, (x[::2], y[::2]), (x[1::2], y[1::2]),
            classes=objective.images.classes, epochs=plan.search_epochs, batch=objective.batch,
            width=objective.width or 8, depth=objective.depth or 1, device=objective.device,
            seed=plan.seed, checkpoint=out / f"{plan.run}-supernet.safetensors",
            told=lambda epoch, loss: heard(
                f"{plan.optimizer}, loss {loss:.3f}", epoch, plan.search_epochs
            ),
        )  # fmt: skip


def _shares(optimizer: str) -> bool:
    from optimizers.nas.weight_sharing import WEIGHT_SHARING

    return optimizer in WEIGHT_SHARING


__all__ = ["Found", "Plan", "named", "search"]
