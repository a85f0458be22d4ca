"""Successive halving, and the brackets that Hyperband runs too: a plain reference, failures, priors."""

from __future__ import annotations

import pytest

from metadb.errors import WrongUsage
from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import Hyperband, RandomSearch, SuccessiveHalving, run
from tests.optimizers.halving import (
    budget_to_the_best,
    crooked,
    failing,
    key,
    nearing,
    plane,
    run_unevenly,
)


def halved(configs, sizes, budgets, objective):
    """Algorithm 1 of Jamieson, Talwalkar, as it stands there."""
    asked = []
    for n, budget in zip(sizes, budgets, strict=True):
        configs = configs[:n]
        losses = [objective(Trial(c, budget)).loss for c in configs]
        asked += [Trial(c, budget) for c in configs]
        configs = [configs[i] for i in sorted(range(n), key=lambda i: losses[i])]
    return asked


def reference(search, n_brackets, objective, seed):
    budgets, every = [1 / 27, 1 / 9, 1 / 3, 1.0], [(27, 9, 3, 1), (12, 4, 1), (6, 2), (4,)]
    draws = RandomSearch(plane(), seed=seed).ask(49 * n_brackets)
    for nth in range(n_brackets):
        sizes = every[nth % 4] if search is Hyperband else every[0]
        configs = [draws.pop(0).config for _ in range(sizes[0])]
        yield from halved(configs, sizes, budgets[-len(sizes) :], objective)


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_it_asks_what_the_algorithm_of_the_paper_asks(search):
    expected = list(reference(search, 6, nearing, seed=4))
    done = run(search(plane(), seed=4), nearing, trials=len(expected))
    assert [key(e.trial) for e in done] == [key(t) for t in expected]


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_workers_of_uneven_speed_run_the_same_brackets(search):
    expected = list(reference(search, 4, nearing, seed=4))
    asked = run_unevenly(search(plane(), seed=4), nearing, workers=10, trials=240, seed=1)
    assert {key(t) for t in expected} <= {key(t) for t in asked}


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_a_promoted_trial_resumes_that_of_the_same_config_on_the_rung_below(search):
    asked = run_unevenly(search(plane(), seed=2), nearing, workers=5, trials=120, seed=0)
    promoted = [t for t in asked if t.resume is not None]
    assert len(promoted) > 20
    for trial in promoted:
        assert asked[trial.resume].config == trial.config
        assert asked[trial.resume].budget == pytest.approx(trial.budget / 3)


def test_a_rung_that_waits_does_not_hold_up_the_next_bracket():
    search = SuccessiveHalving(plane(), least=1 / 3)
    first = search.ask(7)
    assert {t.budget for t in first} == {1 / 3}
    search.tell([nearing(t) for t in first[:5]])  # brackets of three: one is done, one waits
    best = min(first[:3], key=lambda t: nearing(t).loss)
    assert [(t.config, t.budget, t.resume) for t in search.ask(1)] == [(best.config, 1.0, best.id)]
    assert search.ask(1)[0].budget == 1 / 3


def test_a_failed_trial_goes_up_only_where_all_failed():
    search = SuccessiveHalving(plane(), least=1 / 9)
    first = search.ask(9)
    search.tell([Evaluation(t, 1.0 if t.id in (4, 7) else None) for t in first])
    assert [(t.resume, t.budget) for t in search.ask(3)] == [(4, 1 / 3), (7, 1 / 3), (None, 1 / 9)]
    search = SuccessiveHalving(plane(), least=1 / 9)
    first = search.ask(9)
    search.tell([Evaluation(t, None, status="timeout") for t in first])
    up = search.ask(3)
    assert [t.config for t in up] == [t.config for t in first[:3]]
    assert [(t.resume, t.budget) for t in up] == [(None, 1 / 3)] * 3  # there is nothing to resume


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_a_search_told_of_all_that_an_earlier_one_ran_goes_on_from_there(search):
    done = run(search(plane(), seed=3), nearing, trials=75)
    for n in (1, 26, 27, 30, 40, 74):
        again = search(plane(), seed=3)
        again.tell(done[:n])
        assert again.ask(1) == [done[n].trial]


