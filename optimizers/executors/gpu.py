"""Trials in processes that each see one GPU alone."""

from __future__ import annotations

import os
from collections.abc import Sequence

from metadb.errors import WrongUsage
from optimizers.executors.local import processes
from optimizers.executors.workers import Workers


class GPU(Workers):
    """One trial a GPU: each process finds its own as `cuda:0`, and no other.

    As with `Local`, the work of a script stands under `if __name__ == "__main__":`.

    Args:
        devices: Names as CUDA_VISIBLE_DEVICES takes them ("0", a UUID, a slice's name); a number
            takes the first so many, None all that this process sees.
        per_device: Trials at a time on one GPU.
        threads: Of the numerical libraries in each process.

    Raises:
        WrongUsage: There is no GPU, or fewer than asked for.
    """

    def __init__(
        self,
        devices: int | Sequence[str | int] | None = None,
        *,
        per_device: int = 1,
        threads: int = 1,
    ) -> None:
        names = _names(devices) * per_device
        super().__init__(processes([{"CUDA_VISIBLE_DEVICES": name} for name in names], threads))


def _names(devices: int | Sequence[str | int] | None) -> list[str]:
    if devices is not None and not isinstance(devices, int):
        return [str(device) for device in devices]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        there = [str(i) for i in range(torch.cuda.device_count())]
    else:
        there = [name for part in visible.split(",") if (name := part.strip()) not in ("", "-1")]
    wanted = max(1, len(there)) if devices is None else devices
    if not 0 < wanted <= len(there):
        raise WrongUsage(
            f"{wanted} GPUs are asked for and {len(there)} seen here; give "
            "GPU(devices=[...]) their names, or take Local()"
        )
    return there[:wanted]
