"""The contract of few-shot learners."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor


class FewShotLearner(Protocol):
    """What learns across tasks how to learn a new one from a few examples."""

    learnt: dict[str, Tensor]
    """What training moves, by name."""

    kept: dict[str, Tensor]
    """What is kept beside it: running statistics, by name."""

    outer: Outer | None
    """What moves it; None where nothing is learnt across tasks."""

    def step(self, episodes: Episodes) -> float:
        """Learn from a batch of tasks; returns their mean loss before the step."""

    def adapt(self, support: Examples) -> Predictor:
        """What the support of each task makes of the learner: a function of inputs."""


__all__ = ["FewShotLearner"]
