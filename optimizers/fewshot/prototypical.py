"""Prototypical networks: a class is the mean of its examples' places, the nearest mean wins.

Snell, Swersky, Zemel 2017, "Prototypical Networks for Few-shot Learning",
https://arxiv.org/abs/1703.05175.
"""

from __future__ import annotations

from typing import ClassVar

from ConfigSpace import Float
from torch import Tensor, nn

from optimizers.fewshot.embedding import Embedding, class_means
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor


class Prototypical:
    """An embedding in which squared distances to class means are the logits; classes only.

    Args:
        module: An embedding.
        outer_rate: Of Adam.
        at_once: So many tasks share a batch, and with it the statistics of batch norms.
        device: Where it learns.
    """

    hyperparameters: ClassVar = (Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),)

    def __init__(
        self,
        module: nn.Module,
        *,
        outer_rate: float = 1e-3,
        at_once: int = 1,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._embedding = Embedding(module, device)
        self.learnt, self.kept = self._embedding.learnt, self._embedding.kept
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The class means of each task, and the distances of what is asked to them."""
        return self._embedding.adapted(support, nearness)

    def _judged(self, episodes: Episodes) -> Tensor:
        return losses(self._embedding.judged(episodes, nearness), episodes.query.y)


def nearness(query: Tensor, support: Tensor, y: Tensor) -> Tensor:
    """Minus the squared distances to the class means, (tasks, n, ways)."""
    means = class_means(support.flatten(2), y)  # (tasks, ways, d)
    return -(query.flatten(2).unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)
