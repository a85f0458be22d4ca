"""Trials on a Ray cluster, or on a Ray of this machine's own.

Moritz et al. 2018, "Ray: A Distributed Framework for Emerging AI Applications".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metadb.errors import WrongUsage
from optimizers.executors.local import cores
from optimizers.executors.workers import (
    Died,
    Expired,
    Function,
    Reply,
    Runner,
    Worker,
    Workers,
    library,
)


class Ray(Workers):
    """Ray actors, each runs one trial at a time.

    Short trials share a message, so give `run(parallel=...)` some hundreds where a trial takes
    milliseconds.

    Args:
        workers: Actors; as many as the cluster has CPUs by default.
        address: Of a cluster, as `ray.init` takes it; None: the one this process is connected to,
            or a new one on this machine, which ends with the executor.
        cpus, gpus: Of each actor; its numerical libraries start as many threads as it has CPUs.

    Raises:
        WrongUsage: Ray is not installed, or there is to be no worker.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        address: str | None = None,
        cpus: float = 1,
        gpus: float = 0,
    ) -> None:
        ray = library("ray", "ray")
        if workers is not None and workers < 1:
            raise WrongUsage(f"{workers} workers cannot run a trial")
        self._ray, self._mine = ray, not ray.is_initialized()
        if self._mine:
            own = {} if address else {"num_cpus": max(cores(), int((workers or 1) * cpus))}
            quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
            ray.init(address=address, **own, **quiet)
        n = workers or max(1, int(ray.cluster_resources().get("CPU", 1) // max(cpus, 1e-9)))
        kind = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Runner)
        actors: list[Worker] = [Actor(ray, kind) for _ in range(n)]
        super().__init__(actors, batch_s=0.05)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the actors, and the Ray that was started for them."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if self._mine and wait:
            self._ray.shutdown()


class Actor:
    """A worker that is a Ray actor, made at the first call and again after it died.

    Args:
        ray: The package.
        kind: The remote class of `Runner`.
    """

    def __init__(self, ray: Any, kind: Any) -> None:
        self._ray, self._kind = ray, kind
        self._actor: Any = None
        self._function: Function | None = None

    def start(self) -> None:
        """Make the actor where there is none."""
        if self._actor is None:
            self._actor = self._kind.remote()

    def load(self, function: Function) -> None:
        """Send it the function."""
        if self._function is function:
            return
        self._wait(self._actor.load.remote(function.shipped(self._ray.put)), None)
        self._function = function

    def call(self, batch: Sequence[tuple[Any, ...]], limit_s: float | None) -> list[Reply]:
        """Send a batch, and wait for its replies."""
        found: list[Reply] = self._wait(self._actor.call.remote(list(batch)), limit_s)
        return found

    def kill(self) -> None:
        """Kill the actor's process."""
        actor = self._actor
        if actor is not None and self._ray.is_initialized():
            self._ray.kill(actor)

    def close(self) -> None:
        """End the actor."""
        self.kill()
        self._forget()

    def _forget(self) -> None:
        self._actor = self._function = None

    def _wait(self, reference: Any, limit_s: float | None) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=limit_s)
        except errors.GetTimeoutError:
            self.close()
            raise Expired from None
        except errors.OutOfMemoryError as error:
            self._forget()
            raise Died("Ray killed its process: memory ran out", memout=True) from error
        except errors.RayActorError as error:
            self._forget()
            raise Died(f"its Ray actor died ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
