"""BOHB: the brackets are Hyperband's; the model is that of the largest budget with enough results."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from metadb.errors import WrongUsage
from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import BOHB, Hyperband, run
from optimizers.groups import Groups
from optimizers.ledger import Ledger
from tests.optimizers.halving import (
    budget_to_the_best,
    crooked,
    failing,
    key,
    nearing,
    plane,
    run_unevenly,
)
from tests.optimizers.test_parzen import reference


def test_all_at_random_it_is_hyperband():
    asked = [
        [key(e.trial) for e in run(kind(plane(), seed=4, **options), nearing, trials=150)]
        for kind, options in ((Hyperband, {}), (BOHB, {"random": 1.0}))
    ]
    assert asked[0] == asked[1]


def test_the_budgets_are_hyperbands_whatever_is_proposed():
    asked = [
        [e.trial.budget for e in run(kind(plane(), seed=4), nearing, trials=150)]
        for kind in (Hyperband, BOHB)
    ]
    assert asked[0] == asked[1]


def told(n, budget, first=0):
    """Results at a budget; the loss is how far i is from 7."""
    configs = [{"x": i % 15 + i / 100, "y": 7.0} for i in range(first, first + n)]
    return [
        Evaluation(Trial(c, budget, 100 * (budget == 1) + i), float(abs(i - 7)))
        for i, c in enumerate(configs, first)
    ]


@pytest.mark.parametrize(
    ("results", "good", "n_bad"),
    [
        (told(4, 1 / 27), [], 0),  # two hyperparameters need five results
        (told(5, 1 / 27), [4, 3, 2], 2),
        (told(14, 1 / 27) + told(4, 1.0, first=9), [7, 6, 8], 11),
        (told(14, 1 / 27) + told(5, 1.0, first=9), [9, 10, 11], 2),
        (told(40, 1.0), [7, 6, 8, 5, 9, 4], 34),
    ],
)
def test_the_largest_budget_with_enough_results_is_modelled(results, good, n_bad):
    search = BOHB(plane(), seed=0)
    search.tell(results)
    best, bad = search._split()
    assert [int(row[0] * 15) for row in best] == [i % 15 for i in good]
    assert len(bad) == n_bad


def test_failed_results_make_no_model_and_are_bad():
    search = BOHB(plane(), seed=0)
    fine, lost = told(5, 1.0), told(30, 1.0, first=5)
    search.tell([Evaluation(e.trial, None, 0.1, status="failed") for e in lost])
    assert not len(search._split()[0])
    search.tell(fine)
    assert [len(part) for part in search._split()] == [3, 32]


def test_what_is_proposed_has_the_largest_ratio_of_a_slow_plain_reference():
    """Candidates by the generator of the ask; l and g one point and kernel at a time."""
    search = BOHB(plane(), seed=3, random=0.0)
    search.tell(told(20, 1.0))
    (asked,) = search.ask()
    good, bad = search._split()
    good, bad = good, bad[:-1]  # without what is pending now
    rank = np.log(len(good) + 1) - np.log(np.arange(1, len(good) + 1))
    rank *= len(good) / rank.sum()
    groups = Groups(Ledger(plane()))
    rng = np.random.default_rng([3, asked.id, 1])
    rng.random()
    x, configs = groups.draw(groups.density(good, rank), 24, rng)
    ratio = [
        reference(groups.scales, good, rank, at)
        - reference(groups.scales, bad, np.ones(len(bad)), at)
        for at in x
    ]
    assert asked.config == configs[int(np.argmax(ratio))]
    assert asked.budget == pytest.approx(1 / 27)


def test_a_third_is_random_and_the_rest_is_near_the_good():
    search = BOHB(plane(), seed=1)
    configs = sample(plane(), 100, seed=8)
    bowl = [nearing(Trial(c, 1.0, i)) for i, c in enumerate(configs)]
    search.tell(bowl)
    asked = [t.config for t in search.ask(60)]
    near = sum(abs(c["x"] - 9.2) < 3 and abs(c["y"] - 4.3) < 3 for c in asked)
    assert 25 < near < 52  # at random 16 % of 60


def test_it_needs_less_budget_than_hyperband():
    spent = [
        np.mean([budget_to_the_best(kind(plane(), seed=seed)) for seed in range(10)])
        for kind in (BOHB, Hyperband)
    ]
    assert spent[0] < 0.85 * spent[1]


def test_uneven_workers_and_failures_in_a_crooked_space():
    def objective(trial):
        loss = abs(trial.config["size"] - 3) + 2 * (trial.config["kind"] != "a")
        return Evaluation(trial, None if trial.id % 3 == 0 else loss + trial.config.get("rate", 0))

    asked = run_unevenly(BOHB(crooked(), seed=5), objective, workers=6, trials=150, seed=2)
    assert check(crooked(), [t.config for t in asked]) == [None] * 150
    assert len({key(t) for t in asked}) == 150
    late = [t.config["kind"] for t in asked[75:]]
    assert late.count("a") > 37


def test_a_failed_third_changes_no_budget():
    asked = [
        [e.trial.budget for e in islice(run(BOHB(plane(), seed=2), f, trials=60), 27)]
        for f in (nearing, failing)
    ]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("options", [{"random": 1.5}, {"gamma": 0.0}, {"candidates": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(WrongUsage, match="BOHB needs"):
        BOHB(plane(), **options)
