"""ANIL: MAML whose inner steps move the last layer alone; all layers are learnt outside.

Raghu, Raghu, Bengio, Vinyals 2020, "Rapid Learning or Feature Reuse? Towards Understanding the
Effectiveness of MAML", https://arxiv.org/abs/1909.09157.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs, spread
from optimizers.fewshot.inner import adapted
from optimizers.fewshot.networks import by_batch, last_layer, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor


class ANIL:
    """First weights, of which a new task moves the head only; see `MAML` for what is the same.

    Args:
        module, steps, adapt_steps, rate, outer_rate, at_once, device: See `MAML`.
        head: Names of the parameters that the inner steps move; those of the last layer by default.
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
        adapt_steps: int | None = None,
        rate: float = 0.1,
        outer_rate: float = 1e-3,
        head: Sequence[str] | None = None,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module).to(device)
        self._head = list(head or last_layer(module))
        self.learnt = learnable(self._module)
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._rates = [rate] * steps
        self._adapt_rates = [rate] * (adapt_steps or steps)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries after the inner steps."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after gradient descent of its head on the support of each task."""
        weights = adapted(
            self._module, spread(self.learnt, len(support.x)), support, rates=self._adapt_rates,
            moving=self._head,
        )  # fmt: skip
        return predictor(self._module, weights)

    def _judged(self, episodes: Episodes) -> Tensor:
        weights = adapted(
            self._module, spread(self.learnt, len(episodes)), episodes.support, rates=self._rates,
            second_order=True, moving=self._head,
        )  # fmt: skip
        return losses(outputs(self._module, weights, episodes.query.x), episodes.query.y)
