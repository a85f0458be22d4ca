"""The operations of cells and chains as torch modules, for images (n, channels, h, w)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from metadb.errors import NotFound


class Zero(nn.Module):
    """Zeros, of half the height and width where the stride is 2."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros in the shape of what the other operations give."""
        return x.new_zeros(
            x.shape[0], self.channels, *x[0, 0, :: self.stride, :: self.stride].shape
        )


class Halved(nn.Module):
    """Half the height and width by two 1x1 convolutions, of even and of odd pixels."""

    def __init__(self, into: int, channels: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(into, channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(into, channels - channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Both halves side by side; beyond the edge there are zeros."""
        x = x.relu()
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))  # type: ignore[no-any-return]


def convolution(into: int, channels: int, size: int, stride: int = 1) -> nn.Module:
    """ReLU, convolution, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(into, channels, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
    )


def separable(into: int, channels: int, size: int, stride: int, dilation: int = 1) -> nn.Module:
    """ReLU, a convolution of each channel by itself, one of 1x1, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            into, into, size, stride, dilation * (size // 2), dilation, groups=into, bias=False
        ),
        nn.Conv2d(into, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def twice_separable(into: int, channels: int, size: int, stride: int) -> nn.Module:
    """Two separable convolutions, the stride in the first (as in DARTS)."""
    return nn.Sequential(separable(into, into, size, stride), separable(into, channels, size, 1))


def pool(kind: str, into: int, channels: int, stride: int) -> nn.Module:
    """A 3x3 pool; a 1x1 convolution before it where the channels differ."""
    made: nn.Module = (
        nn.MaxPool2d(3, stride, padding=1)
        if kind == "max"
        else nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    )
    return made if into == channels else nn.Sequential(convolution(into, channels, 1), made)


def skip(into: int, channels: int, stride: int) -> nn.Module:
    """What comes in; halved, or with other channels, where it must be."""
    if stride == 2:
        return Halved(into, channels)
    return nn.Identity() if into == channels else convolution(into, channels, 1)


OPERATIONS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "none": lambda i, o, s: Zero(o, s),
    "skip_connect": skip,
    "nor_conv_1x1": lambda i, o, s: convolution(i, o, 1, s),
    "nor_conv_3x3": lambda i, o, s: convolution(i, o, 3, s),
    "nor_conv_5x5": lambda i, o, s: convolution(i, o, 5, s),
    "sep_conv_3x3": lambda i, o, s: twice_separable(i, o, 3, s),
    "sep_conv_5x5": lambda i, o, s: twice_separable(i, o, 5, s),
    "dil_conv_3x3": lambda i, o, s: separable(i, o, 3, s, 2),
    "dil_conv_5x5": lambda i, o, s: separable(i, o, 5, s, 2),
    "max_pool_3x3": lambda i, o, s: pool("max", i, o, s),
    "avg_pool_3x3": lambda i, o, s: pool("avg", i, o, s),
}
"""Name to what makes the module of channels that come in, channels that go out, and a stride."""


def operation(name: str, into: int, channels: int, stride: int = 1) -> nn.Module:
    """The module of an operation.

    Raises:
        NotFound: There is none of that name.
    """
    if name not in OPERATIONS:
        raise NotFound(f"no operation {name!r}; there are {', '.join(OPERATIONS)}")
    return OPERATIONS[name](into, channels, stride)
