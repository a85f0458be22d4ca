"""How good a few-shot learner is on tasks that it has not met, with an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Generator, Tensor

from metadb.errors import WrongUsage
from optimizers.fewshot.episode import Episodes, Source
from optimizers.fewshot.forward import at_once
from optimizers.fewshot.learner import FewShotLearner
from optimizers.fewshot.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Scores:
    """What a learner reached on tasks.

    Args:
        metric: `accuracy` of classes, or `mse` of numbers.
        each: Of each task.
        cost_s: Seconds of adapting and judging, all tasks together.
    """

    metric: str
    each: tuple[float, ...]
    cost_s: float

    @property
    def mean(self) -> float:
        """Over tasks."""
        return sum(self.each) / len(self.each)

    @property
    def half_width(self) -> float:
        """Half the width of the interval of 95 % of the mean, by the normal distribution."""
        if len(self.each) < 2:
            return float("nan")
        spread = torch.tensor(self.each, dtype=torch.float64).std().item()
        return float(1.959964 * spread / len(self.each) ** 0.5)

    def __str__(self) -> str:
        return f"{self.mean:.4f} +- {self.half_width:.4f}"


def evaluate(
    learner: FewShotLearner,
    source: Source,
    *,
    episodes: int = 600,
    seed: int = 0,
    transductive: bool = True,
    told: Callable[[int], object] = lambda done: None,
) -> Scores:
    """The accuracy, or the mean squared error, on the queries of new tasks.

    Args:
        episodes: How many tasks.
        seed: Of the tasks; the same seed brings the same tasks to every learner.
        transductive: All queries of a task are judged together, so that batch norms which use each
            batch's statistics see them together (MAML, Reptile and others were published so).
            Else each query is judged beside the support alone, as if no other were there; that
            takes as many passes as there are queries.
        told: Hears how many tasks are done.

    Raises:
        WrongUsage: Less than one task.
    """
    if episodes < 1:
        raise WrongUsage(f"an evaluation takes at least one episode, not {episodes}")
    begun, found = perf_counter(), list[float]()
    rng = Generator().manual_seed(seed)
    metric = "accuracy"
    while len(found) < episodes:
        batch = source.draw(min(50, episodes - len(found)), rng)
        if batch.query.y.is_floating_point():
            metric = "mse"
        for some in at_once(batch, None):
            predictor = learner.adapt(some.support)
            predicted = predictor(some.query.x) if transductive else _apart(predictor, some)
            found += _scored(predicted, some.query.y).tolist()
            told(len(found))
    return Scores(metric, tuple(found), perf_counter() - begun)


def _apart(predictor: Predictor, some: Episodes) -> Tensor:
    """What is said of each query when it is judged beside the support alone."""
    singles = torch.split(some.query.x, 1, dim=1)
    return torch.cat(
        [predictor(torch.cat([some.support.x, one], dim=1))[:, -1:] for one in singles], dim=1
    )


def _scored(predicted: Tensor, y: Tensor) -> Tensor:
    """The score of each task, (tasks,)."""
    y = y.to(predicted.device)
    if y.is_floating_point():
        return (predicted - y).square().flatten(1).mean(1)
    return (predicted.argmax(2) == y).double().mean(1)
