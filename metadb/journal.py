"""The journal of one writer: a line for each evaluation as it ends, safe against kill -9.

A Delta commit costs milliseconds and a file; a line costs microseconds. Lines are folded into the
tables in batches. A journal whose writer is gone (its lock is free) is folded by whoever opens the
store next; folding twice changes nothing, since rows are keyed by their identity.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """The journal that this process appends to, locked for as long as it is open.

    Args:
        folder: The store's folder of journals.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = uuid.uuid4().hex[:16]
        self.path = folder / f"{self.id}.jsonl"
        part = self.path.with_suffix(".part")
        self._file = part.open("xb+", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        part.rename(self.path)  # seen only once it is locked, so that nobody takes it for orphaned
        self.pid = os.getpid()
        self.n_lines = 0
        self.oldest = 0.0
        self.wait_s = 1.0

    def append(self, line: dict[str, Any]) -> None:
        """Write one line through to the system, so that it outlives this process.

        A disk that is full takes half a line, which is taken back.
        """
        text = json.dumps(line, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        data, end = (text + "\n").encode(), self._file.tell()
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "the journal cannot grow", str(self.path))
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            raise
        if self.n_lines == 0:
            self.oldest = time.monotonic()
        self.n_lines += 1

    @property
    def due(self) -> bool:
        """Whether it holds 1,000 lines, or its oldest one has waited for `wait_s`."""
        waited = self.n_lines > 0 and time.monotonic() - self.oldest >= self.wait_s
        return waited or self.n_lines >= 1000

    def lines(self) -> list[dict[str, Any]]:
        """The lines not folded yet."""
        self._file.seek(0)
        found = list(_parse(self._file))
        self._file.seek(0, os.SEEK_END)
        return found

    def clear(self) -> None:
        """Forget the lines, once they are in the tables."""
        self._file.seek(0)
        self._file.truncate()
        self.n_lines = 0

    def close(self) -> None:
        """Remove the file if it is empty, and free its lock."""
        if self.n_lines == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()


def orphans(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Journals whose writers are gone, with their lines; each is removed after its turn.

    The lock is held meanwhile, so two openers never fold one journal at once. Who may not write
    here leaves them to those who may.
    """
    if not os.access(folder, os.W_OK):
        return
    for path in sorted(folder.glob("*.jsonl")):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its writer is alive
            if not path.exists():
                continue
            yield path, list(_parse(file))
            path.unlink(missing_ok=True)


def _parse(file: Any) -> Iterator[dict[str, Any]]:
    """Whole lines only: the last one may have been cut short by a kill."""
    for line in file:
        if line.endswith(b"\n"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found
