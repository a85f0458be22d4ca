"""The training of one network on images: epochs looked at, kept in a checkpoint, gone on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn

from metadb.errors import Diverged, NotFound, WrongUsage
from optimizers.nas.images import Images
from optimizers.tensor_file import read_tensors, write_tensors

MOMENTUM, DECAY, CLIP = 0.9, 3e-4, 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a training stood after an epoch.

    Args:
        epoch: From 1.
        loss: The mean over the epoch's batches.
        accuracy: On the validation images.
        elapsed_s: Seconds of training, interruptions left out.
    """

    epoch: int
    loss: float
    accuracy: float
    elapsed_s: float


def train(
    network: nn.Module,
    images: Images,
    validation: Images,
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 0.025,
    device: str = "cpu",
    mixed: bool = False,
    compiled: bool = False,
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
    told: Callable[[Look], object] = lambda look: None,
) -> list[Look]:
    """Train a network in its place, or go on from a checkpoint; returns the learning curve.

    Descent with momentum 0.9 and weight decay 3e-4, the rate falling to 0 along one cosine, as in
    the DARTS paper. What an epoch does depends on the seed and its number alone, so that a training
    that was killed and gone on with is the unbroken one.

    Args:
        images, validation: To learn from, and to be judged by after every epoch.
        epochs: In all, those before a resumption counted.
        mixed: Forward passes in bfloat16 where that is exact enough; weights stay float32.
        compiled: `torch.compile`: minutes of preparation, worth it for long trainings on a GPU.
        checkpoint: A file, written after every epoch, from which the same call goes on.
        about: What is trained; a checkpoint of something else is refused.
        told: Hears of each epoch.

    Raises:
        Diverged: A loss is not finite; the checkpoint is that of the last epoch.
        NotFound: There is no such device here.
        WrongUsage: The device lacks an operation, or the checkpoint is of another training.
    """
    for name, given in (("epochs", epochs), ("batch", batch)):
        if given < 1:
            raise WrongUsage(f"{name} is {given}; give 1 or more")
    place = place_of(device)
    network.to(place)
    descent = torch.optim.SGD(
        network.parameters(), rate, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )
    about = dict(about or {}) | {"epochs": epochs, "batch": batch, "rate": rate, "seed": seed}
    looks = _resumed(network, descent, checkpoint, about)
    before, begun = looks[-1].elapsed_s if looks else 0.0, perf_counter()
    run: Callable[[Tensor], Tensor] = torch.compile(network) if compiled else network
    x, y = (t.to(place) for t in images)
    per_epoch = -(-len(x) // batch)
    for epoch in range(len(looks), epochs):
        met = 0.0
        rng = Generator().manual_seed(seed * 1_000_003 + epoch)
        network.train()
        with lacking(device), _seeded(seed * 1_000_003 + epoch, place):
            for i, rows in enumerate(torch.split(torch.randperm(len(x), generator=rng), batch)):
                share = (epoch * per_epoch + i) / (epochs * per_epoch)
                descent.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * share)) / 2
                with _precision(place, mixed=mixed):
                    said = run(x[rows.to(place)])
                    loss = nn.functional.cross_entropy(said.float(), y[rows.to(place)])
                descent.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                descent.step()
                met += loss.item() * len(rows) / len(x)
        if not math.isfinite(met):
            raise Diverged(f"the loss of epoch {epoch + 1} is not finite; lower the rate ({rate})")
        share = accuracy(network, validation, device=device, mixed=mixed)
        looks.append(Look(epoch + 1, met, share, before + perf_counter() - begun))
        if checkpoint is not None:
            _write(network, descent, checkpoint, about, looks)
        told(looks[-1])
    return looks


@torch.no_grad()
def accuracy(
    network: nn.Module, images: Images, *, batch: int = 512, device: str = "cpu",
    mixed: bool = False,
) -> float:  # fmt: skip
    """The share of images whose class is told; 0 where the network says no finite numbers."""
    place, (x, y) = place_of(device), images
    network.eval()
    with lacking(device), _precision(place, mixed=mixed):
        said = torch.cat([network(part.to(place)).float().cpu() for part in torch.split(x, batch)])
    right = (said.argmax(1) == y.cpu()) & said.isfinite().all(1)
    return float(right.float().mean())


def place_of(device: str) -> torch.device:
    """The device of that name.

    Raises:
        NotFound: It is not here.
    """
    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise NotFound(
            f"there is no device {device!r} here; there are {', '.join(there)}"
        ) from error
    return place


@contextmanager
def lacking(device: str) -> Iterator[None]:
    """Says in one sentence which operation a device lacks.

    Raises:
        WrongUsage: One was asked for.
    """
    try:
        yield
    except NotImplementedError as error:
        line = (str(error) or "an operation").splitlines()[0].rstrip(".")
        raise WrongUsage(
            f"the device {device!r} lacks an operation of this network ({line:.120}); train it on "
            "another device, or leave the operation out of the space"
        ) from error


@contextmanager
def _seeded(seed: int, place: torch.device) -> Iterator[None]:
    """Dropout and the like draw the same; the global generator is kept."""
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _precision(place: torch.device, *, mixed: bool) -> Any:
    return torch.autocast(place.type, torch.bfloat16) if mixed else nullcontext()


def _write(
    network: nn.Module, descent: torch.optim.SGD, checkpoint: Path, about: Mapping[str, Any],
    looks: list[Look],
) -> None:  # fmt: skip
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    for name, p in network.named_parameters():
        if (momentum := descent.state[p].get("momentum_buffer")) is not None:
            tensors[f"momentum.{name}"] = momentum
    curve = [asdict(look) for look in looks]
    write_tensors(checkpoint, tensors, {"about": dict(about), "curve": curve})


def _resumed(
    network: nn.Module, descent: torch.optim.SGD, checkpoint: Path | None, about: Mapping[str, Any]
) -> list[Look]:
    if checkpoint is None or not checkpoint.exists():
        return []
    tensors, found = read_tensors(checkpoint)
    before = found.get("about") or {}
    if before != about:
        key = next(k for k in sorted({*before, *about}) if before.get(k) != about.get(k))
        raise WrongUsage(
            f"{checkpoint} is the checkpoint of another training ({key} was {before.get(key)!r} "
            f"and is {about.get(key)!r}); give another file, or remove it to begin anew"
        )
    own = {n[8:]: t for n, t in tensors.items() if n.startswith("network.")}
    network.load_state_dict(own)
    for name, p in network.named_parameters():
        if f"momentum.{name}" in tensors:
            descent.state[p]["momentum_buffer"] = tensors[f"momentum.{name}"].to(p.device)
    return [Look(**row) for row in found["curve"]]


__all__ = ["Look", "accuracy", "lacking", "place_of", "train"]
