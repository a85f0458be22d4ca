"""Meta-features: what a data set looks like, as named numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from metadb.datafile import Data
from metadb.errors import NotFound
from metadb.metafeatures import simple
from metadb.metafeatures.openml import from_qualities

EXTRACTOR = "metadb"
"""Who computed the values; values of different extractors are not to be compared blindly."""

VERSION = "1"
"""Rises when a formula changes."""

METAFEATURES: dict[str, Callable[[Data], dict[str, float]]] = {
    "simple": simple.simple,
}
"""Group to function. A function that needs a heavy library imports it when it is called."""


def describe(data: Data, groups: Sequence[str] = ("simple",)) -> dict[str, float]:
    """The meta-features of a data set, group by group; what is undefined is absent.

    Raises:
        NotFound: There is no such group.
    """
    found: dict[str, float] = {}
    for group in groups:
        if group not in METAFEATURES:
            raise NotFound(f"no group of meta-features {group!r}; there are {sorted(METAFEATURES)}")
        values = METAFEATURES[group](data)
        found |= {name: value for name, value in values.items() if math.isfinite(value)}
    return found


__all__ = ["EXTRACTOR", "METAFEATURES", "VERSION", "describe", "from_qualities"]
