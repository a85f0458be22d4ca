"""OpenML as a source: a pull from a server, or the answers that an earlier pull kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest import About
from ingest.openml.archive import LEDGER, Archive
from ingest.openml.client import Client, NoAnswer, ServerError
from ingest.openml.measures import metric_of_measure
from ingest.openml.outbox import WITH_ROWS, Outbox, Stopped
from ingest.openml.plan import Plan
from ingest.openml.reading import Reading
from ingest.openml.selection import Selection
from metadb.errors import NotFound, Unreachable, WrongUsage
from metadb.records import Rows

SERVER = "https://www.openml.org"
TEST_SERVER = "https://test.openml.org"
MAX_JOBS = 4
_CITATION = (
    "Vanschoren, van Rijn, Bischl, Torgo, OpenML: networked science in machine learning, SIGKDD "
    "Explorations 15(2), 2014"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Openml:
    """What an OpenML server knows of tasks, flows, setups and evaluations.

    Args:
        paths: Folders of kept answers, to be read without the network; else all of `selection` is
            pulled, in one load that is gone on with each time.
        selection: What to pull.
        server: Its address.
        origin: What the ids begin with; default: `openml` for the production server,
            `openml-test` for the test server, else the server's host name.
        jobs: Listings asked for at once, at most 4.
        relist: List everything anew, in case runs were deleted at the server.
        client: For tests: another client.
    """

    paths: Sequence[str | Path] = ()
    selection: Selection = field(default_factory=Selection)
    server: str = SERVER
    origin: str | None = None
    jobs: int = 1
    relist: bool = False
    api_key: str | None = field(default=None, repr=False)
    client: Client | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.server = self.server.split("/api/")[0].rstrip("/")
        if self.paths:
            return
        chosen = self.selection
        if not (chosen.suite or chosen.tasks or chosen.flows or chosen.flow_family):
            raise WrongUsage(
                "say what to pull from OpenML: --suite OpenML-CC18, --study 14, --tasks 3,31, "
                "--flows 6969 or --flow-family sklearn.RandomForestClassifier"
            )
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", self.server):
            raise WrongUsage(f"{self.server!r} is no address of a server; give e.g. {SERVER}")
        if not 1 <= self.jobs <= MAX_JOBS:
            raise WrongUsage(f"jobs is {self.jobs}; OpenML is asked from 1 to {MAX_JOBS} at once")
        if chosen.since is not None and not _is_date(chosen.since):
            raise WrongUsage(f"since is {chosen.since!r}; give a date as in 2026-01-31")
        if chosen.max_runs is not None and chosen.max_runs < 1:
            raise WrongUsage(f"max-runs is {chosen.max_runs}; ask for at least 1")
        if chosen.suite is not None and not re.fullmatch(r"[\w.-]{1,64}", chosen.suite):
            raise WrongUsage(f"{chosen.suite!r} is no name of a suite, as OpenML-CC18 or 99")
        for measure in chosen.metrics:
            metric_of_measure(measure)

    # -- one load, gone on with ---------------------------------------------------------------

    @property
    def pull(self) -> str | None:
        """The id of the one load that all answers of this selection belong to; None for files."""
        if self.paths:
            return None
        chosen = self.selection
        what = (
            chosen.suite
            or chosen.flow_family
            or "-".join(map(str, (chosen.tasks or chosen.flows)[:3]))
        )
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{urlsplit(self.server).netloc}-{what}")[:64]
        return f"openml:{slug}@{self._digest[:12]}"

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()

    @property
    def _about(self) -> dict[str, Any]:
        chosen = {k: v for k, v in asdict(self.selection).items() if v not in (None, (), False)}
        return {"server": self.server, "origin": self._origin, "selection": chosen}

    @property
    def _origin(self) -> str:
        return self.origin if self.origin is not None else origin_of(self.server)

    def about(self, path: Path) -> About:
        """Licence and paper."""
        return About("CC-BY-4.0", _CITATION)

    # -- the answers --------------------------------------------------------------------------

    def fetch(self, cache: Path, cursor: str | None = None) -> Iterator[Path]:
        """Pull what is not there yet; each answer is yielded once all it needs is there.

        Raises:
            NotFound: The suite, task, family or folder is not there.
            Unreachable: The server does not answer as it should; what came is kept.
            DiskFull: There is no room; what came is kept.
        """
        if self.paths:
            yield from self._folders()
            return
        with self._opened(cache) as archive:
            done = _place(cursor, archive.id)
            waiting = [a for a in archive.answers if a.n > done and a.kind in WITH_ROWS]
            archive.begin()
            if self.relist:
                archive.recount()
            outbox = Outbox(waiting)
            archive.heard = outbox.hold
            plan = Plan(self.selection, archive, self._client, outbox, self.jobs)
            self._reading = Reading(archive, self._origin, self.selection.since)
            plan.parsed = self._reading.parsed
            threading.Thread(target=_run, args=(plan, outbox), daemon=True).start()
            try:
                for answer in outbox:
                    yield archive.path(answer)
            finally:
                outbox.stop()
                self.missing = dict(archive.missing)

    def finish(self, cache: Path) -> None:
        """Let the next pull ask for what is new."""
        with self._opened(cache) as archive:
            archive.finish()

    def parse(self, path: Path) -> Iterator[Rows]:
        """The rows of one answer of a pull, or of all answers in a folder."""
        if path.is_dir():
            yield from self._replay(path)
            return
        yield self._reading.rows(self._reading.answer(path))

    def expected(self, cache: Path) -> dict[str, Any]:
        """What a pull would ask for and bring, told by a few small requests."""
        from ingest.openml.forecast import forecast

        with self._opened(cache) as archive:
            try:
                return forecast(self.selection, archive, self._client)
            except (ServerError, NoAnswer) as error:
                raise Unreachable(f"{self.server} does not say what there is: {error}") from error

    @cached_property
    def _client(self) -> Client:
        if self.client is not None:
            return self.client
        theirs = f".{urlsplit(self.server).hostname}".endswith(".openml.org")
        key = os.environ.get("OPENML_APIKEY") if theirs else None  # nobody else's business
        return Client(self.server, self.api_key or key or None)

    def _opened(self, cache: Path) -> Archive:
        return Archive(cache / "openml" / self._digest[:12], self._about)

    def _folders(self) -> Iterator[Path]:
        for path in map(Path, self.paths):
            if not path.exists():
                raise NotFound(f"there is no file or folder {path}; looked for kept answers")
            folder = path if path.is_dir() else path.parent
            found = sorted(ledger.parent for ledger in folder.rglob(LEDGER))
            if not found:
                raise NotFound(f"nothing to read in {path}; looked for a {LEDGER} of kept answers")
            yield from (kept for kept in found if any(kept.glob("answers/*")))

    def _replay(self, folder: Path) -> Iterator[Rows]:
        with Archive(folder) as archive:
            about: Mapping[str, Any] = archive.about
            since = about.get("selection", {}).get("since")
            reading = Reading(archive, str(about.get("origin", "openml")), since)
            answers = [a for a in archive.answers if a.file is not None and a.kind in WITH_ROWS]
            for nth, answer in enumerate(answers, 1):
                rows = reading.rows(answer)
                yield Rows(rows.tables, None, rows.rejected, nth / len(answers))


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def origin_of(server: str) -> str:
    """What the ids of a server begin with."""
    known = {SERVER: "openml", "https://openml.org": "openml", TEST_SERVER: "openml-test"}
    return known.get(server) or re.sub(r"[^A-Za-z0-9.-]+", "-", urlsplit(server).netloc)


def _run(plan: Plan, outbox: Outbox) -> None:
    """The pull in its own thread, so that asking and reading overlap."""
    try:
        plan.run()
    except Stopped:
        outbox.end()
    except NotFound as error:  # what was not there may come: ask anew next time
        plan.give_up()
        outbox.end(error)
    except ServerError as error:
        outbox.end(Unreachable(f"the server refused: {error}"))
    except NoAnswer as error:
        outbox.end(Unreachable(f"the server gave nothing usable: {error}; run it again to go on"))
    except BaseException as error:  # raised where the answers are taken
        outbox.end(error)
    else:
        outbox.end()


def _place(cursor: str | None, archive: str) -> int:
    """How far the store has read this archive; another archive's cursor says nothing."""
    name, _, n = (cursor or "").partition(":")
    return int(n) if name == archive and n.isdigit() else 0
