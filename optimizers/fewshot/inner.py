"""Training on a task: steps down the loss on its support, for all tasks of a batch at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Generator, Tensor, nn

from optimizers.fewshot.episode import Examples
from optimizers.fewshot.forward import Weights, losses, outputs

Rate = float | Mapping[str, Tensor]
"""A step size: one for all weights, or one or as many as it has for each named weight."""


def descent(
    module: nn.Module,
    weights: Weights,
    support: Examples,
    *,
    rates: Sequence[Rate],
    second_order: bool = False,
    moving: Sequence[str] | None = None,
) -> Iterator[Weights]:
    """The weights of each task after each step of gradient descent on its support.

    Args:
        weights: With a leading task axis, and part of a graph.
        rates: One for each step.
        second_order: Whether a later gradient goes through these gradients too.
        moving: Only these weights move; None: all.
    """
    names = list(weights if moving is None else moving)
    support = support.to(weights[names[0]].device)
    for rate in rates:
        loss = losses(outputs(module, weights, support.x), support.y).sum()
        slopes = torch.autograd.grad(loss, [weights[n] for n in names], create_graph=second_order)
        moved = {
            name: weights[name] - (rate if isinstance(rate, float | int) else rate[name]) * slope
            for name, slope in zip(names, slopes, strict=True)
        }
        weights = weights | moved
        yield weights


def adapted(
    module: nn.Module,
    weights: Weights,
    support: Examples,
    *,
    rates: Sequence[Rate],
    second_order: bool = False,
    moving: Sequence[str] | None = None,
) -> Weights:
    """The weights of each task after the last step of `descent`."""
    last = deque(
        descent(module, weights, support, rates=rates, second_order=second_order, moving=moving),
        maxlen=1,
    )
    return last[0] if last else weights


def trained(
    module: nn.Module,
    weights: Weights,
    examples: Examples,
    *,
    steps: int,
    rate: float,
    momentum: float = 0.9,
    plain: bool = False,
    batch: int | None = None,
    rng: Generator | None = None,
) -> tuple[Weights, Tensor]:
    """The weights of each task after training, without a graph, and the mean loss on the way.

    Args:
        weights: With a leading task axis.
        rate: Of Adam; `momentum` is its beta 1. With `plain`, of gradient descent.
        batch: Examples of a step, the same places in each task, drawn by `rng`; None: all.

    Returns:
        The weights, and the loss of each task (tasks,).
    """
    own = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    leaves, n = list(own.values()), examples.y.shape[1]
    examples = examples.to(leaves[0].device)
    optimizer = (  # its memory is one for each number, so that tasks do not meet in it
        torch.optim.SGD(leaves, lr=rate)
        if plain
        else torch.optim.Adam(leaves, lr=rate, betas=(momentum, 0.999))
    )
    met = torch.zeros(len(examples.x), device=leaves[0].device, dtype=leaves[0].dtype)
    for _ in range(steps):
        some = examples
        if batch is not None and batch < n:
            places = torch.randperm(n, generator=rng)[:batch].to(examples.x.device)
            some = Examples(examples.x[:, places], examples.y[:, places])
        each = losses(outputs(module, own, some.x), some.y)
        for leaf, slope in zip(leaves, torch.autograd.grad(each.sum(), leaves), strict=True):
            leaf.grad = slope
        optimizer.step()
        met += each.detach() / steps
    return {name: w.detach() for name, w in own.items()}, met
