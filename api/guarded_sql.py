"""Foreign SQL, answered: from the newest generation, by processes that may end at any statement."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from api.guarded_process import Ended, GuardedProcess, Limits, TimeUp
from metadb.errors import Busy, LimitReached, MetadbError, QueryRefused
from metadb.gate import LONGEST
from metadb.generation import Generation, newest

_MOVES = 20  # a generation may be replaced, and removed, while a process is about to open it
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement answered.

    Args:
        table: The rows.
        truncated: Whether there were more than the limits of rows or bytes let through.
        seconds: From the process being free to the answer being read.
        generation: Number of the generation it was answered from.
    """

    table: pa.Table
    truncated: bool
    seconds: float
    generation: int


class GuardedSql:
    """Answers SQL that anyone may have written; for any number of threads.

    Every statement runs in a process of few rights, which is killed when the time is up and
    replaced by another. A newer generation is used from the next statement on.

    Args:
        folder: Where `metadb snapshot` puts generations.
        limits: Of each statement.
        processes: How many answer at once; each takes about 100 MB.
        wait_s: How long a statement waits for a free process.

    Raises:
        NotFound: There is no generation yet.
        MetadbError: The processes do not start, or cannot open it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        processes: int = 2,
        wait_s: float = 10.0,
    ) -> None:
        self.folder = folder
        self.limits = limits or Limits()
        self._wait_s = wait_s
        newest(folder)
        # First in, first out: one that was just replaced, and starts, is asked last.
        self._free: queue.Queue[GuardedProcess] = queue.Queue()
        self._n_processes = processes
        self._closed = False
        started = [GuardedProcess(self.limits) for _ in range(processes)]
        for process in started:
            self._free.put(process)
        try:
            for process in started:
                self._moved(process)
        except BaseException:
            self.close()
            raise

    def run(self, query: str, *, limit: int | None = None) -> Answer:
        """The answer to one select statement.

        Args:
            query: DuckDB SQL over the tables and views of the generation.
            limit: At most so many rows; never more than the limits say.

        Raises:
            QueryRefused: It is not on the list of what is answered, or it fails.
            LimitReached: It took too long, or so much memory that even its process ended.
            Busy: No process came free in time.
        """
        rows = self.limits.rows if limit is None else min(limit, self.limits.rows)
        if rows < 0:
            raise QueryRefused(f"limit is {rows}; ask for 0 or more rows")
        if len(query) > LONGEST:
            raise QueryRefused(f"the statement has over {LONGEST:,} characters; make it shorter")
        process = self._taken()
        try:
            generation = self._moved(process)
            start = time.monotonic()
            said, stream = process.answer(query, rows=rows)
            table = _rows(said, stream, self.limits)
            seconds = time.monotonic() - start
            return Answer(table, bool(said["truncated"]), seconds, generation.number)
        except TimeUp:
            raise _too_long(self.limits) from None
        except Ended:
            raise LimitReached(
                "the process that answers ended at this statement, as it does where memory ends in "
                "the middle of a step; ask for less at once"
            ) from None
        except pa.ArrowException:
            process.replace()
            raise QueryRefused("the answer came out damaged; write it differently") from None
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End all processes; a statement that is being answered is answered first."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._n_processes):
            self._free.get().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _taken(self) -> GuardedProcess:
        if self._closed:
            raise MetadbError("this door is closed; open another GuardedSql")
        try:
            return self._free.get(timeout=self._wait_s)
        except queue.Empty:
            raise Busy(
                f"all {self._n_processes} processes that answer were busy for {self._wait_s:g} s; "
                "try again"
            ) from None

    def _moved(self, process: GuardedProcess) -> Generation:
        """The newest generation, which the process then holds."""
        starts, refused = 0, None
        for _ in range(_MOVES):
            generation = newest(self.folder)
            try:
                if generation.path == refused:  # it is still there: perhaps memory is at its end
                    starts += 1
                    if starts == _STARTS:
                        break
                    process.replace()
                if process.open(generation.path):
                    return generation
                refused = generation.path
            except Ended:
                starts += 1
                if starts == _STARTS:
                    raise MetadbError("the process that answers does not start here") from None
        raise MetadbError("the newest generation cannot be opened; make one with: metadb snapshot")


def _rows(said: dict[str, Any], stream: bytes, limits: Limits) -> pa.Table:
    if said.get("limit") == "time":
        raise _too_long(limits)
    if said.get("limit") == "memory":
        raise LimitReached("the statement needs more memory than it may take; ask for less at once")
    if "refused" in said:
        raise QueryRefused(str(said["refused"]))
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)  # a process at the edge of its memory may write anything
    return table


def _too_long(limits: Limits) -> LimitReached:
    return LimitReached(
        f"the statement took longer than {limits.seconds:g} s and was ended; ask for less at once"
    )
