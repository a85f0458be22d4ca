"""What comes of one call of an objective, whatever it does: an evaluation, and why it failed."""

from __future__ import annotations

import math
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import SupportsFloat

from metadb.errors import WrongUsage
from metadb.records import STATUSES, Evaluation, Trial

Objective = Callable[[Trial], Evaluation | float]
"""Runs one trial: its evaluation, or its loss alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Args:
        why: One sentence where there is no usable score, None where all is well.
        trace: Where the objective raised: the traceback as text.
    """

    evaluation: Evaluation
    why: str | None = None
    trace: str | None = None


class OutOfTime(BaseException):
    """Ends an objective; not an Exception, so that its own handlers let it through."""


def evaluate(objective: Objective, trial: Trial, limit_s: float | None = None) -> Outcome:
    """Run one trial; what the objective raises or returns amiss is an outcome without a loss.

    Args:
        limit_s: Interrupts Python code after so many seconds; a call that never comes back from
            C is only ended by a worker process.

    Raises:
        WrongUsage: A limit was given outside a main thread.
    """
    if limit_s is not None and not can_interrupt():
        raise WrongUsage(
            "a time limit of a trial needs a main thread; give run(executor=...) one of "
            "optimizers.executors, which can end a trial from outside"
        )
    start = time.perf_counter()

    def lost(status: str, why: str, trace: str | None = None) -> Outcome:
        cost_s = time.perf_counter() - start
        return Outcome(Evaluation(trial, None, cost_s, status), why, trace)

    try:
        with _alarm(limit_s):
            found = objective(trial)
    except OutOfTime:
        return lost("timeout", took_longer(limit_s))
    except (Exception, SystemExit) as error:  # the user's code; the search goes on without it
        status = "memout" if _out_of_memory(error) else "failed"
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        return lost(status, f"the objective raised {said}", traceback.format_exc())
    return settle(trial, found, time.perf_counter() - start)


def took_longer(limit_s: float | None) -> str:
    """Why a trial was ended."""
    return f"it took longer than {limit_s:g} s"


def settle(trial: Trial, found: object, cost_s: float) -> Outcome:
    """What an objective returned, as an outcome whose parts fit together.

    Args:
        cost_s: What the call took; an objective's own figure comes before it.
    """
    if not isinstance(found, Evaluation):
        return _scored(trial, "ok", found, cost_s)
    own = _number(found.cost_s)
    cost_s = own if own is not None and 0 <= own < math.inf else cost_s
    why = f"the objective returned status {found.status!r}"
    if found.trial != trial:
        status, why = "failed", f"the objective returned an evaluation of {found.trial}"
    elif found.status not in STATUSES:
        status, why = "failed", f"{why}, not {', '.join(STATUSES)}"
    elif found.status == "ok" or (found.status == "censored" and found.loss is not None):
        scored = _scored(trial, found.status, found.loss, cost_s)
        if scored.why is None:  # it may say more than this, the score of each fold for example
            return Outcome(replace(found, loss=scored.evaluation.loss, cost_s=cost_s))
        return scored
    else:
        status = found.status
    return Outcome(Evaluation(trial, None, cost_s, status), why)


def _scored(trial: Trial, status: str, given: object, cost_s: float) -> Outcome:
    loss = _number(given)
    if loss is None or not math.isfinite(loss):
        why = f"the objective returned {given!r:.100}, not a finite number"
        return Outcome(Evaluation(trial, None, cost_s, "failed"), why)
    return Outcome(Evaluation(trial, loss, cost_s, status))


def can_interrupt() -> bool:
    """Whether code of this thread can be interrupted: only a main thread hears signals."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def _alarm(limit_s: float | None) -> Iterator[None]:
    """Raise OutOfTime in the code inside after so many seconds."""
    if limit_s is None:
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        raise OutOfTime

    start = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left_s, every_s = signal.setitimer(signal.ITIMER_REAL, max(limit_s, 1e-6))
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # it may ring at this very moment
            signal.signal(signal.SIGALRM, handler)
        if left_s:  # somebody else's alarm goes on
            left_s -= time.monotonic() - start
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 1e-6), every_s)


def _number(value: object) -> float | None:
    """A number as a float, None where it is no number; a text of digits is none."""
    if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except Exception:  # an array of many, a tensor on a device that is gone
        return None


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, the GPU's too: torch has an OutOfMemoryError of its own."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"})
