"""The functions have their published minima; families and sets are what the protocol says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.problems import DATA, FUNCTIONS, ackley, branin, chosen, hartmann6, problem
from metadb.errors import NotFound
from metadb.records import Trial
from metadb.space import sample

MINIMA = {  # Surjanovic, Bingham 2013
    "branin": [[-np.pi, 12.275], [np.pi, 2.275], [9.42478, 2.475]],
    "hartmann6": [[0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]],
    "ackley10": [[0.0] * 10],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_point_is_below_the_minimum_and_the_published_ones_reach_it(name):
    of, _, optimum = FUNCTIONS[name]
    np.testing.assert_allclose(of(np.array(MINIMA[name])), optimum, atol=2e-6)
    drawn = problem(name)
    losses = drawn.losses(sample(drawn.space, 2000, seed=0))
    assert losses.min() > optimum
    assert drawn.optimum == optimum


def test_values_at_points_computed_by_hand():
    assert branin(np.array([[0.0, 0.0]]))[0] == pytest.approx(55.602113, abs=1e-6)
    far = 20 + np.e - 20 * np.exp(-0.2) - np.exp(np.cos(2 * np.pi))
    assert ackley(np.ones((1, 10)))[0] == pytest.approx(far)
    assert -3.32237 < hartmann6(np.full((1, 6), 0.5))[0] < 0


def test_an_objective_is_its_losses_one_by_one():
    drawn = problem("hartmann6")
    configs = sample(drawn.space, 5, seed=1)
    one_by_one = [drawn.objective(Trial(c)).loss for c in configs]
    np.testing.assert_allclose(one_by_one, drawn.losses(configs))


def test_a_problem_that_is_not_there_says_so():
    with pytest.raises(NotFound, match="branin"):
        problem("brannin")


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/yahpo is not here")
def test_the_sets_are_those_of_the_protocol():
    assert chosen(["small"]) == [
        "branin", "hartmann6", "ackley10",
        "lcbench:167149", "lcbench:168331", "lcbench:189906", "nb301",
        "rbv2_ranger:1476", "rbv2_ranger:377", "rbv2_ranger:41168",
    ]  # fmt: skip
    assert len(chosen(["all"])) == 3 + 34 + 1 + 116
    surrogate = problem("lcbench:167149")
    configs = sample(surrogate.space, 3, seed=0)
    one_by_one = [surrogate.objective(Trial(c)).loss for c in configs]
    np.testing.assert_allclose(one_by_one, surrogate.losses(configs), rtol=1e-5)
