"""Which algorithm to tune: found in the space, judged by the best config of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from recommenders.learner import Learners, chooses
from tests.contracts.test_recommenders import NEW, make_history, told


@pytest.fixture
def history():
    """`kind` a is best on three tasks of four by one config, b by another on the fourth."""
    plain = make_history(0)
    best = np.where(plain.task % 4 == 0, 3, 8)  # config 3 is of kind b, 8 of kind a
    return replace(plain, loss=0.5 + 0.5 * plain.loss - 0.4 * (plain.config == best))


def test_probabilities_are_the_shares_of_tasks_and_of_one_that_knows_nothing(history):
    advice = Learners.fit(replace(history, described={})).advise(NEW)
    assert [a.name for a in advice] == ["a", "b"]
    np.testing.assert_allclose([a.probability for a in advice], [6.5 / 9, 2.5 / 9], atol=1e-9)
    assert advice[0].expected_loss < advice[1].expected_loss
    for a in advice:
        assert a.interval[0] <= a.expected_loss <= a.interval[1]
        assert set(a.tasks) <= set(history.tasks)


def test_what_is_observed_changes_the_odds(history):
    fitted = Learners.fit(replace(history, described={}))
    before = {a.name: a.probability for a in fitted.advise(NEW)}
    observed = [replace(told(history, 3)[0], loss=0.1), replace(told(history, 8)[0], loss=0.9)]
    after = {a.name: a.probability for a in fitted.advise(NEW, observed=observed)}
    assert after["b"] > before["b"]


def test_the_choice_is_the_parent_of_most_hyperparameters():
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float

    space = ConfigurationSpace(seed=0)
    kernel, algorithm = Categorical("kernel", ["rbf", "poly"]), Categorical("algorithm", ["s", "t"])
    names = [Float(name, (0, 1)) for name in ("c", "gamma", "depth")]
    space.add(kernel, algorithm, *names)
    space.add(EqualsCondition(names[0], algorithm, "s"), EqualsCondition(names[2], algorithm, "t"))
    space.add(EqualsCondition(names[1], kernel, "rbf"))
    assert chooses(space) == "algorithm"


def test_a_space_without_a_choice_says_so(history):
    from ConfigSpace import ConfigurationSpace, Float

    with pytest.raises(NotFound, match="chooses an algorithm"):
        chooses(ConfigurationSpace(space=[Float("c", (0, 1))]))
    with pytest.raises(NotFound, match="nonsense"):
        Learners.fit(history, by="nonsense")
