"""The schedule: Hyperband's table, and which rung a budget belongs to."""

from __future__ import annotations

import math

import pytest

from metadb.errors import WrongUsage
from optimizers.rungs import Rungs


def test_the_brackets_are_the_table_of_the_paper():
    """Li et al. 2018, R = 81, eta = 3, by the formula of Algorithm 1."""
    rungs = Rungs.between(1, 81, 3)
    assert rungs.budgets == (1, 3, 9, 27, 81)
    assert [rungs.bracket(s) for s in (4, 3, 2, 1, 0)] == [
        (81, 27, 9, 3, 1),
        (34, 11, 3, 1),
        (15, 5, 1),
        (8, 2),
        (5,),
    ]


@pytest.mark.parametrize("eta", [2, 3, 4, 5, 7, 10])
def test_floats_count_as_whole_numbers_do(eta):
    for top in range(7 if eta < 5 else 4):
        for rungs in (Rungs.between(1, eta**top, eta), Rungs.between(1 / eta**top, 1.0, eta)):
            assert len(rungs) == top + 1
            assert rungs.budgets == pytest.approx(
                [rungs.budgets[-1] / eta ** (top - i) for i in range(top + 1)]
            )
        for s in range(top + 1):
            n = -((top + 1) * eta**s // -(s + 1))
            assert rungs.bracket(s) == tuple(n // eta**i for i in range(s + 1))


def test_the_rungs_count_down_from_the_most():
    rungs = Rungs.between(1, 52, 3)
    assert rungs.budgets == (52 / 27, 52 / 9, 52 / 3, 52)
    assert Rungs.between(0.3, 1.0, 3).budgets == (1 / 3, 1.0)
    assert Rungs.between(0.4, 1.0, 3).budgets == (1.0,)


def test_a_budget_belongs_to_the_next_rung_below():
    rungs = Rungs.between(1 / 9, 1.0, 3)
    asked = [0.01, 1 / 9, 0.3, 0.1 + 0.2, 1 / 3, 0.99, 1.0, 7.0, -1.0, math.inf, math.nan]
    assert [rungs.below(b) for b in asked] == [None, 0, 0, 0, 1, 1, 2, 2, None, 2, None]


@pytest.mark.parametrize(
    ("least", "most", "eta"),
    [(0, 1, 3), (-1, 1, 3), (2, 1, 3), (0.1, math.inf, 3), (0.1, 1, 1), (0.1, 1, math.nan)],
)
def test_budgets_out_of_order_are_refused(least, most, eta):
    with pytest.raises(WrongUsage, match="0 < least <= most"):
        Rungs.between(least, most, eta)
