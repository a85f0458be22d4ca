"""Network morphisms: a trained network becomes a larger one that computes the same.

With `f` what a network computes before a change and `g` after it, `f(x) = g(x)` for every `x`:

- deeper (type I, with type III for the ReLU): a layer of identity is put behind another,
  `A f(x) + b` with `A = 1`, `b = 0`; ReLU after ReLU changes nothing, and a batch norm is the
  identity where its scale and shift undo its mean and variance;
- wider (type II): `A h(x)` becomes `(A, 0) (h(x), h'(x))`: new channels `h'`, whose weights in all
  layers that read them are 0;
- skip, joined (type II): a layer also reads another's channels, with weights 0;
- skip, added (type IV): `h(x) + strength * h'(x)` with a learnt strength that begins at 0.

Elsken et al. 2018, "Simple and Efficient Architecture Search for Convolutional Neural Networks";
Wei et al. 2016, "Network Morphism", https://arxiv.org/abs/1603.01670.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Generator, Tensor, nn

from metadb.errors import WrongUsage


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, batch norm and ReLU of a chain with skips.

    Args:
        reads: What is joined to its input: 0 is the image, `i` the layer `i`, counted from 1.
        adds: Layers whose outputs are added before the ReLU, each with a strength of its own.
        halves: Max-pooling by 2 follows.
    """

    width: int
    reads: tuple[int, ...]
    kernel: int = 3
    adds: tuple[int, ...] = ()
    halves: bool = False


Plan = tuple[Layer, ...]
"""The layers in order; each reads only what comes before it, and the last feeds the head."""


def chain(widths: Sequence[int], *, halves: Sequence[int] = ()) -> Plan:
    """Layers one after the other; those numbered in `halves` (from 1) are followed by pooling."""
    return tuple(Layer(width, (i,), halves=i + 1 in halves) for i, width in enumerate(widths))


