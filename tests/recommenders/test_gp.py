"""Gaussian processes against scikit-learn, finite differences, and themselves taken one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from metadb.errors import InvalidRows
from recommenders.gp import GP, subset
from recommenders.matern import JITTER, Hyperparameters, Points, Prior, log_likelihood, maximise

torch = pytest.importorskip("torch")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU"))])  # fmt: skip
def device(request):
    return request.param


def three_tasks(n=(30, 12, 21), d=3, seed=0):
    """Smooth functions with noise, padded to the longest task."""
    rng = np.random.default_rng(seed)
    x = rng.random((len(n), max(n), d))
    y = np.sin(5 * x[..., 0]) * np.arange(1, len(n) + 1)[:, None] + x[..., 1] ** 2
    y += 0.05 * rng.standard_normal(y.shape)
    mask = np.arange(max(n)) < np.array(n)[:, None]
    return x, np.where(mask, y, np.nan), mask


def peer(gp: GP, t: int) -> GaussianProcessRegressor:
    """scikit-learn's posterior of task t at the same hyperparameters, of standardised y - mean."""
    h = gp.hyper
    kernel = ConstantKernel(h.variance[t]) * Matern(h.scale[t], nu=2.5)
    there = gp.mask[t]
    model = GaussianProcessRegressor(kernel, alpha=h.noise[t] + JITTER, optimizer=None)
    return model.fit(gp.x[t, there], gp.y[t, there] - h.mean[t])


def test_posterior_and_likelihood_are_those_of_scikit_learn(device):
    gp = GP.fit(*three_tasks(), device=device)
    at = np.random.default_rng(1).random((40, 3))
    mean, sd = gp.predict(at)
    joint = gp.covariance(at)
    for t in range(3):
        model = peer(gp, t)
        m, s = model.predict(at, return_std=True)
        _, c = model.predict(at, return_cov=True)
        scale = gp.width[t]
        shifted = (m + gp.hyper.mean[t]) * scale + gp.offset[t]
        assert mean[t] == pytest.approx(shifted, abs=1e-8)
        assert sd[t] == pytest.approx(s * scale, abs=1e-8)
        assert joint[0][t] == pytest.approx(shifted, abs=1e-8)
        assert joint[1][t] == pytest.approx(c * scale**2, abs=1e-8)
        assert gp.log_marginal_likelihood()[t] == pytest.approx(
            model.log_marginal_likelihood_value_, abs=1e-8
        )


def test_the_gradient_is_that_of_finite_differences():
    gp = GP.fit(*three_tasks(), steps=5)  # not at the optimum, where all would be 0
    points = Points.of(gp.x, gp.y, gp.mask, "cpu")
    theta = points.tensor(gp.hyper.theta)
    gradient = log_likelihood(points, theta)[1]
    for j in range(theta.shape[1]):
        step = torch.zeros_like(theta)
        step[:, j] = 1e-5
        up, down = (log_likelihood(points, theta + s * step)[0] for s in (1, -1))
        assert ((up - down) / 2e-5).numpy() == pytest.approx(
            gradient[:, j].numpy(), rel=1e-5, abs=1e-5
        )


def test_what_is_found_has_the_greatest_posterior_density():
    """No gradient is left, but for hyperparameters that stand at their bounds."""
    x, y, mask = three_tasks()
    gp = GP.fit(x, y, mask, steps=300)
    prior = Prior.vanilla(3)
    points = Points.of(gp.x, gp.y, gp.mask, "cpu")
    theta = gp.hyper.theta
    slope = log_likelihood(points, points.tensor(theta))[1].numpy()
    assert np.abs(slope - (theta - prior.centre) / prior.sd**2).max() < 0.02


def test_the_default_steps_reach_what_many_steps_reach():
    x, y, mask = three_tasks()
    prior = Prior.vanilla(3)
    gp = GP.fit(x, y, mask)
    points = Points.of(gp.x, gp.y, gp.mask, "cpu")

    def density(theta):
        likelihood = log_likelihood(points, points.tensor(theta))[0].numpy()
        return likelihood - 0.5 * (((theta - prior.centre) / prior.sd) ** 2).sum(axis=1)

    long = maximise(points, prior, steps=1000).theta
    assert (density(long) - density(gp.hyper.theta) < 0.5).all()


def test_a_batch_is_its_tasks_one_at_a_time(device):
    x, y, mask = three_tasks()
    together = GP.fit(x, y, mask, device=device)
    at = np.random.default_rng(1).random((7, 3))
    for t in range(3):
        alone = GP.fit(x[t, mask[t]], y[t, mask[t]], device=device)
        assert together.hyper.theta[t] == pytest.approx(alone.hyper.theta[0], abs=2e-6)
        for a, b in zip(together.predict(at), alone.predict(at), strict=True):
            assert a[t] == pytest.approx(b[0], abs=1e-5)


