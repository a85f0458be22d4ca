"""One network for all classes of a source at once, as one trains it who knows of no episodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from metadb.errors import WrongUsage
from optimizers.fewshot.embedding import Embedding
from optimizers.fewshot.episode import Episodes
from optimizers.fewshot.networks import fresh
from optimizers.fewshot.outer import Outer


class Pretrained:
    """An embedding with a linear layer for all classes; numbers are regressed by the module itself.

    Args:
        module: An embedding, or for a regression the whole network.
        features: The shape of what it gives for one input.
        classes: All classes of the source; None for a regression.
        outer_rate: Of Adam.
        device: Where it learns.
        seed: Of the linear layer.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        features: tuple[int, ...],
        classes: int | None,
        outer_rate: float,
        device: str,
        seed: int,
    ) -> None:
        heads: dict[str, nn.Module] = {}
        if classes is not None:
            head = fresh(nn.Linear(torch.Size(features).numel(), classes), seed)
            heads["head"] = head.to(next(module.parameters()).dtype)
        self._classes = classes
        self.embedding = Embedding(module, device, **heads)
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.embedding.learnt, rate=outer_rate, at_once=10**9)

    def step(self, episodes: Episodes) -> float:
        """One step of Adam on all examples of the episodes, support and queries alike."""
        return self.outer.descend(self._judged, episodes)

    def _judged(self, episodes: Episodes) -> Tensor:
        support, query = self.embedding.train(True)(episodes.support.x, episodes.query.x)
        placed = torch.cat([support, query], dim=1)
        y = torch.cat([episodes.support.y, episodes.query.y], dim=1)
        if self._classes is None:
            return (placed - y).square().flatten(1).mean(1)
        if episodes.classes is None:
            raise WrongUsage(
                "these episodes do not tell which class of the source each of theirs is, which "
                "training on all classes at once needs; give Episodes(classes=...)"
            )
        logits = self.embedding["head"](placed.flatten(2))  # (tasks, n, classes)
        wanted = episodes.classes.gather(1, y)
        each = cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        return each.view(y.shape).mean(1)
