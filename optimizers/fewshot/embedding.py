"""A module that places inputs where alike ones lie together, the same for all tasks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.networks import by_running
from optimizers.fewshot.predictor import Predictor

Compared = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Places of queries (tasks, n, ...), of a support, and its classes, to (tasks, n, ways)."""


class Embedding:
    """A copy of a module on a device, its parameters and its running statistics by name.

    Args:
        module: Anything from inputs (n, ...) to places (n, ...).
        more: Further modules that are trained with it, by name.
    """

    def __init__(self, module: nn.Module, device: str, **more: nn.Module) -> None:
        self._all = nn.ModuleDict({"embedding": by_running(module), **more}).to(device)
        self.learnt: dict[str, Tensor] = dict(self._all.named_parameters())
        self.kept: dict[str, Tensor] = dict(self._all.named_buffers())

    def __getitem__(self, name: str) -> nn.Module:
        return self._all[name]

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return next(iter(self.learnt.values())).device

    def judged(self, episodes: Episodes, compared: Compared) -> Tensor:
        """What is said of the queries in training, all of an episode placed in one batch."""
        support, query = self.train(True)(episodes.support.x, episodes.query.x)
        return compared(query, support, episodes.support.y)

    def adapted(self, support: Examples, compared: Compared) -> Predictor:
        """What is said of any inputs once training is over; the support is placed once."""
        y = support.y.to(self.device)
        with torch.no_grad():
            (places,) = self.train(False)(support.x)

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            (asked,) = self.train(False)(x)
            return compared(asked, places, y)

        return predict

    def train(self, training: bool) -> Embedding:
        """Batch norms take each batch's statistics in training, the running ones after it."""
        self._all.train(training)
        return self

    def __call__(self, *groups: Tensor) -> list[Tensor]:
        """Places of groups of inputs (tasks, n, ...), all in one batch: each (tasks, n, ...)."""
        tasks, sizes = len(groups[0]), [g.shape[1] for g in groups]
        together = torch.cat([g.to(self.device) for g in groups], dim=1).flatten(0, 1)
        found: Tensor = self._all["embedding"](together)
        return list(torch.split(found.view(tasks, sum(sizes), *found.shape[1:]), sizes, dim=1))


def members(y: Tensor, like: Tensor, ways: int = -1) -> Tensor:
    """Which example is of which class: (tasks, ways, n), 1 or 0, as floats like `like`.

    Args:
        ways: How many classes; as many as are met by default.
    """
    return one_hot(y, ways).to(like).mT


def class_means(values: Tensor, y: Tensor) -> Tensor:
    """The mean value of each class (tasks, ways, d), from values (tasks, n, d)."""
    of = members(y, values)
    return of @ values / of.sum(2, keepdim=True)
