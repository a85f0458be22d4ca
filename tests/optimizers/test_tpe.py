"""The estimator beats random search, keeps to conditions and clauses, and waits for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import TPE, RandomSearch, run
from optimizers.learners import classifier_space


def flat(width=2):
    from ConfigSpace import ConfigurationSpace, Float

    space = ConfigurationSpace(name="flat")
    space.add(*[Float(f"x{i}", (0.0, 1.0)) for i in range(width)])
    return space


def branin(trial):
    x, y = trial.config["x0"] * 15 - 5, trial.config["x1"] * 15
    bend = (y - 5.1 / (4 * np.pi**2) * x * x + 5 / np.pi * x - 6) ** 2
    return Evaluation(trial, float(bend + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10))


def best(optimizer, objective, trials):
    return min(e.loss for e in run(optimizer, objective, trials=trials) if e.loss is not None)


def sphere(trial):
    return Evaluation(trial, sum((x - 0.3) ** 2 for x in trial.config.values()))


def test_it_beats_random_search_on_a_sphere_and_on_branin():
    for seed in range(5):
        random = best(RandomSearch(flat(4), seed=seed), sphere, 60)
        assert best(TPE(flat(4), seed=seed), sphere, 60) < random
    regret = [
        np.mean([best(kind(flat(), seed=seed), branin, 60) - 0.397887 for seed in range(5)])
        for kind in (TPE, RandomSearch)
    ]
    assert regret[0] < regret[1] / 2


def test_it_finds_the_learner_and_its_hyperparameters():
    """A conditional space: of seven learners the SVM is best, and best where C is 10."""
    space, wins, late = classifier_space(), 0, 0

    def objective(trial):
        c = trial.config
        if c["learner"] != "svm":
            return Evaluation(trial, 2.0 + (c["learner"] == "knn"))
        return Evaluation(trial, abs(np.log10(c["svm__C"]) - 1.0))

    for seed in range(5):
        done = run(TPE(space, seed=seed), objective, trials=60)
        assert check(space, [e.trial.config for e in done]) == [None] * 60
        late += sum(e.trial.config["learner"] == "svm" for e in done[30:])
        random = best(RandomSearch(space, seed=seed), objective, 60)
        wins += min(e.loss for e in done) < random
    assert late > 60  # of 150; a random search has 21
    assert wins >= 3


def test_clauses_are_kept_and_a_finite_space_is_used_up():
    from ConfigSpace import (
        Categorical,
        ConfigurationSpace,
        ForbiddenAndConjunction,
        ForbiddenEqualsClause,
        Integer,
    )

    space = ConfigurationSpace(name="small")
    a, b = Integer("a", (1, 6)), Categorical("b", ["u", "v", "w"])
    space.add(a, b)
    space.add(ForbiddenAndConjunction(ForbiddenEqualsClause(a, 1), ForbiddenEqualsClause(b, "u")))
    done = run(
        TPE(space, seed=1, startup=4),
        lambda t: Evaluation(t, t.config["a"] + (t.config["b"] != "u")),
        trials=30,
    )
    assert len(done) == 17
    assert check(space, [e.trial.config for e in done]) == [None] * 17


def told(losses, budget=1.0, first=0):
    configs = [{"x0": i / 20, "x1": 0.5} for i in range(first, first + len(losses))]
    status = ["failed" if loss is None else "ok" for loss in losses]
    return [
        Evaluation(Trial(c, budget, 100 + first + i), loss, 1.0, s)
        for i, (c, loss, s) in enumerate(zip(configs, losses, status, strict=True))
    ]


def goods(evaluations, **options):
    optimizer = TPE(flat(), seed=0, **options)
    optimizer.tell(evaluations)
    good, bad = optimizer._split()
    return [round(row[0] * 20) for row in good], len(bad)


def test_the_best_tenth_are_good_and_failed_ones_never():
    losses = [float(abs(i - 7)) for i in range(20)]
    assert goods(told(losses)) == ([7, 6], 18)
    assert goods(told(losses), gamma=0.25, most_good=3) == ([7, 6, 8], 17)
    assert goods(told([None] * 19 + [5.0]), gamma=0.5) == ([19], 19)
    assert goods(told([None] * 20)) == ([], 0)
    assert goods(told(losses[:9])) == ([], 0)


def test_a_larger_budget_goes_first_and_only_it_counts():
    small, large = told([float(i) for i in range(20)], 0.1), told([9.0, 8.0], 1.0, first=5)
    assert goods(small + large, gamma=0.15) == ([6, 5, 0], 17)


def test_parallel_asks_differ_and_pending_ones_are_bad():
    optimizer = TPE(flat(), seed=3)
    run(optimizer, branin, trials=30)
    before = len(optimizer._split()[1])
    trials = optimizer.ask(8)
    assert len(optimizer._split()[1]) == before + 8
    x = np.array([[t.config["x0"], t.config["x1"]] for t in trials])
    gaps = np.abs(x[:, None] - x).max(axis=2)[np.triu_indices(8, 1)]
    assert gaps.min() > 1e-3
    assert np.median(gaps) > 0.05


def test_prior_knowledge_and_a_warm_start_stand_in_for_random_draws():
    optimizer = TPE(flat(), seed=0, candidates=64)
    configs = sample(flat(), 200, seed=4)
    near = [(c["x0"] - 0.3) ** 2 + (c["x1"] - 0.8) ** 2 for c in configs]
    optimizer.tell(
        [
            Evaluation(Trial(c, 1.0, i), v)
            for i, (c, v) in enumerate(zip(configs, near, strict=True))
        ]
    )
    asked = [t.config for t in optimizer.ask(5)]
    assert np.median([abs(c["x0"] - 0.3) + abs(c["x1"] - 0.8) for c in asked]) < 0.25


def test_a_space_of_constants_is_one_config():
    from ConfigSpace import ConfigurationSpace, Constant

    space = ConfigurationSpace(name="one")
    space.add(Constant("a", 1))
    assert len(run(TPE(space, startup=1), lambda t: Evaluation(t, 0.0), trials=5)) == 1


@pytest.mark.parametrize("options", [{"gamma": 0.0}, {"startup": 0}, {"candidates": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="gamma"):
        TPE(flat(), **options)
