"""Bayesian optimisation: it finds optima, whatever the acquisition function, space and failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    Integer,
)

from metadb.errors import NotFound
from metadb.records import Evaluation, Trial
from metadb.space import check, sample
from optimizers import BO, RandomSearch, run
from recommenders.acquisition import ACQUISITIONS


def plane():
    space = ConfigurationSpace(name="plane")
    space.add(Float("a", (-5.0, 10.0)), Float("b", (1e-3, 10.0), log=True))
    return space


def bowl(trial):
    c = trial.config
    return Evaluation(trial, float((c["a"] - 4) ** 2 / 20 + (np.log10(c["b"]) + 1) ** 2))


def crooked():
    space = ConfigurationSpace(name="crooked")
    kind, size, rate = (
        Categorical("kind", list("abcd")),
        Integer("size", (1, 40)),
        Float("rate", (0, 1)),
    )
    flag = Categorical("flag", [True, False])
    space.add(kind, size, rate, flag)
    space.add(EqualsCondition(rate, kind, "c"))
    space.add(
        ForbiddenAndConjunction(
            ForbiddenEqualsClause(kind, "a"), ForbiddenEqualsClause(flag, False)
        )
    )
    return space


def crooked_loss(trial):
    c = trial.config
    loss = abs(c["size"] - 31) / 40 + 0.3 * "cdba".index(c["kind"]) + (0.2 if c["flag"] else 0.0)
    return Evaluation(trial, loss + (c.get("rate", 0.5) - 0.7) ** 2)


def best(optimizer, objective, trials):
    return min(e.loss for e in run(optimizer, objective, trials=trials) if e.loss is not None)


@pytest.mark.parametrize("name", [*ACQUISITIONS, "thompson"])
def test_it_finds_the_bottom_of_a_bowl(name, device):
    ours = [best(BO(plane(), acquisition=name, seed=s, device=device), bowl, 20) for s in range(3)]
    random = [best(RandomSearch(plane(), seed=s), bowl, 20) for s in range(3)]
    assert np.median(ours) < (0.5 if name == "pi" else 0.1) * np.median(random)  # pi is greedy


def test_choices_integers_conditions_and_clauses():
    done = run(BO(crooked(), seed=1), crooked_loss, trials=30)
    assert check(crooked(), [e.trial.config for e in done]) == [None] * 30
    top = min(done, key=lambda e: e.loss).trial.config
    assert (top["kind"], top["flag"], top["size"]) == ("c", False, 31)
    assert top["rate"] == pytest.approx(0.7, abs=0.1)


def test_failed_trials_are_avoided():
    def half_fails(trial):
        return Evaluation(trial, None, 1.0, "failed") if trial.config["a"] > 5 else bowl(trial)

    done = run(BO(plane(), seed=0), half_fails, trials=24)
    assert sum(e.loss is None for e in done[12:]) < sum(e.loss is None for e in done[:12])
    assert min(e.loss for e in done if e.loss is not None) < 0.02
    hopeless = run(BO(plane(), seed=0), lambda t: Evaluation(t, None, 1.0, "failed"), trials=15)
    assert len(hopeless) == 15


def test_parallel_asks_are_believed_and_lie_apart():
    optimizer = BO(plane(), seed=3)
    for trial in optimizer.ask(10):
        optimizer.tell([bowl(trial)])
    together = optimizer.ask(4)
    x = optimizer._ledger.encoding.encode([t.config for t in together])
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1)[~np.eye(4, dtype=bool)]
    assert apart.min() > 1e-3


def test_what_is_asked_hangs_on_what_was_told_and_not_on_when():
    """Hyperparameters are kept from ask to ask, and yet a search that is told late is the same."""
    one, two = BO(plane(), seed=4), BO(plane(), seed=4)
    trials = one.ask(14)
    assert two.ask(14) == trials
    for n, trial in enumerate(reversed(trials)):
        one.tell([bowl(trial)])
        if n > 7:
            one._fitted()  # as an ask between would
    two.tell([bowl(t) for t in trials])
    assert one.ask(2) == two.ask(2)


def test_an_earlier_search_told_as_a_whole_teaches():
    earlier = run(RandomSearch(plane(), seed=8), bowl, trials=40)
    optimizer = BO(plane(), seed=0)
    optimizer.tell(earlier)
    (trial,) = optimizer.ask()
    assert bowl(trial).loss < min(e.loss for e in earlier)


def test_results_at_smaller_budgets_do_not_mislead():
    optimizer = BO(plane(), seed=0)
    configs = sample(plane(), 20, seed=1)
    optimizer.tell(
        [Evaluation(Trial(c, 0.1, i), -bowl(Trial(c)).loss) for i, c in enumerate(configs)]
    )
    optimizer.tell(
        [Evaluation(Trial(c, 1.0, 20 + i), bowl(Trial(c)).loss) for i, c in enumerate(configs)]
    )
    assert bowl(optimizer.ask()[0]).loss < 0.05


@dataclass(frozen=True)
class Told:
    """A surrogate that knows where the optimum is, on a scale of its own."""

    to: np.ndarray

    def predict(self, x):
        return ((x - self.to) ** 2).sum(axis=1) * 1000, np.full(len(x), 0.1)


def test_a_surrogate_takes_the_place_of_the_process():
    told = Told(np.array([0.2, 0.9]))
    optimizer = BO(plane(), seed=0, surrogate=lambda x, y, seed: told, startup=1)
    (first,) = optimizer.ask()
    optimizer.tell([bowl(first)])
    (trial,) = optimizer.ask()
    x = optimizer._ledger.encoding.encode([trial.config])[0]
    np.testing.assert_allclose(x, [0.2, 0.9], atol=0.02)


def test_a_space_of_one_point_and_a_space_of_none():
    one = ConfigurationSpace(name="one")
    one.add(Categorical("a", ["only"]))
    assert len(BO(one).ask(3)) == 1
    assert len(BO(ConfigurationSpace(name="empty")).ask(3)) == 1


def test_bad_arguments_are_told_of():
    with pytest.raises(NotFound, match=r"no acquisition function 'best'; there are ei, log_ei"):
        BO(plane(), acquisition="best")
    with pytest.raises(ValueError, match="startup must be 1 or more"):
        BO(plane(), startup=0)
