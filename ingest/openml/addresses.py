"""Lists of ids that fit into an address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
