"""Generations of the store, made in the background, and the processes that answer SQL from them."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Event, Lock, Thread

from api.guarded_process import Limits
from api.guarded_sql import GuardedSql
from api.server.background import RESTS, give_back
from metadb.errors import Busy, MetadbError, NotFound
from metadb.generation import newest, write
from metadb.store import Store

FOLDER = "generations"
"""In the store, where `metadb snapshot` puts them too."""

LOOK_S = 1.0
"""So often is looked whether the store has grown."""

FAILED_S = 30.0
"""After one that could not be made it rests so long."""

log = logging.getLogger("metadb.server")


class Generations:
    """Keeps a generation of the store as it is, and answers foreign SQL from the newest one.

    All of it begins with the first statement, so a server that is asked none pays nothing. Where
    the store may not be written to, the newest generation that `metadb snapshot` made is asked.

    Args:
        processes: How many statements are answered at once; each process takes about 100 MB.
        wait_s: Seconds to wait for the first generation, and for a process to come free.
    """

    def __init__(self, path: Path, *, limits: Limits, processes: int, wait_s: float) -> None:
        self.path, self.folder = path, path / FOLDER
        self.limits, self.processes, self.wait_s = limits, processes, wait_s
        self._closed, self._made, self._lock = Event(), Event(), Lock()
        self._guarded: GuardedSql | None = None
        self._thread = Thread(target=self._work, name="metadb-generation", daemon=True)

    def close(self) -> None:
        """Make no more, and end the processes."""
        self._closed.set()
        with self._lock:
            if self._thread.is_alive():
                self._thread.join(timeout=5)
            if self._guarded is not None:
                self._guarded.close()

    def guarded(self) -> GuardedSql:
        """The door to the newest generation.

        Raises:
            Busy: There is none yet.
            MetadbError: The processes do not start here.
        """
        with self._lock:
            if not self._thread.ident and not self._closed.is_set():
                self._thread.start()
        if not self._made.wait(timeout=self.wait_s):
            raise Busy("the first generation of the store is being made; ask again in a moment")
        with self._lock:
            if self._guarded is None:
                try:
                    self._guarded = GuardedSql(
                        self.folder,
                        limits=self.limits,
                        processes=self.processes,
                        wait_s=self.wait_s,
                    )
                except NotFound:
                    raise Busy(
                        "the store may not be written to by this server and has no generation; "
                        "its owner makes one with: metadb snapshot"
                    ) from None
            return self._guarded

    # -- the thread that makes them ---------------------------------------------------------------

    def _work(self) -> None:
        with Store(self.path, create=False) as store:
            while not self._closed.is_set():
                start = time.monotonic()
                try:
                    if self._behind(store):
                        write(store.snapshot, self.folder)
                        give_back()
                    rest_s = max(LOOK_S, RESTS * (time.monotonic() - start))
                except Exception:
                    log.exception("no generation of the store could be made")
                    rest_s = FAILED_S
                self._made.set()
                self._closed.wait(rest_s)

    def _behind(self, store: Store) -> bool:
        """Whether the store has grown since the newest generation, or has none."""
        try:
            return dict(newest(self.folder).version) != store.version
        except MetadbError:  # none yet, or a damaged pointer
            return True
