"""What was made from frozen objects, remembered while they are in use."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Kept(Generic[T]):
    """One thing, what it was made from, its size in bytes, and when it was last asked for."""

    made_from: tuple[object, ...]
    thing: T
    size: int
    used_s: float


@dataclass(slots=True)
class Remembered(Generic[T]):
    """The last `most` things made, of at most `most_bytes` together (the newest always).

    A thing is known by the identity of the objects that it was made from, which is quick to
    compare however large they are. They are held as long as it is remembered, so that no other
    object can take their identity. What is remembered is what would be made again: it changes no
    answer. Threads may share it.
    """

    most: int
    most_bytes: int
    size_bytes: Callable[[T], int]
    _kept: OrderedDict[tuple[Hashable, ...], Kept[T]] = field(default_factory=OrderedDict)
    _held_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        _ALL.append(self)

    def get(self, made_from: tuple[object, ...], make: Callable[[], T], *more: Hashable) -> T:
        """The thing made from these objects (and, by value, from `more`)."""
        key = (*(id(one) for one in made_from), *more)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                kept.used_s = time.monotonic()
                return kept.thing
        thing = make()
        size = self.size_bytes(thing)
        with self._lock:
            if key in self._kept:  # another thread was quicker
                self._drop(key)
            self._kept[key] = Kept(made_from, thing, size, time.monotonic())
            self._held_bytes += size
            while len(self._kept) > 1 and (
                len(self._kept) > self.most or self._held_bytes > self.most_bytes
            ):
                self._drop(next(iter(self._kept)))
        return thing

    def forget(self, unused_since_s: float) -> None:
        """Let go of what nobody asked for since then (seconds of `time.monotonic`)."""
        with self._lock:
            for key in [k for k, kept in self._kept.items() if kept.used_s < unused_since_s]:
                self._drop(key)

    def _drop(self, key: tuple[Hashable, ...]) -> None:
        self._held_bytes -= self._kept.pop(key).size


_ALL: list[Remembered[Any]] = []


def forget(unused_since_s: float) -> None:
    """Let go of all that is remembered and that nobody asked for since then.

    What was made from a past that has grown since is not asked for again, and holds that past.
    """
    for remembered in _ALL:
        remembered.forget(unused_since_s)
