"""Densities against a slow plain reference, their integrals, and what is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import truncnorm

from metadb.axes import axes_of
from metadb.space import sample
from optimizers.parzen import Parzen, Scale


def mixed():
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

    space = ConfigurationSpace(name="mixed")
    space.add(
        Float("rate", (1e-4, 1.0), log=True),
        Integer("depth", (1, 12)),
        Integer("trees", (1, 9), log=True),
        Categorical("size", ["s", "m", "l"], ordered=True),
        Categorical("kernel", ["a", "b", "c"], weights=[1, 2, 5]),
    )
    return space


def scales_of(space):
    return [Scale.of(axis) for axis in axes_of(space).values()]


def places(space, n, seed=0):
    configs = sample(space, n, seed)
    return np.column_stack(
        [s.place(s.axis.numbers([c[s.axis.name] for c in configs])[0]) for s in scales_of(space)]
    )


def reference(scales, centres, weights, x):
    """One point, one kernel and one hyperparameter at a time, with scipy's truncated normal."""
    n, total = len(centres), 0.0
    sigma = max(0.08 * max(n, 1) ** (-1 / (len(scales) + 4)), 0.01)
    prior = [0.0 if s.kind == "categorical" else 0.5 for s in scales]
    for i, centre in enumerate([*centres, prior]):
        product = (weights[i] if i < n else 1.0) / (sum(weights) + 1.0)
        for s, c, at in zip(scales, centre, x, strict=True):
            std = sigma if i < n else 1.0
            if s.kind == "categorical":
                a = (1 if s.opens else len(s.p)) / (n + 1)
                own = s.p[int(at)]
                product *= ((c == at) + a * own) / (1 + a) if i < n else own
                continue
            normal = truncnorm(-c / std, (1 - c) / std, c, std)
            if s.kind == "float":
                product *= normal.pdf(at)
                continue
            to = np.log if s.log else float
            value, lower, upper = s.number(np.array([at]))[0], *s.bounds
            ends = [
                (to(v) - to(lower - 0.5)) / (to(upper + 0.5) - to(lower - 0.5))
                for v in (value - 0.5, value + 0.5)
            ]
            product *= normal.cdf(ends[1]) - normal.cdf(ends[0])
        total += product
    return np.log(total)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_the_density_is_that_of_a_slow_plain_reference(n):
    space = mixed()
    scales, centres, x = scales_of(space), places(space, n) if n else np.empty((0, 5)), None
    x = places(space, 12, seed=5)
    weights = np.linspace(2, 1, n)
    weights *= n / max(weights.sum(), 1)
    density = Parzen.fit(scales, centres, weights * 3)
    expected = [reference(scales, centres, weights, at) for at in x]
    assert density.logpdf(x) == pytest.approx(expected, abs=1e-9)


def test_the_density_integrates_to_one():
    space = mixed()
    scales = scales_of(space)
    density = Parzen.fit(scales, places(space, 6))
    fine = (np.arange(200) + 0.5) / 200  # the midpoint rule; kernels are .06 wide or more
    values = [
        fine if s.kind == "float" else s.place(np.arange(s.bounds[0], s.bounds[1] + 1.0))
        for s in scales
    ]
    grid = np.stack(np.meshgrid(*values, indexing="ij"), axis=-1).reshape(-1, 5)
    assert np.exp(density.logpdf(grid)).sum() / 200 == pytest.approx(1, abs=1e-3)


def test_what_is_drawn_has_the_density():
    space = mixed()
    scales = scales_of(space)
    for j, scale in enumerate(scales):
        density = Parzen.fit([scale], places(space, 4)[:, [j]])
        drawn = density.sample(4000, np.random.default_rng(1))
        if scale.kind == "float":
            edges = np.linspace(0, 1, 11)
            middle = (np.arange(1000) + 0.5) / 1000
            mass = np.exp(density.logpdf(middle[:, None])).reshape(10, 100).mean(axis=1) / 10
            found = np.histogram(drawn[:, 0], edges)[0] / 4000
        else:
            values, times = np.unique(drawn, return_counts=True)
            mass, found = np.exp(density.logpdf(values[:, None])), times / 4000
            assert mass.sum() > 0.99
        assert found == pytest.approx(mass, abs=0.035)


def test_numbers_and_places_go_round():
    for scale in scales_of(mixed()):
        drawn = scale.axis.sample(200, np.random.RandomState(3))
        at = scale.place(drawn)
        assert scale.number(at) == pytest.approx(drawn, rel=1e-9)
        assert scale.kind == "categorical" or (at.min() >= 0 and at.max() <= 1)


def test_the_prior_is_the_users():
    from ConfigSpace import ConfigurationSpace, Float, Normal

    space = ConfigurationSpace(name="normal")
    space.add(Float("x", (0.0, 10.0), distribution=Normal(2.0, 0.5)))
    prior = Parzen.fit(scales_of(space), np.empty((0, 1)))
    drawn = prior.sample(2000, np.random.default_rng(0)) * 10
    assert drawn.mean() == pytest.approx(2.0, abs=0.1)
    assert drawn.std() == pytest.approx(0.5, abs=0.1)
