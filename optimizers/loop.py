"""The one loop that runs trials: ask, run, record, tell; here, or many at a time on an executor."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from metadb.errors import MetadbError, WrongUsage
from metadb.protocols import Optimizer
from metadb.records import Evaluation, Trial
from optimizers.executors.workers import Died, Expired, Workers
from optimizers.outcome import Objective, Outcome, can_interrupt, evaluate, took_longer
from optimizers.progress import Callback, Limits, Progress, best_of, better

LOG = logging.getLogger(__name__)


def run(
    optimizer: Optimizer,
    objective: Objective,
    *,
    trials: int | None = None,
    executor: Executor | None = None,
    parallel: int | None = None,
    time_s: float | None = None,
    cost_s: float | None = None,
    trial_time_s: float | None = None,
    record: Callable[[Evaluation], object] = lambda evaluation: None,
    resume: Sequence[Evaluation] = (),
    callbacks: Sequence[Callback] = (),
) -> list[Evaluation]:
    """Search until a limit is reached or the optimiser has nothing left to ask.

    An objective that raises, returns no finite number, takes too long, runs out of memory or dies
    with its worker process is an evaluation without a loss; why stands in the log, and the search
    goes on. Trials that still run when the time is over, or at Ctrl-C, are ended and left out.

    Args:
        objective: Runs one trial: its evaluation, or its loss alone. In other processes it is
            pickled, so it stands at the top level of a module.
        trials: Evaluations, those of `resume` among them.
        executor: Where trials run: one of `optimizers.executors`, or any other of
            `concurrent.futures`; None: here, one after the other.
        parallel: Trials under way at a time; the executor's number of workers by default.
        time_s: Seconds of this call.
        cost_s: Summed cost of the evaluations, those of `resume` among them.
        trial_time_s: Seconds of one trial; then it is over, with status `timeout`. Without an
            executor only Python code can be interrupted so.
        record: Called with each evaluation as it ends, before the optimiser hears of it.
        resume: What an interrupted run of the same search recorded; told first.
        callbacks: Called with the `Progress` at the start and after each evaluation.

    Returns: `resume`, then the evaluations in the order of their ends.

    Raises:
        WrongUsage: No limit is given, one makes no sense, or the objective cannot be sent to the
            executor.
        MetadbError: The executor broke.
    """
    for name, limit in (("time_s", time_s), ("cost_s", cost_s), ("trial_time_s", trial_time_s)):
        if limit is not None and not limit > 0:
            raise WrongUsage(f"{name} is {limit}; give seconds, more than 0")
    if trials is None and time_s is None and cost_s is None:
        raise WrongUsage("a search needs an end: give run() trials, time_s or cost_s")
    if (trials is not None and trials < 0) or (parallel is not None and parallel < 1):
        raise WrongUsage(f"trials is {trials} and parallel {parallel}; give positive numbers")
    if executor is None and trial_time_s is not None and not can_interrupt():
        raise WrongUsage(
            "without an executor a time limit of a trial works in the main thread alone; give "
            "executor=optimizers.executors.Local(1)"
        )
    search = _Search(optimizer, record, callbacks, Limits(trials, time_s, cost_s), list(resume))
    if resume:
        optimizer.tell(resume)
    search.say()
    if executor is None:
        _here(search, objective, trial_time_s)
    else:
        _there(search, executor, objective, parallel or _width(executor), trial_time_s)
    return search.done


@dataclass(slots=True)
class _Search:
    """What both ways of running keep: the evaluations, the limits, and who hears of them."""

    optimizer: Optimizer
    record: Callable[[Evaluation], object]
    callbacks: Sequence[Callback]
    limits: Limits
    done: list[Evaluation]
    n_running: int = 0
    cost_s: float = field(init=False)
    best: Evaluation | None = field(init=False)
    before: tuple[int, float] = field(init=False)
    start: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.cost_s = sum(e.cost_s or 0.0 for e in self.done)
        self.best = best_of(self.done)
        self.before = len(self.done), self.cost_s

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.start

    @property
    def left_s(self) -> float | None:
        """Seconds until the time is over, None where it never is."""
        return None if self.limits.time_s is None else self.limits.time_s - self.elapsed_s

    def room(self, parallel: int) -> int:
        """How many trials may begin now, at most `parallel` under way."""
        n = len(self.done) + self.n_running
        if self.limits.reached(n, self.elapsed_s, self.cost_s):
            return 0
        room = parallel - self.n_running
        return room if self.limits.trials is None else min(room, self.limits.trials - n)

    def keep(self, outcome: Outcome) -> None:
        """Record what came of a trial, and log why it has no loss."""
        if outcome.why is not None:
            LOG.warning("trial %d: %s", outcome.evaluation.trial.id, outcome.why)
        if outcome.trace is not None:
            LOG.debug("%s", outcome.trace)
        self.record(outcome.evaluation)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the optimiser and the callbacks."""
        self.optimizer.tell([outcome.evaluation for outcome in outcomes])
        for outcome in outcomes:
            self.done.append(outcome.evaluation)
            self.cost_s += outcome.evaluation.cost_s or 0.0
            if better(outcome.evaluation, self.best):
                self.best = outcome.evaluation
            self.say(outcome)

    def say(self, last: Outcome | None = None) -> None:
        if not self.callbacks:
            return
        n, elapsed_s = len(self.done), self.elapsed_s
        left_s, share = self.limits.left(n, elapsed_s, self.cost_s, before=self.before)
        evaluation, why = (last.evaluation, last.why) if last else (None, None)
        progress = Progress(n, self.n_running, self.best, evaluation, why, elapsed_s, left_s, share)
        for callback in self.callbacks:
            callback(progress)


