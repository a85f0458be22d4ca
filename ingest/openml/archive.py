"""What a server answered, kept compressed with its address and hash: a pull's memory on disk.

A folder of answers and one ledger, a JSON line an answer, in the order in which they came. Asking
again is looking here first: that makes a pull resumable, and a store can be built anew from it
without the network. An answer is there whole or not at all; one that is gone counts as not
asked for, and one whose hash is wrong is named. A ledger line that a kill cut short is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from metadb.errors import Busy, DiskFull, MalformedFile, NotAStore, NotFound

LEDGER = "ledger.jsonl"
MOST_BYTES = 50_000_000
"""Of an answer, unpacked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the ledger.

    Args:
        n: Its place, from 1 on.
        round: In which round of the pull it was asked for; a finished pull goes on with a new one.
        url: What was asked, without server and key.
        kind: What it is: `evaluations`, `setups`, `tasks`, ...
        lasting: Whether it need not be asked again in a later round.
        file: Its name in the folder; none where the server said that there is nothing.
        sha256: Of the body.
        told: What belongs to it: the ids asked for, the function.
    """

    n: int
    round: int
    url: str
    kind: str
    lasting: bool
    file: str | None
    sha256: str | None
    at: str
    told: dict[str, Any] = field(default_factory=dict)


class Archive:
    """The answers of one pull. Safe to use from several threads, but for one process at a time.

    Args:
        folder: Where it lies; made if it is not there.
        about: What is pulled; written into the ledger's first line.

    `heard` is called with each new answer, in the order of the ledger.

    Raises:
        Busy: Another process is at it.
        MalformedFile: The ledger is none.
        DiskFull: There is no room.
    """

    def __init__(self, folder: Path, about: dict[str, Any] | None = None) -> None:
        self.folder = folder
        if about is None and not (folder / LEDGER).is_file():
            raise NotFound(f"there is no {LEDGER} in {folder}; looked for answers kept by a pull")
        self._lock = threading.Lock()
        self._mends, self._incomplete = about is not None, False
        self._latest: dict[str, Answer] = {}
        self._from: dict[str, int] = {}
        self._counted: dict[str, dict[int, int]] = {}
        self._counted_in: dict[tuple[str, int], int] = {}
        self.answers: list[Answer] = []
        self.missing: dict[str, str] = {}
        self.heard: Callable[[Answer], None] = lambda answer: None
        self.round, self._over = 1, False
        with _room(folder):
            (folder / "answers").mkdir(parents=True, exist_ok=True)
            self._ledger = (folder / LEDGER).open("a+b", buffering=0)
        try:
            fcntl.flock(self._ledger, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._ledger.close()
            raise Busy(
                f"another process is pulling into {folder}; wait for it, or stop it"
            ) from error
        self._read(about or {})

    def _read(self, about: dict[str, Any]) -> None:
        self._ledger.seek(0)
        text = self._ledger.readall()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            self._ledger.truncate(whole)
        try:
            lines = [json.loads(line) for line in text[:whole].splitlines()]
            for line in lines:
                self._take(line)
        except (ValueError, TypeError, KeyError) as error:
            raise MalformedFile(
                f"{self.folder / LEDGER} is damaged ({error}); move the folder away to ask anew"
            ) from error
        if self._incomplete:
            self._counted.clear()
            self._counted_in.clear()
        if lines:
            self.id, self.about = str(lines[0]["archive"]), lines[0]
        else:
            self.id = uuid.uuid4().hex
            self.about = {"archive": self.id} | about
            self._write(self.about)

    def _take(self, line: dict[str, Any]) -> None:
        """What one line says."""
        if "url" in line:
            answer = Answer(**line)
            gone = self._mends and answer.file is not None and not self.path(answer).exists()
            if gone:  # ask again
                answer = replace(answer, file=None)
                self._incomplete = True
            else:
                self._latest[answer.url] = answer
            self.answers.append(answer)
            self.missing.pop(answer.url, None)
            for one in answer.told.get("ids", ()) if answer.kind == "setups" else ():
                self.missing.pop(f"setup/list/setup/{one}", None)
        elif "missing" in line:
            self.missing[line["missing"]] = line["why"]
        elif "anew" in line:
            self._from[line["anew"]] = line["n"]
        elif "counted" in line:
            rows = {int(task): n for task, n in line["rows"].items()}
            self._counted.setdefault(line["counted"], {}).update(rows)
            self._counted_in |= {(line["counted"], task): line["in"] for task in rows}
        elif "recount" in line:
            self._counted.clear()
        elif "round" in line:
            self.round, self._over = line["round"], line["over"]
            if not self._over:
                self._forgive()

    def begin(self) -> None:
        """Go on with the round that was broken off, or begin the next one."""
        if self._over:
            self.round += 1
            self._over = False
            self._forgive()
            self._write({"round": self.round, "over": False})

    def _forgive(self) -> None:
        """Forget what was missing, but for setups, which no listing asks for again."""
        kept = {url: why for url, why in self.missing.items() if url.startswith("setup/list/")}
        self.missing = kept

    def recount(self) -> None:
        """Let no listing count as complete any more: all are asked for once more."""
        with self._lock:
            self._counted.clear()
            self._write({"recount": self.round})

    def finish(self) -> None:
        """Say that the round is over: all was asked, and the store has it."""
        self._over = True
        self._write({"round": self.round, "over": True})

    def find(self, url: str, listing: str | None = None) -> Answer | None:
        """The answer that need not be asked for again, or None."""
        answer = self._latest.get(url)
        if answer is None or not (answer.lasting or answer.round == self.round):
            return None
        return answer if answer.n > self._from.get(listing or "", 0) else None

    def anew(self, listing: str) -> None:
        """Let nothing that is kept of a listing count any more: it is asked for once more."""
        with self._lock:
            n = len(self.answers)
            self._from[listing] = n
            self._write({"anew": listing, "n": n})

    def keep(
        self, url: str, kind: str, body: bytes | None, *, lasting: bool, **told: Any
    ) -> Answer:
        """Keep an answer; None as body says that the server has nothing."""
        with self._lock, _room(self.folder):
            n = len(self.answers) + 1
            file, digest = None, None
            if body is not None:
                digest = hashlib.sha256(body).hexdigest()
                file = f"{n:07d}-{kind}-{digest[:12]}.zst"
                target = self.folder / "answers" / file
                part = target.with_suffix(".part")
                with pa.CompressedOutputStream(str(part), "zstd") as stream:
                    stream.write(body)
                part.replace(target)
            at = datetime.now(UTC).isoformat(timespec="seconds")
            answer = Answer(n, self.round, url, kind, lasting, file, digest, at, told)
            self._write(asdict(answer))
            self._take(asdict(answer))
            self.heard(answer)
            return answer

    def count(self, listing: str, rows: Mapping[int, int]) -> None:
        """Keep that a listing is complete, with so many rows a task."""
        told = {str(task): n for task, n in rows.items()}
        line = {"counted": listing, "rows": told, "in": self.round}
        with self._lock:
            self._take(line)
            self._write(line)

    def counted(self, listing: str) -> dict[int, int]:
        """How many rows each task had when its listing was complete."""
        return dict(self._counted.get(listing, {}))

    def is_counted(self, listing: str, tasks: Iterable[int]) -> bool:
        """Whether the listing of these tasks was completed in this round already."""
        return all(self._counted_in.get((listing, task)) == self.round for task in tasks)

    def miss(self, url: str, why: str) -> None:
        """Keep that there is something the server would not give; the next round asks again."""
        with self._lock:
            self.missing[url] = why
            self._write({"missing": url, "why": why})

    def body(self, answer: Answer) -> bytes:
        """What was answered.

        Raises:
            MalformedFile: It is gone or damaged.
        """
        if answer.file is None:
            return b""
        path = self.path(answer)
        try:
            with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
                body: bytes = stream.read(MOST_BYTES + 1)
        except (OSError, pa.ArrowException) as error:
            raise MalformedFile(
                f"{path} is gone or damaged ({error}); remove it and pull again to have it anew"
            ) from error
        if len(body) > MOST_BYTES or hashlib.sha256(body).hexdigest() != answer.sha256:
            raise MalformedFile(f"{path} is damaged: its hash is not the one in {LEDGER}")
        return body

    def path(self, answer: Answer) -> Path:
        """Where an answer lies; the name is our own, whatever the ledger says."""
        return self.folder / "answers" / Path(answer.file or "-").name

    def at(self, path: Path) -> Answer:
        """The answer that lies at a path."""
        return self.answers[int(path.name.split("-")[0]) - 1]

    def of_kind(self, kind: str) -> list[Answer]:
        """All answers of a kind that hold something, in their order."""
        return [a for a in self.answers if a.kind == kind and a.file is not None]

    def close(self) -> None:
        """Let another process in."""
        with self._lock:
            self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        size = os.fstat(self._ledger.fileno()).st_size
        with _room(self.folder):
            try:
                while text:
                    text = text[self._ledger.write(text) or 0 :]
            except OSError:
                os.ftruncate(self._ledger.fileno(), size)
                raise


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Say in one sentence that the disk is full."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise NotAStore(f"{folder} cannot be a folder ({error}); name another store") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"the disk of {folder} is full; make room and run the same command: it goes on "
                "where it stopped"
            ) from error
        raise
