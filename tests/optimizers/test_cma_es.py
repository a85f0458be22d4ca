"""On plain floats CMA-ES is `cmaes.CMA`, point for point; choices, warm starts and restarts."""

from __future__ import annotations

import numpy as np
import pytest
from cmaes import CMA, get_warm_start_mgd
from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

from metadb.records import Evaluation, Trial
from optimizers import CMAES, run
from optimizers.cma_es import from_priors, from_results, lattice
from optimizers.cube import Cube

D = 4
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
UNIT = np.tile([0.0, 1.0], (D, 1))


def sphere(x):
    return float(((x - 0.4) ** 2).sum())


def ellipsoid(x):
    y = TURN @ (x - 0.4)
    return float((10.0 ** np.arange(D) * y**2).sum())


def cube_space():
    space = ConfigurationSpace(name="cube")
    space.add([Float(f"x{i}", (0.0, 1.0)) for i in range(D)])
    return space


def x_of(trial):
    return np.array([trial.config[f"x{i}"] for i in range(D)])


def follows(optimizer, peer, f, generations, group):
    """Every point is the peer's, asked and told `group` at a time."""
    for _ in range(generations):
        expected = np.array([peer.ask() for _ in range(peer.population_size)])
        for start in range(0, len(expected), group):
            trials = optimizer.ask(min(group, len(expected) - start))
            x = np.array([x_of(t) for t in trials])
            np.testing.assert_allclose(x, expected[start : start + group], atol=1e-10)
            optimizer.tell([Evaluation(t, f(one)) for t, one in zip(trials, x, strict=True)][::-1])
        peer.tell([(one, f(one)) for one in expected])


@pytest.mark.parametrize("f", [sphere, ellipsoid])
@pytest.mark.parametrize("group", [1, 3, 8])
def test_its_points_are_those_of_cmaes(f, group):
    mean, sigma, cov = from_priors(Cube.of(cube_space()))
    np.testing.assert_allclose(mean, 0.5, atol=0.03)
    np.testing.assert_allclose(sigma**2 * cov, np.eye(D) / 12, atol=0.005)
    follows(CMAES(cube_space(), seed=7), CMA(mean, sigma, UNIT, seed=7, cov=cov), f, 15, group)


def test_earlier_results_start_it_as_nomura_says():
    x = np.random.default_rng(2).random((60, D))
    sources = [(one, ellipsoid(one)) for one in x]
    mean, sigma, cov = get_warm_start_mgd(sources, gamma=0.1, alpha=0.1)
    optimizer = CMAES(cube_space(), seed=3)
    optimizer.tell(
        [
            Evaluation(Trial({f"x{j}": v for j, v in enumerate(one.tolist())}, 1.0, i), loss)
            for i, (one, loss) in enumerate(sources)
        ]
    )
    follows(optimizer, CMA(mean, sigma, UNIT, seed=3, cov=cov), ellipsoid, 5, 8)


def test_a_start_in_a_wide_space_does_not_underflow():
    x = np.random.default_rng(2).random((40, 200))
    mean, sigma, cov = from_results(x, x[:, 0])
    good = x[np.argsort(x[:, 0])[:4]]
    np.testing.assert_allclose(mean, good.mean(axis=0))
    np.testing.assert_allclose(
        sigma**2 * cov, 0.01 * np.eye(200) + np.cov(good.T, bias=True), atol=1e-9
    )


def test_a_warm_start_that_nothing_is_told_of_yet_is_the_mean():
    warm = [{f"x{j}": 0.2 + 0.01 * i for j in range(D)} for i in range(3)]
    trials = CMAES(cube_space(), warm_start=warm, seed=0).ask(60)[3:]
    np.testing.assert_allclose(np.mean([x_of(t) for t in trials], axis=0), 0.21, atol=0.05)


def test_a_failed_member_ranks_last_and_a_failed_generation_changes_nothing():
    mean, sigma, cov = from_priors(Cube.of(cube_space()))
    peer = CMA(mean, sigma, UNIT, seed=1, cov=cov)
    optimizer = CMAES(cube_space(), seed=1)
    for generation in range(4):
        expected = [peer.ask() for _ in range(8)]
        trials = optimizer.ask(8)
        np.testing.assert_allclose([x_of(t) for t in trials], expected, atol=1e-10)
        ok = [generation != 1 and i != 2 for i in range(8)]
        optimizer.tell(
            [
                Evaluation(t, sphere(x_of(t)) if good else None)
                for t, good in zip(trials, ok, strict=True)
            ]
        )
        if generation != 1:
            peer.tell([(x, sphere(x) if g else 1e9) for x, g in zip(expected, ok, strict=True)])


def test_choices_and_integers_have_steps_and_stay_within_reach():
    space = ConfigurationSpace(name="mixed")
    space.add(
        Categorical("c", ["p", "q", "r"]),
        Integer("i", (3, 7)),
        Integer("l", (1, 64), log=True),
        Float("x", (0.0, 1.0)),
    )
    cube = Cube.of(space)
    bounds, steps = (
        dict(zip([a.name for a in cube.moving], v, strict=True)) for v in lattice(cube)
    )
    assert steps == pytest.approx({"c": 1 / 3, "i": 1 / 4, "l": 0, "x": 0})
    assert bounds["c"] == pytest.approx((1 / 6, 5 / 6))

    def objective(trial):
        c = trial.config
        return Evaluation(trial, (c["c"] != "q") + abs(c["i"] - 4) + (c["x"] - 0.7) ** 2)

    for seed in range(3):
        done = run(CMAES(space, seed=seed), objective, trials=150)
        assert min(e.loss for e in done) < 1e-2


def test_a_converged_search_begins_again_with_twice_the_population():
    space = ConfigurationSpace(name="line")
    space.add(Float("x0", (0.0, 1.0)))
    optimizer = CMAES(space, seed=0)
    done = run(optimizer, lambda t: Evaluation(t, (t.config["x0"] - 0.3) ** 2), trials=300)
    x = np.array([e.trial.config["x0"] for e in done])
    near = np.flatnonzero(np.abs(x - 0.3) < 1e-7)
    assert len(near)
    assert np.abs(x[near[0] :] - 0.3).max() > 0.2


def test_a_population_too_small_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="3 or more"):
        CMAES(cube_space(), population=2)
