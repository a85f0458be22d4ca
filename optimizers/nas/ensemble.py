"""An ensemble of small networks that predict a loss, trained side by side.

Lakshminarayanan, Pritzel, Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles"; as in White, Neiswanger, Savani 2021, "BANANAS", without its depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

Singles = NDArray[np.float32]

MEMBERS, HIDDEN, LAYERS = 5, 20, 3
"""Networks, and the width and number of their hidden layers (the paper: 10 layers)."""

BATCH, EPOCHS, MOST_STEPS, RATE = 32, 150, 600, 0.01
"""Of Adam (Kingma, Ba 2015); no more steps than `MOST_STEPS`, however many results there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Perceptrons with rectified units.

    Args:
        weights: Of each layer, (members, in + 1, out); the last row is the bias.
    """

    weights: tuple[Singles, ...]

    @classmethod
    def fit(cls, x: Floats, y: Floats, *, seed: int) -> Self:
        """Minimise the mean absolute error by Adam, each network from first weights of its own.

        Cost: below a second with 500 rows of 200 columns.

        Args:
            x: (n, d). y: Standardised, (n,).
        """
        rng = np.random.default_rng(seed)
        inputs, targets = x.astype(np.float32), y.astype(np.float32)
        sizes = [x.shape[1], *[HIDDEN] * LAYERS, 1]
        weights = []
        for into, out in pairwise(sizes):
            w = rng.standard_normal((MEMBERS, into + 1, out), np.float32)
            w *= np.float32(np.sqrt(2 / max(into, 1)))
            w[:, -1] = 0
            weights.append(w)
        mean, square = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        batch = min(BATCH, len(x))
        steps = min(MOST_STEPS, EPOCHS * -(-len(x) // batch))
        for step in range(1, steps + 1):
            rows = rng.integers(len(x), size=(MEMBERS, batch))  # each network its own
            gradients = _gradients(weights, inputs[rows], targets[rows])
            for w, g, m, v in zip(weights, gradients, mean, square, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                w -= RATE * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        return cls(tuple(weights))

    def predict(self, x: Floats) -> Floats:
        """What each network predicts at rows x (n, d), (members, n)."""
        at = np.broadcast_to(x.astype(np.float32), (MEMBERS, *x.shape))
        return _layers(self.weights, at)[-1][..., 0].astype(float)


def _layers(weights: Sequence[Singles], x: Singles) -> list[Singles]:
    """What comes into each layer, and out of the last, each (members, n, width)."""
    values = [x]
    for k, w in enumerate(weights):
        out = values[-1] @ w[:, :-1] + w[:, -1:]
        values.append(out if k == len(weights) - 1 else np.maximum(out, 0))
    return values


def _gradients(weights: list[Singles], x: Singles, y: Singles) -> list[Singles]:
    """Of the mean absolute error at x (members, n, d), y (members, n)."""
    values = _layers(weights, x)
    back = np.sign(values[-1] - y[..., None]) / np.float32(y.shape[1])  # (members, n, 1)
    gradients = []
    for w, value in zip(weights[::-1], values[-2::-1], strict=True):
        bias = back.sum(axis=1, keepdims=True)
        gradients.append(np.concatenate([value.transpose(0, 2, 1) @ back, bias], axis=1))
        back = (back @ w[:, :-1].transpose(0, 2, 1)) * (value > 0)
    return gradients[::-1]
