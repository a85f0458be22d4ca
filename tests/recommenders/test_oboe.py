"""OBOE's designs against brute force and pivoted QR, its solution against a plain ridge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadb.errors import NotFound
from metadb.records import Evaluation, Trial
from recommenders.candidates import pool
from recommenders.oboe import DESIGN, Oboe, _design
from recommenders.past import past
from tests.contracts.test_recommenders import NEW, make_history, told


@pytest.fixture(scope="module")
def history():
    return make_history(3)


def features(fitted):
    then = past(fitted.completion, pool(fitted.completion.configs))
    return _design(then, fitted.rank, np.full(8, 1 / 8))[1]


def test_a_design_raises_the_determinant_most(history):
    """With the prior's precision in it, every config tried."""
    fitted = Oboe.fit(history, rank=3, designs=(1, 2, 3))
    observed = told(history, 4)
    phi = features(fitted)
    chosen = [4]
    for r in fitted.recommend(NEW, 3, observed=observed):
        inverse = fitted._solve(phi[[4]], pool(history.configs).seen(observed))[1]
        noise = fitted.noise * float(np.median(fitted.ranges.width))
        before = np.linalg.inv(inverse) + phi[chosen[1:]].T @ phi[chosen[1:]] / noise**2
        gains = [
            -np.inf if i in chosen else np.linalg.slogdet(before + np.outer(p, p) / noise**2)[1]
            for i, p in enumerate(phi)
        ]
        chosen.append(history.configs.index(r.config))
        assert chosen[-1] == int(np.argmax(gains))
        assert r.because.note == DESIGN


def test_without_prior_designs_are_pivots_of_qr(history, monkeypatch):
    from scipy.linalg import qr

    import recommenders.oboe

    monkeypatch.setattr(recommenders.oboe, "DOUBTS", np.array([1.0, 1.0]))
    fitted = Oboe.fit(history, rank=3, noise=1e-5, designs=tuple(range(9)))
    advice = fitted.recommend(NEW, 5)
    pivots = qr(features(fitted).T, pivoting=True, mode="r")[1][:5]
    assert [history.configs.index(r.config) for r in advice] == pivots.tolist()


def test_the_solution_is_the_ridge_one(history):
    fitted = Oboe.fit(history, rank=2)
    place, loss = [1, 6, 8, 12], np.array([0.2, 0.9, 0.5, 0.4])
    observed = [Evaluation(Trial(history.configs[i]), v) for i, v in zip(place, loss, strict=True)]
    phi = features(fitted)[place]
    theta = fitted._solve(phi, pool(history.configs).seen(observed))[0]
    size = max(float(np.median(fitted.ranges.width)), 0.7)
    weights = np.array([0.0, 1, 1, 1]) / size  # the offset is as good as free
    start = np.array([0, size, 0, 0])
    rows = np.vstack([phi / (fitted.noise * size), np.diag(weights)])
    right = np.concatenate([(loss - phi @ start) / (fitted.noise * size), np.zeros(4)])
    plain = start + np.linalg.lstsq(rows, right, rcond=None)[0]
    np.testing.assert_allclose(phi @ theta, phi @ plain, atol=1e-3)


def test_a_design_that_takes_long_is_put_off(history):
    """Seconds 1 or 1000: with time counted the designs are quick ones."""
    slow = history.config % 2 == 0
    timed = replace(history, cost_s=np.where(slow, 1000.0, 1.0))
    fitted = Oboe.fit(timed, designs=(0, 1), cost_power=2.0)
    for r in fitted.recommend(NEW, 2):
        assert timed.configs.index(r.config) % 2 == 1


def test_time_that_nobody_recorded_cannot_count(history):
    untimed = replace(history, cost_s=np.full(len(history), np.nan))
    assert Oboe.fit(untimed).recommend(NEW, 2)
    with pytest.raises(NotFound):
        Oboe.fit(untimed, cost_power=1.0)
