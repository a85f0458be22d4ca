"""Building a network: what has no path, or would not fit into memory, is refused before."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from metadb.errors import WrongUsage
from metadb.space import validate

if TYPE_CHECKING:
    from torch import nn

    from metadb.records import Config
    from optimizers.nas.space import NasSpace

COPIES = 4
"""Training holds the weights, their gradients, and two moments of each."""


def built(
    space: NasSpace, config: Config, make: Callable[[], nn.Module], *, seed: int
) -> nn.Module:
    """The network that `make` makes, with first weights by the seed; the global seed stays.

    Raises:
        InvalidConfig: The config is not legal in the space.
        WrongUsage: No path leads from the input to the output, or the weights would not fit into
            the memory of this machine.
    """
    validate(space.space, config)
    if not space.graph(config).connected:
        raise WrongUsage(
            f"no path leads from the input to the output of this {space.name} architecture; put an "
            "operation other than none on the edges of one"
        )
    size_bytes, there = training_bytes(make), memory_bytes()
    if size_bytes > there:
        raise WrongUsage(
            f"training this network takes at least {size_bytes / 2**30:.1f} GiB for its weights, "
            f"more than the {there / 2**30:.1f} GiB of this machine; take a smaller width or depth"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def training_bytes(make: Callable[[], nn.Module]) -> int:
    """What the weights take while they are trained; nothing is allocated to find out."""
    with torch.device("meta"):
        network = make()
    return COPIES * sum(p.numel() * p.element_size() for p in network.parameters())


def memory_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
