"""What work beside the answers keeps to: little of the time, and no memory it needs no more."""

from __future__ import annotations

import ctypes
import os

import pyarrow as pa

RESTS = 9.0
"""After a piece of work it rests so many times as long: it takes a tenth of a processor's time."""


LARGE = 2**20
"""A piece of memory of so many bytes goes back to the system as soon as it is free."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h


def tidy() -> None:
    """Have the allocator keep little of what is free; before the first thread starts.

    By itself it has up to eight heaps a processor, each with holes of its own, and takes large
    pieces from them too once it has seen some go.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # of glibc only
        mallopt(_M_ARENA_MAX, max(2, os.cpu_count() or 1))
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Hand memory that a piece of work left free back to the system.

    The allocators keep it, in pieces that the next one does not quite fill: a server that is
    written to grew with every fit.
    """
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc only
        trim(0)
