"""Lists of ids that fit into an address, and smaller ones where the server gives no answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ingest.openml.client import NoAnswer

T = TypeVar("T")

LENGTH = 7000
"""Of the ids in an address; servers refuse addresses from about 8,000 characters on."""


def chunks(items: Sequence[int], size: int) -> list[list[int]]:
    """The items in lists of at most `size`."""
    return [list(items[i : i + size]) for i in range(0, len(items), size)]


def short(ids: Sequence[int]) -> Iterator[list[int]]:
    """The ids in lists that fit into an address."""
    some: list[int] = []
    length = 0
    for one in ids:
        if some and length + len(str(one)) >= LENGTH:
            yield some
            some, length = [], 0
        some.append(one)
        length += len(str(one)) + 1
    if some:
        yield some


def in_halves(
    ids: Sequence[int], ask: Callable[[list[int]], T], give_up: Callable[[int, str], None]
) -> Iterator[T]:
    """What is answered for these ids at once; where that fails, for halves, down to single ones.

    Args:
        give_up: Hears of an id for which there is no answer, and why.
    """
    waiting = deque([list(ids)])
    while waiting:
        some = waiting.popleft()
        try:
            yield ask(some)
        except NoAnswer as error:
            if len(some) == 1:
                give_up(some[0], str(error))
                continue
            half = len(some) // 2
            waiting += [some[:half], some[half:]]
