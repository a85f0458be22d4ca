"""What was made from frozen objects, remembered while they are in use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


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
    _kept: OrderedDict[tuple[Hashable, ...], tuple[tuple[object, ...], T, int]] = field(
        default_factory=OrderedDict
    )
    _held_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def get(self, made_from: tuple[object, ...], make: Callable[[], T], *more: Hashable) -> T:
        """The thing made from these objects (and, by value, from `more`)."""
        key = (*(id(one) for one in made_from), *more)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        thing = make()
        size = self.size_bytes(thing)
        with self._lock:
            if key in self._kept:  # another thread was quicker
                self._held_bytes -= self._kept.pop(key)[2]
            self._kept[key] = (made_from, thing, size)
            self._held_bytes += size
            while len(self._kept) > 1 and (
                len(self._kept) > self.most or self._held_bytes > self.most_bytes
            ):
                self._held_bytes -= self._kept.popitem(last=False)[1][2]
        return thing