def test_results_that_were_never_asked_fill_the_rung_of_their_budget_or_the_one_below():
    configs = sample(plane(), 6, seed=9)
    search = SuccessiveHalving(plane(), least=1 / 3, warm_start=configs[:1])
    told = [Trial(configs[1], 1 / 3, 12), Trial(configs[2], 0.5, 11), Trial(configs[3], 0.1, 10)]
    search.tell([Evaluation(t, t.budget) for t in told])
    (warm,) = search.ask(1)
    assert (warm.config, warm.id) == (configs[0], 13)
    search.tell([Evaluation(warm, 9.0)])
    (up,) = search.ask(1)  # the first bracket is full: the warm config and those two
    assert (up.config, up.budget, up.resume) == (configs[1], 1.0, 12)


def test_a_promoted_config_that_is_known_there_is_not_asked_again():
    (config,) = sample(plane(), 1, seed=9)
    search = SuccessiveHalving(plane(), least=1 / 3)
    search.tell([Evaluation(Trial(config, b, i), 0.0) for i, b in enumerate((1 / 3, 1.0))])
    rest = search.ask(2)
    search.tell([Evaluation(t, 1.0) for t in rest])
    assert [t.budget for t in search.ask(3)] == [1 / 3] * 3


def test_an_id_that_names_two_trials_is_not_resumed():
    (config,) = sample(plane(), 1, seed=9)
    search = SuccessiveHalving(plane(), least=1 / 3)
    rest = search.ask(2)
    search.tell([Evaluation(Trial(config, 1 / 3, 0), 0.0), *(Evaluation(t, 1.0) for t in rest)])
    (up,) = search.ask(1)
    assert (up.config, up.budget, up.resume) == (config, 1.0, None)


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_a_long_warm_start_is_asked_before_anything_goes_up(search):
    warm = sample(plane(), 35, seed=1)
    done = run(search(plane(), warm_start=warm), nearing, trials=60)
    assert [e.trial.config for e in done[:35]] == warm
    assert [e.trial.budget for e in done[:27]] == [1 / 27] * 27
    assert done[35].trial.resume is not None


def test_a_used_up_space_is_run_to_the_end_of_its_bracket():
    from ConfigSpace import Categorical, ConfigurationSpace

    tiny = ConfigurationSpace(name="tiny")
    tiny.add(Categorical("a", [1, 2, 3, 4, 5]))
    done = run(SuccessiveHalving(tiny), lambda t: Evaluation(t, 1.0 / t.config["a"]), trials=99)
    assert [e.trial.budget for e in done] == [1 / 27] * 5 + [1 / 9] * 5 + [1 / 3] * 3 + [1.0]
    assert done[-1].trial.config == {"a": 5}
    waiting = SuccessiveHalving(tiny)
    assert len(waiting.ask(9)) == 5
    assert waiting.ask(9) == []


def test_new_configs_come_from_draw_and_known_ones_are_replaced():
    plan = iter([{"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 1.0}, None, {"x": 2.0, "y": 2.0}])
    asked = SuccessiveHalving(plane(), draw=lambda: next(plan)).ask(4)
    assert [t.config["x"] for t in (asked[0], asked[3])] == [1.0, 2.0]
    assert len({key(t) for t in asked}) == 4


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
def test_conditions_forbidden_clauses_and_failures(search):
    space = crooked()

    def objective(trial):
        loss = None if trial.id % 3 == 0 else trial.config["size"] + trial.config.get("rate", 0.5)
        return Evaluation(trial, loss, status="ok" if loss else "failed")

    done = run(search(space, seed=1), objective, trials=150)
    assert check(space, [e.trial.config for e in done]) == [None] * len(done)
    assert len({key(e.trial) for e in done}) == len(done) > 60
    assert any(e.trial.budget == 1.0 for e in done)


def test_budgets_are_in_the_unit_of_the_search():
    search = SuccessiveHalving(plane(), least=2, most=50, eta=5)
    assert {e.trial.budget for e in run(search, failing, trials=60)} == {2, 10, 50}
    with pytest.raises(WrongUsage, match="least=2"):
        Hyperband(plane(), least=2)


@pytest.mark.parametrize("search", [Hyperband, SuccessiveHalving])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_is_found_with_less_than_random_search_spends(search, seed):
    random = budget_to_the_best(RandomSearch(plane(), seed=seed))
    assert budget_to_the_best(search(plane(), seed=seed)) < 0.7 * random
