"""The referee: leave one task out, let a recommender choose one config after the other, and look.

    judged = leave_one_task_out(history, {"portfolio": Portfolio, "random": Random}, budget=20)
    print(compare(judged.verdicts).text())  # recommenders.comparison

The one loop that judges: `auto` uses it inside, `metadb evaluate` and benchmarks use it outside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from metadb.errors import MetadbError, NotFound, WrongUsage
from metadb.history import History
from recommenders.court import Court, Fold, Unit
from recommenders.verdict import Verdict

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from recommenders import Family

PROBES = 3
"""So many folds are judged under two seeds before one seed may stand for all."""

Work = Callable[[Iterable[Unit]], Iterator[tuple[Unit, list[Verdict]]]]


class Heard(Protocol):
    """Takes what the referee says of its progress."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """`done` of `total` verdicts on the recommender named `what`."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts, and the tasks on which nothing can be judged, each with the reason."""

    verdicts: tuple[Verdict, ...]
    dropped: Mapping[str, str]


def leave_one_task_out(
    history: History,
    families: Mapping[str, Family],
    *,
    budget: int = 50,
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
    leave: Literal["dataset", "task"] = "dataset",
    jobs: int = 1,
    done: Path | None = None,
    heard: Heard | None = None,
) -> Judgement:
    """How every family does on tasks that it has not seen.

    A family is fitted on the history without a task, and without all tasks of the same data set.
    Then it is asked for one config at a time, told the loss of each, and may choose among the
    configs that were run on the task, each at the largest budget it was run with. Regret is
    (loss - best) / (worst - best) over these; a failed config has 1.

    Args:
        families: Name to family: a class of recommenders with `fit`, or an object with options.
        budget: So many configs are tried, or as many as there are.
        seeds: One search each. Where the first two choose the same on all tasks of the first
            3 folds, the first stands for all, and its verdicts say so.
        folds: Data sets are parted into so many folds, with one fit each; default: a fit for each.
        leave: `task` leaves other tasks of the same data set in.
        jobs: Processes, each with one thread; 1 judges in this one.
        done: A folder for what was judged, a file for each fit: the same call goes on where it was
            cut off. A file is known by all that decides it (history, family with its source,
            seed, budget, what was hidden), so nothing is mixed up.
        heard: Told of progress.

    Raises:
        NotFound: There are fewer than two tasks, none can be judged, or all are of one data set.
        WrongUsage: A number of folds, seeds, jobs or steps that cannot be.
        InvalidConfig: A family advises what is no candidate, or what was run already.
    """
    _check(budget=budget, seeds=seeds, folds=folds, jobs=jobs)
    court = Court(history, dict(families), budget, done)
    parted = folds_of(history, list(court.sheets), folds, leave)
    first, rest = parted[:PROBES], parted[PROBES:]
    found: dict[Unit, list[Verdict]] = {}
    bar = _Bar(heard, {name: len(court.sheets) * len(seeds) for name in families})
    with _hands(court, jobs) as work:

        def judge(units: Iterable[Unit]) -> None:
            for unit, verdicts in work(units):
                found[unit] = verdicts
                bar.add(unit.name, len(verdicts))

        judge(Unit(n, fold, seed) for n in families for fold in first for seed in seeds[:2])
        same = {n for n in families if len(seeds) > 1 and _alike(found, n, first, seeds)}
        for n in same:
            bar.total[n] = len(court.sheets) + sum(len(fold.judged) for fold in first)
        apart = [n for n in families if n not in same]
        judge(Unit(n, fold, seed) for n in apart for fold in first for seed in seeds[2:])
        judge(
            Unit(n, fold, seed)
            for n in families
            for fold in rest
            for seed in (seeds[:1] if n in same else seeds)
        )
    ordered = [
        replace(verdict, seeds=tuple(seeds)) if n in same else verdict
        for n in families
        for seed in (seeds[:1] if n in same else seeds)
        for fold in parted
        for verdict in found[Unit(n, fold, seed)]
    ]
    return Judgement(tuple(ordered), court.dropped)


