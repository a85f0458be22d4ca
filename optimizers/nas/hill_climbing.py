"""Hill climbing by network morphisms: children inherit weights, so each trains for epochs alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, nn

from metadb.errors import Diverged, WrongUsage
from optimizers.nas.images import Images
from optimizers.nas.morphisms import Network, Plan, chain, morphed


@dataclass(frozen=True, slots=True)
class Step:
    """The best network after a step.

    Args:
        plan: Its layers.
        accuracy: On the validation images.
        weights: How many numbers it has learnt.
    """

    plan: Plan
    accuracy: float
    weights: int


@dataclass(frozen=True, slots=True, eq=False)
class Climb:
    """Where a climb ended, and the way there.

    Args:
        network: The last network, trained.
        steps: The first network and the best after each step.
    """

    network: Network
    steps: tuple[Step, ...]


def climb(
    train: Images,
    validation: Images,
    *,
    classes: int,
    plan: Plan | None = None,
    steps: int = 5,
    children: int = 8,
    morphisms: int = 5,
    epochs: int = 17,
    first_epochs: int | None = None,
    final_epochs: int | None = None,
    rate: float = 0.05,
    batch: int = 128,
    widest: int = 512,
    seed: int = 0,
) -> Climb:
    """Climb from a small network: morph, train each child shortly, keep the best, go on.

    One child of a step is the best network itself, trained on. It costs `steps * children * epochs`
    passes over the training images; the defaults are those of the paper.

    Args:
        train, validation: Images to learn from, and to choose by; on the device of the search.
        plan: The first network; default: three layers, halved after each.
        children: Networks of a step.
        morphisms: Of each child.
        epochs: Of a child's training.
        first_epochs, final_epochs: Of the first network's and the last one's; default: `epochs`.
        rate: Where the learning rate begins; it falls to 0 along a cosine in each training.
        widest: No layer becomes wider than this.

    Raises:
        WrongUsage: A count below 1.
        Diverged: No child of a step has finite weights.

    Elsken et al. 2018, "Simple and Efficient Architecture Search for Convolutional Neural
    Networks", algorithm 1, https://arxiv.org/abs/1711.04528.
    """
    for name, given in (
        ("steps", steps), ("children", children), ("epochs", epochs), ("batch", batch),
    ):  # fmt: skip
        if given < 1:
            raise WrongUsage(f"{name} is {given}; give 1 or more")
    rng, x = Generator().manual_seed(seed), train[0]
    side = min(x.shape[2:])
    first = plan or chain((32, 64, 64), halves=[i for i in (1, 2, 3) if side >> i])
    best = Network(first, channels=x.shape[1], classes=classes, seed=seed).to(x.device, x.dtype)
    fit(best, train, epochs=first_epochs or epochs, rate=rate, batch=batch, rng=rng)
    met = [_step(best, validation)]
    for _ in range(steps):
        best = max(
            (
                _child(best, train, morphisms if k else 0, epochs, rate, batch, widest, rng)
                for k in range(children)
            ),
            key=lambda child: accuracy(child, validation),
        )
        met.append(_step(best, validation))
    fit(best, train, epochs=final_epochs or epochs, rate=rate, batch=batch, rng=rng)
    return Climb(best, (*met[:-1], _step(best, validation)))


def fit(
    network: nn.Module, train: Images, *, epochs: int, rate: float, batch: int, rng: Generator
) -> None:
    """Train with momentum, the rate falling along one cosine."""
    x, y = train
    steps = epochs * -(-len(x) // batch)
    descent = torch.optim.SGD(
        network.parameters(), rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(descent, steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x), generator=rng).to(x.device), batch):
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            descent.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            descent.step()
            schedule.step()


@torch.no_grad()
def accuracy(network: nn.Module, images: Images, *, batch: int = 512) -> float:
    """The share of images whose class is told; -1 where the network says no finite numbers."""
    x, y = images
    network.eval()
    said = torch.cat([network(part) for part in torch.split(x, batch)])
    return float((said.argmax(1) == y).float().mean()) if bool(said.isfinite().all()) else -1.0


def _child(
    parent: Network, train: Images, morphisms: int, epochs: int, rate: float, batch: int,
    widest: int, rng: Generator,
) -> Network:  # fmt: skip
    child, some = _copied(parent), train[0][:batch]
    for _ in range(morphisms):
        child = morphed(child, rng, batch=some, widest=widest)
    fit(child, train, epochs=epochs, rate=rate, batch=batch, rng=rng)
    return child


def _copied(network: Network) -> Network:
    place = network.head.weight
    other = Network(network.plan, channels=network.channels, classes=network.classes)
    other = other.to(place.device, place.dtype)
    other.load_state_dict(network.state_dict())
    return other.train(network.training)


def _step(network: Network, validation: Images) -> Step:
    share = accuracy(network, validation)
    if share < 0:
        raise Diverged("the best network of this step has weights that are not finite; lower rate")
    return Step(network.plan, share, sum(p.numel() for p in network.parameters()))


__all__ = ["Climb", "Step", "accuracy", "climb", "fit"]
