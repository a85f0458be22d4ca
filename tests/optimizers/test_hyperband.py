"""Hyperband: the table of the paper, as it is asked. What it shares is in test_successive_halving."""

from __future__ import annotations

from itertools import groupby

from metadb.records import Evaluation, Trial
from metadb.space import sample
from optimizers import Hyperband, run
from tests.optimizers.halving import plane


def test_the_asks_are_the_table_of_the_paper():
    """Li et al. 2018, R = 81, eta = 3; then from the first bracket again."""
    search = Hyperband(plane(), least=1, most=81)
    done = run(search, lambda t: Evaluation(t, (t.id * 37 % 101) / 101), trials=206 + 82)
    runs = [(len(list(g)), b) for b, g in groupby(done, key=lambda e: e.trial.budget)]
    assert runs == [
        *[(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        *[(34, 3), (11, 9), (3, 27), (1, 81)],
        *[(15, 9), (5, 27), (1, 81)],
        *[(8, 27), (2 + 5, 81)],  # the brackets s = 1 and 0 meet
        *[(81, 1), (1, 3)],
    ]


def test_further_brackets_begin_while_the_first_waits():
    asked = Hyperband(plane(), least=1, most=81).ask(81 + 34 + 15 + 8 + 5 + 1)
    assert [(len(list(g)), b) for b, g in groupby(asked, key=lambda t: t.budget)] == [
        *[(81, 1), (34, 3), (15, 9), (8, 27), (5, 81), (1, 1)],
    ]
    assert all(t.resume is None for t in asked)


def test_a_config_told_at_several_budgets_begins_at_the_smallest():
    configs = sample(plane(), 4, seed=9)
    search = Hyperband(plane(), least=1 / 3)  # brackets of 3, 1 and of 2
    told = [Trial(c, 1 / 3, i) for i, c in enumerate(configs)] + [Trial(configs[3], 1.0, 4)]
    search.tell([Evaluation(t, float(t.id)) for t in told])
    asked = search.ask(5)  # the fourth config is not of the bracket of 2 but of the next of 3
    assert [t.budget for t in asked] == [1.0, 1.0, 1.0, 1 / 3, 1 / 3]
    assert asked[0].config == configs[0]
