"""Weights as coordinates: what learned optimisers see of a network, one number at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from optimizers.fewshot.forward import Weights

SHARPNESS = 10.0
"""Gradients below exp(-SHARPNESS) are taken as they are, larger ones by their logarithm."""


PIECE = 2048
"""So many coordinates go through a cell together on a CPU, as its cache holds them."""


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


def remembered(cell: nn.Module, told: Tensor, state: tuple[Tensor, Tensor]) -> list[Tensor]:
    """What an LSTM cell gives out and keeps for each coordinate: two of (coordinates, hidden).

    On a CPU piece by piece, which took a third of the time for 113,000 coordinates.
    """
    if told.device.type != "cpu":
        return list(cell(told, state))
    parts = zip(*(torch.split(part, PIECE) for part in (told, *state)), strict=True)
    return [torch.cat(s) for s in zip(*(cell(x, (h, c)) for x, h, c in parts), strict=True)]
