"""How a search shows itself while it runs: a bar with the best so far and the time left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.terminal import printable

if TYPE_CHECKING:
    from optimizers.progress import Callback, Progress

EVERY_S = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def search_progress(
    *, quiet: bool = False, best: Callable[[float], str] = "{:.5g}".format
) -> Iterator[Callback]:
    """What `run(callbacks=[...])` tells its progress: a bar on a terminal, lines elsewhere.

    The last line stays. What the loop logs of trials without a score is said once, in the tally.

    Args:
        quiet: Say nothing.
        best: The text of the best loss so far, for example as the metric's value.
    """
    log = logging.getLogger("optimizers.loop")
    disabled, log.disabled = log.disabled, True
    try:
        if quiet:
            yield lambda progress: None
        elif sys.stderr.isatty():
            yield from _bar(best)
        else:
            lines = Lines(best)
            yield lines
            lines.say()
    finally:
        log.disabled = disabled


@dataclass
class Tally:
    """What is said of a search in words.

    Args:
        best: The text of a loss.
    """

    best: Callable[[float], str]
    n_lost: int = 0
    last_why: str | None = None
    progress: Progress | None = None

    def hear(self, progress: Progress) -> None:
        """Take in how far it is."""
        self.progress = progress
        if progress.why is not None and progress.last is not None:
            self.n_lost += 1
            self.last_why = printable(f"trial {progress.last.trial.id}: {progress.why}")

    def text(self) -> str:
        """Trials, the best so far, and those without a score with the last reason."""
        if self.progress is None:
            return ""
        parts = [f"{self.progress.n_done:,} trials"]
        if self.progress.best is not None and self.progress.best.loss is not None:
            parts.append(f"best {self.best(self.progress.best.loss)}")
        if self.n_lost:
            parts.append(f"{self.n_lost:,} without a score (last, {self.last_why})")
        return ", ".join(parts)


@dataclass
class Lines:
    """Progress where there is no terminal: one line each 10 seconds.

    Args:
        best: The text of a loss.
    """

    best: Callable[[float], str]
    tally: Tally = field(init=False)
    said: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Nothing was heard yet."""
        self.tally = Tally(self.best)

    def __call__(self, progress: Progress) -> None:
        """Say it, unless something was said a moment ago."""
        self.tally.hear(progress)
        if time.monotonic() - self.said >= EVERY_S:
            self.say()

    def say(self) -> None:
        """Say how far it is."""
        self.said = time.monotonic()
        text, progress = self.tally.text(), self.tally.progress
        if progress is not None and text:
            left = f", {progress.left_s:.0f} s left" if progress.left_s else ""
            print(f"search: {text}{left}", file=sys.stderr, flush=True)


def _bar(best: Callable[[float], str]) -> Iterator[Callback]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("search"),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[left]}"),
    )
    tally = Tally(best)
    with Bar(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task("", total=1.0, left="")

        def heard(progress: Progress) -> None:
            tally.hear(progress)
            left = "" if progress.left_s is None else _clock(progress.left_s)
            bar.update(row, completed=progress.share, description=tally.text(), left=left)

        yield heard


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{left:02d} left"
