"""What a learner makes of a task's support: a function from inputs to outputs, for each task."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from optimizers.fewshot.forward import Weights, outputs

Predictor = Callable[[Tensor], Tensor]
"""Inputs (tasks, n, ...) to what is said about them: logits (tasks, n, ways), or numbers."""


def predictor(module: nn.Module, weights: Weights) -> Predictor:
    """A module with weights of each task's own; nothing remembers how they came about."""
    own = {name: w.detach() for name, w in weights.items()}

    def predict(x: Tensor) -> Tensor:
        with torch.no_grad():
            place = next(iter(own.values())).device
            return outputs(module, own, x.to(place))

    return predict
