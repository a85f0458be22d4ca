"""DARTS' cells: a normal and a reduction cell of four nodes, each of two inputs with an operation.

Liu, Simonyan, Yang 2019, "DARTS: Differentiable Architecture Search".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from metadb.records import Config
from optimizers.nas.graph import INPUT, OUTPUT, Graph
from optimizers.nas.space import distinct
from optimizers.yahpo_scenario import DARTS_CELL

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CELLS = ("normal", "reduce")
NODES = (2, 3, 4, 5)
"""Of a cell; 0 and 1 are the outputs of the cell before the last, and of the last."""

FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
"""Edges into a node are numbered from here, by what they come from."""

Node = tuple[tuple[int, str], tuple[int, str]]
"""The two inputs of a node, the earlier first, each with its operation."""


class CellDARTS:
    """Pairs of cells, 10^18 of them; reductions stand at a third and two thirds of the network.

    The space is that of the surrogate nb301 (`optimizers.yahpo`), name by name. Of the orders of a
    cell's nodes that keep inputs before their users the canonical form has the first; two configs
    have one canonical form exactly where both cells are isomorphic.

    Args:
        operations: Those to choose from.
    """

    name = "darts"

    def __init__(self, operations: Sequence[str] = OPERATIONS) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace, InCondition

        self.operations = tuple(operations)
        self.space = ConfigurationSpace(name="yahpo-nb301_v2")
        for cell in CELLS:
            edges = [Categorical(_edge(cell, k), self.operations) for k in range(14)]
            pairs = {
                node: Categorical(_inputs(cell, node), [f"{a}_{b}" for a, b in _pairs(node)])
                for node in NODES[1:]
            }
            self.space.add([*edges, *pairs.values()])
            for node, inputs in pairs.items():
                for start in range(node):
                    with_it = [f"{a}_{b}" for a, b in _pairs(node) if start in (a, b)]
                    edge = edges[FIRST_EDGE[node] + start]
                    self.space.add(InCondition(edge, inputs, with_it))

    def graph(self, config: Config) -> Graph:
        """Both cells side by side between the input and the output.

        A label says which cell it is of; nodes add up what comes in, which tells pairs apart.
        """
        ops, edges = [INPUT], set()
        ends = []
        for cell in CELLS:
            pairs = nodes(config, cell)
            place = {}
            for k, name in enumerate(("last_but_one", "last")):
                if any(start == k for pair in pairs for start, _ in pair):
                    place[k] = len(ops)
                    edges.add((0, len(ops)))
                    ops.append(f"{cell}.{name}")
            for node, pair in zip(NODES, pairs, strict=True):
                place[node] = len(ops) + 2
                for k, (start, _) in enumerate(pair):
                    edges |= {(place[start], len(ops) + k), (len(ops) + k, place[node])}
                ops += [*(f"{cell}.{op}" for _, op in pair), f"{cell}.add"]
                ends.append(place[node])
        edges |= {(end, len(ops)) for end in ends}
        return Graph((*ops, OUTPUT), frozenset(edges))

    def canonical(self, config: Config) -> Config:
        """The configuration that stands for all that are the same network as this one."""
        form: dict[str, str] = {}
        for cell in CELLS:
            form |= _written(cell, min(_orders(nodes(config, cell))))
        return form

    def neighbours(self, config: Config) -> list[Config]:
        """The other networks with one operation, or one input of a node, changed.

        An operation goes with its edge; each once, in its canonical form.
        """
        moved: list[Config] = []
        for cell in CELLS:
            old = nodes(config, cell)
            others = {other: _written(other, nodes(config, other)) for other in CELLS}
            for i, pair in enumerate(old):
                for new in _changed(pair, i + 2, self.operations):
                    changed = (*old[:i], new, *old[i + 1 :])
                    moved.append(
                        {k: v for o in CELLS for k, v in others[o].items() if o != cell}
                        | _written(cell, changed)
                    )
        return distinct(self, config, moved)

    def build(
        self,
        config: Config,
        *,
        shape: tuple[int, int, int],
        classes: int,
        width: int = 16,
        depth: int = 8,
        seed: int = 0,
    ) -> nn.Module:
        """`depth` cells of `width` channels a node, doubled at each of the two reductions."""
        from optimizers.nas.building import built
        from optimizers.nas.networks import Stacked

        def make() -> nn.Module:
            cells = {cell: nodes(config, cell) for cell in CELLS}
            return Stacked(cells, shape, classes, width, depth)

        return built(self, config, make, seed=seed)


def nodes(config: Config, cell: str) -> tuple[Node, ...]:
    """The inputs and operations of each node of a cell (`normal` or `reduce`)."""
    found = []
    for node in NODES:
        a, b = (0, 1) if node == 2 else map(int, str(config[_inputs(cell, node)]).split("_"))
        first = FIRST_EDGE[node]
        ops = [str(config[_edge(cell, first + start)]) for start in (a, b)]
        found.append(((a, ops[0]), (b, ops[1])))
    return tuple(found)


def _changed(pair: Node, node: int, operations: Sequence[str]) -> Iterator[Node]:
    """The pair with another operation on one edge, or one edge coming from another node."""
    (a, p), (b, q) = pair
    for op in operations:
        if op != p:
            yield (a, op), (b, q)
        if op != q:
            yield (a, p), (b, op)
    for start in set(range(node)) - {a, b}:
        yield _sorted((start, p), (b, q))
        yield _sorted((a, p), (start, q))


def _sorted(one: tuple[int, str], other: tuple[int, str]) -> Node:
    return (one, other) if one < other else (other, one)


def _orders(old: Sequence[Node], done: Mapping[int, int] | None = None) -> Iterator[list[Node]]:
    """The nodes in the orders that begin as small as can be, renumbered."""
    place = dict(done or {0: 0, 1: 1})
    ready = [
        (_sorted((place[a], p), (place[b], q)), i)
        for i, ((a, p), (b, q)) in enumerate(old, 2)
        if i not in place and a in place and b in place
    ]
    if not ready:
        yield []
        return
    first = min(ready)[0]
    for node, i in ready:
        if node == first:
            for rest in _orders(old, {**place, i: len(place)}):
                yield [node, *rest]


def _written(cell: str, of: Sequence[Node]) -> dict[str, str]:
    config = {}
    for node, ((a, p), (b, q)) in zip(NODES, of, strict=True):
        if node > 2:
            config[_inputs(cell, node)] = f"{a}_{b}"
        config[_edge(cell, FIRST_EDGE[node] + a)] = p
        config[_edge(cell, FIRST_EDGE[node] + b)] = q
    return config


@cache
def _pairs(node: int) -> list[tuple[int, int]]:
    return list(combinations(range(node), 2))


@cache
def _edge(cell: str, k: int) -> str:
    return f"{DARTS_CELL}edge_{cell}_{k}"


@cache
def _inputs(cell: str, node: int) -> str:
    return f"{DARTS_CELL}inputs_node_{cell}_{node}"
