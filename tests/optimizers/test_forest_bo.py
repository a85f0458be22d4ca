"""The forest's search beats random search, keeps to clauses, and takes surrogates of others."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import ForestBO, RandomSearch, run
from optimizers.learners import classifier_space
from recommenders.forest import Forest, ranked_forest
from recommenders.surrogate import single_gp


def flat(width=2):
    from ConfigSpace import ConfigurationSpace, Float

    space = ConfigurationSpace(name="flat")
    space.add(*[Float(f"x{i}", (0.0, 1.0)) for i in range(width)])
    return space


def mixed():
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

    space = ConfigurationSpace(name="mixed")
    kind, depth, rate = (
        Categorical("kind", ["a", "b", "c"]),
        Integer("d", (1, 9)),
        Float("r", (0, 1)),
    )
    space.add(kind, depth, rate, EqualsCondition(rate, kind, "b"))
    return space


def bowl(trial):
    return Evaluation(trial, sum((x - 0.3) ** 2 for x in trial.config.values()))


def best(optimizer, objective, trials):
    return min(e.loss for e in run(optimizer, objective, trials=trials) if e.loss is not None)


def test_it_beats_random_search():
    forest, random = (
        np.array([best(kind(flat(4), seed=seed), bowl, 40) for seed in range(4)])
        for kind in (ForestBO, RandomSearch)
    )
    assert (forest < random).sum() >= 3
    assert forest.mean() < random.mean() / 2


def test_it_finds_a_choice_and_what_hangs_on_it():
    def objective(trial):
        c = trial.config
        if c["kind"] != "b":
            return (
                Evaluation(trial, None, status="failed") if c["d"] > 7 else Evaluation(trial, 5.0)
            )
        return Evaluation(trial, abs(c["r"] - 0.7) + abs(c["d"] - 4) / 8)

    done = run(ForestBO(mixed(), seed=1), objective, trials=45)
    assert check(mixed(), [e.trial.config for e in done]) == [None] * 45
    winner = min((e for e in done if e.loss is not None), key=lambda e: e.loss)
    assert winner.loss < 0.1
    assert sum(e.trial.config["kind"] == "b" for e in done[20:]) > 15


def test_a_share_is_random_and_the_same_for_every_grouping():
    """With nothing but random draws after the start, asks are those of a random search."""
    optimizer, random = (
        ForestBO(flat(), seed=3, startup=2, random=1.0),
        RandomSearch(flat(), seed=3),
    )
    first = optimizer.ask(2)
    optimizer.tell([bowl(t) for t in first])
    assert [t.config for t in optimizer.ask(5)] == [t.config for t in random.ask(5)]


def test_parallel_asks_differ_and_one_fit_serves_them_all():
    fits = []

    def counting(x, loss, seed):
        fits.append(len(loss))
        return ranked_forest(x, loss, seed)

    optimizer = ForestBO(flat(), seed=3, random=0.0, surrogate=counting)
    optimizer.tell([bowl(Trial(c, 1.0, i)) for i, c in enumerate(sample(flat(), 30, seed=5))])
    trials = optimizer.ask(6)
    assert fits == [30]
    x = np.array([[t.config["x0"], t.config["x1"]] for t in trials])
    gaps = np.abs(x[:, None] - x).max(axis=2)[np.triu_indices(6, 1)]
    assert np.median(gaps) > 0.01
    optimizer.tell([bowl(trials[0])])
    optimizer.ask()
    assert fits == [30, 31]


def test_a_surrogate_that_cannot_believe_is_told_a_lie():
    told = []

    class Deaf:
        def __init__(self, x, loss, seed):
            told.append(loss)
            self._forest = Forest.fit(x, loss, seed=seed)

        def predict(self, x):
            return self._forest.predict(x)

    optimizer = ForestBO(flat(), seed=0, startup=5, random=0.0, surrogate=Deaf)
    optimizer.tell([bowl(t) for t in optimizer.ask(5)])
    optimizer.ask(2)
    assert [len(loss) for loss in told] == [5, 6]
    assert told[1][5] == pytest.approx(told[0].mean())


def test_a_gaussian_process_may_stand_in_for_the_forest():
    assert best(ForestBO(flat(), seed=0, surrogate=single_gp), bowl, 25) < 1e-3


def told_at(budget, n, first, best_x):
    configs = sample(flat(), n, seed=first)
    return [
        Evaluation(Trial(c, budget, first + i), (c["x0"] - best_x) ** 2)
        for i, c in enumerate(configs)
    ]


def test_the_largest_budget_with_enough_results_counts():
    """At the small budget all that is known leads to 0.1, at the full one to 0.9."""
    small, large = told_at(0.1, 60, 0, 0.1), told_at(1.0, 30, 100, 0.9)
    for more, where in ((large[:4], 0.1), (large, 0.9)):
        optimizer = ForestBO(flat(), seed=2, random=0.0)
        optimizer.tell(small + more)
        asked = [t.config["x0"] for t in optimizer.ask(5)]
        assert np.median(np.abs(np.array(asked) - where)) < 0.15


def test_told_all_of_an_earlier_search_it_goes_on_with_what_that_knew():
    earlier = run(ForestBO(flat(4), seed=1), bowl, trials=30)
    later = ForestBO(flat(4), seed=1, random=0.0)
    later.tell(earlier)
    known = {tuple(sorted(e.trial.config.items())) for e in earlier}
    asked = later.ask(4)
    assert not known & {tuple(sorted(t.config.items())) for t in asked}
    assert np.median([bowl(t).loss for t in asked]) < np.median([e.loss for e in earlier[:10]]) / 3
    assert [t.id for t in asked] == [30, 31, 32, 33]


def test_clauses_are_kept_and_a_finite_space_is_used_up():
    from ConfigSpace import (
        Categorical,
        ConfigurationSpace,
        ForbiddenAndConjunction,
        ForbiddenEqualsClause,
        Integer,
    )

    space = ConfigurationSpace(name="small")
    a, b = Integer("a", (1, 4)), Categorical("b", ["u", "v", "w"])
    space.add(a, b)
    space.add(ForbiddenAndConjunction(ForbiddenEqualsClause(a, 1), ForbiddenEqualsClause(b, "u")))
    done = run(
        ForestBO(space, seed=1, startup=4), lambda t: Evaluation(t, float(t.config["a"])), trials=30
    )
    assert len(done) == 11
    assert check(space, [e.trial.config for e in done]) == [None] * 11


@pytest.mark.parametrize("loss", [None, 0.5], ids=["all failed", "all equal"])
def test_results_that_say_nothing_are_searched_on(loss):
    status = "failed" if loss is None else "ok"
    done = run(ForestBO(flat(), seed=0), lambda t: Evaluation(t, loss, 1.0, status), trials=14)
    assert len({e.trial.config["x0"] for e in done}) == 14


def test_a_space_of_constants_is_one_config():
    from ConfigSpace import ConfigurationSpace, Constant

    space = ConfigurationSpace(name="one")
    space.add(Constant("a", 1))
    assert len(run(ForestBO(space, startup=1), lambda t: Evaluation(t, 0.0), trials=5)) == 1


@pytest.mark.parametrize(
    "options", [{"startup": 0}, {"startup": -1, "surrogate": ranked_forest}, {"random": 1.5}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="startup must be 1 or more"):
        ForestBO(flat(), **options)


def test_the_space_of_the_classifiers_is_searched_by_what_is_active():
    """Of seven learners the SVM is best; asks settle on it and on its hyperparameters."""
    space = classifier_space()

    def objective(trial):
        c = trial.config
        svm = c["learner"] == "svm"
        return Evaluation(trial, abs(np.log10(c["svm__C"]) - 1.0) if svm else 3.0)

    done = run(ForestBO(space, seed=0), objective, trials=40)
    assert check(space, [e.trial.config for e in done]) == [None] * 40
    assert sum(e.trial.config["learner"] == "svm" for e in done[20:]) > 10
    assert min(e.loss for e in done) < 0.3
