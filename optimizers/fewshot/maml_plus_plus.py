"""MAML++: MAML with five changes that make its training steady.

Antoniou, Edwards, Storkey 2019, "How to Train Your MAML", https://arxiv.org/abs/1810.09502:
the queries are judged after each inner step, by weights that move to the last one; learning rates
are learnt for each layer and step; batch norms have scales and shifts for each step, and use the
statistics of that step's batch; gradients are of the first order at first; the outer learning rate
falls along a cosine.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi
from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.batch_norm import ByBatch
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import Weights, losses, outputs, spread
from optimizers.fewshot.inner import descent
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor

LEAST_SHARE = 0.03
"""Of the weight 1 / steps, so much is left to a step before the last, however long the training."""

LEAST_OUTER_RATE = 1e-5
"""Where the cosine of the outer learning rate ends."""


class MAMLPlusPlus:
    """MAML++; see `MAML` for what is the same.

    Args:
        module, rate, outer_rate, at_once, device: See `MAML`; `rate` is where all rates begin.
        steps: Inner steps, in training and on a new task: each has parameters of its own.
        total: Steps planned; the cosine ends there.
        first_order: The share of `total` with gradients of the first order.
        many_losses: The share of `total` over which the weight moves to the last step's loss.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 10), default=5),
        Float("rate", (1e-3, 1.0), log=True, default=0.1),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 5,
        rate: float = 0.1,
        outer_rate: float = 1e-3,
        total: int = 10_000,
        first_order: float = 0.3,
        many_losses: float = 0.15,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module, twice=True).to(device)
        whole, normed = learnable(self._module), _normed(self._module)
        self._steps = steps
        self._moving = [name for name in whole if name not in normed]
        self._normed = [name for name in whole if name in normed]
        self.learnt = {name: whole[name] for name in self._moving}
        for name in self._normed:  # a row for the inputs of each step, and one for the queries
            rows = whole[name].detach().repeat(steps + 1, 1)
            self.learnt[f"step.{name}"] = rows.requires_grad_()
        for name in self._moving:
            rates = torch.full((steps,), rate, device=whole[name].device, dtype=whole[name].dtype)
            self.learnt[f"rate.{name}"] = rates.requires_grad_()
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._outer_rate, self._total = outer_rate, total
        self._first_order, self._many_losses = first_order * total, many_losses * total

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean of the weighted losses on the queries."""
        share = min(1.0, self.outer.steps / self._total)
        low = min(LEAST_OUTER_RATE, self._outer_rate)
        self.outer.rate = low + 0.5 * (self._outer_rate - low) * (1 + cos(pi * share))
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after the last step on the support of each task."""
        *_, weights = self._descent(support, second_order=False)
        return predictor(self._module, weights)

    def importance(self) -> list[float]:
        """The weight of the queries' loss after each inner step, now; their sum is 1."""
        gone = self.outer.steps / self._many_losses if self._many_losses else 1.0
        even, least = 1 / self._steps, LEAST_SHARE / self._steps
        early = max(even * (1 - gone), least) if self._steps > 1 else 0.0
        return [early] * (self._steps - 1) + [1 - early * (self._steps - 1)]

    def _judged(self, episodes: Episodes) -> Tensor:
        query, shares = episodes.query, self.importance()
        each = torch.zeros((), device=query.x.device, dtype=query.x.dtype)
        second_order = self.outer.steps >= self._first_order
        walked = self._descent(episodes.support, second_order=second_order)
        for share, weights in zip(shares, walked, strict=True):
            each = each + share * losses(outputs(self._module, weights, query.x), query.y)
        return each

    def _descent(self, support: Examples, *, second_order: bool) -> Iterator[Weights]:
        """The weights after each step, with the norms of the step that comes next."""
        tasks = len(support.x)
        weights = spread({name: self.learnt[name] for name in self._moving}, tasks)
        for step in range(self._steps):
            rates = {name: self.learnt[f"rate.{name}"][step] for name in self._moving}
            (weights,) = descent(
                self._module, weights | self._norms(step, tasks), support, rates=[rates],
                second_order=second_order, moving=self._moving,
            )  # fmt: skip
            weights = weights | self._norms(step + 1, tasks)
            yield weights

    def _norms(self, step: int, tasks: int) -> Weights:
        return spread({n: self.learnt[f"step.{n}"][step] for n in self._normed}, tasks)


def _normed(module: nn.Module) -> set[str]:
    """The names of the parameters of batch norms."""
    return {
        f"{name}.{own}" if name else own
        for name, part in module.named_modules()
        if isinstance(part, ByBatch)
        for own, _ in part.named_parameters(recurse=False)
    }
