"""From scratch: a new network trained on the support alone, nothing learnt from other tasks."""

from __future__ import annotations

from typing import ClassVar

from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, spread
from optimizers.fewshot.inner import trained
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.predictor import Predictor, predictor


class Scratch:
    """What a learner must beat to have learnt anything.

    Args:
        module: The network with the weights that each task begins with.
        adapt_steps, rate: Of Adam on the support.
        device: Where it trains.
    """

    hyperparameters: ClassVar = (
        Integer("adapt_steps", (5, 200), log=True, default=50),
        Float("rate", (1e-4, 0.1), log=True, default=1e-2),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        adapt_steps: int = 50,
        rate: float = 1e-2,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module).to(device)
        self.learnt = learnable(self._module)
        self.kept: dict[str, Tensor] = {}
        self.outer = None
        self._steps, self._rate = adapt_steps, rate

    def step(self, episodes: Episodes) -> float:
        """Learns nothing; returns the mean loss on the queries after training on the support."""
        predicted = self.adapt(episodes.support)(episodes.query.x)
        return float(losses(predicted, episodes.query.y.to(predicted.device)).mean())

    def adapt(self, support: Examples) -> Predictor:
        """The network trained on the support of each task."""
        weights, _ = trained(
            self._module, spread(self.learnt, len(support.x)), support, steps=self._steps,
            rate=self._rate,
        )  # fmt: skip
        return predictor(self._module, weights)
