"""The Weisfeiler-Lehman kernel of architectures: how many patterns two graphs share.

Shervashidze, Schweitzer, van Leeuwen, Mehlhorn, Borgwardt 2011, "Weisfeiler-Lehman Graph Kernels".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.protocols import Floats
from optimizers.nas.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTHS = 3
"""Patterns of operations alone (depth 0), of what these take in (1), and of what that does (2)."""

Counts = tuple["NDArray[np.intp]", Floats, tuple[int, ...]]
"""The numbers of a graph's patterns and how often each is there, (patterns,); how many of them, the
shallowest first, are of each depth or less."""


class Patterns:
    """Numbers for patterns, the same for all graphs that are counted by one object.

    The pattern of a node at depth 0 is its operation, at depth d + 1 its pattern at depth d with
    the sorted ones of the nodes that lead to it.
    """

    def __init__(self) -> None:
        self._number: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def count(self, graph: Graph) -> Counts:
        """How often each pattern is in a graph."""
        number, before = self._number, graph.before
        now = [number.setdefault((0, op), len(number)) for op in graph.ops]
        found: dict[int, int] = {}
        ends = []
        for depth in range(DEPTHS):
            if depth:
                led = [tuple(sorted([now[j] for j in nodes])) for nodes in before]
                now = [
                    number.setdefault((depth, p, to), len(number))
                    for p, to in zip(now, led, strict=True)
                ]
            for p in now:
                found[p] = found.get(p, 0) + 1
            ends.append(len(found))
        return np.array([*found], np.intp), np.array([*found.values()], float), tuple(ends)

    def matrix(self, counts: Sequence[Counts], depth: int) -> Any:
        """Counts of patterns up to a depth, each row of length 1, sparse (graphs, patterns)."""
        from scipy.sparse import csr_array

        rows = [(p[: ends[depth]], n[: ends[depth]]) for p, n, ends in counts]
        starts = np.cumsum([0, *(len(p) for p, _ in rows)])
        places = np.concatenate([np.empty(0, np.intp), *(p for p, _ in rows)])
        values = np.concatenate([np.empty(0), *(n / np.sqrt(n @ n) for _, n in rows)])
        return csr_array((values, places, starts), shape=(len(rows), max(len(self), 1)))


def kernel(one: Any, other: Any) -> Floats:
    """The cosines between rows of two `matrix`es, (n, m)."""
    return np.asarray(one @ other.toarray().T, float)  # a sparse product would count first
