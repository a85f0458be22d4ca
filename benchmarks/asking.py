"""A server as a process of its own, and clients that cost little: what `server` measures with."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Served:
    """`metadb serve` on a store, at a port that was free.

    Args:
        store: Its folder.
        settings: Environment variables, METADB_TOKEN for example.
    """

    def __init__(self, store: Path, **settings: str) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        # Not the installed command: of two copies, that of the current folder is what is served.
        command = [sys.executable, "-c", "from api.cli import main; main()", "serve"]
        command += ["--store", str(store), "--port", str(self.port)]
        self._process = subprocess.Popen(command, env=os.environ | settings)

    def wait_ready(self, limit_s: float = 300.0) -> float:
        """Wait until the recommenders are fitted; the seconds it took."""
        start = time.monotonic()
        while time.monotonic() - start < limit_s:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/ready", trust_env=False).is_success:
                    return time.monotonic() - start
            except httpx.TransportError:  # it does not listen yet
                pass
            time.sleep(0.1)
        raise SystemExit(f"the server was not ready after {limit_s:g} s")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def cpu_s(self) -> tuple[float, float]:
        """Seconds of CPU so far: of the server, and of the processes that answer SQL."""
        own = _ticks(self._process.pid)
        below = sum(sum(_ticks(pid)[:2]) for pid in self._children())
        return sum(own[:2]) * _TICK_S, (sum(own[2:]) + below) * _TICK_S

    def resident_mb(self) -> float:
        """Memory of the server itself; the processes that answer SQL have a limit of theirs."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1]) * 1024 / 1e6

    def _children(self) -> Iterator[int]:
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            try:
                yield from map(int, (task / "children").read_text().split())
            except OSError:  # a thread that ended meanwhile
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ticks(pid: int) -> list[int]:
    """User, system, and both of children that ended; none of a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return [0, 0, 0, 0]
    return [int(n) for n in text.rpartition(")")[2].split()[11:15]]


@dataclass(slots=True)
class Took:
    """What came of many requests.

    Args:
        seconds: Of each.
        statuses: How often each status was answered; 0 is a connection that was closed.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def wrong(self, *, allowed: tuple[int, ...] = (200,)) -> int:
        """How many had another status."""
        return sum(n for status, n in self.statuses.items() if status not in allowed)

    def latencies(self) -> dict[str, float]:
        """Half of the requests, and 99 of 100, took at most so many milliseconds."""
        p50, p99 = np.quantile(self.seconds, [0.5, 0.99])
        return {"p50_ms": round(1000 * float(p50), 1), "p99_ms": round(1000 * float(p99), 1)}


def post(path: str, body: Any, *, token: str | None = None) -> bytes:
    """A POST of JSON as it stands on the wire."""
    text = json.dumps(body).encode()
    bears = f"authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"{bears}content-length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


def get(path: str) -> bytes:
    """A GET as it stands on the wire."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


async def ask(port: int, next_request: Callable[[], bytes | None], took: Took) -> None:
    """Send one request after another through a connection that is kept, until there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        while (request := next_request()) is not None:
            start = time.perf_counter()
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                size = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
                await reader.readexactly(int(size))
                took.statuses[int(head[9:12])] += 1
            except (OSError, EOFError):
                took.statuses[0] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
            took.seconds.append(time.perf_counter() - start)
    finally:
        writer.close()
