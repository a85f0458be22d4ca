"""Siamese networks: a network that tells whether two inputs are of one class.

Koch, Zemel, Salakhutdinov 2015, "Siamese Neural Networks for One-shot Image Recognition"
(section 3.1: a weighted distance of two places, through a sigmoid, and the cross-entropy).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from optimizers.fewshot.embedding import Embedding, class_means
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.networks import fresh
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor


class Siamese:
    """An embedding, and weights of the distances along its axes; pairs are drawn from episodes.

    Args:
        module: An embedding.
        features: The shape of what it gives for one input.
        outer_rate, at_once, device: See `Prototypical`.
        seed: Of the distance's first weights.

    Each query with each support example is a pair; as many are of one class as there are shots, so
    pairs of one class count as much together as all others (the paper draws half and half).
    A query is of the class whose examples are most probably of one class with it, on average.
    """

    hyperparameters: ClassVar = (Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),)

    def __init__(
        self,
        module: nn.Module,
        *,
        features: tuple[int, ...],
        outer_rate: float = 1e-3,
        at_once: int = 1,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        width = torch.Size(features).numel()
        distance = fresh(nn.Linear(width, 1), seed).to(next(module.parameters()).dtype)
        self._embedding = Embedding(module, device, distance=distance)
        self.learnt, self.kept = self._embedding.learnt, self._embedding.kept
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean cross-entropy of the pairs."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The places of each task's examples; what is asked is paired with all of them."""
        return self._embedding.adapted(support, self._said)

    def _judged(self, episodes: Episodes) -> Tensor:
        paired = self._embedding.judged(episodes, self._paired)
        same = (episodes.query.y.unsqueeze(2) == episodes.support.y.unsqueeze(1)).to(paired)
        each = binary_cross_entropy_with_logits(paired, same, reduction="none")
        share = same.mean((1, 2), keepdim=True)
        weight = same / (2 * share) + (1 - same) / (2 * (1 - share))
        return (each * weight).mean((1, 2))

    def _said(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:
        """The log of the mean probability over the examples of a class, (tasks, n, ways)."""
        alike = logsigmoid(self._paired(query, support, y)).exp()  # (tasks, n, examples)
        return class_means(alike.mT, y).mT.log()

    def _paired(self, query: Tensor, support: Tensor, _: Tensor) -> Tensor:
        """Logits that a query and an example are of one class, (tasks, n, examples)."""
        apart = (query.flatten(2).unsqueeze(2) - support.flatten(2).unsqueeze(1)).abs()
        found: Tensor = self._embedding["distance"](apart)
        return found.squeeze(3)
