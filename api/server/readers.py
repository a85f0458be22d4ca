"""The store for reading: one SQL engine, asked by several threads at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore, Lock

from metadb.errors import Busy
from metadb.store import Store

MEMORY = "400MB"
"""Memory limit of the engine, for all who ask at once; what needs more spills to disk."""


class Readers:
    """The store as it is now, lent to at most `n` requests at once.

    Args:
        wait_s: Seconds to wait for one that is free.
    """

    def __init__(self, path: Path, *, n: int, wait_s: float) -> None:
        self.path, self.wait_s = path, wait_s
        self._free, self._opening = BoundedSemaphore(n), Lock()
        self._store: Store | None = None

    @contextmanager
    def lent(self) -> Iterator[Store]:
        """A store as it is now, and stays while it is lent.

        Raises:
            Busy: All were lent for too long.
        """
        if not self._free.acquire(timeout=self.wait_s):
            raise Busy("too many queries at once; ask again in a moment")
        try:
            with self._opening:  # once for all, after the store has grown
                if self._store is None:
                    self._store = Store(self.path, memory=MEMORY, create=False)
                store = self._store.beside()
            with store:  # else it would keep the engine of a past version until much later
                yield store
        finally:
            self._free.release()

    def close(self) -> None:
        """Let go of the store."""
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None
