"""Reptile: first weights that move towards what training on each task ends with.

Nichol, Achiam, Schulman 2018, "On First-Order Meta-Learning Algorithms",
https://arxiv.org/abs/1803.02999 (section 3; inner Adam with beta 1 = 0 as in its appendix A).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Generator, Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import Weights, spread
from optimizers.fewshot.inner import trained
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor


class Reptile:
    """Weights moved by a share of the way to the mean of the trained ones; no split is needed.

    Args:
        module: What is trained.
        steps, adapt_steps: Inner steps in training and on a new task.
        batch: Examples of an inner step, drawn from all of an episode's; None: all of them.
        rate: Of the inner steps.
        plain: Inner gradient descent in place of Adam with beta 1 = 0.
        outer_rate: The share of the way; the paper lets it fall to 0 along a line, see `total`.
        total: Steps planned: the share falls to 0 over them; None: it stays.
        at_once, device: See `MAML`.
        seed: Of the inner batches.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 20), default=5),
        Integer("adapt_steps", (5, 100), log=True, default=50),
        Float("rate", (1e-4, 1e-2), log=True, default=1e-3),
        Float("outer_rate", (0.1, 1.0), log=True, default=1.0),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 5,
        adapt_steps: int = 50,
        batch: int | None = 10,
        rate: float = 1e-3,
        plain: bool = False,
        outer_rate: float = 1.0,
        total: int | None = None,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module).to(device)
        self.learnt = learnable(self._module)
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, plain=True, at_once=at_once)
        self._steps, self._adapt_steps, self._batch = steps, adapt_steps, batch
        self._rate, self._plain = rate, plain
        self._share, self._total, self._seed = outer_rate, total, seed

    def step(self, episodes: Episodes) -> float:
        """Train on support and queries of each task and move; returns the mean loss on the way."""
        if self._total is not None:
            self.outer.rate = self._share * max(0.0, 1 - self.outer.steps / self._total)
        return self.outer.apply(self._sloped, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after training on the support of each task."""
        weights, _ = self._trained(support, self._adapt_steps)
        return predictor(self._module, weights)

    def _sloped(self, episodes: Episodes) -> tuple[Tensor, list[Tensor]]:
        x = torch.cat([episodes.support.x, episodes.query.x], dim=1)
        y = torch.cat([episodes.support.y, episodes.query.y], dim=1)
        weights, met = self._trained(Examples(x, y), self._steps)
        ways = [
            len(x) * first.detach() - weights[name].sum(0) for name, first in self.learnt.items()
        ]
        return met, ways

    def _trained(self, examples: Examples, steps: int) -> tuple[Weights, Tensor]:
        # drawn by the count of steps: a resumed training draws what an unbroken one does
        rng = Generator().manual_seed(self._seed * 1_000_003 + self.outer.steps)
        return trained(
            self._module, spread(self.learnt, len(examples.x)), examples, steps=steps,
            rate=self._rate, momentum=0.0, plain=self._plain, batch=self._batch, rng=rng,
        )  # fmt: skip
