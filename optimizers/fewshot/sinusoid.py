"""Sinusoids to regress: the tasks of Finn, Abbeel, Levine 2017, section 5.1."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Generator, Tensor

from optimizers.fewshot.episode import Episodes, Examples

AMPLITUDES, PHASES, INPUTS = (0.1, 5.0), (0.0, pi), (-5.0, 5.0)


@dataclass(frozen=True, slots=True)
class Sinusoids:
    """y = a sin(x - p), amplitude, phase and inputs drawn uniformly.

    Args:
        shots, queries: Points of the support, and of the queries.
        dtype: Of all numbers.
    """

    shots: int = 10
    queries: int = 10
    dtype: torch.dtype = torch.float32

    def draw(self, tasks: int, rng: Generator) -> Episodes:
        """So many sinusoids, each with points of its own."""
        amplitude = self._uniform((tasks, 1, 1), AMPLITUDES, rng)
        phase = self._uniform((tasks, 1, 1), PHASES, rng)
        x = self._uniform((tasks, self.shots + self.queries, 1), INPUTS, rng)
        y = amplitude * (x - phase).sin()
        return Episodes(
            Examples(x[:, : self.shots], y[:, : self.shots]),
            Examples(x[:, self.shots :], y[:, self.shots :]),
        )

    def _uniform(
        self, shape: tuple[int, ...], between: tuple[float, float], rng: Generator
    ) -> Tensor:
        low, high = between
        drawn = torch.rand(shape, generator=rng, dtype=self.dtype, device=rng.device)
        return low + (high - low) * drawn
