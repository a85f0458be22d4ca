"""Asynchronous successive halving: the algorithm of the paper done plainly, with uneven workers."""

from __future__ import annotations

import pytest

from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import ASHA, RandomSearch, run
from tests.optimizers.halving import (
    budget_to_the_best,
    crooked,
    failing,
    key,
    nearing,
    plane,
    run_unevenly,
)


class Plain:
    """Algorithm 2 of Li et al. 2020: `get_job` sorts every rung anew."""

    def __init__(self, seed):
        self.draws = iter(RandomSearch(plane(), seed=seed).ask(300))
        self.rungs = [{} for _ in range(4)]  # of each config the loss
        self.promoted = [set() for _ in range(4)]
        self.n = 0

    def ask(self, n):
        self.n += 1
        for k in (2, 1, 0):
            rung = self.rungs[k]
            for config in sorted(rung, key=rung.get)[: len(rung) // 3]:
                if config not in self.promoted[k] and rung[config] < 1e9:
                    self.promoted[k].add(config)
                    return [Trial(dict(config), 3.0 ** (k - 2), self.n - 1)]
        return [Trial(next(self.draws).config, 3.0**-3, self.n - 1)]

    def tell(self, evaluations):
        for e in evaluations:
            rung = [1 / 27, 1 / 9, 1 / 3, 1].index(pytest.approx(e.trial.budget))
            self.rungs[rung][key(e.trial)[0]] = 1e9 + e.trial.id if e.loss is None else e.loss


@pytest.mark.parametrize("workers", [1, 4, 20])
@pytest.mark.parametrize("objective", [nearing, failing])
def test_it_asks_what_the_algorithm_of_the_paper_asks(workers, objective):
    options = {"workers": workers, "trials": 200, "seed": workers}
    plain = run_unevenly(Plain(5), objective, **options)
    asked = run_unevenly(ASHA(plane(), seed=5), objective, **options)
    assert [t.config for t in asked] == [t.config for t in plain]
    assert [t.budget for t in asked] == pytest.approx([t.budget for t in plain])
    assert sum(t.budget == 1.0 for t in asked) >= 1


def test_it_never_waits_and_a_promoted_trial_resumes():
    asked = run_unevenly(ASHA(plane()), nearing, workers=7, trials=120, seed=3)
    assert len(asked) == 120
    promoted = [t for t in asked if t.resume is not None]
    assert len(promoted) > 20
    for trial in promoted:
        assert asked[trial.resume].config == trial.config
        assert asked[trial.resume].budget == pytest.approx(trial.budget / 3)
    assert len(ASHA(plane()).ask(50)) == 50


def test_what_was_never_asked_stands_on_its_rung_and_is_not_run_there_again():
    configs = sample(plane(), 4, seed=9)
    search = ASHA(plane(), least=1 / 9)
    budgets = [1 / 9, 0.2, 1 / 9, 0.05]  # the second counts as 1/9, the last as nothing
    told = [Trial(c, b, 20 + i) for i, (c, b) in enumerate(zip(configs, budgets, strict=True))]
    search.tell([Evaluation(t, float(-t.id)) for t in told])
    up, new = search.ask(2)
    assert (up.config, up.budget, up.resume, up.id) == (configs[2], 1 / 3, 22, 24)
    assert new.budget == 1 / 9
    assert new.config not in configs
    search.tell([Evaluation(Trial(configs[1], 1.0, 30), 0.0), Evaluation(new, 9.0)])
    for _ in range(4):  # of seven two may go up; the second best was run at all of it before
        (new,) = search.ask(1)
        assert new.budget == 1 / 9
        search.tell([Evaluation(new, 9.0)])
    search.tell([Evaluation(t, 9.0) for t in search.ask(1)])
    assert search.ask(1)[0].resume == 20  # of nine three


def test_a_used_up_space_goes_on_to_the_largest_budget():
    from ConfigSpace import Categorical, ConfigurationSpace

    tiny = ConfigurationSpace(name="tiny")
    tiny.add(Categorical("a", [1, 2, 3, 4]))
    done = run(ASHA(tiny, seed=2), lambda t: Evaluation(t, 1.0 / t.config["a"]), trials=99)
    assert len(done) == 7
    assert [(e.trial.config["a"], e.trial.budget) for e in done if e.trial.budget > 0.2] == [
        (4, 1 / 3),
        (4, 1.0),
    ]
    waiting = ASHA(tiny, seed=2)
    trials = waiting.ask(9)
    assert len(trials) == 4
    waiting.tell([Evaluation(t, None) for t in trials[:3]])
    assert waiting.ask(9) == []
    waiting.tell([Evaluation(trials[3], None)])
    (up,) = waiting.ask(9)  # all failed: nothing else is left
    assert (up.config, up.budget, up.resume) == (trials[0].config, 1 / 9, None)


def test_conditions_forbidden_clauses_and_failures():
    space = crooked()

    def objective(trial):
        loss = None if trial.id % 3 == 0 else trial.config["size"] + trial.config.get("rate", 0.5)
        return Evaluation(trial, loss, status="ok" if loss else "failed")

    done = run(ASHA(space, seed=1), objective, trials=150)
    assert check(space, [e.trial.config for e in done]) == [None] * len(done)
    assert len({key(e.trial) for e in done}) == len(done) > 60
    assert any(e.trial.budget == 1.0 for e in done)
    failed = {e.trial.id for e in done if e.loss is None}
    assert not failed & {e.trial.resume for e in done}


def test_new_configs_come_from_draw():
    plan = iter([{"x": 1.0, "y": 1.0}, {"x": 2.0, "y": 2.0}])
    assert [t.config["x"] for t in ASHA(plane(), draw=lambda: next(plan)).ask(2)] == [1.0, 2.0]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_is_found_with_less_than_random_search_spends(seed):
    random = budget_to_the_best(RandomSearch(plane(), seed=seed))
    assert budget_to_the_best(ASHA(plane(), seed=seed)) < 0.7 * random
