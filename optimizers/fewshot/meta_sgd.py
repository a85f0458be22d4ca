"""Meta-SGD: first weights, and for each weight a learning rate of its own, learnt with them.

Li, Zhou, Chen, Li 2017, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
https://arxiv.org/abs/1707.09835.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Generator, Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs, spread
from optimizers.fewshot.inner import adapted
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor

FIRST_RATES = (0.005, 0.1)
"""The rates begin uniformly between these (section 4.1 of the paper)."""


class MetaSGD:
    """MAML whose inner learning rates are learnt, one a weight; see `MAML` for what is the same.

    Args:
        module, steps, adapt_steps, outer_rate, at_once, device: See `MAML`.
        rate: All rates begin with it; None: each with a number between `FIRST_RATES`.
        seed: Of the first rates.

    A rate may become negative: then this weight moves uphill.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 10), default=1),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 1,
        adapt_steps: int | None = None,
        rate: float | None = None,
        outer_rate: float = 1e-3,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module, twice=True).to(device)
        weights, rng = learnable(self._module), Generator().manual_seed(seed)
        self._names = list(weights)
        self.learnt = weights | {
            f"rate.{name}": _first(w, rate, rng).requires_grad_() for name, w in weights.items()
        }
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._steps, self._adapt_steps = steps, adapt_steps or steps

    def step(self, episodes: Episodes) -> float:
        """One step of Adam for weights and rates; returns the mean loss on the queries."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after gradient descent at the learnt rates on the support of each task."""
        return predictor(self._module, self._adapted(support, self._adapt_steps, graph=False))

    def _judged(self, episodes: Episodes) -> Tensor:
        weights = self._adapted(episodes.support, self._steps, graph=True)
        return losses(outputs(self._module, weights, episodes.query.x), episodes.query.y)

    def _adapted(self, support: Examples, steps: int, *, graph: bool) -> dict[str, Tensor]:
        weights = {name: self.learnt[name] for name in self._names}
        rates = {name: self.learnt[f"rate.{name}"] for name in self._names}
        return adapted(
            self._module, spread(weights, len(support.x)), support, rates=[rates] * steps,
            second_order=graph,
        )  # fmt: skip


def _first(w: Tensor, rate: float | None, rng: Generator) -> Tensor:
    if rate is not None:
        return torch.full_like(w, rate, requires_grad=False)
    low, high = FIRST_RATES
    drawn = torch.rand(w.shape, generator=rng, dtype=torch.float64)
    return (low + (high - low) * drawn).to(w)
