"""The text of HPO-B's large JSON files, a task at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from metadb.errors import MalformedFile

LAYOUT = '{"search space": {"task": {"X": [[...], ...], "y": [...]}}}'
"""What the files are like."""
LARGEST_TASK = 1 << 29
"""Bytes that the text of one task may have."""

_OPEN = re.compile(rb"\s*(\{)")
_FIRST = re.compile(rb'\s*(\}|(?="))')
_KEY = re.compile(rb'\s*"(\d{1,18})"\s*:\s*(?=\{)')
_NEXT = re.compile(rb"\s*([,}])")
_END = re.compile(rb"\s*($)")
_NEAR = 4096  # bytes that a pattern may look at
_BLOCK = 1 << 20


def task_texts(path: Path) -> Iterator[tuple[str, str, bytes, int]]:
    """Search space, task, its JSON text and how many bytes are read, task by task.

    Raises:
        MalformedFile: The file is not of HPO-B's layout, or breaks off.
    """
    with path.open("rb") as stream:
        text = _Text(stream, path)
        for space in text.members():
            for task in text.members():
                yield space, task, text.last_object(), text.n_read
        text.take(_END, "nothing more")


@dataclass
class _Text:
    """A file read a block at a time, of which no more is kept than is being looked at."""

    stream: BinaryIO
    path: Path
    rest: bytearray = field(default_factory=bytearray)
    n_read: int = 0

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; who asks takes each value himself."""
        self.take(_OPEN, "{")
        mark = self.take(_FIRST, "a number in quotes")
        while mark != b"}":
            yield self.take(_KEY, 'a number in quotes, then ": {"').decode()
            mark = self.take(_NEXT, ", or }")

    def take(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        """What the pattern's group finds here."""
        if len(self.rest) < _NEAR:
            self._read()
        found = pattern.match(self.rest)
        if found is None:
            raise self.wrong(what)
        taken = bytes(found[1])
        del self.rest[: found.end()]
        return taken

    def last_object(self) -> bytes:
        """The object that begins here and holds no other one."""
        start = 0
        while (end := self.rest.find(b"}", start)) < 0:
            start = len(self.rest)
            if start > LARGEST_TASK:
                raise self.wrong(f"a task of at most {LARGEST_TASK} bytes")
            if not self._read():
                raise self.wrong("the rest of a task")
        found = bytes(memoryview(self.rest)[: end + 1])
        del self.rest[: end + 1]
        return found

    def _read(self) -> bool:
        block = self.stream.read(_BLOCK)
        self.n_read += len(block)
        self.rest += block
        return bool(block)

    def wrong(self, what: str) -> MalformedFile:
        """The error that says what should stand here."""
        return MalformedFile(
            f"{self.path} is not of the layout {LAYOUT}: byte {self.n_read - len(self.rest)} "
            f"should begin {what}; is the download complete?"
        )
