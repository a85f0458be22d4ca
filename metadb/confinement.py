"""What a process gives up before it answers strangers: memory, files, other processes, network."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import time
from pathlib import Path

_YIELDS = 5
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # of <sched.h>


def leave_the_network() -> bool:
    """Go into a network of one's own, where the system allows it; before any thread is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    unshare = getattr(libc, "unshare", None)
    return unshare is not None and unshare(_NEW_USER | _NEW_NET) == 0


def give_up(*, memory_bytes: int) -> None:
    """No file grows, nothing is dumped, no process or thread starts, memory ends at a limit.

    And whoever else has work to do comes first, the server that waits for the answer above all.

    Args:
        memory_bytes: How much more address space than now there may be.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes
    for limit, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    os.nice(_YIELDS)


def end_after(seconds: float) -> None:
    """Let the system end this process once it has computed for so long, whoever still waits."""
    soft = math.ceil(time.process_time() + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