class Block(nn.Module):
    """The weights of one layer.

    Args:
        into: Channels of all that it reads.
    """

    def __init__(self, layer: Layer, into: int) -> None:
        super().__init__()
        padding = layer.kernel // 2
        self.convolution = nn.Conv2d(into, layer.width, layer.kernel, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(layer.width)
        self.strength = nn.Parameter(torch.zeros(len(layer.adds)))

    def forward(self, joined: Tensor, added: Sequence[Tensor]) -> Tensor:
        """(n, into, h, w) to (n, width, h, w)."""
        h: Tensor = self.norm(self.convolution(joined))
        for strength, other in zip(self.strength, added, strict=True):
            h = h + strength * other
        return torch.relu(h)


class Network(nn.Module):
    """A network that can grow: layers of a plan, mean over the image, a linear head.

    Args:
        plan: Its layers.
        channels: Of an image.
        seed: Of the first weights; the global generator is kept.
    """

    def __init__(self, plan: Plan, *, channels: int, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.plan, self.channels, self.classes = plan, channels, classes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = [channels, *(layer.width for layer in plan)]
            self.blocks = nn.ModuleList(
                Block(layer, sum(widths[i] for i in layer.reads)) for layer in plan
            )
            self.head = nn.Linear(widths[-1], classes)

    def block(self, layer: int) -> Block:
        """The weights of a layer, counted from 1."""
        return cast(Block, self.blocks[layer - 1])

    def outputs(self, x: Tensor) -> list[Tensor]:
        """The image and the output of each layer."""
        met = [x]
        for i, layer in enumerate(self.plan, 1):
            joined = torch.cat([met[j] for j in layer.reads], 1)
            h: Tensor = self.block(i)(joined, [met[j] for j in layer.adds])
            met.append(nn.functional.max_pool2d(h, 2) if layer.halves else h)
        return met

    def forward(self, x: Tensor) -> Tensor:
        """The logits (n, classes) of images (n, channels, height, width)."""
        out: Tensor = self.head(self.outputs(x)[-1].mean((2, 3)))
        return out


def halvings(plan: Plan) -> list[int]:
    """How often the image was halved at the output of 0 (the image) and of each layer."""
    found = [0]
    for layer in plan:
        found.append(found[layer.reads[0]] + layer.halves)
    return found


def deeper(network: Network, after: int, *, batch: Tensor | None = None, seed: int = 0) -> Network:
    """A network with one layer more, which is the identity, behind layer `after`.

    Args:
        batch: Images whose statistics the new norm takes; with them the function is kept in
            training on that batch too, and nearly so on others.

    Raises:
        WrongUsage: There is no such layer.
    """
    _check_layer(network, after)
    width = network.plan[after - 1].width

    def moved(i: int) -> int:
        return i + 1 if i >= after else i  # who read the layer reads what now follows it

    rest = (
        replace(layer, reads=tuple(map(moved, layer.reads)), adds=tuple(map(moved, layer.adds)))
        for layer in network.plan[after:]
    )
    plan = (*network.plan[:after], Layer(width, (after,)), *rest)
    grown = _alike(network, plan, seed)
    for layer in range(1, len(network.plan) + 1):
        _copy(network, layer, grown, moved(layer) if layer > after else layer)
    grown.head.load_state_dict(network.head.state_dict())
    new = grown.block(after + 1)
    with torch.no_grad():
        nn.init.dirac_(new.convolution.weight)
        mean, var = torch.zeros_like(new.norm.bias), torch.ones_like(new.norm.bias)
        if batch is not None:
            h = network.outputs(batch)[after]
            mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
        new.norm.load_state_dict(
            {
                "running_mean": mean, "running_var": var, "bias": mean,
                "weight": (var + new.norm.eps).sqrt(),
                "num_batches_tracked": torch.tensor(0),
            }
        )  # fmt: skip
    return grown


def wider(network: Network, layer: int, by: int, *, seed: int = 0) -> Network:
    """A network whose layer, and those tied to it by added skips, have `by` channels more.

    Raises:
        WrongUsage: There is no such layer, or no channels are added.
    """
    _check_layer(network, layer)
    if by < 1:
        raise WrongUsage(f"a layer cannot become wider by {by} channels; give 1 or more")
    wide = tied(network.plan, layer)
    plan = tuple(
        replace(part, width=part.width + by * (i in wide)) for i, part in enumerate(network.plan, 1)
    )
    grown = _alike(network, plan, seed)
    before = [network.channels, *(part.width for part in network.plan)]
    after = [network.channels, *(part.width for part in plan)]
    with torch.no_grad():
        for i, part in enumerate(plan, 1):
            new, old = grown.block(i), network.block(i)
            weight, kept = new.convolution.weight, before[i]
            a = b = 0  # where the channels of one input begin, in the old and the new weights
            for j in part.reads:
                weight[:kept, b : b + before[j]] = old.convolution.weight[:, a : a + before[j]]
                weight[:kept, b + before[j] : b + after[j]] = 0
                a, b = a + before[j], b + after[j]
            shared = new.norm.state_dict()
            for name, value in old.norm.state_dict().items():
                (shared[name][:kept] if value.dim() else shared[name]).copy_(value)
            new.strength.copy_(old.strength)
        kept = before[-1]
        grown.head.weight[:, :kept] = network.head.weight
        grown.head.weight[:, kept:] = 0
        grown.head.bias.copy_(network.head.bias)
    return grown


def skip(network: Network, source: int, to: int, *, added: bool = False, seed: int = 0) -> Network:
    """A network whose layer `to` also reads what `source` gives, joined or added.

    Raises:
        WrongUsage: The skip goes backwards, is there already, or the images differ in size, or,
            where it is added, the channels in number.
    """
    _check_layer(network, to)
    if (to, source, added) not in [(b, a, c) for a, b, c in possible_skips(network.plan)]:
        raise WrongUsage(
            f"there can be no skip from {source} to layer {to}: it goes forward, between images of "
            "one size, and adds what is not there yet"
            + (", between layers of one width" if added else "")
        )
    old = network.plan[to - 1]
    new = (
        replace(old, adds=(*old.adds, source)) if added
        else replace(old, reads=(*old.reads, source))
    )  # fmt: skip
    grown = _alike(network, (*network.plan[: to - 1], new, *network.plan[to:]), seed)
    for layer in range(1, len(network.plan) + 1):
        if layer != to:
            _copy(network, layer, grown, layer)
    grown.head.load_state_dict(network.head.state_dict())
    mine, before = grown.block(to), network.block(to)
    mine.norm.load_state_dict(before.norm.state_dict())
    with torch.no_grad():
        mine.convolution.weight.zero_()
        mine.convolution.weight[:, : before.convolution.in_channels] = before.convolution.weight
        mine.strength.zero_()
        mine.strength[: len(old.adds)] = before.strength
    return grown


def tied(plan: Plan, layer: int) -> set[int]:
    """The layers whose width is that of `layer`, because one is added to another."""
    found, new = set[int](), {layer}
    while new:
        found |= new
        new = {i for i, part in enumerate(plan, 1) if found & set(part.adds)} | {
            j for i in found for j in plan[i - 1].adds
        }
        new -= found
    return found


def possible_skips(plan: Plan) -> list[tuple[int, int, bool]]:
    """From where, to which layer and whether added, of all skips that a plan has room for."""
    sizes, found = halvings(plan), []
    for to, layer in enumerate(plan, 1):
        for source in range(to):
            if sizes[source] != sizes[layer.reads[0]]:
                continue
            if source not in layer.reads:
                found.append((source, to, False))
            fits = source > 0 and plan[source - 1].width == layer.width
            if fits and source not in layer.adds:
                found.append((source, to, True))
    return found


def morphed(
    network: Network, rng: Generator, *, batch: Tensor | None = None, widest: int = 512
) -> Network:
    """A network after one random morphism: deeper, wider by half to twice, or a skip.

    Args:
        rng: Draws the morphism.
        batch: See `deeper`.
        widest: No layer becomes wider than this.
    """

    def drawn(n: int) -> int:
        return int(torch.randint(n, (), generator=rng))

    layers, seed = len(network.plan), drawn(2**31)
    ways: list[Callable[[], Network]] = [
        lambda: deeper(network, 1 + drawn(layers), batch=batch, seed=seed)
    ]
    narrow = [i for i, layer in enumerate(network.plan, 1) if layer.width < widest]
    if narrow:

        def grow() -> Network:
            i = narrow[drawn(len(narrow))]
            width = network.plan[i - 1].width
            by = max(1, width // 2 + drawn(width // 2 + 1))
            return wider(network, i, min(by, widest - width), seed=seed)

        ways.append(grow)
    if room := possible_skips(network.plan):

        def leap() -> Network:
            source, to, added = room[drawn(len(room))]
            return skip(network, source, to, added=added, seed=seed)

        ways.append(leap)
    return ways[drawn(len(ways))]()


def _check_layer(network: Network, layer: int) -> None:
    if not 1 <= layer <= len(network.plan):
        raise WrongUsage(f"there is no layer {layer}; they are numbered 1 to {len(network.plan)}")


def _alike(network: Network, plan: Plan, seed: int) -> Network:
    """A fresh network of another plan, of the same dtype, device and mode."""
    grown = Network(plan, channels=network.channels, classes=network.classes, seed=seed)
    place = network.head.weight
    return grown.to(device=place.device, dtype=place.dtype).train(network.training)


def _copy(network: Network, layer: int, grown: Network, to: int) -> None:
    """Give layer `to` of the grown network the weights of a layer."""
    grown.block(to).load_state_dict(network.block(layer).state_dict())


__all__ = [
    "Layer",
    "Network",
    "Plan",
    "chain",
    "deeper",
    "halvings",
    "morphed",
    "possible_skips",
    "skip",
    "tied",
    "wider",
]
