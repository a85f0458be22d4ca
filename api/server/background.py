"""What work beside the answers keeps to: little of the time, and no memory it needs no more."""

from __future__ import annotations

import ctypes

import pyarrow as pa

RESTS = 9.0
"""After a piece of work it rests so many times as long: it takes a tenth of a processor's time."""


def give_back() -> None:
    """Hand memory that a piece of work left free back to the system.

    The allocators keep it, in pieces that the next one does not quite fill: a server that is
    written to grew with every fit.
    """
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc only
        trim(0)
