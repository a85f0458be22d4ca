"""Prototypical networks: a class is the mean of its examples' places, the nearest mean wins.

Snell, Swersky, Zemel 2017, "Prototypical Networks for Few-shot Learning",
https://arxiv.org/abs/1703.05175.
"""

from __future__ import annotations

from typing import ClassVar

import torch
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

    @torch.no_grad()
    def adapt(self, support: Examples) -> Predictor:
        """The class means of each task, and the distances of what is asked to them."""
        embedding = self._embedding.train(False)
        means = class_means(_flat(*embedding(support.x)), support.y.to(embedding.device))

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return nearness(_flat(*embedding.train(False)(x)), means)

        return predict

    def _judged(self, episodes: Episodes) -> Tensor:
        support, query = self._embedding.train(True)(episodes.support.x, episodes.query.x)
        means = class_means(_flat(support), episodes.support.y)
        return losses(nearness(_flat(query), means), episodes.query.y)


def nearness(places: Tensor, means: Tensor) -> Tensor:
    """Minus the squared distances of (tasks, n, d) to (tasks, ways, d): (tasks, n, ways)."""
    return -(places.unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)


def _flat(places: Tensor) -> Tensor:
    return places.flatten(2)
