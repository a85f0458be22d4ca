"""Pre-training: its likelihood against scipy's, and the truth found where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process.kernels import Matern

from metadb.history import Configs, History
from recommenders.completion import Completion
from recommenders.pretraining import (
    POINTS,
    TASKS,
    Kernel,
    _chosen,
    _log_likelihood,
    _padded,
    _stand_ins,
    moments,
    pretrained_kernel,
    scores,
)

torch = pytest.importorskip("torch")


def told(rng, n, width=2, others=4):
    """Of one task: x, z, the others' mean of it and covariance."""
    deviation = rng.standard_normal((others, n)) / 2
    return (
        rng.random((n, width)), rng.standard_normal(n), rng.standard_normal(n),
        deviation.T @ deviation,
    )  # fmt: skip


def value(theta, tasks, n):
    tensors = (torch.as_tensor(a) for a in _padded(tasks, n))
    return _log_likelihood(torch.tensor(theta, dtype=torch.float64), *tensors)[0].item()


THETA = [-0.2, -0.7, -1.0, -1.6, -0.5, 0.3]


def plainly(theta, tasks):
    """The sum of scipy's log densities, with the constant that the likelihood leaves out."""
    trust, part, own, noise, *scale = np.exp(theta)
    total = 0.0
    for x, z, mean, shared in tasks:
        covariance = part * shared + own * Matern(scale, nu=2.5)(x)
        covariance += (noise + 1e-3) * np.eye(len(z))
        total += multivariate_normal.logpdf(z, trust * mean, covariance)
        total += len(z) / 2 * np.log(2 * np.pi)
    return total


def test_the_likelihood_is_that_of_scipy():
    rng = np.random.default_rng(0)
    tasks = [told(rng, n) for n in (12, 12, 12)]
    assert value(THETA, tasks, 12) == pytest.approx(plainly(THETA, tasks), rel=1e-9)


def test_padded_points_count_nothing():
    rng = np.random.default_rng(1)
    tasks = [told(rng, n) for n in (12, 5, 1)]
    assert value(THETA, tasks, 12) == pytest.approx(plainly(THETA, tasks), rel=1e-9)
    assert value(THETA, tasks, 30) == pytest.approx(value(THETA, tasks, 12), rel=1e-12)


def test_its_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(2)
    tasks = [told(rng, n) for n in (9, 6)]
    theta = torch.tensor(THETA, dtype=torch.float64)
    tensors = (torch.as_tensor(a) for a in _padded(tasks, 9))
    slope = _log_likelihood(theta, *tensors)[1]
    for i, step in enumerate(1e-5 * np.eye(len(THETA))):
        up, down = plainly(THETA + step, tasks), plainly(THETA - step, tasks)
        assert slope[i].item() == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_smooth_part_is_a_matern_kernel():
    rng = np.random.default_rng(3)
    a, b, scale = rng.random((7, 3)), rng.random((4, 3)), np.array([0.2, 1.0, 5.0])
    kernel = Kernel(1.0, 0.5, 0.7, scale, 0.1)
    np.testing.assert_allclose(kernel.smooth(a, b), 0.7 * Matern(scale, nu=2.5)(a, b), rtol=1e-10)


def test_scores_are_standardised_roots_and_constant_tasks_are_0():
    regret = np.array([[0.0, 0.25, 1.0], [0.3, 0.3, 0.3]])
    z = scores(regret)
    np.testing.assert_allclose(z[0], (np.array([0, 0.5, 1]) - 0.5) / np.std([0, 0.5, 1]))
    np.testing.assert_array_equal(z[1], 0.0)


def test_moments_are_those_of_numpy():
    rng = np.random.default_rng(4)
    z, weight = rng.standard_normal((6, 5)), np.array([1.0, 2.0, 0.0, 3.0, 1.0, 4.0])
    mean, deviation = moments(z, weight)
    np.testing.assert_allclose(mean, np.average(z, axis=0, weights=weight))
    expected = np.cov(z.T, aweights=weight, ddof=0)
    np.testing.assert_allclose(deviation.T @ deviation, expected, atol=1e-12)
    same = moments(z, 1e-3 * weight)
    np.testing.assert_allclose(same[1], deviation, atol=1e-12)