def test_leave_one_out_is_what_the_others_say():
    gp = GP.fit(*three_tasks(n=(9, 5)))
    mean, sd = gp.leave_one_out()
    for t, n in enumerate((9, 5)):
        for i in range(n):
            others = np.arange(n) != i
            y = gp.y[t, :n] * gp.width[t] + gp.offset[t]
            rest = GP.fit(
                gp.x[t, :n][others], y[others], hyper=gp.hyper.take([t]),
                scaling=(gp.offset[t], gp.width[t]),
            )  # fmt: skip
            m, s = rest.predict(gp.x[t, [i]])
            noise = (gp.hyper.noise[t] + JITTER) * gp.width[t] ** 2
            assert mean[t, i] == pytest.approx(m[0, 0], abs=1e-8)
            assert sd[t, i] == pytest.approx(np.sqrt(s[0, 0] ** 2 + noise), abs=1e-8)
    assert (mean[~gp.mask] == 0).all()


def test_conditioning_is_having_had_the_points_from_the_start():
    x, y, _ = three_tasks(n=(20, 20))
    gp = GP.fit(x[:, :15], y[:, :15])
    more = gp.condition(x[:, 15:], y[:, 15:])
    at = np.random.default_rng(1).random((6, 3))
    for t in range(2):
        whole = GP.fit(x[t], y[t], hyper=gp.hyper.take([t]), scaling=(gp.offset[t], gp.width[t]))
        for a, b in zip(more.predict(at), whole.predict(at), strict=True):
            assert a[t] == pytest.approx(b[0], abs=1e-9)


def test_draws_have_the_posterior_mean_and_covariance():
    gp = GP.fit(*three_tasks(n=(8, 6)))
    at = np.random.default_rng(1).random((4, 3))
    mean, joint = gp.covariance(at)
    draws = gp.sample(at, 20_000, seed=3)
    assert draws.shape == (20_000, 2, 4)
    for t in range(2):
        tolerance = 5 * np.sqrt(np.diag(joint[t]).max() / 20_000)
        assert draws[:, t].mean(axis=0) == pytest.approx(mean[t], abs=tolerance)
        scale = np.diag(joint[t]).max()
        assert np.cov(draws[:, t].T) == pytest.approx(joint[t], abs=0.05 * scale)
    assert (gp.sample(at, 5, seed=3) == draws[:5]).all()


def test_a_large_task_keeps_its_best_quarter_and_others():
    rng = np.random.default_rng(0)
    y = rng.random((1, 400))
    _, kept, mask = subset(rng.random((1, 400, 2)), y, np.ones((1, 400), bool), 80, seed=7)
    assert kept.shape == (1, 80)
    assert mask.all()
    assert set(np.sort(y[0])[:20]) <= set(kept[0])
    assert np.median(kept) > np.sort(y[0])[79]  # and not only the best 80


@pytest.mark.parametrize("y", [[2.0, 2.0, 2.0], [1e300, 2e300, 3e300], [1e-200, 2e-200, 5e-200]])
def test_constant_huge_and_tiny_values_make_no_nan(y):
    with np.errstate(over="ignore"):
        mean, sd = GP.fit(np.eye(3), np.array(y) / 1e150).predict(np.eye(3))
    assert np.isfinite(mean).all()
    assert np.isfinite(sd).all()


def test_a_point_twice_and_a_task_without_points_do_no_harm():
    x = np.zeros((2, 4, 2))
    y = np.array([[1.0, 2.0, 1.0, 2.0], [0, 0, 0, 0]])
    gp = GP.fit(x, y, np.array([[True] * 4, [False] * 4]))
    mean, sd = gp.predict(np.zeros((1, 2)))
    assert mean[0, 0] == pytest.approx(1.5, abs=1e-3)
    assert np.isfinite(sd).all()


def test_what_is_not_finite_is_refused_in_one_sentence():
    with pytest.raises(InvalidRows, match="finite"):
        GP.fit(np.eye(2), np.array([1.0, np.inf]))
    with pytest.raises(InvalidRows, match="do not fit"):
        GP.fit(np.eye(2), np.ones(3))


def test_a_learnt_prior_is_centred_where_past_tasks_are():
    theta = np.array([[0.0, 1.0, 0.0, -3.0, 0.0], [0.2, 1.0, 0.1, -4.0, 0.1],
                      [0.1, 9.0, 0.2, -5.0, 0.2]])  # fmt: skip
    prior = Prior.learnt(Hyperparameters.of(theta))
    assert prior.centre == pytest.approx([0.1, 1.0, 0.1, -4.0, 0.1])
    assert prior.sd[3] == pytest.approx(1.4826)
    assert prior.sd[0] == 0.3