def _here(search: _Search, objective: Objective, limit_s: float | None) -> None:
    """In this process, one after the other."""
    interruptible = can_interrupt()
    while search.room(1) and (asked := search.optimizer.ask(1)):
        left_s = search.left_s if interruptible else None
        cut = left_s is not None and (limit_s is None or left_s < limit_s)
        outcome = evaluate(objective, asked[0], left_s if cut else limit_s)
        if cut and outcome.evaluation.status == "timeout" and search.room(1) == 0:
            return  # the time of the search was over, not the trial's
        search.keep(outcome)
        search.tell([outcome])


def _there(
    search: _Search, executor: Executor, objective: Objective, parallel: int, limit_s: float | None
) -> None:
    """On an executor, `parallel` at a time."""
    ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
    running: dict[Future[Outcome], Trial] = {}
    submit = _submitter(executor, objective, limit_s)
    try:
        while True:
            while (room := search.room(parallel)) and (asked := search.optimizer.ask(room)):
                for trial in asked:
                    future = submit(trial)
                    running[future] = trial
                    future.add_done_callback(ended.put)
                search.n_running = len(running)
            futures = _drained(ended, search.left_s) if running else []
            if not futures:
                return  # all is done, or the time is over
            outcomes = [_outcome(future, running[future], limit_s) for future in futures]
            for future, outcome in zip(futures, outcomes, strict=True):
                del running[future]  # first: an interrupt while it is recorded does so once
                search.keep(outcome)
            search.n_running = len(running)
            search.tell(outcomes)
    except KeyboardInterrupt:
        for future, trial in running.items():
            if future.done() and not future.cancelled():
                search.keep(_outcome(future, trial, limit_s))
        raise
    finally:
        for future in running:
            future.cancel()
        if running and isinstance(executor, Workers):
            executor.halt()


def _submitter(
    executor: Executor, objective: Objective, limit_s: float | None
) -> Callable[[Trial], Future[Outcome]]:
    if isinstance(executor, Workers):
        return executor.trials(objective, limit_s)
    return lambda trial: executor.submit(evaluate, objective, trial, limit_s)


def _drained(ended: SimpleQueue[Future[Outcome]], left_s: float | None) -> list[Future[Outcome]]:
    """All that ended, at least one; none where the time is over before."""
    if left_s is not None and left_s <= 0:
        return []
    futures = []
    try:
        futures.append(ended.get(timeout=left_s))
        while True:
            futures.append(ended.get_nowait())
    except Empty:
        return futures


def _outcome(future: Future[Outcome], trial: Trial, limit_s: float | None) -> Outcome:
    """What came of a trial on an executor.

    Raises:
        MetadbError: It is the executor that failed.
    """
    try:
        return future.result()
    except Expired:
        return Outcome(Evaluation(trial, None, limit_s, "timeout"), took_longer(limit_s))
    except Died as error:
        status = "memout" if error.memout else "failed"
        return Outcome(Evaluation(trial, None, error.after_s, status), str(error))
    except CancelledError:
        return Outcome(Evaluation(trial, None, None, "failed"), "it was cancelled")
    except MetadbError:
        raise
    except BrokenExecutor as error:
        raise MetadbError(
            f"a process of the executor died, and with it all trials under way ({error}); on "
            "optimizers.executors.Local a trial that dies ends alone"
        ) from error
    except Exception as error:
        raise WrongUsage(
            f"the executor cannot run the objective ({type(error).__name__}: {error}); for other "
            "processes it must stand at the top level of a module"
        ) from error


def _width(executor: Executor) -> int:
    """The number of its workers; the standard library's executors keep it to themselves."""
    if isinstance(executor, Workers):
        return len(executor)
    return int(getattr(executor, "_max_workers", None) or os.cpu_count() or 1)
