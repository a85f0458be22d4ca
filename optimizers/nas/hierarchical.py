"""Hierarchical cells: a cell whose edges hold motifs, small cells that are used again and again.

Liu, Simonyan, Vinyals, Fernando, Kavukcuoglu 2018, "Hierarchical Representations for Efficient
Architecture Search"; here of three levels, with two motifs of three nodes in a cell of four.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

from metadb.identity import canonical_config
from metadb.records import Config
from optimizers.cube import Cube
from optimizers.nas.graph import NONE, Graph
from optimizers.nas.nb201 import EDGES as CELL_EDGES
from optimizers.nas.nb201 import live
from optimizers.nas.space import distinct, one_away

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = (
    NONE,
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
)
SKIP = "skip_connect"
MOTIFS = ("motif0", "motif1")
MOTIF_EDGES = ((0, 1), (0, 2), (1, 2))
PARTS = (NONE, SKIP, *MOTIFS)
"""What an edge of the cell holds."""

Motif = tuple[str, str, str]


class Hierarchical:
    """Motifs of operations (`motif0.0` to `motif1.2`), a cell of motifs (`cell.0` to `cell.5`).

    A canonical form has `none` on dead edges and in motifs that are not used, the name of what an
    edge does where its motif does no more (`skip_connect`, `none`), one motif where two are alike,
    and of the orders of the two motifs, and of the cell's nodes 1 and 2 where they do not lead to
    each other, the first. Networks that are alike only once the motifs are unfolded stay apart.

    Args:
        operations: Those of motifs; `none` is always among them.
    """

    name = "hierarchical"

    def __init__(self, operations: Sequence[str] = OPERATIONS) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace

        self.operations = tuple(dict.fromkeys((NONE, *operations)))
        self.space = ConfigurationSpace(name="nas-hierarchical")
        for motif in MOTIFS:
            self.space.add([Categorical(f"{motif}.{k}", self.operations) for k in range(3)])
        self.space.add([Categorical(f"cell.{k}", PARTS) for k in range(len(CELL_EDGES))])
        self._cube = Cube.of(self.space)

    def edges(self, config: Config) -> list[tuple[int, int, str]]:
        """The cell with its motifs unfolded: (from, to, operation); its output is node 3."""
        found, inner = [], 4
        for (start, end), part in zip(CELL_EDGES, _cell(config), strict=True):
            if part not in MOTIFS:
                found.append((start, end, part))
                continue
            place = {0: start, 1: inner, 2: end}
            inner += 1
            found += [
                (place[a], place[b], op)
                for (a, b), op in zip(MOTIF_EDGES, _motif(config, part), strict=True)
            ]
        return found

    def graph(self, config: Config) -> Graph:
        """The operations of an architecture and what leads to them, dead ones left out."""
        return Graph.of_cell(self.edges(config), output=3).pruned()

    def canonical(self, config: Config) -> Config:
        """The configuration that stands for all that are the same network as this one."""
        motifs = {name: _live(_motif(config, name)) for name in MOTIFS}
        names = {part: part for part in PARTS}
        if motifs["motif0"] == motifs["motif1"]:
            names["motif1"] = "motif0"
        for name, (first, whole, second) in motifs.items():
            if first == second == NONE and whole in (NONE, SKIP):
                names[name] = whole
        cell = live([names[part] for part in _cell(config)])
        return min(_orders(motifs, cell), key=canonical_config)

    def neighbours(self, config: Config) -> list[Config]:
        """The other networks that one change leads to, each once, in its canonical form."""
        return distinct(self, config, one_away(self._cube, config))

    def build(
        self,
        config: Config,
        *,
        shape: tuple[int, int, int],
        classes: int,
        width: int = 16,
        depth: int = 2,
        seed: int = 0,
    ) -> nn.Module:
        """Three stages of `depth` cells, `width`, twice and four times as many channels in them."""
        from optimizers.nas.building import built
        from optimizers.nas.networks import EdgeCell, Staged

        def make() -> nn.Module:
            edges = self.edges(config)
            return Staged(
                lambda channels: EdgeCell(edges, channels, output=3), shape, classes, width, depth
            )

        return built(self, config, make, seed=seed)


def _cell(config: Config) -> list[str]:
    return [str(config[f"cell.{k}"]) for k in range(len(CELL_EDGES))]


def _motif(config: Config, name: str) -> Motif:
    first, whole, second = (str(config[f"{name}.{k}"]) for k in range(3))
    return first, whole, second


def _live(motif: Motif) -> Motif:
    """The motif without dead edges: both edges of the way through its inner node, or none."""
    first, whole, second = motif
    return (NONE, whole, NONE) if NONE in (first, second) else motif


def _orders(motifs: dict[str, Motif], cell: list[str]) -> Iterator[Config]:
    """The same network with the motifs, and the nodes 1 and 2, either way round."""
    a, b, c, d, e, f = cell
    cells = [cell] if c != NONE else [cell, [b, a, c, d, f, e]]
    dead: Motif = (NONE, NONE, NONE)
    for parts, (one, two) in product(cells, (MOTIFS, MOTIFS[::-1])):
        new = {one: "motif0", two: "motif1"}
        config = {f"cell.{k}": new.get(part, part) for k, part in enumerate(parts)}
        for name in MOTIFS:
            motif = motifs[name] if name in parts else dead
            config |= {f"{new[name]}.{k}": op for k, op in enumerate(motif)}
        yield config
