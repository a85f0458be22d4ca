"""N-way K-shot episodes from any labelled inputs: classes drawn, and examples of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from metadb.errors import WrongUsage
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.labelled import Labelled


@dataclass(frozen=True)
class Ways:
    """Tasks that each tell a few classes apart.

    Args:
        data: Inputs and their classes; bytes are divided by 255.
        ways: Classes of a task.
        shots, queries: Examples of each class in the support, and to be judged by.
        within: Whether all classes of a task are of one group.
        turns: Quarter turns: 4 makes of each class of images four, one for each; 1 leaves them.
        dtype: Of the inputs that are drawn.

    Raises:
        WrongUsage: More ways than classes, or a class with fewer examples than shots and queries.

    All of a batch is drawn at once, on the generator's device.
    """

    data: Labelled
    ways: int = 5
    shots: int = 1
    queries: int = 15
    turns: int = 1
    dtype: torch.dtype = torch.float32
    within: bool = False

    def __post_init__(self) -> None:
        classes, counts, shape = len(self.data.names), self._counts, tuple(self.data.x.shape[1:])
        if self.turns > 1 and (len(shape) != 3 or shape[1] != shape[2]):
            raise WrongUsage(
                f"only square images can be turned, not inputs of {shape}; use turns=1"
            )
        if not 2 <= self.ways <= classes * self.turns:
            raise WrongUsage(
                f"{self.ways} ways cannot be drawn from {classes * self.turns} classes; there are "
                f"{classes} in the data{' and four turns of each' if self.turns > 1 else ''}"
            )
        if self.within and not len(self._groups[1]):
            raise WrongUsage(f"no group has {self.ways} classes to tell apart")
        needed, least = self.shots + self.queries, int(counts.min())
        if min(self.shots, self.queries) < 1 or least < needed:
            few = self.data.names[int(counts.argmin())]
            raise WrongUsage(
                f"{self.shots} shots and {self.queries} queries need {needed} examples of each "
                f"class and one of each kind, but {few!r} has {least}"
            )

    @property
    def classes(self) -> int:
        """How many classes can be drawn, turned ones counted."""
        return len(self.data.names) * self.turns

    def with_task(self, *, ways: int, shots: int, queries: int) -> Ways:
        """The same inputs for other tasks."""
        return replace(self, ways=ways, shots=shots, queries=queries)

    def draw(self, tasks: int, rng: Generator) -> Episodes:
        """So many tasks; classes without repetition within a task, examples too."""
        place, own = rng.device, self._on(rng.device)
        drawn = torch.rand(tasks, self.classes, generator=rng, device=place)
        if self.within:
            of, enough = (t.to(place) for t in self._groups)
            chosen = torch.randint(len(enough), (tasks, 1), generator=rng, device=place)
            drawn = drawn.where(of == enough[chosen], -1.0)
        classes = drawn.topk(self.ways, dim=1).indices  # (tasks, ways)
        letters, turns = classes // self.turns, classes % self.turns
        counts, starts = own.counts[letters], own.starts[letters]
        each = torch.rand(tasks, self.ways, own.most, generator=rng, device=place)
        each = each.where(torch.arange(own.most, device=place) < counts.unsqueeze(2), -1.0)
        rows = starts.unsqueeze(2) + each.topk(self.shots + self.queries, dim=2).indices
        found = own.x[rows]  # (tasks, ways, shots + queries, ...)
        if self.turns > 1:
            found = _turned(found, turns)
        found = found.to(self.dtype) / 255 if found.dtype == torch.uint8 else found.to(self.dtype)
        y = torch.arange(self.ways, device=place).view(1, -1, 1).expand(rows.shape)
        return Episodes(
            Examples(found[:, :, : self.shots].flatten(1, 2), y[:, :, : self.shots].flatten(1)),
            Examples(found[:, :, self.shots :].flatten(1, 2), y[:, :, self.shots :].flatten(1)),
            classes,
        )

    @cached_property
    def _counts(self) -> Tensor:
        return torch.bincount(self.data.y, minlength=len(self.data.names))

    @cached_property
    def _groups(self) -> tuple[Tensor, Tensor]:
        """The group of each class that can be drawn, and the groups that have enough of them."""
        names = {group: nth for nth, group in enumerate(dict.fromkeys(self.data.groups))}
        of = torch.tensor([names[g] for g in self.data.groups]).repeat_interleave(self.turns)
        return of, torch.nonzero(torch.bincount(of, minlength=1) >= self.ways)[:, 0]

    @cached_property
    def _places(self) -> dict[str, _Sorted]:
        return {}

    def _on(self, place: torch.device) -> _Sorted:
        """The inputs sorted by class, once a device."""
        if str(place) not in self._places:
            order = self.data.y.argsort(stable=True)
            self._places[str(place)] = _Sorted(
                self.data.x[order].to(place),
                self._counts.to(place),
                (self._counts.cumsum(0) - self._counts).to(place),
                int(self._counts.max()),
            )
        return self._places[str(place)]


@dataclass(frozen=True, slots=True)
class _Sorted:
    x: Tensor
    counts: Tensor
    starts: Tensor
    most: int


def _turned(images: Tensor, turns: Tensor) -> Tensor:
    """Images (tasks, ways, n, channels, s, s), those of each way turned so many quarters."""
    found = images.clone()
    for quarter in (1, 2, 3):
        own = turns == quarter  # (tasks, ways)
        found[own] = images[own].rot90(quarter, dims=(-2, -1))
    return found
