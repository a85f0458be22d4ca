"""One listing of evaluations, page by page, until it is known to be complete.

The server does not sort, and pages are asked for one after the other while runs come in: rows may
come twice, or not at all. So the distinct rows are counted against the length of the listing, and
a listing that does not add up is asked for again.

The server's JSON does not say which of its engines a score is from. Of a run with two of them, the
rows are asked for once more in XML, which does.

A listing that was complete once is gone on with by its length: where there is no row behind the
last known one, nothing is new; else the tasks that grew are found by halving, and of such a task
first the end is asked for. If as many rows are new there as it has grown by, these are all; if not
(the server put them in between), the task is listed again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ingest.openml.addresses import chunks, in_halves
from ingest.openml.answers import EVALUATIONS
from ingest.openml.archive import Answer, Archive
from ingest.openml.client import NoAnswer

PAGE = 1000
MAX_OFFSET = 50_000
"""A listing of several tasks or flows that is longer is asked for in two halves; the server begins
to fail at offsets of ten millions."""
PASSES = 3
RUNS = 400
"""Runs asked for at once whose two scores must fit into a page."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Which evaluations: of these tasks and flows (all, where there are none) under a measure."""

    function: str
    tasks: tuple[int, ...] = ()
    flows: tuple[int, ...] = ()

    @property
    def path(self) -> str:
        """The filters as OpenML wants them in an address."""
        parts = [f"function/{self.function}"]
        for name, ids in (("task", self.tasks), ("flow", self.flows)):
            if ids:
                parts.append(f"{name}/{','.join(map(str, ids))}")
        return "/".join(parts)

    def halves(self) -> tuple[Keys, ...]:
        """The same in two parts, of tasks if there are several, else of flows; else nothing."""
        for name in ("tasks", "flows"):
            ids = getattr(self, name)
            if len(ids) > 1:
                half = len(ids) // 2
                return replace(self, **{name: ids[:half]}), replace(self, **{name: ids[half:]})
        return ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its place in the archive and its rows."""

    answer: Answer
    table: pa.Table


class Ask(Protocol):
    """Asks for a page, from the archive or the server."""

    def __call__(self, url: str, kind: str, listing: str, **told: object) -> Page:
        """The page at `url`, empty where the server has no results."""


class Listing:
    """All pages of one listing that are not known yet; iterate to get them as they come.

    Args:
        keys: What is listed.
        known_runs: The runs that earlier rounds brought under a measure.
        inline: Called after each page with the rows; true lets the next ones carry setups.
        most: Stop after so many rows.
    """

    def __init__(
        self,
        keys: Keys,
        archive: Archive,
        ask: Ask,
        *,
        known_runs: Callable[[str], pa.ChunkedArray],
        inline: Callable[[pa.Table], bool] = lambda page: False,
        most: int | None = None,
    ) -> None:
        self.keys = keys
        self._archive = archive
        self._ask = ask
        self._known_runs = known_runs
        self._wants_inline = inline
        self._inline = False
        self._form = "json"
        self._most = most

    def __iter__(self) -> Iterator[Page]:
        known = self._known()
        if known is None:
            yield from self._whole()
        elif not self._is_done():
            if self._most is None:
                yield from self._grown(known)
            elif known < self._most:
                yield from self._whole()

    def _part(self, keys: Keys) -> Listing:
        part = Listing(
            keys,
            self._archive,
            self._ask,
            known_runs=self._known_runs,
            inline=self._wants_inline,
            most=self._most,
        )
        part._inline = self._inline
        return part

    # -- the first time -----------------------------------------------------------------------

    def _whole(self) -> Iterator[Page]:
        """Every page, again where they do not add up, in halves where they are too many."""
        seen: set[tuple[int, float | None]] = set()
        scores: set[tuple[int, float | None]] = set()
        unsure: set[int] = set()
        for nth in range(PASSES):
            rows: Counter[int] = Counter()
            if nth == 1:
                seen.clear()  # in XML, rows are told apart by their engine
            # Two equal scores of a run add up in XML; of a part of a listing, one may be outside.
            self._form = "json" if nth == 0 and self._most is None else "xml"
            for page in self._pages():
                if page is None:
                    for half in self.keys.halves():
                        yield from self._part(half)
                    return
                run, engine, value = (
                    page.table.column(name).to_pylist()
                    for name in ("run_id", "evaluation_engine_id", "value")
                )
                seen.update(zip(run, value if self._form == "json" else engine, strict=True))
                scores.update(zip(run, value, strict=True))
                unsure.update(r for r, e in zip(run, engine, strict=True) if e is None)
                rows.update(page.table.column("task_id").to_pylist())
                yield page
            total = rows.total()
            if len(seen) >= total:
                break
            if nth < PASSES - 1:
                self._archive.anew(self.keys.path)
        else:
            self._archive.miss(
                f"evaluation/list/{self.keys.path}",
                f"its pages changed while they were read: {total - len(seen)} of {total} rows "
                "were not seen",
            )
            return
        several = Counter(run for run, _ in scores)
        yield from self._whose(sorted(run for run in unsure if several[run] > 1))
        self._count(rows)

    def _whose(self, runs: Sequence[int]) -> Iterator[Page]:
        """The rows of runs with several scores, with the engine that each is from."""

        def url(some: Sequence[int]) -> str:
            filters = f"function/{self.keys.function}/run/{','.join(map(str, some))}"
            return f"xml/evaluation/list/{filters}/limit/{PAGE}/offset/0"

        for some in chunks(runs, RUNS):
            yield from in_halves(
                some,
                lambda few: self._ask(url(few), "engines", self.keys.path, ids=few),
                lambda run, why: self._archive.miss(url([run]), why),
            )

    def _pages(self) -> Iterator[Page | None]:
        """The pages in order; one None where the listing is to be halved."""
        offset = 0
        while True:
            limit = PAGE if self._most is None else min(PAGE, self._most - offset)
            pages = list(self._range(offset, limit))
            inline = self._inline or any(self._wants_inline(page.table) for page in pages)
            yield from pages
            rows = sum(page.table.num_rows for page in pages)
            full = rows == limit or len(pages) > 1  # of a halved page rows may be missing
            offset += limit
            if not full or (self._most is not None and offset >= self._most):
                return
            if offset == PAGE and self.keys.halves() and self._is_long():
                yield None
                return
            self._inline = inline

    def _is_long(self) -> bool:
        short = self._most is not None and self._most <= MAX_OFFSET
        return not short and self._reaches(MAX_OFFSET)

    def _reaches(self, offset: int) -> bool:
        """Whether the listing has a row at an offset."""
        url = f"json/evaluation/list/{self.keys.path}/limit/1/offset/{offset}"
        return bool(self._ask(url, "probe", self.keys.path).table.num_rows)

    def _range(self, offset: int, limit: int) -> Iterator[Page]:
        """A page; where the server does not give it, its halves, and so on down to single rows."""
        waiting = deque([(offset, limit)])
        while waiting:
            start, size = waiting.popleft()
            try:
                yield self._page(start, size)
            except NoAnswer as error:
                if size == 1:
                    self._archive.miss(self._url(start, 1), str(error))
                    continue
                waiting.append((start, size // 2))
                waiting.append((start + size // 2, size - size // 2))

    def _page(self, start: int, size: int) -> Page:
        plain, within = (self._url(start, size, inline=inline) for inline in (False, True))
        for kept in (plain, within):  # in whatever form it was asked for before a kill
            if self._archive.find(kept, self.keys.path):
                return self._ask(kept, _kind(kept), self.keys.path)
        url = within if self._inline else plain
        return self._ask(url, _kind(url), self.keys.path)

    def _url(self, start: int, size: int, *, inline: bool = False) -> str:
        form = "xml" if inline else self._form  # the JSON of evaluations has no room for setups
        what = "evaluation/setup/list" if inline else "evaluation/list"
        return f"{form}/{what}/{self.keys.path}/limit/{size}/offset/{start}"

    # -- once it was complete -----------------------------------------------------------------

    def _known(self) -> int | None:
        """How many rows it had when it was complete; None if it never was."""
        counted = self._archive.counted(replace(self.keys, tasks=()).path)
        there = [counted.get(task) for task in self._counted]
        return None if None in there else sum(n for n in there if n is not None)

    @property
    def _counted(self) -> tuple[int, ...]:
        """The tasks that are counted; 0 stands for all there are."""
        return self.keys.tasks or (0,)

    def _is_done(self) -> bool:
        """Whether this round has asked for it, before a kill."""
        return self._archive.is_counted(replace(self.keys, tasks=()).path, self._counted)

    def _count(self, rows: Counter[int]) -> None:
        found = {task: rows[task] for task in self.keys.tasks} or {0: rows.total()}
        self._archive.count(replace(self.keys, tasks=()).path, found)

    def _grown(self, known: int) -> Iterator[Page]:
        """Only what is new since the listing was `known` rows long."""
        if not self._reaches(known):
            return
        if known // PAGE < len(self.keys.tasks):  # finding out what grew would take longer
            yield from self._whole()
            return
        if len(self.keys.tasks) > 1:
            for half in self.keys.halves():
                yield from self._part(half)
            return
        self._form = "xml"  # a new score may be another engine's of a run that is known
        start = offset = known // PAGE * PAGE
        pages: list[Page] = []
        while True:
            pages += self._range(offset, PAGE)
            rows = sum(page.table.num_rows for page in pages)
            offset += PAGE
            if start + rows < offset:
                break
        tail = pa.concat_tables([EVALUATIONS.empty_table(), *(page.table for page in pages)])
        yield from pages
        if _n_new(tail, self._known_runs(self.keys.function)) >= start + rows - known:
            self._count(Counter({self._counted[0]: start + rows}))
        else:
            yield from self._whole()


def function_of(answer: Answer) -> str:
    """The measure that a page is of."""
    return str(answer.told.get("listing", "")).split("/")[1]


def _kind(url: str) -> str:
    return "inline" if "/setup/list/" in url else "evaluations"


def _n_new(page: pa.Table, runs: pa.ChunkedArray) -> int:
    known = pc.is_in(page.column("run_id"), value_set=runs)
    return int(page.num_rows - (pc.sum(known).as_py() or 0))
