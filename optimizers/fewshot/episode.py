"""Episodes: few-shot tasks, each with a few examples to learn from and others to be judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Generator, Tensor, device


class Examples(NamedTuple):
    """Inputs with what is to be said about them, for a batch of tasks.

    Args:
        x: Inputs (tasks, n, ...).
        y: Class numbers (tasks, n), integers from 0 on within each task; or for a regression the
            numbers (tasks, n, outputs).
    """

    x: Tensor
    y: Tensor

    def to(self, place: str | device) -> Examples:
        """The same examples on a device."""
        return Examples(self.x.to(place), self.y.to(place))


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """A batch of few-shot tasks.

    Args:
        support: What a task is learnt from.
        query: What the learner is judged by, of the same task.
        classes: Which class of the source each class number of a task stands for, (tasks, ways);
            None where the source has no classes. What is trained on all classes at once needs it.
    """

    support: Examples
    query: Examples
    classes: Tensor | None = None

    def part(self, tasks: slice) -> Episodes:
        """Only these tasks."""
        return Episodes(
            Examples(self.support.x[tasks], self.support.y[tasks]),
            Examples(self.query.x[tasks], self.query.y[tasks]),
            None if self.classes is None else self.classes[tasks],
        )

    def to(self, place: str | device) -> Episodes:
        """The same tasks on a device."""
        classes = None if self.classes is None else self.classes.to(place)
        return Episodes(self.support.to(place), self.query.to(place), classes)

    def __len__(self) -> int:
        return len(self.support.x)


class Source(Protocol):
    """Where episodes come from."""

    def draw(self, tasks: int, rng: Generator) -> Episodes:
        """So many tasks, drawn by `rng`, on the generator's device."""


__all__ = ["Episodes", "Examples", "Source"]
