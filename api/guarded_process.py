"""One process that answers foreign SQL, as its parent sees it: started, asked, killed in time."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
# -I: no environment, no user's packages, no current folder; so the way to this package is said.
_CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from metadb.confinement import leave_the_network
leave_the_network()
from metadb.answering import serve
serve(json.loads(sys.argv[2]))
"""
ENVIRONMENT = {
    "PATH": os.defpath,
    "OMP_NUM_THREADS": "1",
    # Both allocators set address space aside, of which the limit of a statement would be spent.
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_START_S = 60.0  # imports, on a machine that is busy
_LONGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may take.

    Args:
        seconds: After these the process that computes it is killed.
        rows: The answer is cut after so many.
        size_bytes: The answer is cut at so many bytes of Arrow data.
        memory_bytes: Address space beyond what an idle process has.
    """

    seconds: float = 3.0
    rows: int = 1000
    size_bytes: int = 1_000_000
    memory_bytes: int = 512 * 1024 * 1024


class Ended(Exception):
    """The process is gone, or said what it never says; make a new one."""


class TimeUp(Exception):
    """The process did not answer in time, and is killed."""


class GuardedProcess:
    """A process that holds one generation and answers one statement at a time.

    It starts in the background, and the first question waits for it; where it is killed, dies, or
    came to the end of its memory, another one starts in its place.

    Args:
        limits: Of each statement.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._start()

    def _start(self) -> None:
        self.path: Path | None = None
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, str(_ROOT), json.dumps(asdict(self._limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            close_fds=True,
            start_new_session=True,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        """The system's number of it."""
        return self._process.pid

    def open(self, path: Path) -> bool:
        """Hold this generation; false where its file cannot be opened (any more).

        Raises:
            Ended: The process died; another one starts.
        """
        if self._process.poll() is not None:
            self.replace()
        if self.path == path:
            return True
        try:
            self._wait_ready()
            said, _ = self._ask({"open": str(path)}, _START_S)
        except TimeUp as error:
            raise Ended from error
        if said.get("opened") is True:
            self.path = path
            return True
        return False

    def answer(self, sql: str, *, rows: int) -> tuple[dict[str, Any], bytes]:
        """What it says to a statement: a head, and an Arrow stream of rows.

        Raises:
            TimeUp: It took longer than the limit.
            Ended: The process died over it.
        """
        request = {"sql": sql, "rows": rows, "size_bytes": self._limits.size_bytes}
        said, stream = self._ask(request, self._limits.seconds + 0.25)  # it first stops by itself
        if said.get("limit") == "memory":
            self.replace()  # what it keeps of this statement would be missing to the next
        return said, stream

    def replace(self) -> None:
        """End the process at once, and start another."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _wait_ready(self) -> None:
        if not self._ready:
            self._receive(time.monotonic() + _START_S)
            self._ready = True

    def _ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + seconds
        text = json.dumps(request).encode()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack("<I", len(text)) + text)
        except OSError as error:
            self.replace()
            raise Ended from error
        return self._receive(deadline)

    def _receive(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        (size,) = struct.unpack("<I", self._read(4, deadline))
        try:
            head = json.loads(self._read(min(size, _LONGEST_HEAD), deadline))
            n_bytes = int(head["size"])
        except (ValueError, KeyError, TypeError) as error:
            self.replace()
            raise Ended from error
        if not 0 <= n_bytes <= 2 * self._limits.size_bytes + _LONGEST_HEAD:
            self.replace()
            raise Ended
        return head, self._read(n_bytes, deadline)

    def _read(self, n: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        parts: list[bytes] = []
        while n > 0:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                self.replace()
                raise TimeUp
            part = os.read(descriptor, min(n, 1 << 18))
            if not part:
                self.replace()
                raise Ended
            parts.append(part)
            n -= len(part)
        return b"".join(parts)
