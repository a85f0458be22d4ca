"""Trials in processes of this machine; one that hangs or dies ends alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from metadb.errors import WrongUsage
from optimizers.executors.workers import Died, Expired, Function, Reply, Runner, Worker, Workers

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Where the numerical libraries look for how many threads they may start."""

_STARTING = threading.Lock()


class Local(Workers):
    """Processes of this machine.

    They are spawned, not forked (forked ones deadlock where torch has run before): a script that
    uses them keeps its work under `if __name__ == "__main__":`, and the objective stands at the
    top level of a module. Starting one takes as long as the imports of both.

    Args:
        workers: Processes; as many as there are cores by default.
        threads: Of the numerical libraries in each.

    Raises:
        WrongUsage: There is to be no worker, or this is itself a process that is starting.
    """

    def __init__(self, workers: int | None = None, *, threads: int = 1) -> None:
        n = cores() if workers is None else workers
        super().__init__(processes([{}] * n, threads))


def processes(environments: Sequence[Mapping[str, str]], threads: int) -> list[Worker]:
    """A worker process for each environment."""
    if not environments or threads < 1:
        raise WrongUsage(f"{len(environments)} workers of {threads} threads cannot run a trial")
    refuse_import()
    number = dict.fromkeys(THREADS, str(threads))
    return [Process(number | dict(environment)) for environment in environments]


MAIN_GUARD = (
    "a script that runs trials in other processes is imported by each of them; keep what it does "
    'under `if __name__ == "__main__":`'
)


def refuse_import() -> None:
    """Raise where a worker process runs this only since it imports the script of its parent."""
    if getattr(multiprocessing.process.current_process(), "_inheriting", False):
        raise WrongUsage(MAIN_GUARD)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Process:
    """A worker in a process of its own, started at the first call and again after it died.

    Args:
        environment: Variables that are there before anything is imported.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._function: Function | None = None
        self._n_oom = 0

    def start(self) -> None:
        """Start the process where there is none."""
        if self._process is not None and self._process.exitcode is not None:
            self._bury()
        if self._process is None:
            self._spawn()

    def load(self, function: Function) -> None:
        """Send it the function."""
        if self._function is function:
            return
        self._function = None
        self._send(function.call)
        why = self._receive(None)
        if why is not None:
            raise WrongUsage(
                f"a worker process cannot read the objective ({why}); define it at the top level "
                "of a module that can be imported"
            )
        self._function = function

    def call(self, batch: Sequence[tuple[Any, ...]], limit_s: float | None) -> list[Reply]:
        """Send a batch, and wait for its replies."""
        self._send(list(batch))
        found: list[Reply] = self._receive(limit_s)
        return found

    def kill(self) -> None:
        """Kill it, and what it started."""
        process = self._process
        if process is None or process.pid is None or process.exitcode is not None:
            return
        with suppress(OSError):  # it is not the first of its group yet
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()  # it reads that nothing more will come
        if self._process is not None:
            self._process.join(timeout=2.0)
        self.kill()
        self._bury()

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._n_oom = _oom_kills()
        self._pipe, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=False)
        with _STARTING, _environment(self._environment):
            process.start()
        theirs.close()
        self._process = process
        try:
            self._receive(None)
        except Died as error:
            raise WrongUsage(f"no worker process can start ({error}): {MAIN_GUARD}") from error

    def _send(self, message: Any) -> None:
        assert self._pipe is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # receiving tells why it is gone
            self._pipe.send(message)

    def _receive(self, limit_s: float | None) -> Any:
        assert self._pipe is not None
        assert self._process is not None
        if not wait([self._pipe], limit_s):  # a dead end is ready too
            self.kill()
            self._bury()
            raise Expired
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            raise self._bury() from None

    def _bury(self) -> Died:
        """Forget the process; returns what became of it."""
        process, self._process, self._function = self._process, None, None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if process is None:
            return Died("its process is gone")
        process.join(timeout=10.0)
        code = process.exitcode
        if code is None or code >= 0:
            return Died(f"its process ended with exit code {code}")
        name = signal.Signals(-code).name
        memout = name == "SIGKILL" and _oom_kills() > self._n_oom
        return Died(
            f"its process was killed by {name}" + (": memory ran out" if memout else ""),
            memout=memout,
        )


def _work(pipe: Connection) -> None:
    """The life of a worker process: read a function or a batch, reply."""
    with suppress(AttributeError, OSError):
        os.setsid()  # a Ctrl-C is the parent's to handle, and children can be killed with it
    threading.Thread(target=_follow, daemon=True).start()
    runner = Runner()
    pipe.send("ready")
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            return
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
            continue
        if not isinstance(message, list):
            runner.load(message)
            pipe.send(None)
            continue
        found = runner.call(message)
        try:
            pipe.send(found)
        except Exception as error:
            why = WrongUsage(f"what a call returned cannot be sent back ({error})")
            pipe.send([(False, why, 0.0)] * len(message))


def _follow() -> None:
    """Do not outlive the parent, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        with suppress(AttributeError, OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables that a process inherits which starts inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _oom_kills() -> int:
    """How often the system has killed a process since memory ran out; 0 where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
