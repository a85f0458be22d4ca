"""The posterior against scikit-learn, gpytorch and finite differences; the search of theta."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from recommenders.acquisition import ACQUISITIONS
from recommenders.matern import JITTER, Points, Prior, log_likelihood, maximise, sought, spread
from recommenders.posterior import Posterior

D, N = 3, 25
THETA = np.log(np.array([0.3, 0.8, 2.0, 1.5, 1e-3, 1.0]))
MEAN = 0.3


def told(seed=0, n=N):
    rng = np.random.default_rng(seed)
    x = rng.random((n, D))
    return x, np.sin(6 * x[:, 0]) + x[:, 1] ** 2 + 0.05 * rng.standard_normal(n)


def posterior(device="cpu", n=N):
    x, y = told(n=n)
    return Posterior.of(x, y, np.append(THETA[:5], MEAN), device=device)


def test_it_is_scikit_learns_posterior(device):
    x, y = told()
    scale, variance, noise = np.exp(THETA[:3]), np.exp(THETA[3]), np.exp(THETA[4])
    kernel = ConstantKernel(variance) * Matern(scale, nu=2.5)
    peer = GaussianProcessRegressor(kernel, alpha=noise + JITTER, optimizer=None).fit(x, y - MEAN)
    at = np.random.default_rng(1).random((50, D))
    mean, sd = posterior(device).predict(at)
    expected, expected_sd = peer.predict(at, return_std=True)
    np.testing.assert_allclose(mean, expected + MEAN, atol=1e-9)
    np.testing.assert_allclose(sd, expected_sd, atol=1e-7)


def test_it_is_gpytorchs_posterior():
    gpytorch = pytest.importorskip("gpytorch", reason="gpytorch is not installed")
    import torch

    class Exact(gpytorch.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            kernel = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=D)
            self.covar_module = gpytorch.kernels.ScaleKernel(kernel)

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    x, y = (torch.as_tensor(t) for t in told())
    likelihood = gpytorch.likelihoods.GaussianLikelihood(
        noise_constraint=gpytorch.constraints.Positive()
    )
    model = Exact(x, y, likelihood).double()
    model.mean_module.constant = MEAN
    model.covar_module.outputscale = np.exp(THETA[3])
    model.covar_module.base_kernel.lengthscale = torch.as_tensor(np.exp(THETA[:3]))
    likelihood.noise = np.exp(THETA[4]) + JITTER
    model.eval()
    at = np.random.default_rng(1).random((50, D))
    with torch.no_grad(), gpytorch.settings.fast_computations(False, False, False):
        found = model(torch.as_tensor(at))
    mean, sd = posterior().predict(at)
    np.testing.assert_allclose(mean, found.mean.numpy(), atol=1e-7)
    np.testing.assert_allclose(sd**2, found.variance.numpy(), atol=1e-7)


def test_one_more_point_is_as_if_it_had_been_there(device):
    x, y = told()
    theta = np.append(THETA[:5], MEAN)
    whole = Posterior.of(x, y, theta, device=device)
    grown = Posterior.of(x[:-2], y[:-2], theta, device=device)
    for i in (-2, -1):
        grown = grown.condition(x[i], y[i])
    at = np.random.default_rng(2).random((20, D))
    for ours, expected in zip(grown.predict(at), whole.predict(at), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert len(grown) == N


def test_its_slopes_are_finite_differences(device):
    model, h = posterior(device), 1e-6
    at = np.random.default_rng(3).random((7, D))
    mean, sd, d_mean, d_sd = model.slopes(at)
    np.testing.assert_allclose(mean, model.predict(at)[0], atol=1e-10)
    np.testing.assert_allclose(sd, model.predict(at)[1], atol=1e-10)
    for j in range(D):
        step = h * np.eye(D)[j]
        up, down = model.predict(at + step), model.predict(at - step)
        np.testing.assert_allclose(d_mean[:, j], (up[0] - down[0]) / (2 * h), atol=1e-5)
        np.testing.assert_allclose(d_sd[:, j], (up[1] - down[1]) / (2 * h), atol=1e-5)


def test_draws_have_the_posteriors_mean_and_deviation(device):
    model, rng = posterior(device, n=6), np.random.default_rng(4)
    at = np.random.default_rng(5).random((3, D))
    drawn = np.array([model.sample(at, rng) for _ in range(4000)])
    mean, sd = model.predict(at)
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * sd / 4000**0.5).all()
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.06)


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_the_slopes_of_acquisition_functions_are_finite_differences(name):
    acquisition, best, h = ACQUISITIONS[name], 0.2, 1e-6
    mean, sd = (a.ravel() for a in np.meshgrid(np.linspace(-2, 9, 23), [0.05, 0.3, 2.0]))
    of_mean, of_sd = acquisition.slope(mean, sd, best)
    by_mean = acquisition.value(mean + h, sd, best) - acquisition.value(mean - h, sd, best)
    by_sd = acquisition.value(mean, sd + h, best) - acquisition.value(mean, sd - h, best)
    np.testing.assert_allclose(of_mean, by_mean / (2 * h), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(of_sd, by_sd / (2 * h), rtol=1e-4, atol=1e-8)


def test_the_slope_of_log_ei_does_not_vanish_where_there_is_no_hope():
    of_mean, of_sd = ACQUISITIONS["log_ei"].slope(np.array([1e4, 1e6]), np.array([1.0, 1.0]), 0.0)
    assert np.isfinite([of_mean, of_sd]).all()
    np.testing.assert_allclose(of_mean, [-1e4, -1e6], rtol=1e-3)


def test_theta_is_sought_where_the_density_is_greatest(device):
    x, y = told()
    points = Points.of(x[None], y[None], np.ones((1, N)), device)
    prior = Prior.vanilla(D)
    starts = np.stack([prior.start, prior.centre])

    def density(theta):
        off = (theta - prior.centre) / prior.sd
        return float(log_likelihood(points, points.tensor(theta[None]))[0]) - 0.5 * off @ off

    found = sought(points, prior, starts, np.arange(D))
    long = maximise(points, prior, steps=600).theta[0]
    assert density(found) >= density(long) - 1e-3
    for j in range(len(found)):
        for step in (-0.05, 0.05):
            assert density(found + step * np.eye(len(found))[j]) <= density(found) + 1e-4


def test_columns_of_a_group_share_their_scale():
    x, y = told()
    points = Points.of(x[None], y[None], np.ones((1, N)), "cpu")
    prior, groups = Prior.vanilla(2), np.array([0, 1, 1])
    found = sought(points, prior, np.stack([prior.start, prior.centre]), groups)
    assert spread(found, groups).shape == (D + 3,)
    assert spread(found, groups)[1] == spread(found, groups)[2]

    def density(theta):
        off = (theta - prior.centre) / prior.sd
        whole = points.tensor(spread(theta, groups)[None])
        return float(log_likelihood(points, whole)[0]) - 0.5 * off @ off

    for j in range(len(found)):
        for step in (-0.05, 0.05):
            assert density(found + step * np.eye(len(found))[j]) <= density(found) + 1e-4
