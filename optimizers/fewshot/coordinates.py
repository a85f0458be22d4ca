"""Weights as coordinates: what learned optimisers see of a network, one number at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from optimizers.fewshot.forward import Weights

SHARPNESS = 10.0
"""Gradients below exp(-SHARPNESS) are taken as they are, larger ones by their logarithm."""


def flat(weights: Mapping[str, Tensor]) -> Tensor:
    """All weights of each task in one row: (tasks, coordinates)."""
    return torch.cat([w.flatten(1) for w in weights.values()], dim=1)


def shaped(rows: Tensor, like: Mapping[str, Tensor]) -> Weights:
    """Rows (tasks, coordinates) as named weights of the shapes of `like`, behind a task axis."""
    pieces = torch.split(rows, [w.numel() for w in like.values()], dim=1)
    return {
        name: piece.view(len(rows), *w.shape)
        for (name, w), piece in zip(like.items(), pieces, strict=True)
    }


def scaled(numbers: Tensor) -> Tensor:
    """Numbers of any size as two of size 1, the logarithm and the sign: (...) to (..., 2).

    Andrychowicz et al. 2016, appendix A.
    """
    size = numbers.abs()
    large = size >= torch.tensor(-SHARPNESS).exp()
    log = size.clamp_min(torch.finfo(numbers.dtype).tiny).log() / SHARPNESS
    first = torch.where(large, log, -1.0)
    second = torch.where(large, numbers.sign(), numbers * torch.tensor(SHARPNESS).exp())
    return torch.stack([first, second], dim=-1)
