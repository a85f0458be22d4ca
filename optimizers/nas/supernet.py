"""One network that holds all networks of a cell space: on every edge all operations, mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from metadb.errors import WrongUsage
from metadb.records import Config
from optimizers.nas.darts import CELLS, FIRST_EDGE, NODES, CellDARTS, nodes
from optimizers.nas.graph import NONE
from optimizers.nas.nb201 import EDGES, CellNB201
from optimizers.nas.networks import Classified, Shape, Staged
from optimizers.nas.operations import Halved, Zero, convolution, operation
from optimizers.nas.space import NasSpace
from optimizers.yahpo_scenario import DARTS_CELL

Active = tuple[tuple[bool, ...], ...]
"""Which operations are computed: a row an edge, a place an operation."""


class Supernet(nn.Module):
    """The networks of a space with shared weights, mixed by `mix` (edges, operations).

    Norms use the statistics of each batch, in training and after it, and those of the operations
    have no scale of their own (as in DARTS); what a network says depends on its batch.

    Args:
        space: Whose configurations these networks are.
        network: Called with images, the mix and what is active.
        ops: The operations in the order of a row.
        edges: How many rows there are.
    """

    def __init__(
        self, space: NasSpace, network: nn.Module, ops: Sequence[str], edges: int, layout: Layout
    ) -> None:
        super().__init__()
        self.space, self.network, self.ops, self.edges = space, network, tuple(ops), edges
        self.layout = layout

    @property
    def place(self) -> Tensor:
        """Some weight, whose dtype and device are the network's."""
        return next(self.network.parameters())

    def forward(self, x: Tensor, mix: Tensor, active: Active | None = None) -> Tensor:
        """The logits (n, classes) of images, every operation weighed by its place in `mix`.

        Args:
            mix: (edges, operations).
            active: What is computed; the rest counts as 0 whatever its weight. Default: all.
        """
        every = active or ((True,) * len(self.ops),) * self.edges
        out: Tensor = self.network(x, mix, every)
        return out

    def path(self, config: Config) -> tuple[Tensor, Active]:
        """The mix and the active operations that make the network of a configuration."""
        chosen = self.layout.chosen(config)
        active = tuple(tuple(op == chosen.get(k) for op in self.ops) for k in range(self.edges))
        return torch.tensor(active, dtype=self.place.dtype, device=self.place.device), active

    def strongest(self, strength: Tensor) -> Config:
        """The configuration of the strongest operations, (edges, operations).

        Where no path leads to the output then, `none` is left out.
        """
        rows = [dict(zip(self.ops, row, strict=True)) for row in strength.tolist()]
        config = self.layout.strongest(rows)
        if not self.space.graph(config).connected:
            config = self.layout.strongest([_without_none(row) for row in rows])
        return config


class AsOne(nn.Module):
    """A supernet as a network of images alone: what its memory is estimated by.

    Args:
        whole: All operations are computed; else those of one path.
    """

    def __init__(self, net: Supernet, *, whole: bool) -> None:
        super().__init__()
        self.net, self.whole = net, whole

    def forward(self, x: Tensor) -> Tensor:
        """(n, *shape) to (n, classes)."""
        mix = torch.ones(self.net.edges, len(self.net.ops), device=x.device, requires_grad=True)
        one = tuple(op != NONE and k == 1 for k, op in enumerate(self.net.ops))
        active = None if self.whole else (one,) * self.net.edges
        return cast(Tensor, self.net(x, mix, active))


@dataclass(frozen=True, slots=True)
class Layout:
    """How configurations and edges belong together.

    Args:
        chosen: Of a configuration, edge to operation; an edge that is not there is absent.
        strongest: The configuration of the largest numbers, from operation to number by edge.
    """

    chosen: Callable[[Config], dict[int, str]]
    strongest: Callable[[Sequence[Mapping[str, float]]], Config]


