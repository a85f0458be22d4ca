"""Draws around the good configs of similar tasks: where they fall, what they leave open, who helps."""

from __future__ import annotations

import numpy as np
import pytest

from metadb.errors import InvalidConfig, WrongUsage
from metadb.history import Configs, History
from metadb.records import Evaluation, Trial
from metadb.space import check, sample, to_json
from optimizers import ASHA, BOHB, CMAES, TPE, Hyperband, RandomSearch, SuccessiveHalving, run
from optimizers.cma_es import from_region, from_results
from optimizers.cube import Cube
from optimizers.groups import Groups
from optimizers.learners import classifier_space
from optimizers.ledger import Ledger
from optimizers.parzen import Mixture
from optimizers.prior import Prior, within
from recommenders.region import Region
from tests.optimizers.halving import crooked, nearing, plane
from tests.optimizers.test_parzen import reference
from tests.optimizers.test_tpe import branin, flat, sphere


def region(space, loss, n=100, share=0.1):
    """What three tasks alike say, that ran random configs."""
    configs = [c for t in range(3) for c in sample(space, n, seed=50 + t)]
    of = Configs.of(space.name, configs, definition=to_json(space))
    task = np.repeat(np.arange(3, dtype=np.int32), n)
    losses = np.array([loss(Trial(c)).loss for c in configs], float)
    place = np.array([of.index(c) for c in configs], np.int32)
    one = np.ones(3 * n)
    return Region.fit(
        History("loss", ("t:0", "t:1", "t:2"), of, task, place, losses, one, one), share=share
    )


def corner(trial):
    """Good where Branin is worst."""
    return Evaluation(trial, -branin(trial).loss)


def near(config):
    return abs(config["x"] - 9.2) < 3 and abs(config["y"] - 4.3) < 3


@pytest.mark.parametrize("search", [RandomSearch, ASHA, Hyperband, SuccessiveHalving, TPE, BOHB])
def test_four_of_five_fall_in_the_region(search):
    prior = region(plane(), nearing)
    asked = [t.config for t in search(plane(), prior=prior, seed=3).ask(60)]
    assert 42 <= sum(map(near, asked)) < 60  # of the plane 16 %


def test_the_density_is_that_of_a_slow_plain_reference():
    ledger = Ledger(plane())
    groups = Groups(ledger)
    prior = Prior(region(plane(), nearing, n=20), groups, ledger)
    density = prior.density
    x = np.random.default_rng(0).random((9, 2))
    weights = prior.weights * len(prior.weights)
    expected = [reference(groups.scales, prior.x, weights, at) for at in x]
    assert density.logpdf(x) == pytest.approx(expected, abs=1e-9)


def test_a_mixture_has_its_share_of_both():
    ledger = Ledger(plane())
    groups = Groups(ledger)
    one = groups.density(np.array([[0.2, 0.2]]))
    other = groups.density(np.array([[0.8, 0.8]] * 9))
    mixture = Mixture(one, other, 0.3)
    x = np.random.default_rng(0).random((9, 2))
    plain = 0.3 * np.exp(one.logpdf(x)) + 0.7 * np.exp(other.logpdf(x))
    assert np.exp(mixture.logpdf(x)) == pytest.approx(plain)
    drawn = mixture.sample(4000, np.random.default_rng(1))
    parts = [d.sample(4000, np.random.default_rng(2)) for d in (one, other)]
    expected = 0.3 * parts[0].mean(axis=0) + 0.7 * parts[1].mean(axis=0)
    assert drawn.mean(axis=0) == pytest.approx(expected, abs=0.03)
    assert (drawn.sum(axis=1) < 0.8).mean() == pytest.approx(
        0.3 * (parts[0].sum(axis=1) < 0.8).mean() + 0.7 * (parts[1].sum(axis=1) < 0.8).mean(),
        abs=0.03,
    )


