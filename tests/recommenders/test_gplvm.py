"""The variances against a plain likelihood, and tasks drawn with known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommenders.completion import Completion
from recommenders.gplvm import FREEDOM, LEAST, START, Covariance, _variances, matern
from tests.contracts.test_recommenders import N_CONFIGS, make_history


@pytest.fixture
def drawn():
    """Tasks of a known covariance: what was not expected (b, n), its parts (b, 4, n, n)."""
    rng, b, n = np.random.default_rng(0), 16, 40
    parts = np.zeros((b, 4, n, n))
    off = np.zeros((b, n))
    for t in range(b):
        a, u = rng.standard_normal((n, 5)), rng.random((n, 2))
        far = ((u[:, None] - u) ** 2).sum(axis=2)
        parts[t] = a @ a.T / 5, matern(far, 0.3), np.diag((a**2).sum(axis=1) / 5), np.eye(n)
        gram = np.tensordot([0.5, 0.3, 0.0, 0.01], parts[t], 1)
        scale = np.sqrt(FREEDOM / rng.chisquare(FREEDOM))
        off[t] = scale * (np.linalg.cholesky(gram) @ rng.standard_normal(n))
    return off, parts


def log_likelihood(variance, off, parts):
    value = 0.0
    for e, k in zip(off, np.tensordot(parts, variance, ([1], [0])), strict=True):
        square = e @ np.linalg.solve(k, e)
        value -= np.linalg.slogdet(k)[1] / 2
        value -= (FREEDOM + len(e)) / 2 * np.log1p(square / FREEDOM)
    return value


def test_the_variances_are_found(drawn):
    linear, smooth, own, noise = _variances(*drawn)
    assert 0.25 < linear < 1.0
    assert 0.15 < smooth < 0.6
    assert own < 0.02
    assert noise < 0.03


def test_no_step_lowers_the_likelihood(drawn, monkeypatch):
    off, parts = drawn
    last = log_likelihood(np.array(START), off, parts)
    for steps in range(1, 12):
        monkeypatch.setattr("recommenders.gplvm.STEPS", steps)
        here = log_likelihood(_variances(off, parts), off, parts)
        assert here >= last - 1e-9
        last = here


def test_padding_changes_nothing(drawn):
    off, parts = drawn
    n = off.shape[1]
    wide = np.zeros((len(off), 4, n + 7, n + 7))
    wide[:, :, :n, :n] = parts
    padded = _variances(np.pad(off, ((0, 0), (0, 7))), wide)
    np.testing.assert_allclose(padded, _variances(off, parts), rtol=1e-6)


def test_tasks_that_share_nothing_are_not_believed_to():
    """Past tasks of pure noise: the variance is each config's own."""
    history, rng = make_history(0), np.random.default_rng(1)
    told = Covariance.fit(Completion.fit(replace(history, loss=rng.random(8 * N_CONFIGS))))
    apart = told.own + told.noise
    assert apart > told.smooth


def test_one_task_says_nothing_of_the_variances():
    history = make_history(0)
    one = history.without(*history.tasks[1:])
    assert Covariance.fit(Completion.fit(one)) == Covariance()
    two = Covariance.fit(Completion.fit(history.without(*history.tasks[2:])))
    assert two.linear == START[0]  # of two tasks, one alone tells the other: no covariance
    assert two.noise >= LEAST
