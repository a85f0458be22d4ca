"""Answers on their way to the store: in the order of the ledger, each when it can be read.

A page of evaluations can be read only once its setups are there, which are asked for later. The
store's cursor is a place in the ledger, so nothing may overtake.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from ingest.openml.archive import Answer

WITH_ROWS = frozenset(
    {
        "tasks",
        "task",
        "qualities",
        "evaluations",
        "inline",
        "engines",
        "setups",
        "folds",
        "trace",
        "curve",
    }
)
"""Kinds of answers that hold rows for the store."""


class Stopped(Exception):
    """Nobody takes the answers any more."""


class Outbox:
    """Between the threads that ask and the one that reads.

    Args:
        waiting: The answers that are kept, but that the store does not have yet, in their order.
    """

    def __init__(self, waiting: Iterable[Answer] = ()) -> None:
        self._there = threading.Condition()
        self._held: dict[int, Answer] = {}  # in the order of the ledger, which numbers them
        self._ready: set[int] = set()
        self._out: deque[Answer] = deque()
        self._error: BaseException | None = None
        self._over = self._stopped = False
        for answer in waiting:
            self.hold(answer)

    def hold(self, answer: Answer) -> None:
        """Keep everything from this answer on until it is put."""
        if answer.kind in WITH_ROWS and answer.file is not None:
            with self._there:
                self._held[answer.n] = answer

    def put(self, answer: Answer) -> None:
        """All that is needed to read it is there."""
        with self._there:
            if answer.n in self._held:
                self._ready.add(answer.n)
                self._release()

    def held(self) -> list[Answer]:
        """What is kept back."""
        with self._there:
            return list(self._held.values())

    def again(self, answer: Answer) -> None:
        """Give out an answer once more: what was missing to read it is there now."""
        with self._there:
            self._out.append(answer)

    def _release(self) -> None:
        while self._held and (n := next(iter(self._held))) in self._ready:
            self._ready.discard(n)
            self._out.append(self._held.pop(n))
        self._there.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come, because all is there or because of an error."""
        with self._there:
            self._over, self._error = True, self._error or error
            self._there.notify_all()

    def stop(self, error: BaseException | None = None) -> None:
        """Whoever asks for more ends, since nobody takes any more or because of an error.

        The first error is the one that is raised where the answers are taken.
        """
        if error is not None and not isinstance(error, Stopped):
            self._error = self._error or error
        self._stopped = True

    def go_on(self) -> None:
        """Raise `Stopped` where nobody takes the answers any more."""
        if self._stopped:
            raise Stopped

    def __iter__(self) -> Iterator[Answer]:
        while True:
            with self._there:
                while not self._out and not self._over:
                    self._there.wait(0.5)  # so that Ctrl-C is heard
                if not self._out:
                    if self._error is not None:
                        raise self._error
                    return
                answer = self._out.popleft()
            yield answer