def folds_of(
    history: History,
    judged: Sequence[str],
    folds: int | None = None,
    leave: Literal["dataset", "task"] = "dataset",
) -> list[Fold]:
    """Which tasks are left out together; every task of `judged` is in one fold.

    With a number of folds, data sets go to the fold with the fewest tasks, large ones first.

    Raises:
        NotFound: A fold leaves no task to learn from.
    """
    own = history.datasets if leave == "dataset" and history.datasets else history.tasks
    groups: dict[str, list[str]] = {}
    for task, group in zip(history.tasks, own, strict=True):
        groups.setdefault(group, []).append(task)
    if len(groups) < 2:
        raise NotFound(
            f"all {len(history.tasks)} tasks are of one data set, {next(iter(groups), None)!r}, so "
            "none is left to learn from; leave out tasks, not data sets"
            if len(history.tasks) > 1
            else "a task is left out and the others teach, but the history has "
            f"{len(history.tasks) or 'no'} task{'s' * (not history.tasks)}"
        )
    parts: list[list[str]] = [[] for _ in range(min(folds or len(groups), len(groups)))]
    if len(parts) == len(groups):
        parts = list(groups.values())
    else:
        # Not in the order of the names, where data sets of one kind often stand together.
        mixed = {g: blake2b(g.encode()).digest() for g in groups}
        for group in sorted(groups, key=lambda g: (-len(groups[g]), mixed[g])):
            min(parts, key=len).extend(groups[group])
    chosen = set(judged)
    every = [Fold(tuple(t for t in part if t in chosen), tuple(part)) for part in parts]
    return [fold for fold in every if fold.judged]


@dataclass(slots=True)
class _Bar:
    """Counts verdicts, and says so."""

    heard: Heard | None
    total: dict[str, int]
    done: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, verdicts: int) -> None:
        self.done[name] = self.done.get(name, 0) + verdicts
        if self.heard is not None:
            self.heard(name, self.done[name], self.total[name])


@contextmanager
def _hands(court: Court, jobs: int) -> Iterator[Work]:
    """Who does the work: this process, or some of their own that end with it."""
    if jobs == 1:
        yield lambda units: ((unit, court.judge(unit)) for unit in units)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    others = set(active_children())
    context = get_context("spawn")
    sent = context.Queue()  # an argument would leave us waiting for a child that ended unread
    for _ in range(jobs):
        sent.put(court)
    pool = ProcessPoolExecutor(jobs, context, _begin, (sent,))

    def work(units: Iterable[Unit]) -> Iterator[tuple[Unit, list[Verdict]]]:
        waiting = {}
        for unit in units:
            if court.known(unit):  # reading it needs no other process
                yield unit, court.judge(unit)
            else:
                waiting[pool.submit(_judge, unit)] = unit
        for future in as_completed(waiting):
            yield waiting[future], future.result()

    try:
        yield work
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise MetadbError(
                "a process of the referee ended before its work; if memory is short try fewer "
                'jobs, and a script must call it under `if __name__ == "__main__":`'
            ) from error
        raise
    else:
        pool.shutdown()
    finally:
        sent.cancel_join_thread()  # what no child fetched is not waited for
        sent.close()


_court: Court | None = None


def _begin(sent: Queue[Court]) -> None:
    """In a new process: one thread, deaf to Ctrl-C (the first process heeds it), no orphan."""
    from multiprocessing import parent_process
    from threading import Thread

    from threadpoolctl import threadpool_limits

    global _court
    _court = sent.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = "1"  # heard by what is loaded from now on
    threadpool_limits(1)  # what is loaded already

    def end_with_parent() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=end_with_parent, daemon=True).start()


def _judge(unit: Unit) -> list[Verdict]:
    if _court is None:
        raise RuntimeError("a process of the referee that was not begun")
    return _court.judge(unit)


def _alike(
    found: Mapping[Unit, Sequence[Verdict]], name: str, folds: Sequence[Fold], seeds: Sequence[int]
) -> bool:
    """Whether the first two seeds choose the same configs on all tasks of these folds."""
    one, two = (
        [v.tried for fold in folds for v in found[Unit(name, fold, seed)]] for seed in seeds[:2]
    )
    return one == two


def _check(*, budget: int, seeds: Sequence[int], folds: int | None, jobs: int) -> None:
    if budget < 1:
        raise WrongUsage(f"the budget is {budget}; let at least 1 configuration be tried")
    if jobs < 1:
        raise WrongUsage(f"jobs is {jobs}; give at least 1")
    if folds is not None and folds < 2:
        raise WrongUsage(f"folds is {folds}; with fewer than 2 nothing is left to learn from")
    if not seeds or len(set(seeds)) < len(seeds):
        raise WrongUsage(f"the seeds are {list(seeds)}; give at least one, and none twice")
