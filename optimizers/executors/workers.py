"""Workers that may be killed: a queue of calls, and a thread for each worker that serves it."""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from metadb.errors import WrongUsage
from metadb.records import Trial
from optimizers.outcome import Objective, Outcome, evaluate

MOST = 1000
"""So many calls are sent to a worker in one batch at most."""

Reply = tuple[bool, Any, float]
"""Whether a call returned, what it returned or raised, and the seconds that it took."""


class Died(Exception):
    """A worker died at a call.

    Args:
        memout: Whether the system killed it since memory ran out.
    """

    def __init__(self, why: str, *, memout: bool = False) -> None:
        super().__init__(why)
        self.memout = memout
        self.after_s: float | None = None


class Expired(Exception):
    """A call took longer than it may, and its worker was killed."""


@dataclass(eq=False)
class Function:
    """What a worker calls; sent to each worker once, however often it is called."""

    call: Callable[..., Any]
    _shipped: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def shipped(self, ship: Callable[[Callable[..., Any]], Any]) -> Any:
        """What `ship` made of it the first time, for those who share one."""
        with self._lock:
            if self._shipped is None:
                self._shipped = ship(self.call)
            return self._shipped


class Worker(Protocol):
    """A place where calls run one after the other."""

    def start(self) -> None:
        """Be there: at first, and again after it died; before a call is taken for it."""

    def load(self, function: Function) -> None:
        """Make the function ready there, however long that takes."""

    def call(self, batch: Sequence[tuple[Any, ...]], limit_s: float | None) -> list[Reply]:
        """Call the function with each tuple of arguments; raises Expired or Died."""

    def kill(self) -> None:
        """End it now, from whatever thread; the call under way raises Died."""

    def close(self) -> None:
        """Let go of everything."""


class Runner:
    """What stands in the worker's own process: the function, and calls of it."""

    def __init__(self) -> None:
        self._function: Callable[..., Any] | None = None

    def load(self, function: Callable[..., Any]) -> None:
        """Keep a function instead of the one before."""
        self._function = function

    def call(self, batch: Sequence[tuple[Any, ...]]) -> list[Reply]:
        """The replies of the function to each tuple of arguments."""
        assert self._function is not None
        return replies(self._function, batch)


def replies(function: Callable[..., Any], batch: Sequence[tuple[Any, ...]]) -> list[Reply]:
    """What a function returns or raises for each tuple of arguments."""
    found: list[Reply] = []
    for arguments in batch:
        start = time.perf_counter()
        try:
            fine, value = True, function(*arguments)
        except Exception as error:  # raised where the result is asked for
            fine, value = False, error
        found.append((fine, value, time.perf_counter() - start))
    return found


@dataclass(eq=False)
class _Call:
    function: Function
    arguments: tuple[Any, ...]
    limit_s: float | None = None
    future: Future[Any] = field(default_factory=Future)
    alone: bool = False


