"""How commands speak: answers to stdout, progress and errors to stderr, exit codes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import Parameter

if TYPE_CHECKING:
    from metadb.records import Config
    from metadb.store import Store

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_REJECTED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What every command takes."""

    store: Annotated[Path, Parameter(env_var="METADB_STORE")] = Path("metadb-store")
    "Folder of the store."
    json: Annotated[bool, Parameter(negative="")] = False
    "Answer with one JSON document on stdout; errors too."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False
    "No progress and no remarks, only the answer."


COMMON = Common()


def opened(common: Common, *, create: bool = False) -> Store:
    """The store that a command is about."""
    from metadb.store import Store

    return Store(common.store, create=create)


def remark(common: Common, text: str) -> None:
    """Say something on stderr that is not the answer."""
    if not common.quiet and not common.json:
        print(printable(text), file=sys.stderr)


class Heard(Protocol):
    """Takes what a long piece of work says of itself."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """`done` of `total` units (None: unknown) of `what`."""


@dataclass
class Lines:
    """Progress where there is no terminal: one line each 10 seconds, with rate and time left."""

    unit: str
    every_s: float = 10.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.start = self.said = time.monotonic()

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """Say it, unless something was said a moment ago."""
        now = time.monotonic()
        if now - self.said < self.every_s:
            return
        self.said = now
        rate = done / max(1e-9, now - self.start)
        left = f", {(total - done) / max(1e-9, rate):.0f} s left" if total else ""
        of = f" of {total:,}" if total else ""
        print(f"{what}: {done:,}{of} {self.unit}, {rate:,.0f}/s{left}", file=sys.stderr, flush=True)


@contextmanager
def progress(unit: str, *, quiet: bool) -> Iterator[Heard]:
    """A bar with rate and time left on a terminal, lines elsewhere, nothing when quiet."""
    if quiet:
        yield lambda what, done, total=None: None
    elif not sys.stderr.isatty():
        yield Lines(unit)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} " + unit),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            tasks: dict[str, Any] = {}

            def heard(what: str, done: int, total: int | None = None) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=total, rate="")
                speed = bar.tasks[tasks[what]].speed
                rate = f"{speed:,.0f}/s" if speed else ""
                bar.update(tasks[what], completed=done, total=total, rate=rate)

            yield heard


def say_json(answer: Any) -> None:
    """One JSON document on stdout."""
    print(json_text(answer))


def json_text(
    answer: Any, *, indent: int | None = 2, default: Callable[[Any], Any] | None = None
) -> str:
    """Strict JSON: NaN and infinity, which it does not know, are null.

    Args:
        default: Makes of a value that JSON does not know one that it does; else `plain` does.
    """
    made = default or plain
    finite = _finite(answer)
    return json.dumps(finite, indent=indent, default=made, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def printable(text: str) -> str:
    """Text from outside without what could command a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def plain(value: Any) -> Any:
    """A value that JSON does not know as one that it does."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def config_text(config: Config) -> str:
    """A configuration on one line: floats short, and `svm__C` beside `learner=svm` is just C."""
    chosen = tuple(f"{v}__" for v in config.values() if isinstance(v, str))
    named = {k: next((k.removeprefix(p) for p in chosen if k.startswith(p)), k) for k in config}
    order = sorted(config, key=lambda k: (named[k] != k, k))  # what chooses comes first
    return ", ".join(
        f"{named[k]}={v:.4g}" if isinstance(v := config[k], float) else f"{named[k]}={v}"
        for k in order
    )


def expected_text(
    expected: float | None, interval: tuple[float, float] | None, probability: float | None
) -> str:
    """The figures of a recommendation in words; empty where there are none."""
    said = []
    if expected is not None:
        between = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        said.append(f"expected regret {expected:.2f}{between}")
    if probability is not None:
        said.append(f"{probability:.0%} likely within 1 % of the best".replace("%", " %", 1))
    return ", ".join(said)


def trust_text(members: Mapping[str, float]) -> str:
    """The recommenders that spoke, most trusted first."""
    ordered = sorted(members.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in ordered)
