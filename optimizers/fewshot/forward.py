"""A module with weights of its own for each task: its outputs and its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from optimizers.fewshot.episode import Episodes

MANY = 20_000
"""Inputs of a task with so many numbers keep a core busy by themselves."""

Weights = dict[str, Tensor]
"""The weights of a module by name; each with a task axis before its own where tasks differ."""


def outputs(module: nn.Module, weights: Weights, x: Tensor, *, shared: bool = False) -> Tensor:
    """What a module makes of `x` (tasks, n, ...): (tasks, n, ...), each task apart from the others.

    Args:
        weights: With a leading task axis; without one where they are `shared` by all tasks.

    Statistics of a batch are those of one task. One task is not sent through `vmap`, which costs
    time on a CPU: 4 tasks of a second-order step took 0.60 s with it and 0.41 s one by one.
    """
    if len(x) == 1:
        own = weights if shared else {name: w.squeeze(0) for name, w in weights.items()}
        found: Tensor = functional_call(module, own, (x.squeeze(0),)).unsqueeze(0)
        return found
    axes = None if shared else 0
    batched = vmap(lambda w, inputs: functional_call(module, w, (inputs,)), in_dims=(axes, 0))
    result: Tensor = batched(weights, x)
    return result


def losses(predicted: Tensor, y: Tensor) -> Tensor:
    """The mean loss of each task, (tasks,): cross-entropy of classes, squared error of numbers.

    Args:
        predicted: (tasks, n, ways) for classes `y` (tasks, n); (tasks, n, outputs) as `y` else.
    """
    if y.is_floating_point():
        return (predicted - y).square().flatten(1).mean(1)
    tasks, n = y.shape
    each = cross_entropy(predicted.flatten(0, 1), y.flatten(), reduction="none")
    return each.view(tasks, n).mean(1)


def spread(weights: Mapping[str, Tensor], tasks: int) -> Weights:
    """The same weights for so many tasks: a leading task axis, without a copy."""
    return {name: w.unsqueeze(0).expand(tasks, *w.shape) for name, w in weights.items()}


def at_once(episodes: Episodes, wished: int | None) -> Iterator[Episodes]:
    """The tasks of a batch in groups that are worked on together.

    Args:
        wished: So many; None: all on a GPU. On a CPU tasks of `MANY` numbers or more one by one,
            which is fastest there and takes the least memory, and smaller ones together.
    """
    tasks, size = len(episodes), wished
    if size is None:
        numbers = (episodes.support.x.numel() + episodes.query.x.numel()) // tasks
        size = tasks if episodes.support.x.device.type != "cpu" else max(1, MANY // numbers)
    for start in range(0, tasks, size):
        yield episodes.part(slice(start, start + size))
