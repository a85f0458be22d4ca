"""Searches that train one supernet for all architectures of a space, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from metadb.errors import NotFound, WrongUsage
from metadb.records import Config
from optimizers.nas.darts_search import DARTS
from optimizers.nas.enas import ENAS
from optimizers.nas.gdas import GDAS
from optimizers.nas.images import Images
from optimizers.nas.memory import check_fits
from optimizers.nas.one_shot import OneShot
from optimizers.nas.shared_random import SharedRandom
from optimizers.nas.space import NasSpace
from optimizers.nas.supernet import AsOne, Supernet, supernet
from optimizers.nas.training import place_of
from optimizers.tensor_file import read_tensors, write_tensors

WHOLE = {"darts", "darts_second", "one_shot"}
"""These compute all operations of an edge in a step; the others one."""


class WeightSharing(Protocol):
    """A search for a cell whose architectures share their weights."""

    def step(self, train: Images, validation: Images) -> float:
        """One step, from a batch to learn weights from and one to learn the cell from; the loss."""

    def derive(self) -> Config:
        """The configuration found so far."""

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, by name."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""


WEIGHT_SHARING: dict[str, Callable[..., WeightSharing]] = {
    # a mix that is descended on
    "darts": DARTS,
    "darts_second": partial(DARTS, second_order=True),
    "gdas": GDAS,
    # paths that are drawn
    "one_shot": OneShot,
    "shared_random": SharedRandom,
    "enas": ENAS,
}


def share(
    name: str,
    space: NasSpace,
    train: Images,
    validation: Images,
    *,
    classes: int,
    epochs: int,
    batch: int = 64,
    width: int = 8,
    depth: int = 1,
    device: str = "cpu",
    seed: int = 0,
    checkpoint: Path | None = None,
    told: Callable[[int, float], object] = lambda epoch, loss: None,
    **options: Any,
) -> Config:
    """Search a cell space by weight sharing; the cell found is then to be trained by itself.

    The batches of an epoch depend on the seed and its number alone, so that a search that was
    killed and gone on with from its checkpoint is the unbroken one.

    Args:
        name: Of `WEIGHT_SHARING`.
        train, validation: Images that weights and cells are learnt from.
        epochs: Passes over the training images; an epoch's validation batches are drawn anew.
        width, depth: Of the supernet.
        checkpoint: A file, written after every epoch, from which the same call goes on.
        told: Hears after each epoch its number and mean loss.
        options: Of the search.

    Raises:
        NotFound: No such search, or no such device.
        TooLarge: The supernet would not fit into memory.
        WrongUsage: A space without cells; a checkpoint of another search.
        Diverged: A loss is not finite.
    """
    if name not in WEIGHT_SHARING:
        known = ", ".join(WEIGHT_SHARING)
        raise NotFound(f"no search with shared weights {name!r}; there are {known}")
    if epochs < 1 or batch < 2:
        raise WrongUsage(f"epochs is {epochs} and batch {batch}; give 1 and 2 or more")
    place = place_of(device)
    x, y = (t.to(place) for t in train)
    vx, vy = (t.to(place) for t in validation)
    _, channels, height, breadth = x.shape
    shape, size = (channels, height, breadth), min(batch, len(x), len(vx))

    def made() -> Supernet:
        return supernet(space, shape=shape, classes=classes, width=width, depth=depth, seed=seed)

    check_fits(lambda: AsOne(made(), whole=name in WHOLE), shape, batch=size, device=device)
    net = made().to(place)
    per_epoch = len(x) // size
    search = WEIGHT_SHARING[name](net, total=epochs * per_epoch, seed=seed, **options)
    about = {
        "search": name, "space": space.name, "shape": list(x.shape), "classes": classes,
        "epochs": epochs, "batch": batch, "width": width, "depth": depth, "seed": seed,
        "options": {key: options[key] for key in sorted(options)},
    }  # fmt: skip
    for epoch in range(_begun(search, checkpoint, about), epochs):
        rng, met = Generator().manual_seed(seed * 1_000_003 + epoch), 0.0
        order = torch.randperm(len(x), generator=rng)[: per_epoch * size]
        for rows in torch.split(order, size):
            judged = torch.randperm(len(vx), generator=rng)[:size].to(place)
            rows = rows.to(place)
            met += search.step((x[rows], y[rows]), (vx[judged], vy[judged]))
        if checkpoint is not None:
            write_tensors(checkpoint, search.state(), {"about": about, "epoch": epoch + 1})
        told(epoch + 1, met / per_epoch)
    return search.derive()


def _begun(search: WeightSharing, checkpoint: Path | None, about: Mapping[str, Any]) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    tensors, found = read_tensors(checkpoint)
    before = found.get("about") or {}
    if before != about:
        key = next(k for k in sorted({*before, *about}) if before.get(k) != about.get(k))
        raise WrongUsage(
            f"{checkpoint} is the checkpoint of another search ({key} was {before.get(key)!r} and "
            f"is {about.get(key)!r}); give another file, or remove it to begin anew"
        )
    search.restore(tensors)
    return int(found["epoch"])


__all__ = ["WEIGHT_SHARING", "WeightSharing", "share"]
