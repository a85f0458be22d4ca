"""Trials on a Dask cluster, or on one of this machine's own.

Rocklin 2015, "Dask: Parallel Computation with Blocked algorithms and Task Scheduling".
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from metadb.errors import MetadbError, WrongUsage
from optimizers.executors.local import MAIN_GUARD, cores, refuse_import
from optimizers.executors.workers import (
    Died,
    Expired,
    Function,
    Reply,
    Worker,
    Workers,
    library,
    replies,
)

PULSE_S = 1.0
"""Seconds between two looks whether a worker is still there."""

DYING_S = 2.0
"""Seconds in which a worker that was to die is gone."""

BACK_S = 60.0
"""Seconds in which a worker that died has been started again."""

OWN = {
    "distributed.scheduler.allowed-failures": 0,  # what killed a worker is not tried on the next
    "distributed.deploy.lost-worker-timeout": "1000d",  # a worker may die as often as it likes
}
"""How a cluster of our own is set."""


class Dask(Workers):
    """Workers of a Dask cluster, each runs one trial at a time.

    A trial that takes too long ends with its worker, which its nanny starts again. Give each Dask
    worker one thread: what else runs in it ends too. As with `Local`, a script that starts a
    cluster of its own keeps its work under `if __name__ == "__main__":`.

    Args:
        workers: Worker processes of a new cluster on this machine, as many as there are cores by
            default. With `client`: trials at a time, all workers of the cluster by default.
        client: A `distributed.Client` of a cluster, or the address of its scheduler.

    Raises:
        WrongUsage: Dask's `distributed` is not installed, or there is to be no worker.
    """

    def __init__(self, workers: int | None = None, *, client: Any = None) -> None:
        distributed = library("distributed", "dask")
        if workers is not None and workers < 1:
            raise WrongUsage(f"{workers} workers cannot run a trial")
        with ExitStack() as mine:
            if client is None:
                refuse_import()
                mine.enter_context(library("dask", "dask").config.set(OWN))
                client = mine.enter_context(_cluster(distributed, workers or cores()))
            if not isinstance(client, distributed.Client):
                client = mine.enter_context(distributed.Client(client, set_as_default=False))
            self._mine = mine.pop_all()
        places = Places(client)
        n = workers or max(1, len(client.nthreads()))
        slots: list[Worker] = [Slot(distributed, client, places) for _ in range(n)]
        super().__init__(slots, batch_s=0.05)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the calls, and the client and cluster that were made for them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self._mine.close()


def _cluster(distributed: Any, n: int) -> Any:
    try:
        return distributed.LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise WrongUsage(f"no Dask worker can start ({error}): {MAIN_GUARD}") from error


class Places:
    """Which Dask workers are taken: two calls on one would die together.

    Args:
        client: Of the cluster.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._taken: set[str] = set()
        self._left: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self) -> str:
        """The address of a worker that is free, once there is one.

        Raises:
            MetadbError: None was there for a minute.
        """
        end = time.monotonic() + BACK_S
        while time.monotonic() < end:
            with self._lock:
                now = time.monotonic()
                dying = {address for address, left in self._left.items() if now - left < DYING_S}
                free = self._client.nthreads().keys() - self._taken - dying
                if free:
                    address: str = min(free)
                    self._taken.add(address)
                    return address
            time.sleep(0.1)
        raise MetadbError(f"no Dask worker was free for {BACK_S:g} s; start some with a nanny")

    def leave(self, address: str) -> None:
        """Give up a worker that dies; it comes back under another address."""
        with self._lock:
            self._taken.discard(address)
            self._left[address] = time.monotonic()

    def there(self, address: str) -> bool:
        """Whether the worker is still there."""
        return address in self._client.nthreads()


class Slot:
    """A place for one call at a time: a Dask worker, the next free one after it died.

    Args:
        distributed: The package.
        client: Of the cluster.
        places: Shared by all slots.
    """

    def __init__(self, distributed: Any, client: Any, places: Places) -> None:
        self._client, self._places = client, places
        self._gone = (distributed.KilledWorker, distributed.CancelledError)
        self._address: str | None = None
        self._loaded: Function | None = None
        self._function: Any = None
        self._call: Any = None
        self._topic = f"metadb-{uuid.uuid4().hex}"
        self._n = self._expired = 0
        client.subscribe_topic(self._topic, self._hear)

    def start(self) -> None:
        """Take a worker."""
        if self._address is None:
            self._address = self._places.take()

    def load(self, function: Function) -> None:
        """Have the function on the cluster, as a task's result: so Dask can make it again."""
        if self._loaded is function:
            return
        self._function = function.shipped(self._ship)
        error = self._function.exception()
        if error is not None:
            raise WrongUsage(f"a Dask worker cannot read the objective ({error})")
        self._loaded = function

    def call(self, batch: Sequence[tuple[Any, ...]], limit_s: float | None) -> list[Reply]:
        """Submit a batch, and wait for its replies."""
        self._n += 1
        watch = None if limit_s is None else (limit_s, self._topic, self._n)
        self._call = self._client.submit(
            _run, self._function, list(batch), watch, pure=False, workers=[self._address]
        )
        try:
            return self._wait(self._call)
        except self._gone as error:
            self._leave()
            if self._expired == self._n:
                raise Expired from error
            raise Died("its Dask worker died") from error

    def kill(self) -> None:
        """Cancel the call, whose worker then ends itself."""
        call = self._call
        if call is not None:
            call.cancel()

    def close(self) -> None:
        """Leave the worker."""
        self._client.unsubscribe_topic(self._topic)
        self._leave()

    def _leave(self) -> None:
        if self._address is not None:
            self._places.leave(self._address)
        self._address = self._call = None

    def _hear(self, event: tuple[float, int]) -> None:
        """The worker says that a call took too long, and ends."""
        self._expired = event[1]

    def _wait(self, call: Any) -> list[Reply]:
        while True:
            try:
                found: list[Reply] = call.result(timeout=PULSE_S)
            except TimeoutError:
                if not self._places.there(self._address or ""):
                    call.cancel()  # it would wait for its worker for ever
            else:
                return found

    def _ship(self, call: Callable[..., Any]) -> Any:
        return self._client.submit(_same, call, pure=False)


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


Watch = tuple[float, str, int]
"""The seconds that a call may take, and where to say that it took longer: topic, number."""


def _run(
    function: Callable[..., Any], batch: Sequence[tuple[Any, ...]], watch: Watch | None
) -> list[Reply]:
    """On the worker: call, and end the worker's process where that takes too long."""
    worker = library("distributed", "dask").get_worker()
    over = threading.Event()
    watched = (worker, worker.get_current_task(), watch, over)
    threading.Thread(target=_watch, args=watched, daemon=True).start()
    try:
        return replies(function, batch)
    finally:
        over.set()


def _watch(worker: Any, key: str, watch: Watch | None, over: threading.Event) -> None:
    """Only the end of its process ends a thread, whatever that does; the nanny starts a new one."""
    limit_s, topic, n = watch or (float("inf"), "", 0)
    end = time.monotonic() + limit_s
    while not over.wait(max(0.0, min(0.2, end - time.monotonic()))):
        task = worker.state.tasks.get(key)
        if time.monotonic() >= end:
            worker.log_event(topic, n)
            time.sleep(0.2)  # until that is sent
            os._exit(1)
        if task is None or task.state == "cancelled":
            os._exit(1)
