"""What a pull asks for, in which order: a program that runs the same each time.

It asks the archive first and the server for what is not there, so running it again after a kill
goes on where it stopped, and running it tomorrow asks for what can have changed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ingest.openml.addresses import chunks, in_halves, short
from ingest.openml.answers import (
    EVALUATIONS,
    document,
    document_of,
    entries,
    evaluations,
    flat_task,
    setups,
    tasks_of,
)
from ingest.openml.archive import Answer, Archive
from ingest.openml.client import NEVER, NO_RESULT, NOT_ALLOWED, Client, NoAnswer, ServerError
from ingest.openml.listing import PAGE, Keys, Listing, Page, function_of
from ingest.openml.outbox import Outbox
from ingest.openml.selection import IDS_AT_ONCE, Selection
from metadb.errors import MalformedFile, NotFound, Unreachable
from metadb.identity import family

T = TypeVar("T")

SETUPS_AT_ONCE = 1000
RUNS_AT_ONCE = 500
SETUP = "setup/list/setup"
PAGES = ("evaluations", "inline", "engines")
"""Kinds of answers that hold evaluations."""
UNKNOWN_FUNCTION = 100


class Plan:
    """One pull from one server into one archive.

    Args:
        jobs: Listings asked for at once.
        outbox: Where answers are put once all that is needed to read them is there.

    `parsed` is called with the number and the rows of each page, so that none is parsed twice.
    """

    def __init__(
        self, selection: Selection, archive: Archive, client: Client, outbox: Outbox, jobs: int = 1
    ) -> None:
        self.selection = selection
        self._archive = archive
        self._client = client
        self._outbox = outbox
        self._jobs = jobs
        self.parsed: Callable[[int, pa.Table], None] = lambda n, page: None
        self._lock, self._setups_lock = threading.Lock(), threading.Lock()
        self._seen_setups: set[int] = set()
        self._runs: dict[str, pa.ChunkedArray] = {}
        self._tasks: dict[int, int] = {}
        self._described: set[int] = set()
        self._datasets: set[int] = set()
        self._qualified: set[int] = set()
        self._asked_setups = _ids_of(archive.of_kind("setups"))
        for answer in archive.of_kind("inline"):
            self._asked_setups.update(one[0] for one in _kept(archive, answer, setups))
        self._asked_runs = _ids_of(archive.of_kind("folds"))
        for answer in archive.answers:
            if answer.kind not in PAGES:  # these wait for setups
                outbox.put(answer)

    def run(self) -> None:
        """Ask for everything.

        Raises:
            NotFound: The suite, a task or the flow family is not there, or there is nothing.
            Unreachable: The server does not answer; what came is kept.
        """
        tasks, flows = self.tasks(), self.flows()
        self.describe(tasks)
        listings = self.listings(tasks, flows)
        self._pull_all(listings)
        self._settle(self._left())
        self._ask_again()
        for measure in dict.fromkeys(keys.function for keys in listings):
            self._details(measure)
        if not (self._archive.of_kind("evaluations") or self._archive.of_kind("inline")):
            raise NotFound(
                f"{self._client.server} has no evaluations of what was asked for "
                f"({', '.join(keys.path for keys in listings)[:200]}); leave a filter out"
            )

    def give_up(self) -> None:
        """End the round, so that nothing of it is taken for an answer the next time."""
        self._archive.finish()

    def _pull_all(self, listings: Iterable[Keys]) -> None:
        """All listings, some at once; threads that do not keep a process from ending."""
        waiting = deque(listings)

        def work() -> None:
            while waiting:
                try:
                    self._pull(waiting.popleft())
                except IndexError:
                    return
                except BaseException as error:
                    self._outbox.stop(error)  # the other listings end too
                    return

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._outbox.go_on()

    def _ask_again(self) -> None:
        """Setups that the server did not give in an earlier round, and the pages that need them."""
        missed = {url: int(url.rpartition("/")[2]) for url in self._archive.missing
                  if url.startswith(SETUP)}  # fmt: skip
        self._setups(sorted(missed.values()), again=True)
        found = {i for url, i in missed.items() if url not in self._archive.missing}
        for answer in self._archive.answers if found else ():
            if answer.kind in PAGES and answer.file:
                page = _kept(self._archive, answer, evaluations)
                if found & set(_distinct(page, "setup_id")):
                    self._outbox.again(answer)

    def _left(self) -> Iterator[Page]:
        """Pages that no listing let go: of one that was complete before a kill, or was moved."""
        for answer in self._outbox.held():
            if answer.kind in PAGES:
                yield Page(answer, _kept(self._archive, answer, evaluations))

    # -- what is selected ---------------------------------------------------------------------

    def tasks(self) -> list[int]:
        """The ids of the tasks, those of the suite among them; none says: all tasks."""
        tasks = set(self.selection.tasks)
        if self.selection.suite is not None:
            tasks.update(self._study(self.selection.suite))
        return sorted(tasks)

    def _study(self, name: str) -> list[int]:
        try:
            _, told = self.ask(f"json/study/{name}", "study", document_of("study"), lasting=False)
        except ServerError as error:
            raise NotFound(
                f"{self._client.server} has no suite or study {name!r} ({error}); its suites are "
                f"at {self._client.server}/search?type=study&study_type=task"
            ) from error
        tasks = [int(i) for i in entries(told or {}, "study", "tasks", "task_id")]
        if not tasks:
            raise NotFound(f"the suite {name!r} has no tasks")
        return tasks

    def flows(self) -> list[int]:
        """The ids of the flows, those of the family among them; none says: all flows."""
        flows = set(self.selection.flows)
        wanted = self.selection.flow_family
        if wanted is not None:
            named = dict(self._all_flows())
            found = {i for i, name in named.items() if wanted in (family(name), name)}
            if not found:
                from difflib import get_close_matches

                near = get_close_matches(wanted, {family(n) for n in named.values()}, n=3)
                raise NotFound(
                    f"{self._client.server} has no flow of the family {wanted!r}; "
                    + (f"did you mean {', '.join(near)}?" if near else f"it has {len(named)} flows")
                )
            flows |= found
        return sorted(flows)

    def _all_flows(self) -> Iterator[tuple[int, str]]:
        offset = 0
        while True:
            _, found = self.ask(
                f"json/flow/list/limit/{PAGE}/offset/{offset}",
                "flows",
                _flows,
                lasting=_is_full,
            )
            told: list[dict[str, Any]] = found or []
            yield from ((int(flow["id"]), str(flow["full_name"])) for flow in told)
            if len(told) < PAGE:
                return
            offset += PAGE

    def listings(self, tasks: Sequence[int], flows: Sequence[int]) -> list[Keys]:
        """The listings to ask for, once the tasks are described."""
        return list(self.selection.listings(tasks, flows, self._tasks))

    # -- what belongs to it -------------------------------------------------------------------

    def describe(self, tasks: Iterable[int], *, qualities: bool = True) -> None:
        """Ask for tasks not described yet, the qualities of their data, and how they are split."""
        with self._lock:
            if not self._described:
                self._remember()
            unknown = sorted(set(tasks) - self._described)
            for some in chunks(unknown, IDS_AT_ONCE):
                self._describe_some(some)
            self._described.update(unknown)
            if not qualities:
                return
            for dataset in sorted(self._datasets - self._qualified):
                self._qualities(dataset)
            self._qualified |= self._datasets
            if self.selection.per_fold or self.selection.traces:
                self.ask(
                    "json/estimationprocedure/list",
                    "procedures",
                    document_of("estimationprocedures"),
                    lasting=True,
                )

    def _remember(self) -> None:
        """Tasks that the archive describes."""
        for kind in ("tasks", "task"):
            for answer in self._archive.of_kind(kind):
                for task in tasks_of(_kept(self._archive, answer, document)):
                    self._described.add(self._note(task))

    def _note(self, task: Mapping[str, Any]) -> int:
        """Remember a task's type and data set; returns its number."""
        number = int(task["task_id"])
        self._tasks[number] = int(task["task_type_id"])
        self._datasets.add(int(task["did"]))
        return number

    def _describe_some(self, some: Sequence[int]) -> None:
        ids = ",".join(map(str, some))
        answer, told = self.ask(
            f"json/task/list/task_id/{ids}/limit/{PAGE}/offset/0",
            "tasks",
            document_of("tasks"),
            lasting=True,
        )
        found = {self._note(task) for task in entries(told or {}, "tasks", "task")}
        self._outbox.put(answer)
        for number in sorted(set(some) - found):
            self._describe_one(number)

    def _describe_one(self, number: int) -> None:
        """A task that the listing leaves out, because its data set was deactivated or not yet."""
        try:
            answer, told = self.ask(
                f"json/task/{number}", "task", document_of("task"), lasting=True
            )
        except ServerError as error:
            raise NotFound(f"{self._client.server} has no task {number}: {error}") from error
        if told is None:
            if number in self.selection.tasks:
                raise NotFound(f"{self._client.server} has no task {number}; leave it out")
            return
        self._note(flat_task(told["task"]))
        self._outbox.put(answer)

    def _qualities(self, dataset: int) -> None:
        url = f"json/data/qualities/{dataset}"
        try:
            answer, _ = self.ask(
                url, "qualities", document_of("data_qualities"), lasting=True, dataset=dataset
            )
        except NoAnswer as error:
            self._archive.miss(url, str(error))
            return
        self._outbox.put(answer)

    # -- evaluations --------------------------------------------------------------------------

    def _pull(self, keys: Keys) -> None:
        """One listing, with the setups that belong to it."""
        listing = Listing(
            keys,
            self._archive,
            self._page,
            known_runs=self._known_runs,
            inline=self._mostly_new,
            most=self.selection.max_runs,
        )
        self._settle(listing)

    def _known_runs(self, function: str) -> pa.ChunkedArray:
        """The runs that earlier rounds brought under a measure."""
        with self._lock:
            if function not in self._runs:
                pages = [
                    _kept(self._archive, answer, evaluations).column("run_id")
                    for answer in self._archive.answers
                    if answer.kind in PAGES and answer.file and answer.round < self._archive.round
                    and function_of(answer) == function
                ]  # fmt: skip
                parts = [chunk for column in pages for chunk in column.chunks]
                self._runs[function] = pa.chunked_array(parts, pa.int64())
            return self._runs[function]

    def _settle(self, pages: Iterable[Page]) -> None:
        """Ask for what is needed to read these pages, and let them go together.

        Only together: a later page can say whose a score is.
        """
        answers: list[Answer] = []
        wanted: set[int] = set()
        for page in pages:
            answers.append(page.answer)
            self.describe(_distinct(page.table, "task_id"))
            there = set(_distinct(page.table, "setup_id"))
            with self._setups_lock:
                if page.answer.kind == "inline":
                    self._asked_setups |= there
                wanted |= there - self._asked_setups
                self._seen_setups |= there
            if len(wanted) >= SETUPS_AT_ONCE:
                self._setups(sorted(wanted))
                wanted.clear()
        self._setups(sorted(wanted))
        for answer in answers:
            self._outbox.put(answer)

    def _setups(self, ids: Sequence[int], *, again: bool = False) -> None:
        """Ask for setups, each once; when this returns, those that the server has are there."""

        def ask(some: Sequence[int]) -> None:
            url = f"json/setup/list/setup/{','.join(map(str, some))}/limit/{PAGE}/offset/0"
            answer, told = self.ask(url, "setups", setups, lasting=True, ids=list(some))
            if told is None:
                raise NoAnswer("the server has no such setup")
            self._outbox.put(answer)

        with self._setups_lock:  # another listing waits for them too
            new = [i for i in ids if again or i not in self._asked_setups]
            for some in chunks(new, SETUPS_AT_ONCE):
                for few in short(some):
                    self._in_halves(few, ask, SETUP)
            self._asked_setups.update(new)

    def _mostly_new(self, page: pa.Table) -> bool:
        """Whether asking for evaluations and setups apart would take more requests."""
        with self._setups_lock:
            new = set(_distinct(page, "setup_id")) - self._asked_setups - self._seen_setups
        return bool(2 * len(new) > page.num_rows)

    def _page(self, url: str, kind: str, listing: str, **told: object) -> Page:
        try:
            answer, table = self.ask(url, kind, evaluations, lasting=False, listing=listing, **told)
        except ServerError as error:
            if error.code != UNKNOWN_FUNCTION or kind != "inline":
                raise
            plain = url.replace("xml/evaluation/setup/list", "json/evaluation/list")
            return self._page(plain, "evaluations", listing)
        if table is None:
            return Page(answer, EVALUATIONS.empty_table())
        self.parsed(answer.n, table)
        return Page(answer, table)

    # -- folds and traces ---------------------------------------------------------------------

    def _details(self, function: str) -> None:
        """Folds and traces of all runs that the archive has under a measure."""
        if not (self.selection.per_fold or self.selection.traces):
            return
        pages = [
            _kept(self._archive, answer, evaluations)
            for answer in self._archive.answers
            if answer.kind in PAGES and answer.file and function_of(answer) == function
        ]
        rows = pa.concat_tables([EVALUATIONS.empty_table(), *pages])
        if self.selection.since is not None:
            rows = rows.filter(pc.greater_equal(rows.column("upload_time"), self.selection.since))
        if self.selection.per_fold:
            self._folds(function, _distinct(rows, "run_id"))
        if self.selection.traces:
            self._traces(function, rows)

    def _folds(self, function: str, runs: Sequence[int]) -> None:
        def ask(some: Sequence[int]) -> None:
            ids = ",".join(map(str, some))
            url = (
                f"xml/evaluation/list/function/{function}/per_fold/true/run/{ids}"
                f"/limit/{PAGE}/offset/0"
            )  # the server's JSON has no values per fold
            told = [f"{function}/{run}" for run in some]
            answer, _ = self.ask(url, "folds", evaluations, lasting=True, ids=told)
            self._outbox.put(answer)

        new = [run for run in sorted(runs) if f"{function}/{run}" not in self._asked_runs]
        for some in chunks(new, RUNS_AT_ONCE):
            for few in short(some):
                self._in_halves(few, ask, f"per_fold/{function}/run")

    def _traces(self, function: str, rows: pa.Table) -> None:
        """Of searches their iterations, of learning-curve tasks the scores at each sample size."""
        for row in rows.select(["run_id", "task_id", "setup_id", "flow_name"]).to_pylist():
            curve = self._tasks.get(row["task_id"]) == 3
            if not curve and "SearchCV(" not in (row["flow_name"] or ""):
                continue
            kind = "curve" if curve else "trace"
            url = f"xml/run/{row['run_id']}" if curve else f"json/run/trace/{row['run_id']}"
            told = {"task": row["task_id"], "setup": row["setup_id"], "run": row["run_id"]}
            told |= {"function": function, "flow_name": row["flow_name"]}
            try:
                answer, _ = self.ask(url, kind, document_of("run", "trace"), lasting=True, **told)
            except NoAnswer as error:
                self._archive.miss(url, str(error))
                continue
            self._outbox.put(answer)

    # -- asking -------------------------------------------------------------------------------

    def ask(
        self,
        url: str,
        kind: str,
        read: Callable[[bytes], T],
        *,
        lasting: bool | Callable[[T], bool],
        listing: str | None = None,
        **told: Any,
    ) -> tuple[Answer, T | None]:
        """What is at `url`, from the archive or the server, and what `read` makes of it.

        Returns: the answer, and None where the server has nothing.

        Raises:
            ServerError: The server refused, but not for want of results.
            NoAnswer: Nothing usable came; smaller pieces may.
            Unreachable: The server is gone, or the key is refused.
        """
        kept = self._archive.find(url, listing)
        if kept is not None:
            try:
                return kept, _kept(self._archive, kept, read) if kept.file else None
            except MalformedFile:
                pass  # damaged on our disk: ask again
        self._outbox.go_on()
        if listing is not None:
            told["listing"] = listing
        try:
            body, found = self._client.get(url, read)
        except ServerError as error:
            if error.code in NOT_ALLOWED:
                raise Unreachable(
                    f"{self._client.server} refuses: {error}; check the API key in OPENML_APIKEY, "
                    "or leave it out"
                ) from error
            if error.code not in NO_RESULT:
                raise
            never = error.code in NEVER
            return self._archive.keep(url, kind, None, lasting=never, **told), None
        lasts = lasting(found) if callable(lasting) else lasting
        return self._archive.keep(url, kind, body, lasting=lasts, **told), found

    def _in_halves(
        self, ids: Sequence[int], ask: Callable[[Sequence[int]], None], what: str
    ) -> None:
        """Ask for these ids, and keep what there is no answer for as missing."""
        for _ in in_halves(ids, ask, lambda one, why: self._archive.miss(f"{what}/{one}", why)):
            pass


def _is_full(flows: Sequence[Any] | None) -> bool:
    return flows is not None and len(flows) == PAGE


def _flows(body: bytes) -> list[dict[str, Any]]:
    return entries(document_of("flows")(body), "flows", "flow")


def _kept(archive: Archive, answer: Answer, read: Callable[[bytes], T]) -> T:
    return read(archive.body(answer))


def _ids_of(answers: Iterable[Answer]) -> set[Any]:
    return {one for answer in answers for one in answer.told.get("ids", ())}


def _distinct(page: pa.Table, name: str) -> list[int]:
    found: list[int] = pc.unique(page.column(name)).drop_null().to_pylist()
    return found
