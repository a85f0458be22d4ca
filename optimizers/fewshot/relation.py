"""Relation networks: a network that learns how alike two places are, beside the embedding.

Sung, Yang, Zhang, Xiang, Torr, Hospedales 2018, "Learning to Compare: Relation Network for Few-Shot
Learning", https://arxiv.org/abs/1711.06025.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float
from torch import Tensor, nn

from metadb.errors import WrongUsage
from optimizers.fewshot.embedding import Embedding, class_means, members
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.networks import fresh
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor

HIDDEN = 8
"""Units of the relation module's hidden layer, as in the paper."""


class Relation:
    """An embedding, and a relation module that scores a query's place beside a class's, 0 to 1.

    Args:
        module: An embedding; of images best one that gives maps (`conv4(flat=False)`).
        features: The shape of what it gives for one input: maps (channels, height, width), which
            two blocks of convolution compare, or a vector (d,), which a layer compares.
        outer_rate, at_once, device: See `Prototypical`.
        seed: Of the relation module's first weights.

    The score is trained to be 1 for the class and 0 for others, by the squared error (equation 2).
    A class of several examples is the sum of their maps in the paper; here it is their mean, which
    does not depend on how many they are.
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
        relation = fresh(_relation_module(features), seed)
        kind = next(module.parameters()).dtype
        self._embedding = Embedding(module, device, relation=relation.to(kind))
        self.learnt, self.kept = self._embedding.learnt, self._embedding.kept
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean squared error of the scores on the queries."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The mean places of each task's classes; what is asked is related to all of them."""
        return self._embedding.adapted(support, self._scores)

    def _judged(self, episodes: Episodes) -> Tensor:
        scores = self._embedding.judged(episodes, self._scores)
        wanted = members(episodes.query.y, scores, scores.shape[2]).mT
        return (scores - wanted).square().mean((1, 2))

    def _scores(self, query: Tensor, support: Tensor, y: Tensor) -> Tensor:
        """(tasks, n, ways), each between 0 and 1."""
        means = class_means(support.flatten(2), y)
        tasks, n, ways = len(query), query.shape[1], means.shape[1]
        means = means.view(tasks, ways, *support.shape[2:])
        shape = (tasks, n, ways, *query.shape[2:])
        pairs = torch.cat(
            [means.unsqueeze(1).expand(shape), query.unsqueeze(2).expand(shape)], dim=3
        )
        found: Tensor = self._embedding["relation"](pairs.flatten(0, 2))
        return found.view(tasks, n, ways)


def _relation_module(features: tuple[int, ...]) -> nn.Module:
    if len(features) == 1:
        (width,) = features
        return nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(),
            nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Sigmoid(),
        )  # fmt: skip
    if len(features) != 3:
        raise WrongUsage(
            f"an embedding for a relation network gives maps (channels, height, width) or a "
            f"vector, not places of shape {features}"
        )
    channels, height, breadth = features
    left = channels * (height // 4) * (breadth // 4)
    if not left:
        raise WrongUsage(
            f"maps of {height} x {breadth} are too small to relate; 4 x 4 is the least"
        )
    layers: list[nn.Module] = []
    for inputs in (2 * channels, channels):
        layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels)]
        layers += [nn.MaxPool2d(2), nn.ReLU()]
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(left, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 1),
        nn.Sigmoid(),
    )
