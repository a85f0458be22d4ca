"""Trials on a Dask cluster, or on one of this machine's own.

Rocklin 2015, "Dask: Parallel Computation with Blocked algorithms and Task Scheduling".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from metadb.errors import WrongUsage
from optimizers.executors.local import cores
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

ALONE = {"distributed.scheduler.allowed-failures": 0}
"""A task whose worker died is not tried on the next one."""


class Dask(Workers):
    """Threads of Dask workers, each runs one trial at a time.

    On a cluster of others a trial whose worker dies may be tried on other workers before it is
    given up (Dask's `allowed-failures`); a trial that takes too long ends with its worker, which
    its nanny starts again.

    Args:
        workers: Worker processes of a new cluster on this machine; as many as there are cores by
            default. With `client`: trials at a time, all threads of the cluster by default.
        client: A `distributed.Client` of a cluster, or the address of its scheduler.

    Raises:
        WrongUsage: Dask's `distributed` is not installed, or there is to be no worker.
    """

    def __init__(self, workers: int | None = None, *, client: Any = None) -> None:
        distributed = library("distributed", "dask")
        if workers is not None and workers < 1:
            raise WrongUsage(f"{workers} workers cannot run a trial")
        self._mine: list[Any] = []
        if client is None:
            with library("dask", "dask").config.set(ALONE):
                client = distributed.LocalCluster(
                    n_workers=workers or cores(), threads_per_worker=1, processes=True,
                    dashboard_address=None,
                )  # fmt: skip
            self._mine = [client]
        if not isinstance(client, distributed.Client):
            client = distributed.Client(client, set_as_default=False)
            self._mine.insert(0, client)
        n = workers or max(1, sum(client.nthreads().values()))
        slots: list[Worker] = [Slot(distributed, client) for _ in range(n)]
        super().__init__(slots, batch_s=0.05)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the calls, and the client and cluster that were made for them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            for part in self._mine:
                part.close()
            self._mine = []


class Slot:
    """A place for one call at a time on a Dask cluster.

    Args:
        distributed: The package.
        client: Of the cluster.
    """

    def __init__(self, distributed: Any, client: Any) -> None:
        self._distributed, self._client = distributed, client
        self._function: Any = None
        self._call: Any = None

    def load(self, function: Function) -> None:
        """Have the function on the cluster, as a task's result: so Dask can make it again."""
        self._client.wait_for_workers(1)
        self._function = function.shipped(lambda call: self._client.submit(_same, call, pure=False))
        self._function.result()

    def call(self, batch: Sequence[tuple[Any, ...]], limit_s: float | None) -> list[Reply]:
        """Submit a batch, and wait for its replies."""
        self._call = self._client.submit(replies, self._function, list(batch), pure=False)
        try:
            found: list[Reply] = self._call.result(timeout=limit_s)
        except TimeoutError:
            self.kill()
            raise Expired from None
        except self._distributed.KilledWorker as error:
            raise Died("its Dask worker died") from error
        except self._distributed.CancelledError as error:
            raise Died("Dask cancelled it") from error
        return found

    def kill(self) -> None:
        """Restart the worker that runs the call."""
        call = self._call
        if call is None or call.done():
            return
        there = [
            address
            for address, keys in self._client.processing().items()
            if call.key in {str(key) for key in keys} | set(keys)
        ]
        call.cancel()
        if there:
            with suppress(TimeoutError):
                self._client.restart_workers(there, timeout=30, raise_for_error=False)

    def close(self) -> None:
        """Let go of the function."""
        self._function = self._call = None


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