def drawn(seed, *, common, own, noise=0.05, tasks=14, n=70, scale=(0.3, 3.0)):
    """Tasks of common variance, own variance and noise, all tasks run on the same configs.

    The roots of regrets are what is normal; losses are their squares from the best on.
    """
    rng = np.random.default_rng(seed)
    x = rng.random((n, 2))
    k = Matern(scale, nu=2.5)(x)
    half = np.linalg.cholesky(k + 1e-9 * np.eye(n))
    z = common**0.5 * half @ rng.standard_normal(n)
    z = z + own**0.5 * (half @ rng.standard_normal((n, tasks))).T
    z = z + noise**0.5 * rng.standard_normal((tasks, n))
    root = z - z.min(axis=1, keepdims=True)
    task, config = np.indices(z.shape).reshape(2, -1).astype(np.int32)
    configs = Configs.of("drawn", [{"a": float(a), "b": float(b)} for a, b in x])
    one = np.ones(z.size)
    names = tuple(f"drawn:{i}" for i in range(tasks))
    return History("e", names, configs, task, config, (root**2).ravel(), one, one, {}, names)


def found(history):
    n = len(history.tasks)
    return pretrained_kernel(Completion.fit(history), 1.0 - np.eye(n))


def test_where_tasks_share_a_mean_it_is_trusted():
    kernel, _ = found(drawn(0, common=1.0, own=0.05))
    assert kernel.trust == pytest.approx(1.0, abs=0.15)
    assert kernel.shared > 0.05
    assert kernel.own < 0.2


def test_where_they_share_none_it_is_not_and_the_truth_is_found():
    """Scores are divided by their deviation within a task, and so are the true variances."""
    found_ones, own, noise = [], [], []
    for seed in range(4):
        history = drawn(seed, common=0.0, own=0.9, noise=0.1, scale=(0.15, 0.8), n=80)
        found_ones.append(found(history)[0])
        within = np.sqrt(history.loss).reshape(len(history.tasks), -1).var(axis=1)
        own.append(np.mean(0.9 / within))
        noise.append(np.mean(0.1 / within))
    assert np.mean([k.trust for k in found_ones]) < 0.6
    assert np.mean([k.shared for k in found_ones]) < 0.3
    for kernel, true_own, true_noise in zip(found_ones, own, noise, strict=True):
        assert kernel.noise == pytest.approx(true_noise, rel=0.15)
        # A task's own level is taken out of its scores, and its part of the variance with it.
        assert 0.5 * true_own < kernel.own < true_own
        np.testing.assert_allclose(kernel.scale, [0.15, 0.8], rtol=0.4)


def test_a_history_with_a_common_mean_is_likelier_told_by_the_others():
    agreeing, alone = (found(drawn(5, common=c, own=1.05 - c))[1] for c in (1.0, 0.0))
    assert agreeing > alone


def test_the_same_history_gives_the_same_kernel():
    one, other = (found(drawn(1, common=0.5, own=0.5, tasks=6, n=30)) for _ in range(2))
    assert one[1] == other[1]
    assert (one[0].trust, one[0].shared, one[0].own) == (
        other[0].trust, other[0].shared, other[0].own,
    )  # fmt: skip
    np.testing.assert_array_equal(one[0].scale, other[0].scale)


def test_stand_ins_are_bounded_and_told_by_the_others_only():
    history = drawn(2, common=0.5, own=0.5, tasks=TASKS + 4, n=POINTS + 20)
    completion = Completion.fit(history)
    weights = 1.0 - np.eye(len(history.tasks))
    some = list(_stand_ins(completion, weights))
    assert len(some) == TASKS
    assert all(len(z) == POINTS for _, z, _, _ in some)
    regret = completion.regret.reshape(len(history.tasks), -1)
    t = int(_chosen(history.tasks)[0])
    z = scores(regret)
    few = np.random.default_rng(1).permutation(z.shape[1])[:POINTS]
    x, own, mean, covariance = some[0]
    np.testing.assert_array_equal(x, history.configs.x[few])
    np.testing.assert_allclose(own, z[t, few])
    others = np.delete(z, t, axis=0)[:, few]
    np.testing.assert_allclose(mean, others.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(others.T, ddof=0), atol=1e-12)


def test_leaving_a_task_out_changes_the_choice_by_one():
    names = tuple(f"t:{i}" for i in range(60))
    whole = {names[i] for i in _chosen(names)}
    left = names[:5] + names[6:]
    assert len(whole & {left[i] for i in _chosen(left)}) >= TASKS - 1
    assert len(whole) == TASKS


def test_with_nothing_to_learn_from_it_is_a_usual_kernel():
    history = drawn(3, common=0.5, own=0.5, tasks=1, n=20)
    kernel, likely = found(history)
    assert likely == -np.inf
    assert (kernel.trust, kernel.noise) == (1.0, 0.1)
    np.testing.assert_allclose(kernel.scale, 0.5 * 2**0.5)