def supernet(
    space: NasSpace, *, shape: Shape, classes: int, width: int = 8, depth: int = 1, seed: int = 0
) -> Supernet:
    """The supernet of a cell space.

    Args:
        shape: Channels, height and width of an image.
        width: Channels of the first cell.
        depth: Cells, as in the space's own `build`.
        seed: Of the first weights; the global generator is kept.

    Raises:
        WrongUsage: The space is not made of cells.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(space, CellNB201):
            net = _of_nb201(space, shape, classes, width, depth)
        elif isinstance(space, CellDARTS):
            net = _of_darts(space, shape, classes, width, depth)
        else:
            raise WrongUsage(
                f"weights are shared between cells, and the space {space.name!r} has none; take "
                "nb201 or darts, or an optimiser that trains each network"
            )
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
    return net


class Mixed(nn.Module):
    """All operations of one edge, weighed; the norms in them have no scale of their own."""

    def __init__(self, ops: Sequence[str], into: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.zero, self.names = Zero(channels, stride), tuple(ops)
        self.ops = nn.ModuleList(_unscaled(op, into, channels, stride) for op in ops)

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[bool]) -> Tensor:
        """The weighed sum of the active ones."""
        parts = [
            w * op(x)
            for w, op, name, on in zip(weights, self.ops, self.names, active, strict=True)
            if on and name != NONE
        ]
        return torch.stack(parts).sum(0) if parts else cast(Tensor, self.zero(x))


class MixedEdges(nn.Module):
    """The cell of NAS-Bench-201 with all operations on each edge."""

    def __init__(self, ops: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(Mixed(ops, channels, channels) for _ in EDGES)

    def forward(self, x: Tensor, mix: Tensor, active: Active) -> Tensor:
        """(n, channels, h, w) to the same."""
        states = [x]
        for node in range(1, 4):
            into = [k for k, (_, end) in enumerate(EDGES) if end == node]
            parts = [self.edges[k](states[EDGES[k][0]], mix[k], active[k]) for k in into]
            states.append(torch.stack(parts).sum(0))
        return states[-1]


class MixedStaged(nn.Module):
    """Three stages of mixed cells, as networks of NAS-Bench-201 are."""

    def __init__(
        self, ops: Sequence[str], shape: Shape, classes: int, width: int, depth: int
    ) -> None:
        super().__init__()
        made = Staged(lambda channels: MixedEdges(ops, channels), shape, classes, width, depth)
        self.layers = made.layers

    def forward(self, x: Tensor, mix: Tensor, active: Active) -> Tensor:
        """(n, *shape) to (n, classes)."""
        for layer in self.layers:
            x = layer(x, mix, active) if isinstance(layer, MixedEdges) else layer(x)
        return x


class MixedPairs(nn.Module):
    """A cell of DARTS with all operations on each of the fourteen edges.

    Args:
        before: Channels of the cell before the last, and of the last.
        halves, halved: Whether this cell, and the last, halve height and width.
    """

    def __init__(
        self, ops: Sequence[str], before: tuple[int, int], channels: int, *, halves: bool,
        halved: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.halves = halves
        self.first = Halved(before[0], channels) if halved else convolution(before[0], channels, 1)
        self.second = convolution(before[1], channels, 1)
        self.edges = nn.ModuleList(
            Mixed(ops, channels, channels, 2 if halves and start < 2 else 1)
            for node in NODES
            for start in range(node)
        )

    def forward(self, last_but_one: Tensor, last: Tensor, mix: Tensor, active: Active) -> Tensor:
        """The four nodes side by side, (n, 4 channels, h, w)."""
        states: list[Tensor] = [self.first(last_but_one), self.second(last)]
        for node in NODES:
            numbers = range(FIRST_EDGE[node], FIRST_EDGE[node] + node)
            parts = [
                self.edges[k](state, mix[k], active[k])
                for k, state in zip(numbers, states, strict=True)
                if any(active[k])
            ]
            states.append(torch.stack(parts).sum(0))
        return torch.cat(states[2:], 1)


class MixedStacked(nn.Module):
    """Mixed cells of DARTS one after the other, two of which halve the image."""

    def __init__(
        self, ops: Sequence[str], shape: Shape, classes: int, width: int, depth: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(shape[0], 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width)
        )
        self.cells = nn.ModuleList()
        before, channels, halved = (3 * width, 3 * width), width, False
        for k in range(depth):
            halves = k in (depth // 3, 2 * depth // 3) and depth > 2
            channels *= 2 if halves else 1
            self.cells.append(MixedPairs(ops, before, channels, halves=halves, halved=halved))
            before, halved = (before[1], len(NODES) * channels), halves
        self.classified = Classified(before[1], classes)

    def forward(self, x: Tensor, mix: Tensor, active: Active) -> Tensor:
        """(n, *shape) to (n, classes)."""
        last_but_one = last = self.stem(x)
        for cell in self.cells:
            rows = slice(14, 28) if cast(MixedPairs, cell).halves else slice(14)
            last_but_one, last = last, cell(last_but_one, last, mix[rows], active[rows])
        return cast(Tensor, self.classified(last))


def _unscaled(op: str, into: int, channels: int, stride: int) -> nn.Module:
    """The operation with norms that learn no scale; one behind a pool, so that all are alike."""
    made = operation(op, into, channels, stride)
    if "pool" in op:
        made = nn.Sequential(made, nn.BatchNorm2d(channels))
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.affine = False
            part.weight = part.bias = None  # type: ignore[assignment]
    return made


def _of_nb201(space: CellNB201, shape: Shape, classes: int, width: int, depth: int) -> Supernet:
    layout = Layout(
        lambda config: {k: str(config[f"x{k}"]) for k in range(len(EDGES))},
        lambda rows: {f"x{k}": _largest(row) for k, row in enumerate(rows)},
    )
    network = MixedStaged(space.operations, shape, classes, width, depth)
    return Supernet(space, network, space.operations, len(EDGES), layout)


def _of_darts(space: CellDARTS, shape: Shape, classes: int, width: int, depth: int) -> Supernet:
    ops = (NONE, *space.operations)
    network = MixedStacked(ops, shape, classes, width, depth)
    return Supernet(space, network, ops, 28, Layout(_pairs_chosen, _pairs_strongest))


def _pairs_chosen(config: Config) -> dict[int, str]:
    return {
        14 * c + FIRST_EDGE[node] + start: op
        for c, cell in enumerate(CELLS)
        for node, pair in zip(NODES, nodes(config, cell), strict=True)
        for start, op in pair
    }


def _pairs_strongest(rows: Sequence[Mapping[str, float]]) -> Config:
    """Each node keeps the two edges whose strongest operation, `none` left out, is strongest."""
    config: dict[str, str] = {}
    for c, cell in enumerate(CELLS):
        for node in NODES:
            into = [_without_none(rows[14 * c + FIRST_EDGE[node] + start]) for start in range(node)]
            order = sorted(range(node), key=lambda start: -max(into[start].values()))
            kept = sorted(order[:2])
            if node > 2:
                config[f"{DARTS_CELL}inputs_node_{cell}_{node}"] = f"{kept[0]}_{kept[1]}"
            for start in kept:
                edge = f"{DARTS_CELL}edge_{cell}_{FIRST_EDGE[node] + start}"
                config[edge] = _largest(into[start])
    return config


def _largest(row: Mapping[str, float]) -> str:
    return max(row, key=row.__getitem__)


def _without_none(row: Mapping[str, float]) -> dict[str, float]:
    return {op: value for op, value in row.items() if op != NONE}


__all__ = ["Active", "AsOne", "Layout", "Supernet", "supernet"]