class Workers(Executor):
    """An executor whose workers can be killed, so that a trial ends alone, whatever it does.

    Short calls that wait share a message where messages are slow: as many as take `batch_s`
    together, by the time the last ones took. If the worker dies at them each is called again,
    alone.

    Args:
        workers: Where calls run, each one at a time.
        batch_s: Seconds of work in one message; 0 is one call a message.
    """

    def __init__(self, workers: Sequence[Worker], batch_s: float = 0.0) -> None:
        self._workers, self._batch_s = list(workers), batch_s
        self._waiting: deque[_Call] = deque()
        self._running: dict[Worker, list[_Call]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._mean_s = float("inf")
        self._threads = [
            threading.Thread(target=self._serve, args=(w,), daemon=True) for w in self._workers
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self._abandon)

    def __len__(self) -> int:
        """The number of workers."""
        return len(self._workers)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn(*args, **kwargs)` on a worker."""
        return self._put(_Call(Function(partial(fn, *args, **kwargs)), ()))

    def trials(
        self, objective: Objective, limit_s: float | None = None
    ) -> Callable[[Trial], Future[Outcome]]:
        """What submits trials of an objective, which is sent to each worker once.

        Args:
            limit_s: A trial that takes longer is ended with its worker, and raises Expired.
        """
        function = Function(partial(evaluate, objective))
        return lambda trial: self._put(_Call(function, (trial,), limit_s))

    def halt(self) -> None:
        """Kill what runs and drop what waits; the executor can be used again."""
        with self._changed:
            dropped = list(self._waiting)
            self._waiting.clear()
            busy = list(self._running)
            for worker in busy:
                dropped += self._running[worker]
                self._running[worker] = []
        _drop(dropped)
        for worker in busy:
            worker.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once all calls are done, or only those under way."""
        with self._changed:
            self._closed = True
            dropped = list(self._waiting) if cancel_futures else []
            if cancel_futures:
                self._waiting.clear()
            self._changed.notify_all()
        _drop(dropped)
        if wait:
            for thread in self._threads:
                thread.join()
        atexit.unregister(self._abandon)

    def _abandon(self) -> None:
        """The interpreter ends: nothing may be left behind."""
        self.shutdown(wait=False, cancel_futures=True)
        self.halt()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _put(self, call: _Call) -> Future[Any]:
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(call)
            self._changed.notify()
        return call.future

    def _serve(self, worker: Worker) -> None:
        while self._wanted():
            problem = self._start(worker)
            batch = self._take(worker)
            if not batch:
                continue
            found = problem or self._try(worker, batch)
            with self._changed:
                halted = not self._running.pop(worker)
            if not halted:
                self._settle(batch, found)
        worker.close()

    def _wanted(self) -> bool:
        """Wait until a call waits; False when the executor is shut down and none does."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return bool(self._waiting)

    def _start(self, worker: Worker) -> Exception | None:
        try:
            worker.start()
        except Exception as error:
            return error
        return None

    def _take(self, worker: Worker) -> list[_Call]:
        """The next calls for a worker, none where others took them."""
        batch: list[_Call] = []
        with self._changed:
            n = self._size()
            while self._waiting and len(batch) < n and _fit(batch, self._waiting[0]):
                call = self._waiting.popleft()
                if call.alone or call.future.set_running_or_notify_cancel():
                    batch.append(call)
            if batch:
                self._running[worker] = batch
        return batch

    def _size(self) -> int:
        """How many calls of the usual length fill a batch and leave the other workers theirs."""
        share = -(-len(self._waiting) // len(self._workers))
        return int(max(1, min(MOST, share, self._batch_s / max(self._mean_s, 1e-9))))

    def _try(self, worker: Worker, batch: list[_Call]) -> list[Reply] | Exception:
        limit_s = batch[0].limit_s
        if limit_s is not None and len(batch) > 1:
            limit_s += self._batch_s
        start = time.monotonic()
        try:
            worker.load(batch[0].function)
            start = time.monotonic()
            with self._changed:
                if not self._running[worker]:  # halted: there was nothing to kill yet
                    return []
            return worker.call([call.arguments for call in batch], limit_s)
        except Exception as error:
            if isinstance(error, Died):
                error.after_s = time.monotonic() - start
            return error

    def _settle(self, batch: list[_Call], found: list[Reply] | Exception) -> None:
        if isinstance(found, Died | Expired) and len(batch) > 1:
            with self._changed:
                for call in reversed(batch):
                    call.alone = True
                    self._waiting.appendleft(call)
                self._changed.notify_all()
            return
        if isinstance(found, Exception):
            for call in batch:
                call.future.set_exception(found)
            return
        self._mean_s = sum(seconds for _, _, seconds in found) / len(found)
        for call, (fine, value, _) in zip(batch, found, strict=True):
            if fine:
                call.future.set_result(value)
            else:
                call.future.set_exception(value)


def _drop(calls: Sequence[_Call]) -> None:
    for call in calls:
        if not call.future.cancel():  # it was running, for all that others know
            call.future.set_exception(CancelledError())


def _fit(batch: Sequence[_Call], call: _Call) -> bool:
    """Whether a call can go with those before it."""
    if not batch:
        return True
    first = batch[0]
    return (call.function, call.limit_s) == (first.function, first.limit_s) and not (
        call.alone or first.alone
    )


def library(name: str, extra: str) -> Any:
    """The module of an executor's package.

    Raises:
        WrongUsage: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise WrongUsage(
            f"this executor needs the package {name!r}: pip install 'metadb[{extra}]'"
        ) from None
