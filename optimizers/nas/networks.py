"""Networks of cells and of layers: what `build` makes of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optimizers.nas.darts import NODES, Node
from optimizers.nas.graph import NONE
from optimizers.nas.operations import Halved, convolution, operation

Shape = tuple[int, int, int]


class Classified(nn.Module):
    """The mean over all pixels, and the scores of the classes, (n, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm2d(channels), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, classes)."""
        return self.linear(self.norm(x).relu().mean(dim=(2, 3)))  # type: ignore[no-any-return]


class EdgeCell(nn.Module):
    """A cell whose operations stand on its edges; a node adds up what leads to it.

    Args:
        edges: (from, to, operation); node 0 is the input.
        output: The node that is given on.
    """

    def __init__(self, edges: Sequence[tuple[int, int, str]], channels: int, output: int) -> None:
        super().__init__()
        real = [edge for edge in edges if edge[2] != NONE]
        self.ends = [(start, end) for start, end, _ in real]
        self.ops = nn.ModuleList(operation(op, channels, channels) for _, _, op in real)
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to the same; a node that nothing leads to is left out."""
        known: dict[int, Tensor] = {0: x}

        def value(node: int) -> Tensor | None:
            if node not in known:
                parts = [
                    op(before)
                    for (start, end), op in zip(self.ends, self.ops, strict=True)
                    if end == node and (before := value(start)) is not None
                ]
                if not parts:
                    return None
                known[node] = torch.stack(parts).sum(dim=0) if len(parts) > 1 else parts[0]
            return known[node]

        out = value(self.output)
        return torch.zeros_like(x) if out is None else out


class Residual(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a pooled 1x1 convolution."""

    def __init__(self, into: int, channels: int) -> None:
        super().__init__()
        self.long = nn.Sequential(
            convolution(into, channels, 3, 2), convolution(channels, channels, 3)
        )
        self.short = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(into, channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, into, h, w) to (n, channels, h / 2, w / 2), rounded up."""
        return self.long(x) + self.short(x)  # type: ignore[no-any-return]


class Staged(nn.Module):
    """A first convolution, three stages of cells with a halving residual between, the classes.

    Args:
        cell: Makes a cell of so many channels.
        depth: Cells a stage.
    """

    def __init__(
        self, cell: Callable[[int], nn.Module], shape: Shape, classes: int, width: int, depth: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        ]
        for stage, channels in enumerate((width, 2 * width, 4 * width)):
            if stage:
                layers.append(Residual(channels // 2, channels))
            layers += [cell(channels) for _ in range(depth)]
        self.layers = nn.Sequential(*layers, Classified(4 * width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(n, *shape) to (n, classes)."""
        return self.layers(x)  # type: ignore[no-any-return]


class PairCell(nn.Module):
    """A cell of DARTS: each node adds two operations on earlier nodes, all are given side by side.

    Args:
        nodes: Each node's two inputs, with their operations.
        before: Channels of the cell before the last, and of the last.
        halves: Whether height and width are halved.
        halved: Whether the last cell did so.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        before: tuple[int, int],
        channels: int,
        *,
        halves: bool,
        halved: bool,
    ) -> None:
        super().__init__()
        self.first = Halved(before[0], channels) if halved else convolution(before[0], channels, 1)
        self.second = convolution(before[1], channels, 1)
        self.starts = [start for pair in nodes for start, _ in pair]
        self.ops = nn.ModuleList(
            operation(op, channels, channels, 2 if halves and start < 2 else 1)
            for pair in nodes
            for start, op in pair
        )

    def forward(self, last_but_one: Tensor, last: Tensor) -> Tensor:
        """The four nodes, (n, 4 channels, h, w)."""
        states = [self.first(last_but_one), self.second(last)]
        for k in range(0, len(self.starts), 2):
            one, two = (self.ops[i](states[self.starts[i]]) for i in (k, k + 1))
            states.append(one + two)
        return torch.cat(states[2:], dim=1)


class Stacked(nn.Module):
    """Cells of DARTS one after the other, each of the last two; two of them halve the image."""

    def __init__(
        self,
        cells: Mapping[str, Sequence[Node]],
        shape: Shape,
        classes: int,
        width: int,
        depth: int,
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
            nodes = cells["reduce" if halves else "normal"]
            self.cells.append(PairCell(nodes, before, channels, halves=halves, halved=halved))
            before, halved = (before[1], len(NODES) * channels), halves
        self.classified = Classified(before[1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, *shape) to (n, classes)."""
        last_but_one = last = self.stem(x)
        for cell in self.cells:
            last_but_one, last = last, cell(last_but_one, last)
        return self.classified(last)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a chain: its operation, its channels (0: as many as come in), whether it skips."""

    op: str
    channels: int
    skips: bool


class Chained(nn.Module):
    """A first convolution, the layers one after the other, the classes."""

    def __init__(self, layers: Sequence[Layer], shape: Shape, classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(shape[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        self.ops = nn.ModuleList()
        self.skips = nn.ModuleDict()
        given = [(width, 1)]  # channels, and by how much height and width are divided
        for k, layer in enumerate(layers):
            into, scale = given[-1]
            stride = 1 if layer.channels else 2
            channels = layer.channels or into
            self.ops.append(operation(layer.op, into, channels, stride))
            given.append((channels, scale * stride))
            if layer.skips and k:
                from_, old = given[k - 1]
                halvings = (given[-1][1] // old).bit_length() - 1
                pooled = [nn.MaxPool2d(2, 2, ceil_mode=True) for _ in range(halvings)]
                projected = [] if from_ == channels else [nn.Conv2d(from_, channels, 1, bias=False)]
                self.skips[str(k)] = nn.Sequential(*pooled, *projected)
        self.classified = Classified(given[-1][0], classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, *shape) to (n, classes)."""
        given = [self.stem(x)]
        for k, op in enumerate(self.ops):
            out = op(given[-1])
            if str(k) in self.skips:
                out = out + self.skips[str(k)](given[k - 1])
            given.append(out)
        return self.classified(given[-1])  # type: ignore[no-any-return]
