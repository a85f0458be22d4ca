"""Fine-tuning: a network pre-trained on all classes at once, trained further on the support.

Chen, Liu, Kira, Wang, Huang 2019, "A Closer Look at Few-shot Classification",
https://arxiv.org/abs/1904.04232 (its Baseline; here the embedding is trained further too).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import spread
from optimizers.fewshot.inner import trained
from optimizers.fewshot.predictor import Predictor, predictor
from optimizers.fewshot.pretrained import Pretrained


class FineTuning:
    """A pre-trained embedding with a new linear layer, both trained on a task's support by Adam.

    Args:
        module: An embedding, or for a regression the whole network.
        features: The shape of what it gives for one input.
        classes: All classes of the source; None for a regression.
        adapt_steps, rate: Of Adam on the support; the new layer begins with zeros.
        outer_rate: Of Adam on all classes.
        device: Where it learns.
        seed: Of the layer for all classes.
    """

    hyperparameters: ClassVar = (
        Integer("adapt_steps", (5, 200), log=True, default=50),
        Float("rate", (1e-4, 0.1), log=True, default=1e-3),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        features: tuple[int, ...],
        classes: int | None = None,
        adapt_steps: int = 50,
        rate: float = 1e-3,
        outer_rate: float = 1e-3,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._pretrained = Pretrained(
            module, features=features, classes=classes, outer_rate=outer_rate, device=device,
            seed=seed,
        )  # fmt: skip
        self.outer = self._pretrained.outer
        self._embedding = self._pretrained.embedding
        self.learnt, self.kept = self._embedding.learnt, self._embedding.kept
        self._width = torch.Size(features).numel()
        self._steps, self._rate = adapt_steps, rate

    def step(self, episodes: Episodes) -> float:
        """One step of Adam on all classes at once; returns the mean loss."""
        return self._pretrained.step(episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network trained further on the support of each task."""
        whole = self._embedding.train(False)["embedding"]
        if not support.y.is_floating_point():
            head = nn.Linear(self._width, int(support.y.max()) + 1)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            whole = nn.Sequential(whole, nn.Flatten(), head.to(next(whole.parameters()))).eval()
        weights, _ = trained(
            whole, spread(dict(whole.named_parameters()), len(support.x)), support,
            steps=self._steps, rate=self._rate,
        )  # fmt: skip
        return predictor(whole, weights)
