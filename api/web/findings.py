"""What pages show that takes long to work out: made in a thread, kept until the store has grown."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Event, Lock, Thread
from typing import Any

from api.server.background import RESTS, give_back
from metadb.errors import Busy, MetadbError
from metadb.store import Store

MOST = 64
"""So many findings are kept, those asked last."""

MOST_WAITING = 8
"""So many may wait to be made."""

Make = Callable[[Store], Any]

log = logging.getLogger("metadb.server")


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, the store version that it is of, and until when it will do (monotonic seconds)."""

    value: Any
    version: dict[str, int]
    until: float


class Findings:
    """Makes one finding after another in a thread of its own.

    Where the store has grown since, the older finding is shown while a new one is made, and before
    one is made that took long the last time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: OrderedDict[Hashable, Found] = OrderedDict()
        self._asked: dict[Hashable, Future[Any]] = {}
        self._queue: Queue[tuple[Hashable, Make] | None] = Queue()
        self._lock, self._closed = Lock(), Event()
        self._thread = Thread(target=self._work, name="metadb-finding", daemon=True)

    def of(
        self, key: Hashable, make: Make, *, version: dict[str, int] | None, wait_s: float
    ) -> Any | None:
        """The finding, or None where it is not there within `wait_s`; then it is being made.

        Args:
            version: That of the store now; None takes a finding of any version.

        Raises:
            Busy: Too much is being made.
            MetadbError: What hindered its making.
        """
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                fresh = version is None or known.version == version
                if fresh or time.monotonic() < known.until:
                    return known.value
            try:
                future = self._future(key, make)
            except Busy:
                if known is None:
                    raise
                return known.value
        if known is not None:
            return known.value
        try:
            return future.result(timeout=wait_s)
        except (TimeoutError, CancelledError):
            return None

    def known(self, key: Hashable) -> bool:
        """Whether there is such a finding, or it is being made."""
        with self._lock:
            return key in self._known or key in self._asked

    def close(self) -> None:
        """Make no more."""
        self._closed.set()
        self._queue.put(None)
        with self._lock:
            for future in self._asked.values():
                future.cancel()
            started = self._thread.is_alive()
        if started:
            self._thread.join(timeout=5)

    def _future(self, key: Hashable, make: Make) -> Future[Any]:
        future = self._asked.get(key)
        if future is None:
            if len(self._asked) >= MOST_WAITING:
                raise Busy("too much is being worked out; ask again in a moment")
            future = self._asked[key] = Future()
            self._queue.put((key, make))
            if not self._thread.ident and not self._closed.is_set():
                self._thread.start()
        return future

    # -- the thread that makes them ---------------------------------------------------------------

    def _work(self) -> None:
        with Store(self.path, create=False) as store:
            while (asked := self._queue.get()) is not None and not self._closed.is_set():
                self._make(store, *asked)

    def _make(self, store: Store, key: Hashable, make: Make) -> None:
        future = self._asked[key]
        start = time.monotonic()
        try:
            version = store.version
            value = make(store)
        except BaseException as error:
            if not isinstance(error, MetadbError):
                log.exception("%s could not be worked out", key)
            with self._lock:
                self._asked.pop(key)
                self._known.pop(key, None)
            if not future.cancelled():
                future.set_exception(error)
            return
        with self._lock:
            rest_s = RESTS * (time.monotonic() - start)
            self._known[key] = Found(value, version, time.monotonic() + rest_s)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            self._asked.pop(key)
        if not future.cancelled():
            future.set_result(value)
        give_back()
