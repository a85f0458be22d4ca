"""Recommenders, fitted in the background and replaced when the store has grown."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from api.learnt import Learnt, learn
from api.server.background import RESTS, give_back
from metadb.errors import Busy, MetadbError
from metadb.records import Task
from metadb.store import Store
from recommenders import family
from recommenders.remembered import forget

if TYPE_CHECKING:
    from metadb.history import History

MOST = 64
"""So many fits are kept, those asked last."""

MOST_WAITING = 16
"""So many may wait to be fitted for the first time."""

LOOK_S = 1.0
"""So often is looked whether the store has grown."""

SHORT = 10
"""A short answer has so many configurations at most."""

QUICK_S = 0.01
"""A recommender is quick that needs no longer for a short answer: threads would not answer sooner,
as one of them computes at a time, and handing a question over costs a millisecond."""

LEARNT_FROM = ("evaluations", "configs", "tasks", "metafeatures", "metrics", "spaces")
"""The tables whose growth calls for a new fit."""

log = logging.getLogger("metadb.server")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What decides a fit, beside the store's content."""

    space: str
    metric: str | None
    recommender: str
    seed: int = 0
    without: str | None = None


class Fits:
    """Fitted recommenders; one thread of its own fits them, one after another.

    Args:
        ahead: Recommenders to fit for every space before anybody asks.
        wait_s: Seconds that one who asks waits for a first fit.
    """

    def __init__(self, path: Path, *, ahead: Sequence[str], wait_s: float) -> None:
        for name in ahead:
            family(name)
        self.path, self.ahead, self.wait_s = path, ahead, wait_s
        self._known: OrderedDict[Wanted, Learnt] = OrderedDict()
        self._asked: dict[Wanted, Future[Learnt]] = {}
        self._queue: Queue[Wanted] = Queue()
        self._lock, self._closed, self._warm = Lock(), Event(), Event()
        self._history: tuple[object, History] | None = None  # the one that was read last
        self._thread = Thread(target=self._work, name="metadb-fit", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether all that is fitted ahead has been fitted."""
        return self._warm.is_set()

    def start(self) -> None:
        """Begin to fit."""
        self._thread.start()

    def close(self) -> None:
        """Fit no more; who still waits is told so."""
        self._closed.set()
        with self._lock:
            for future in self._asked.values():
                future.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def of(self, wanted: Wanted, task: str | None) -> Learnt:
        """What was learnt from all tasks but this one.

        Raises:
            NotFound: No such space, metric or recommender, or no other task.
            Busy: It is not fitted yet; the fit goes on.
        """
        whole = self._get(wanted)
        return self._get(replace(wanted, without=task)) if task in whole.tasks else whole

    def at_hand(self, wanted: Wanted, task: str) -> Learnt | None:
        """The same where it is fitted already; else None, and nobody waits."""
        with self._lock:
            whole = self._recent(wanted)
            if whole is None or task not in whole.tasks:
                return whole
            return self._recent(replace(wanted, without=task))

    def _recent(self, wanted: Wanted) -> Learnt | None:
        if wanted in self._known:
            self._known.move_to_end(wanted)
        return self._known.get(wanted)

    def _get(self, wanted: Wanted) -> Learnt:
        with self._lock:
            if (known := self._recent(wanted)) is not None:
                return known
            future = self._asked.get(wanted)
            if future is None:
                family(wanted.recommender)
                if len(self._asked) >= MOST_WAITING:
                    raise Busy("too many recommenders wait to be fitted; ask again in a moment")
                future = self._asked[wanted] = Future()
                self._queue.put(wanted)
        try:
            return future.result(timeout=self.wait_s)
        except (TimeoutError, CancelledError):
            raise Busy(
                f"{wanted.recommender} is being fitted on space {wanted.space}; ask again in a "
                "moment"
            ) from None

    # -- the thread that fits ---------------------------------------------------------------------

    def _work(self) -> None:
        with Store(self.path, create=False) as store:
            version: dict[str, int] = {}
            rest_until = 0.0
            while not self._closed.is_set():
                try:
                    self._answer(store, self._queue.get(timeout=LOOK_S if self.ready else 0.01))
                    continue
                except Empty:
                    pass
                if time.monotonic() < rest_until:
                    continue
                try:
                    now = {name: store.version[name] for name in LEARNT_FROM}
                    if now != version:
                        start = time.monotonic()
                        with store.beside() as still:  # one past for all, though it grows meanwhile
                            self._renew(still)
                        forget(start)  # the past of the fits that were replaced
                        give_back()
                        rest_until = time.monotonic() + RESTS * (time.monotonic() - start)
                        version = now
                except Exception:
                    log.exception("the store could not be looked at")
                    rest_until = time.monotonic() + 10 * LOOK_S
                self._warm.set()

    def _answer(self, store: Store, wanted: Wanted) -> None:
        """A first fit, for those who wait."""
        future = self._asked[wanted]
        try:
            learnt = self._fit(store, wanted)
        except BaseException as error:
            with self._lock:
                self._asked.pop(wanted)
            if not future.cancelled():
                future.set_exception(error)
            return
        self._keep(wanted, learnt)
        with self._lock:
            self._asked.pop(wanted)
        if not future.cancelled():
            future.set_result(learnt)

    def _renew(self, store: Store) -> None:
        """Fit anew all that is known and what is to be ahead."""
        spaces = store.sql("select distinct space from losses order by space").column("space")
        ahead = [Wanted(space, None, name) for space in spaces for name in self.ahead]
        with self._lock:
            known = list(self._known)
        for wanted in dict.fromkeys([*known, *ahead]):
            while not self._queue.empty():  # who waits comes first
                self._answer(store, self._queue.get())
            if self._closed.is_set():
                break
            try:
                self._keep(wanted, self._fit(store, wanted))
            except MetadbError:  # no longer there, or nothing to learn from
                with self._lock:
                    self._known.pop(wanted, None)
            except Exception:
                log.exception("%s could not be fitted", wanted)

    def _fit(self, store: Store, wanted: Wanted) -> Learnt:
        of = (wanted.space, wanted.metric, tuple(store.version.items()))
        if self._history is None or self._history[0] != of:
            self._history = None  # let go of it before the next is read
            self._history = of, store.history(wanted.space, wanted.metric)
        history = self._history[1]
        learnt = learn(
            store,
            history,
            wanted.recommender,
            without=wanted.without,
            seed=wanted.seed,
        )
        learnt.ask(Task("local:first"), 1)  # what is worked out when first asked is so beforehand
        some = replace(history.described_task(history.tasks[0]), id="local:first")
        learnt.ask(some, SHORT)
        start = time.thread_time()
        learnt.ask(replace(some, id="local:second"), SHORT)
        return replace(learnt, quick=time.thread_time() - start <= QUICK_S)

    def _keep(self, wanted: Wanted, learnt: Learnt) -> None:
        with self._lock:
            new = wanted not in self._known
            self._known[wanted] = learnt
            if new and len(self._known) > MOST:
                self._known.popitem(last=False)
