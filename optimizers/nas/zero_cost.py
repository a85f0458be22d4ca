"""What an untrained network tells: scores of one batch, as meta-features of an architecture.

`synflow` and `parameters` ask for no labels; all but `parameters` cost one or two passes forth and
back over one batch. They rank architectures and say nothing of accuracies; larger is better, as
published. The network's weights, mode and gradients stay as they were.

Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", https://arxiv.org/abs/2101.08134.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from metadb.errors import NotFound

Measure = Callable[[nn.Module, Tensor, Tensor], float]
"""A score of a network, images (n, channels, height, width) and their classes (n,)."""


def gradient_norm(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """The sum, over all weights, of the Euclidean norm of the loss's gradient."""
    with _as_in_training(network):
        return float(sum(g.norm() for _, g in _gradients(network, x, y)))


def snip(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """How much the loss rests on single weights: the sum of `|w * dL/dw|`.

    Lee et al. 2019, "SNIP: Single-shot Network Pruning based on Connection Sensitivity".
    """
    with _as_in_training(network):
        return float(sum((w.detach() * g).abs().sum() for w, g in _gradients(network, x, y)))


def synflow(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """The logarithm of `1 + sum(|w| * dR/d|w|)`, `R` the sum of outputs for an image of ones.

    All weights count by their absolute value, and a norm passes on what it gets, so that all paths
    add up. Computed in float64, where deep networks do not overflow.

    Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic
    flow".
    """
    norms = [
        part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    through = [n.register_forward_hook(lambda part, given, out: given[0]) for n in norms]
    weights = {name: p.detach().abs().double() for name, p in network.named_parameters()}
    held = {name: t.double() if t.is_floating_point() else t for name, t in network.named_buffers()}
    chosen = {name: p for name, p in weights.items() if p.dim() > 1}
    for p in chosen.values():
        p.requires_grad_()
    ones = torch.ones(2, *x.shape[1:], dtype=torch.float64, device=x.device)  # norms want two
    try:
        with _as_in_training(network):
            said = torch.func.functional_call(network, {**weights, **held}, (ones,))
        grads = torch.autograd.grad(said[0].sum(), list(chosen.values()), allow_unused=True)
    finally:
        for hook in through:
            hook.remove()
    flow = sum(
        float((w.detach() * g).sum())
        for w, g in zip(chosen.values(), grads, strict=True)
        if g is not None
    )
    return math.log1p(flow)


def jacobian_covariance(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """How differently a network answers to changes of different images.

    With `v` the eigenvalues of the correlations between the images' Jacobians (of the sum of
    logits): `-sum(log(v + k) + 1 / (v + k))`, `k = 1e-5`.

    Mellor et al. 2020, "Neural Architecture Search without Training", version 1 of
    https://arxiv.org/abs/2006.04647.
    """
    x = x.detach().clone().requires_grad_()
    with _as_in_training(network):
        (jacobian,) = torch.autograd.grad(network(x).sum(), x)
    j = jacobian.flatten(1).double()  # (images, inputs)
    j = j - j.mean(1, keepdim=True)
    j = j / j.norm(dim=1, keepdim=True).clamp_min(1e-300)
    v = torch.linalg.eigvalsh(j @ j.T).clamp_min(0) + 1e-5
    return float(-(v.log() + 1 / v).sum())


def parameters(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """How many numbers it learns."""
    return float(sum(p.numel() for p in network.parameters()))


ZERO_COST: dict[str, Measure] = {
    "gradient_norm": gradient_norm,
    "snip": snip,
    "synflow": synflow,
    "jacobian_covariance": jacobian_covariance,
    "parameters": parameters,
}


def metafeatures(
    network: nn.Module, x: Tensor, y: Tensor, *, names: Iterable[str] = tuple(ZERO_COST)
) -> dict[str, float]:
    """The scores of an untrained network, by name; one that is not finite is left out.

    Args:
        x: One batch of images (n, channels, height, width), on the network's device.
        y: Their classes, (n,).

    Raises:
        NotFound: No such score.
    """
    names = list(names)
    if unknown := [name for name in names if name not in ZERO_COST]:
        raise NotFound(f"no zero-cost score {unknown[0]!r}; there are {', '.join(ZERO_COST)}")
    found = {name: ZERO_COST[name](network, x, y) for name in names}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _gradients(network: nn.Module, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The weights (not the biases and norms) and the loss's gradient by each."""
    chosen = [p for p in network.parameters() if p.dim() > 1 and p.requires_grad]
    loss = nn.functional.cross_entropy(network(x), y)
    grads = torch.autograd.grad(loss, chosen, allow_unused=True)
    return ((w, g) for w, g in zip(chosen, grads, strict=True) if g is not None)


@contextmanager
def _as_in_training(network: nn.Module) -> Iterator[None]:
    """In the mode of training; mode and running statistics are put back."""
    mode = [(part, part.training) for part in network.modules()]
    kept = [(t, t.clone()) for t in network.buffers()]
    try:
        network.train()
        yield
    finally:
        for part, training in mode:
            part.training = training
        with torch.no_grad():
            for t, before in kept:
                t.copy_(before)


__all__ = [
    "ZERO_COST",
    "Measure",
    "gradient_norm",
    "jacobian_covariance",
    "metafeatures",
    "parameters",
    "snip",
    "synflow",
]
