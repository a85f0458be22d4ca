"""Ending by learning curves: the rule of the paper done plainly, workers, resuming, strangers."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.errors import WrongUsage
from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import OPTIMIZERS, CurveStopping, RandomSearch, run
from recommenders.learning_curve import LearningCurve
from tests.optimizers.halving import crooked, key, plane, run_unevenly

BUDGETS = np.geomspace(1 / 27, 1.0, 8).tolist()


def learning(trial) -> Evaluation:
    """A power law of the budget, faster for some configs than for others, with a little noise."""
    x, y = trial.config["x"], trial.config["y"]
    end = ((x - 9.2) ** 2 + (y - 4.3) ** 2) / 200
    noise = 0.003 * np.sin(12.9898 * x + 78.233 * y + 1e4 * trial.budget)
    return Evaluation(trial, end + 0.5 * (27 * trial.budget) ** -(0.4 + x / 15) + noise)


def search(**options):
    return CurveStopping(plane(), **{"inner": RandomSearch, "seed": 4} | options)


def plainly(n, threshold=0.05):
    """One config of random search after the other, up its budgets until it is hopeless."""
    best = np.inf
    for draw in RandomSearch(plane(), seed=4).ask(n):
        losses = []
        for budget in BUDGETS:
            trial = Trial(draw.config, budget)
            yield trial
            losses.append(learning(trial).loss)
            if len(losses) >= 3 and np.isfinite(best) and budget < 1:
                curve = LearningCurve.fit(BUDGETS[: len(losses)], losses)
                if curve.probability_below(1.0, best) < threshold:
                    break
        else:
            best = min(best, losses[-1])


def test_it_asks_what_the_rule_of_the_paper_asks():
    expected = list(plainly(25))
    done = run(search(), learning, trials=len(expected))
    assert [e.trial.config for e in done] == [t.config for t in expected]
    assert [e.trial.budget for e in done] == pytest.approx([t.budget for t in expected])
    assert [e.trial.id for e in done] == list(range(len(done)))
    for e in done:
        if e.trial.resume is None:
            assert e.trial.budget == pytest.approx(1 / 27)
        else:
            assert done[e.trial.resume].trial.config == e.trial.config


def test_hopeless_configs_end_early_and_the_best_does_not():
    full = [learning(Trial(t.config, 1.0)).loss for t in RandomSearch(plane(), seed=4).ask(40)]
    done = run(search(), learning, trials=len(list(plainly(40))))
    assert min(e.loss for e in done if e.trial.budget == 1.0) == min(full)
    last = {key(e.trial)[0]: e.trial.budget for e in done}
    assert len(last) == 40
    assert sum(last.values()) < 0.6 * 40


def test_a_threshold_of_0_ends_nothing_and_one_of_1_all():
    done = run(search(threshold=0), learning, trials=80)
    assert [e.trial.budget for e in done] == pytest.approx(BUDGETS * 10)
    done = run(search(threshold=1), learning, trials=8 + 30)
    assert [e.trial.budget for e in done] == pytest.approx(BUDGETS + BUDGETS[:3] * 10)


def test_a_search_told_of_all_that_an_earlier_one_ran_goes_on_from_there():
    done = run(search(), learning, trials=100)
    for n in (1, 7, 8, 9, 30, 55, 99):
        again = search()
        again.tell(done[:n][::-1])
        assert again.ask(1) == [done[n].trial]


@pytest.mark.parametrize("workers", [3, 12])
def test_workers_of_uneven_speed_never_wait_nor_run_anything_twice(workers):
    asked = run_unevenly(search(), learning, workers=workers, trials=150, seed=1)
    assert len(asked) == 150
    assert len({key(t) for t in asked}) == 150
    assert sum(t.resume is not None for t in asked) > 60
    for trial in asked:
        assert trial.resume is None or asked[trial.resume].config == trial.config


def test_the_inner_search_is_told_one_loss_of_each_config_that_is_over():
    told = []

    class Listening(RandomSearch):
        def tell(self, evaluations):
            told.extend(evaluations)
            super().tell(evaluations)

    done = run(search(inner=Listening), learning, trials=120)
    assert {e.trial.budget for e in told} == {1.0}
    assert len({key(e.trial) for e in told}) == len(told) > 15
    ends = {key(e.trial)[0]: e.loss for e in done if e.trial.budget == 1.0}
    for e in told:
        loss = ends.get(key(e.trial)[0])
        true = learning(e.trial).loss
        if loss is None:
            assert e.loss > min(ends.values())
            assert e.loss == pytest.approx(true, abs=0.15)  # what its curve is expected to come to
        else:
            assert e.loss == loss


def test_a_failed_trial_ends_its_config_and_the_inner_search_hears_of_it():
    asked = run_unevenly(
        search(inner=RandomSearch),
        lambda t: learning(t) if t.id % 4 else Evaluation(t, None, status="timeout"),
        workers=4,
        trials=100,
        seed=2,
    )
    failed = {key(t)[0]: t.id for t in asked if t.id % 4 == 0}
    assert all(t.id <= failed.get(key(t)[0], t.id) for t in asked)


def test_what_was_never_asked_goes_on_from_where_it_stands():
    configs = sample(plane(), 3, seed=9)
    one = search()
    told = [
        Evaluation(Trial(configs[0], 1.0, 10), 0.1),
        Evaluation(Trial(configs[1], 0.4, 11), 0.05),
        Evaluation(Trial(configs[2], 0.01, 12), 0.05),  # below the smallest budget
    ]
    one.tell(told)
    up, new = one.ask(2)
    assert (up.config, up.resume, up.id) == (configs[1], 11, 13)
    assert up.budget == pytest.approx(min(b for b in BUDGETS if b > 0.4))
    assert new.budget == pytest.approx(1 / 27)
    assert new.config not in configs
    for budget in BUDGETS[:4]:  # a stranger's hopeless curve is not gone on with
        one.tell([Evaluation(Trial(configs[2], budget, 20), 0.9 + 0.1 * budget)])
    assert configs[2] not in [t.config for t in one.ask(5)]


def test_conditions_and_forbidden_clauses_are_kept_and_a_warm_start_comes_first():
    warm = sample(crooked(), 4, seed=1)
    one = CurveStopping(crooked(), warm_start=warm, seed=1)
    done = run(one, lambda t: Evaluation(t, t.config["size"] / t.budget), trials=80)
    assert [e.trial.config for e in done[:4]] == warm
    assert check(crooked(), [e.trial.config for e in done]) == [None] * 80


def test_a_used_up_space_is_run_to_its_end():
    from ConfigSpace import Categorical, ConfigurationSpace

    tiny = ConfigurationSpace(name="tiny")
    tiny.add(Categorical("a", [1, 2, 3]))
    done = run(
        CurveStopping(tiny, least=1, most=27, steps=4, threshold=0),
        lambda t: Evaluation(t, 1.0 / t.config["a"] + 1 / t.budget),
        trials=99,
    )
    assert [e.trial.budget for e in done] == pytest.approx([1, 3, 9, 27] * 3)


def test_even_budgets():
    asked = run(search(least=1, most=10, steps=10, even=True), learning, trials=10)
    assert [e.trial.budget for e in asked] == pytest.approx(list(range(1, 11)))


@pytest.mark.parametrize(
    "options",
    [{"least": 0}, {"least": 2}, {"most": np.inf}, {"steps": 1}, {"threshold": 1.5}],
)
def test_budgets_and_thresholds_out_of_order_are_refused(options):
    with pytest.raises(WrongUsage):
        search(**options)


@pytest.mark.parametrize("name", ["grid", "sobol", "tpe", "cma_es", "genetic", "particle_swarm"])
def test_any_search_may_propose(name):
    one = search(inner=OPTIMIZERS[name], warm_start=sample(plane(), 2, seed=0))
    asked = run_unevenly(one, learning, workers=3, trials=90, seed=1)
    assert len({key(t) for t in asked}) == 90
    assert any(t.budget == 1.0 for t in asked)
    assert check(plane(), [t.config for t in asked]) == [None] * 90
