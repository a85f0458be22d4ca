"""The budgets of a search by halving, and how many configs a bracket keeps at each."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from metadb.errors import WrongUsage

SLACK = 1e-9
"""Budgets and counts that differ by so little, relatively, are the same."""


@dataclass(frozen=True, slots=True)
class Rungs:
    """Budgets from the smallest to the largest, each `eta` times the one below.

    Args:
        budgets: In the unit of the search.
        eta: One config of so many goes up.
    """

    budgets: tuple[float, ...]
    eta: float

    @classmethod
    def between(cls, least: float, most: float, eta: float) -> Rungs:
        """The rungs `most`, `most / eta`, `most / eta^2`, ... that are not below `least`.

        Raises:
            WrongUsage: Not 0 < least <= most, or not 1 < eta.
        """
        if not (0 < least <= most < math.inf and 1 < eta < math.inf):
            raise WrongUsage(
                "a search by halving needs 0 < least <= most and eta > 1, not "
                f"least={least}, most={most}, eta={eta}"
            )
        budgets = [float(most)]
        while (below := most / eta ** len(budgets)) >= least * (1 - SLACK):
            budgets.append(below)
        return cls(tuple(reversed(budgets)), eta)

    def __len__(self) -> int:
        return len(self.budgets)

    def below(self, budget: float) -> int | None:
        """The highest rung whose budget is not above `budget`; None where all are."""
        n = bisect_right(self.budgets, budget * (1 + SLACK)) if budget > 0 else 0  # NaN is not
        return n - 1 if n else None

    def share(self, n: int, times: int = 1) -> int:
        """One config of `eta`, `times` over: floor(n eta^-times)."""
        return math.floor(n / self.eta**times + SLACK)

    def bracket(self, s: int) -> tuple[int, ...]:
        """How many configs Hyperband's bracket `s` runs at each of the `s + 1` highest rungs.

        n_i = floor(n eta^-i) of n = ceil((s_max + 1) / (s + 1) eta^s) with s_max + 1 rungs; the
        bracket `s_max` alone is successive halving of eta^s_max configs.
        """
        n = math.ceil(len(self) * self.eta**s / (s + 1) - SLACK)
        return tuple(self.share(n, i) for i in range(s + 1))
