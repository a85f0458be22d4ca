from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from metadb.space import sample
from optimizers.nas import CellNB201
from optimizers.nas.graph_gp import GraphGP
from optimizers.nas.wl import DEPTHS, Patterns, kernel

NAS = CellNB201()


@pytest.fixture(scope="module")
def fitted():
    """A process of 40 cells, the counts of 10 others, and what all were told to score."""
    patterns = Patterns()
    drawn = sample(NAS.space, 50, seed=0)
    counts = [patterns.count(NAS.graph(config)) for config in drawn]
    convolutions = np.array([sum("conv_3x3" in op for op in c.values()) for c in drawn])
    y = convolutions - convolutions.mean() + 0.1 * np.random.default_rng(0).normal(size=50)
    return GraphGP.fit(patterns, counts[:40], y[:40]), counts[40:], y[40:]


def test_the_posterior_is_that_of_scikit_learn(fitted):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct

    gp, new, _ = fitted
    of = ConstantKernel(gp.variance) * DotProduct(sigma_0=0.0)
    rows = gp.patterns.matrix((*gp.counts, *new), gp.depth).toarray()  # of length 1
    noise = gp.noise * gp.variance
    with np.errstate(divide="ignore"):  # the logarithm of sigma_0
        reference = GaussianProcessRegressor(of, alpha=noise, optimizer=None).fit(rows[:40], gp.y)
    mean, sd = reference.predict(rows[40:], return_std=True)
    found = gp.predict(new)
    np.testing.assert_allclose(found[0], mean, atol=1e-6)
    np.testing.assert_allclose(found[1], sd, atol=1e-6)
    np.testing.assert_allclose(gp.mean(new), mean, atol=1e-6)
    expected = reference.log_marginal_likelihood_value_
    assert gp.log_likelihood == pytest.approx(expected, abs=1e-5)


def test_depth_and_noise_are_the_likeliest(fitted):
    gp, _, _ = fitted
    for depth in range(DEPTHS):
        x = gp.patterns.matrix(gp.counts, depth)
        for noise in (1e-3, 1e-2, 1e-1, 1.0):
            k = kernel(x, x) + noise * np.eye(40)
            variance = gp.y @ np.linalg.solve(k, gp.y) / 40
            likelihood = multivariate_normal(np.zeros(40), variance * k).logpdf(gp.y)
            assert likelihood <= gp.log_likelihood + 1e-6


def test_it_predicts_what_depends_on_operations(fitted):
    gp, new, y = fitted
    assert np.corrcoef(gp.mean(new), y)[0, 1] > 0.9


def test_believing_keeps_the_mean_and_takes_away_doubt(fitted):
    gp, new, _ = fitted
    after = gp.believe(new[:3])
    np.testing.assert_allclose(after.mean(new), gp.mean(new), atol=1e-8)
    assert np.all(after.predict(new[:3])[1] < gp.predict(new[:3])[1])
    assert gp.believe([]) is gp
    k = kernel(after.x, after.x) + gp.noise * np.eye(43)
    np.testing.assert_allclose(after.factor @ after.factor.T, k, atol=1e-10)
    np.testing.assert_allclose(after.weights, np.linalg.solve(k, after.y), atol=1e-8)


def test_what_it_says_of_what_it_knows_is_its_mean_there(fitted):
    gp, _, _ = fitted
    np.testing.assert_allclose(gp.fitted, gp.mean(gp.counts), atol=1e-10)


def test_patterns_counted_after_the_fit_change_nothing(fitted):
    gp, new, _ = fitted
    before = gp.predict(new)
    for config in sample(NAS.space, 50, seed=9):
        gp.patterns.count(NAS.graph(config))
    np.testing.assert_array_equal(gp.predict(new), before)
