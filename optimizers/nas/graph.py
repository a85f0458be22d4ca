"""What an architecture is to a model: a directed graph of operations, whatever space it is of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

NONE = "none"
"""The operation that gives zeros: an edge that is not there."""

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Graph:
    """Operations and what each of them takes in; an operation adds up all that leads to it.

    Args:
        ops: The label of each node; the first is the input, the last the output.
        edges: Pairs (from, to) of nodes. There is no cycle.
    """

    ops: tuple[str, ...]
    edges: frozenset[tuple[int, int]]

    @classmethod
    def of_cell(cls, edges: Iterable[tuple[int, int, str]], output: int) -> Graph:
        """The graph of a cell whose operations stand on its edges (as in NAS-Bench-201).

        Each operation becomes a node that takes in all operations that lead to where it begins;
        `none` is left out. Two cells have isomorphic graphs exactly where they are, up to dead
        operations, the same network: no two operations are merged, though they take in the same.

        Args:
            edges: (from, to, operation) between the cell's nodes, of which 0 is the input.
            output: The cell's last node.
        """
        real = [edge for edge in edges if edge[2] != NONE]
        last = len(real) + 1
        links = set()
        for k, (start, end, _) in enumerate(real, 1):
            links |= {(j, k) for j, (_, to, _) in enumerate(real, 1) if to == start}
            if start == 0:
                links.add((0, k))
            if end == output:
                links.add((k, last))
        return cls((INPUT, *(op for _, _, op in real), OUTPUT), frozenset(links))

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """What leads to each node, sorted."""
        found: list[list[int]] = [[] for _ in self.ops]
        for start, end in sorted(self.edges):
            found[end].append(start)
        return tuple(map(tuple, found))

    @cached_property
    def after(self) -> tuple[tuple[int, ...], ...]:
        """What each node leads to, sorted."""
        found: list[list[int]] = [[] for _ in self.ops]
        for start, end in sorted(self.edges):
            found[start].append(end)
        return tuple(map(tuple, found))

    @property
    def connected(self) -> bool:
        """Whether a path leads from the input to the output."""
        return len(self) - 1 in _reached(0, self.after)

    def pruned(self) -> Graph:
        """Only what lies on a path from the input to the output; these two are always there."""
        last = len(self) - 1
        live = (_reached(0, self.after) & _reached(last, self.before)) | {0, last}
        place = {node: i for i, node in enumerate(sorted(live))}
        edges = frozenset((place[a], place[b]) for a, b in self.edges if {a, b} <= live)
        return Graph(tuple(self.ops[node] for node in sorted(live)), edges)

    def paths(self) -> list[tuple[str, ...]]:
        """The operations along each path from the input to the output, ends left out, sorted.

        Two paths through the same operations in the same order are listed twice.
        """
        last = len(self) - 1
        found: list[tuple[str, ...]] = []

        def follow(node: int, done: tuple[str, ...]) -> None:
            for end in self.after[node]:
                if end == last:
                    found.append(done)
                else:
                    follow(end, (*done, self.ops[end]))

        follow(0, ())
        return sorted(found)

    def code(self) -> str:
        """One text for all graphs that are isomorphic to this one, and for no others.

        Colours are refined until they tell no more apart (Weisfeiler, Leman 1968); where nodes
        still look alike, each of them is told apart in turn and the smallest text counts.
        """
        return min(self._codes(_refined(self, list(self.ops))))

    def _codes(self, colours: Sequence[int]) -> Iterable[str]:
        alike = min((c for c in colours if colours.count(c) > 1), default=None)
        if alike is None:
            order = sorted(range(len(self)), key=colours.__getitem__)
            place = {node: i for i, node in enumerate(order)}
            edges = sorted((place[a], place[b]) for a, b in self.edges)
            yield f"{[self.ops[node] for node in order]}{edges}"
            return
        for node in range(len(self)):
            if colours[node] == alike:
                apart = [(c, i == node) for i, c in enumerate(colours)]
                yield from self._codes(_refined(self, apart))


def _reached(start: int, steps: Sequence[Sequence[int]]) -> set[int]:
    """All nodes that steps lead to, the start among them."""
    seen, open_ = {start}, [start]
    while open_:
        new = set(steps[open_.pop()]) - seen
        seen |= new
        open_ += new
    return seen


def _refined(graph: Graph, colours: Sequence[Hashable]) -> list[int]:
    """Colours as numbers that isomorphic graphs share, refined until they tell no more apart."""
    known = _numbers(colours)
    while True:
        seen = [
            (
                known[i],
                tuple(sorted(known[j] for j in graph.before[i])),
                tuple(sorted(known[j] for j in graph.after[i])),
            )
            for i in range(len(graph))
        ]
        refined = _numbers(seen)
        if max(refined) == max(known):
            return refined
        known = refined


def _numbers(things: Sequence[Hashable]) -> list[int]:
    """The place of each thing among the sorted different ones."""
    place = {thing: i for i, thing in enumerate(sorted(set(things)))}  # type: ignore[type-var]
    return [place[thing] for thing in things]
