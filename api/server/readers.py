"""Stores for reading: each is one thread's at a time, opened when first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue

from metadb.errors import Busy
from metadb.store import Store


class Readers:
    """At most `n` open stores, lent to one request each.

    Args:
        wait_s: Seconds to wait for one.
    """

    def __init__(self, path: Path, *, n: int, wait_s: float) -> None:
        self.path, self.wait_s = path, wait_s
        self._idle: LifoQueue[Store | None] = LifoQueue()
        for _ in range(n):
            self._idle.put(None)

    @contextmanager
    def lent(self) -> Iterator[Store]:
        """A store as it is now.

        Raises:
            Busy: All were lent for too long.
        """
        try:
            store = self._idle.get(timeout=self.wait_s)
        except Empty:
            raise Busy("too many queries at once; ask again in a moment") from None
        try:
            store = store or Store(self.path, create=False)
            yield store
        finally:
            self._idle.put(store)

    def close(self) -> None:
        """Let go of those that are idle."""
        while not self._idle.empty():
            store = self._idle.get()
            if store is not None:
                store.close()
