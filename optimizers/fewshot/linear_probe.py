"""A good embedding with a linear classifier: pre-trained on all classes, then left as it is.

Tian, Wang, Krishnan, Tenenbaum, Isola 2020, "Rethinking Few-Shot Image Classification: a Good
Embedding Is All You Need?", https://arxiv.org/abs/2003.11539 (without its self-distillation).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from ConfigSpace import Float
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import normalize

from metadb.errors import WrongUsage
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.predictor import Predictor
from optimizers.fewshot.pretrained import Pretrained


class LinearProbe:
    """A pre-trained embedding, places of length 1, and logistic regression; classes only.

    Args:
        module: An embedding.
        features: The shape of what it gives for one input.
        classes: All classes of the source.
        penalty: Of the logistic regression; scikit-learn's 1 / C.
        outer_rate, device, seed: See `FineTuning`.
    """

    hyperparameters: ClassVar = (
        Float("penalty", (1e-3, 1e3), log=True, default=1.0),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        features: tuple[int, ...],
        classes: int,
        penalty: float = 1.0,
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
        self._penalty = penalty

    def step(self, episodes: Episodes) -> float:
        """One step of Adam on all classes at once; returns the mean loss."""
        return self._pretrained.step(episodes)

    def adapt(self, support: Examples) -> Predictor:
        """A logistic regression on the places of each task's support.

        Raises:
            WrongUsage: Numbers in place of classes.
        """
        if support.y.is_floating_point():
            raise WrongUsage("a linear probe tells classes apart; for numbers take fine_tuning")
        y = support.y.cpu().numpy()
        heads = [
            LogisticRegression(C=1 / self._penalty, max_iter=1000).fit(x, own)
            for x, own in zip(self._places(support.x), y, strict=True)
        ]

        def predict(x: Tensor) -> Tensor:
            logs = [
                head.predict_log_proba(places)
                for head, places in zip(heads, self._places(x), strict=True)
            ]
            return torch.as_tensor(np.stack(logs), device=self._embedding.device)

        return predict

    @torch.no_grad()
    def _places(self, x: Tensor) -> np.ndarray:  # (tasks, n, features)
        (found,) = self._embedding.train(False)(x)
        return normalize(found.flatten(2), dim=2).double().cpu().numpy()
