"""The cell of NAS-Bench-201: four nodes, and on each of the six edges one of five operations.

Dong, Yang 2020, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metadb.errors import InvalidConfig
from metadb.records import Config
from optimizers.cube import Cube
from optimizers.nas.graph import NONE, Graph
from optimizers.nas.space import distinct, one_away

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = (NONE, "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from, to) in the order of the text; the operation on the k-th is the hyperparameter `x<k>`."""


class CellNB201:
    """15,625 cells, of which many are the same network; the cell is stacked three times `depth`.

    The space is that of the source `hp-transfer` in a store (`nas-bench-201`, `x0` to `x5`), so
    what it brought is a history of this space. A canonical cell has `none` on every edge that no
    path from node 0 to node 3 takes, and of the two orders of nodes 1 and 2, where they do not
    lead to each other, the first; two cells have one canonical form exactly where their graphs are
    isomorphic.

    Args:
        operations: Those to choose from.
    """

    name = "nb201"

    def __init__(self, operations: Sequence[str] = OPERATIONS) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace

        self.operations = tuple(operations)
        self.space = ConfigurationSpace(name="nas-bench-201")
        self.space.add([Categorical(f"x{k}", self.operations) for k in range(len(EDGES))])
        self._cube = Cube.of(self.space)

    def graph(self, config: Config) -> Graph:
        """The operations of an architecture and what leads to them, dead ones left out."""
        return Graph.of_cell(_edges(config), output=3).pruned()

    def canonical(self, config: Config) -> Config:
        """The configuration that stands for all that are the same network as this one."""
        if NONE not in self.operations:
            return config  # all six edges live, and nodes 1 and 2 are told apart
        a, b, c, d, e, f = live(_ops(config))
        if c == NONE and (b, f) < (a, e):
            a, b, e, f = b, a, f, e
        return _config((a, b, c, d, e, f))

    def neighbours(self, config: Config) -> list[Config]:
        """The other networks that one change leads to, each once, in its canonical form."""
        return distinct(self, config, one_away(self._cube, config))

    def text(self, config: Config) -> str:
        """The cell as NAS-Bench-201 writes it: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        ops = [f"{op}~{start}" for op, (start, _) in zip(_ops(config), EDGES, strict=True)]
        return f"|{ops[0]}|+|{'|'.join(ops[1:3])}|+|{'|'.join(ops[3:])}|"

    def of_text(self, text: str) -> Config:
        """The config that `text` writes.

        Raises:
            InvalidConfig: It is no such text, or an operation is not one of the space.
        """
        found = re.findall(r"([^|+~]+)~(\d)", text)
        config = _config([op for op, _ in found])
        fits = len(found) == len(EDGES) and self.text(config) == text
        if not fits or not set(_ops(config)) <= set(self.operations):
            raise InvalidConfig(
                f"{text!r} is no cell; write |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with operations "
                f"of {', '.join(self.operations)}"
            )
        return config

    def build(
        self,
        config: Config,
        *,
        shape: tuple[int, int, int],
        classes: int,
        width: int = 16,
        depth: int = 5,
        seed: int = 0,
    ) -> nn.Module:
        """Three stages of `depth` cells, `width`, twice and four times as many channels in them."""
        from optimizers.nas.building import built
        from optimizers.nas.networks import EdgeCell, Staged

        def make() -> nn.Module:
            edges = _edges(config)
            return Staged(
                lambda channels: EdgeCell(edges, channels, output=3), shape, classes, width, depth
            )

        return built(self, config, make, seed=seed)


def live(ops: Sequence[str]) -> list[str]:
    """What is on the six edges, with `none` where no path from node 0 to node 3 leads along."""
    a, b, c, d, e, f = ops
    if a == NONE:  # nothing comes to node 1
        c = e = NONE
    if b == c == NONE:  # nothing comes to node 2
        f = NONE
    if f == NONE:  # nothing goes on from node 2
        b = c = NONE
    if c == e == NONE:  # nothing goes on from node 1
        a = NONE
    return [a, b, c, d, e, f]


def _ops(config: Config) -> list[str]:
    return [str(config[f"x{k}"]) for k in range(len(EDGES))]


def _edges(config: Config) -> list[tuple[int, int, str]]:
    return [(a, b, op) for (a, b), op in zip(EDGES, _ops(config), strict=True)]


def _config(ops: Sequence[str]) -> Config:
    return {f"x{k}": op for k, op in enumerate(ops)}
