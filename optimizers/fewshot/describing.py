"""What a few-shot task looks like before anything is learnt: numbers to compare tasks by."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

MOST = 500
"""So many examples of a class at most are looked at."""


def describe(x: Tensor, y: Tensor) -> dict[str, float]:
    """Meta-features of labelled inputs; what is not defined for them is absent.

    Args:
        x: Inputs (n, ...), bytes or floats.
        y: The class of each, (n,).

    `spread` is the mean squared distance to the own class's mean, divided by that between examples
    of any two classes; it needs two examples of a class.
    """
    images, x = x.dim() == 4, (x / 255 if x.dtype == torch.uint8 else x).double()
    flat = x.flatten(1)
    found = {
        "inputs": float(flat.shape[1]),
        "mean": float(flat.mean()),
        "sd": float(flat.std()) if flat.numel() > 1 else 0.0,
        "zeros": float((flat == 0).double().mean()),
    }
    if images:
        found["channels"] = float(x.shape[1])
        steps = [x.diff(dim=axis).abs().mean() for axis in (2, 3) if x.shape[axis] > 1]
        if steps:
            found["roughness"] = float(torch.stack(steps).mean())
    within, n = 0.0, 0
    for c in range(int(y.max()) + 1 if len(y) else 0):
        own = flat[y == c][:MOST]
        if len(own) > 1:
            within += float(own.var(dim=0).sum()) * (len(own) - 1)
            n += len(own) - 1
    total = float(flat.var(dim=0).sum()) if len(flat) > 1 else 0.0
    if n and total:
        found["spread"] = within / n / total
    return found


def likeness(one: Mapping[str, float], two: Mapping[str, float]) -> float:
    """How alike two descriptions are, 0 to 1: one less the mean Canberra distance.

    Lance, Williams 1967: |a - b| / (|a| + |b|), which needs no scale of its own. Without a
    meta-feature that both have: 0.
    """
    shared = sorted(one.keys() & two.keys())
    apart = [
        abs(one[name] - two[name]) / size if (size := abs(one[name]) + abs(two[name])) else 0.0
        for name in shared
    ]
    return 1 - sum(apart) / len(apart) if apart else 0.0