def test_conditions_and_clauses_are_kept_and_good_groups_come_first():
    def loss(trial):
        return Evaluation(trial, 1.0 - (trial.config["kind"] == "a") + trial.config.get("rate", 1))

    for search in (RandomSearch, TPE, CMAES, Hyperband, BOHB):
        asked = [t.config for t in search(crooked(), prior=region(crooked(), loss), seed=1).ask(40)]
        assert check(crooked(), asked) == [None] * 40
        assert sum(c["kind"] == "a" and c["rate"] < 0.5 for c in asked) > 20, search


def test_the_learner_that_was_good_elsewhere_is_drawn():
    space = classifier_space()
    prior = region(space, lambda t: Evaluation(t, float(t.config["learner"] != "svm")))
    asked = [t.config for t in RandomSearch(space, prior=prior, seed=0).ask(50)]
    assert sum(c["learner"] == "svm" for c in asked) > 30


def after(search, n, objective=branin, width=2, **options):
    """Mean regret over six seeds; the least of Branin is 0.397887."""
    best = [
        min(e.loss for e in run(search(flat(width), seed=seed, **options), objective, trials=n))
        for seed in range(6)
    ]
    return np.mean(best) - (0.397887 if objective is branin else 0.0)


@pytest.mark.parametrize("search", [RandomSearch, TPE, CMAES])
def test_a_good_prior_halves_the_regret(search):
    prior = region(flat(5), sphere)
    assert after(search, 17, sphere, 5, prior=prior) < after(search, 17, sphere, 5) / 2


def test_a_misleading_prior_is_overcome():
    """The region is where Branin is worst: a random search with it never recovers, TPE does."""
    prior = region(flat(), corner)
    assert after(TPE, 50, prior=prior) < after(TPE, 50) + 0.5
    assert after(TPE, 50, prior=prior) < after(RandomSearch, 50)


def test_cma_es_begins_as_the_library_says():
    """With weights all alike; the warm start of Nomura et al., gamma = 1."""
    prior = region(flat(), branin)
    alike = Region(
        prior.configs, np.full(len(prior.weights), 1 / len(prior.weights)), prior.tasks,
        prior.task_weights,
    )  # fmt: skip
    cube = Cube.of(flat())
    mean, sigma, cov = from_region(cube, alike)
    points = cube.encode(tuple(alike.configs))
    expected = from_results(points, np.zeros(len(points)), gamma=1.0)
    assert mean == pytest.approx(expected[0])
    assert sigma**2 * cov == pytest.approx(expected[1] ** 2 * expected[2])


def test_a_prior_of_another_space_is_refused_and_what_is_legal_is_kept():
    prior = region(plane(), nearing)
    with pytest.raises(InvalidConfig, match=r"none of the .* configs of the prior is legal"):
        TPE(flat(), prior=prior)
    for search in (RandomSearch, CMAES, BOHB):
        with pytest.raises(InvalidConfig):
            search(crooked(), prior=prior)
    configs, weights = within(prior, half())
    assert 0 < len(configs) < len(prior.configs)
    assert max(c["x"] for c in configs) <= 9.0
    assert weights.sum() == pytest.approx(1.0)


def half():
    from ConfigSpace import ConfigurationSpace, Float

    space = ConfigurationSpace(name="half")
    space.add(Float("x", (0.0, 9.0)), Float("y", (0.0, 15.0)))
    return space


@pytest.mark.parametrize("search", [ASHA, Hyperband, SuccessiveHalving])
def test_a_prior_and_a_draw_are_one_too_many(search):
    with pytest.raises(WrongUsage, match="not both"):
        search(plane(), prior=region(plane(), nearing), draw=lambda: None)


def test_a_space_of_constants_has_one_config_with_a_prior_too():
    from ConfigSpace import ConfigurationSpace, Constant

    space = ConfigurationSpace(name="one")
    space.add(Constant("a", 1))
    prior = region(space, lambda t: Evaluation(t, 0.0), n=1)
    for search in (RandomSearch, TPE, CMAES, BOHB):
        assert len(search(space, prior=prior).ask(3)) == 1
