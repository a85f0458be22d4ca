"""The one store that the server writes through; what was recorded is folded in within a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

from metadb.store import Store

FOLD_S = 1.0
"""What was recorded is in the tables, for all readers, after so many seconds."""

MANY = 64
"""Each folding adds a file to a table; with more than so many they are put together: a question to
1,000,000 rows in 400 files took three times as long."""

log = logging.getLogger("metadb.server")


class Writer:
    """A store that is one thread's at a time, and folds what it recorded when nobody records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store: Store | None = None
        self._lock, self._recorded, self._closed = Lock(), Event(), Event()
        self._folding = Thread(target=self._fold, name="metadb-fold", daemon=True)
        self._folding.start()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, to write into."""
        with self._lock:
            if self._store is None:
                self._store = Store(self.path, create=False)
            yield self._store
        self._recorded.set()

    def _fold(self) -> None:
        while not self._closed.is_set():
            self._recorded.wait()
            self._recorded.clear()
            self._closed.wait(FOLD_S)
            with self._lock:
                if self._store is not None:
                    try:
                        self._store.flush()
                        self._store.compact(more_than=MANY)
                    except Exception:  # it stays in the journal, for the next time
                        log.exception("what was recorded could not be folded yet")

    def close(self) -> None:
        """Fold what is left and let go of the store."""
        self._closed.set()
        self._recorded.set()
        self._folding.join()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
