"""What training a network takes of memory, known before any of it is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from metadb.errors import WrongUsage

COPIES = 3
"""A weight is kept with its gradient and its momentum."""

SHARE = 0.9
"""Of the memory that is free, a training may take so much."""


class TooLarge(WrongUsage, MemoryError):
    """A network whose training would not fit into memory; a trial of it ends as `memout`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a training takes.

    Args:
        weights_bytes: Of weights, their gradients and momenta.
        activations_bytes: Of what one batch leaves for the way back.
    """

    weights_bytes: int
    activations_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.activations_bytes


def estimate(build: Callable[[], nn.Module], shape: tuple[int, int, int], *, batch: int) -> Memory:
    """The memory of a training step, from shapes alone: nothing is allocated or computed.

    Activations are the tensors that autograd keeps for the way back; what single operations need
    beside them for a moment is not counted.

    Args:
        build: Makes the network.
        shape: Channels, height and width of an image.
    """
    kept: dict[int, Tensor] = {}  # by the place of the storage, which lives as long as its tensor

    def pack(t: Tensor) -> Tensor:
        if (place := t.untyped_storage()._cdata) not in own:
            kept.setdefault(place, t)
        return t

    with torch.device("meta"):
        network = build()
        weights = list(network.parameters())
        own = {p.untyped_storage()._cdata for p in weights}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            network.train()(torch.zeros(batch, *shape))
    size = sum(p.numel() * p.element_size() for p in weights)
    return Memory(COPIES * size, sum(t.untyped_storage().nbytes() for t in kept.values()))


def free_bytes(device: str = "cpu") -> int:
    """The memory that is free on a device: of a container, what its limit leaves."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    info = Path("/proc/meminfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
        found = [int(lines["MemAvailable"].split()[0]) * 1024]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and limit.read_text().strip().isdigit():
        found.append(int(limit.read_text()) - int(used.read_text()))
    return max(0, min(found))


def check_fits(
    build: Callable[[], nn.Module], shape: tuple[int, int, int], *, batch: int,
    device: str = "cpu", limit_bytes: int | None = None,
) -> Memory:  # fmt: skip
    """Refuse a network whose training would not fit, before it is built; returns the estimate.

    Args:
        limit_bytes: Default: 90 % of what is free on the device.

    Raises:
        TooLarge: It would not fit.
    """
    needed = estimate(build, shape, batch=batch)
    limit = limit_bytes if limit_bytes is not None else int(SHARE * free_bytes(device))
    if needed.total_bytes > limit:
        raise TooLarge(
            f"training this network takes about {needed.total_bytes / 1e9:.1f} GB "
            f"({needed.weights_bytes / 1e9:.1f} GB of weights, "
            f"{needed.activations_bytes / 1e9:.1f} GB for a batch of {batch}), and "
            f"{limit / 1e9:.1f} GB are there; lower the width, the depth or the batch"
        )
    return needed


__all__ = ["Memory", "TooLarge", "check_fits", "estimate", "free_bytes"]
