"""Configurations and what they reached, to be regressed: a task of the store is learnt from a few.

As in few-shot Bayesian optimisation (Wistuba, Grabocka 2021): what was learnt from many tasks is
adapted to a new one by a few of its evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from metadb.errors import WrongUsage
from optimizers.fewshot.episode import Episodes, Examples

if TYPE_CHECKING:
    from metadb.history import History


@dataclass(frozen=True, eq=False)
class Responses:
    """Tasks of the store; the rows of one are its configurations.

    Args:
        x: Configurations as numbers (configs, width).
        y: Losses (tasks, configs), NaN where there is none.
        names: Of the tasks.
        shots, queries: Configurations of the support, and to be judged by.
        centre, scale: What was taken off `y`, and what it was divided by.

    Raises:
        WrongUsage: A task with fewer configurations than shots and queries.
    """

    x: Tensor
    y: Tensor
    names: tuple[str, ...]
    shots: int
    queries: int
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        there = (~self.y.isnan()).sum(1)
        needed = self.shots + self.queries
        if min(self.shots, self.queries) < 1 or not len(there) or int(there.min()) < needed:
            few = self.names[int(there.argmin())] if len(there) else "the store"
            raise WrongUsage(
                f"{self.shots} shots and {self.queries} queries need {needed} evaluated "
                f"configurations of each task and one of each kind, but {few} has "
                f"{int(there.min()) if len(there) else 0}"
            )

    @classmethod
    def of(
        cls,
        history: History,
        tasks: Sequence[str],
        *,
        shots: int,
        queries: int,
        like: Responses | None = None,
    ) -> Responses:
        """The finals of some tasks of a history; those with too few of them are left out.

        Args:
            tasks: Their ids.
            like: Take its scale; None: the median and the range between the quartiles of these.
        """
        losses = history.matrix()[[history.tasks.index(task) for task in tasks]]
        losses = np.where(np.isfinite(losses), losses, np.nan)
        enough = (~np.isnan(losses)).sum(1) >= shots + queries
        losses = losses[enough]
        if like is None:
            low, centre, high = (
                np.nanquantile(losses, (0.25, 0.5, 0.75)) if len(losses) else (0.0, 0.0, 1.0)
            )
            scale = float(high - low) or 1.0
        else:
            centre, scale = like.centre, like.scale
        names = tuple(task for task, kept in zip(tasks, enough, strict=True) if kept)
        return cls(
            torch.from_numpy(history.configs.x.astype(np.float32)),
            torch.from_numpy(((losses - centre) / scale).astype(np.float32)),
            names, shots, queries, float(centre), scale,
        )  # fmt: skip

    def draw(self, tasks: int, rng: Generator) -> Episodes:
        """So many tasks, each with configurations of its own."""
        place = rng.device
        x, y = self.x.to(place), self.y.to(place)
        task = torch.randint(len(y), (tasks,), generator=rng, device=place)
        order = torch.rand(tasks, y.shape[1], generator=rng, device=place)
        order = order.where(~y[task].isnan(), -1.0)
        config = order.topk(self.shots + self.queries, dim=1).indices  # (tasks, shots + queries)
        found = y[task].gather(1, config).unsqueeze(2)
        return Episodes(
            Examples(x[config[:, : self.shots]], found[:, : self.shots]),
            Examples(x[config[:, self.shots :]], found[:, self.shots :]),
        )
