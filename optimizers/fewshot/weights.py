"""What a learner has learnt as named tensors, and put into another of its kind."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metadb.errors import WrongUsage
from optimizers.fewshot.learner import FewShotLearner


def tensors_of(learner: FewShotLearner) -> dict[str, Tensor]:
    """All that a learner's advice rests on, by name."""
    kept = {f"kept.{name}": t for name, t in learner.kept.items()}
    return {f"learnt.{name}": t for name, t in learner.learnt.items()} | kept


def put(learner: FewShotLearner, tensors: Mapping[str, Tensor]) -> None:
    """Give a learner what another of its kind has learnt.

    Raises:
        WrongUsage: The tensors are those of another architecture; nothing is changed.
    """
    own = tensors_of(learner)
    for name, t in own.items():
        if name not in tensors:
            raise WrongUsage(f"these weights are of another architecture: {name} is missing")
        if tensors[name].shape != t.shape:
            raise WrongUsage(
                f"these weights are of another architecture: {name} has the shape "
                f"{tuple(tensors[name].shape)}, and {tuple(t.shape)} is wanted"
            )
    with torch.no_grad():
        for name, t in own.items():
            t.copy_(tensors[name])
