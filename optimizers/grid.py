"""Grid search: every combination of some values of each hyperparameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.axes import Axis, axes_of
from metadb.clauses import holds
from metadb.columns import as_rows
from metadb.errors import WrongUsage
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.ledger import Ledger

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class Grid:
    """All choices, and `steps` values of each number, evenly spaced on its own scale.

    The last hyperparameter of the space varies fastest. Combinations that differ only in what is
    inactive, and forbidden ones, are not asked; when all were, the search is done.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        steps: Values of a number (of an integer at most as many as it has).
        seed: Not used: a grid has no luck.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        WrongUsage: `steps` is less than 1.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        steps: int = 5,
        seed: int = 0,
    ) -> None:
        if steps < 1:
            raise WrongUsage(f"a grid has steps >= 1 of each number, not {steps}")
        self._ledger = Ledger(space, warm_start, seed)
        self._points = _configs(space, steps)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials of the grid; fewer at its end."""
        return self._ledger.ask(
            n, lambda: next((c for c in self._points if self._ledger.new(c)), None)
        )

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing is learnt, but a config that is told is not asked again."""
        self._ledger.tell(evaluations)


def _configs(space: ConfigurationSpace, steps: int) -> Iterator[Config]:
    """Depth first, parents before children, so that nothing inactive is ever varied."""
    axes = axes_of(space)
    order = list(axes.values())
    nothing = {name: np.full(1, np.nan) for name in axes}

    def below(nth: int, numbers: dict[str, Floats]) -> Iterator[Config]:
        if nth == len(order):
            if not any(holds(clause, numbers, axes).any() for clause in space.forbidden_clauses):
                yield as_rows(numbers, axes, 1)[0]
            return
        axis = order[nth]
        if axis.condition is not None and not holds(axis.condition, numbers, axes).any():
            yield from below(nth + 1, numbers)
            return
        for value in _values(axis, steps):
            yield from below(nth + 1, {**numbers, axis.name: np.array([value])})

    yield from below(0, nothing)


def _values(axis: Axis, steps: int) -> Floats:
    if axis.choices:
        return np.arange(len(axis.choices), dtype=float)
    places = np.linspace(0, 1, steps) if steps > 1 else np.array([0.5])
    return np.unique(axis.from_unit(places))
