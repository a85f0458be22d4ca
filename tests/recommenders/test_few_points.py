"""The search in NumPy is that in torch."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.few_points import FEW, climbed
from recommenders.matern import Points, Prior, maximise


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 1), (12, 40), (FEW, 4)])
def test_its_answer_is_that_of_the_batch(n, d):
    rng = np.random.default_rng(n)
    x, y = rng.random((n, d)), rng.standard_normal(n)
    prior = Prior.vanilla(d)
    batch = maximise(Points.of(x[None], y[None], np.ones((1, n)), "cpu"), prior, steps=40)
    np.testing.assert_allclose(climbed(x, y, prior, 40), batch.theta[0], atol=1e-5)


def test_points_that_stand_twice_are_no_harm():
    x, y = np.repeat(np.random.default_rng(0).random((5, 3)), 2, axis=0), np.arange(10.0)
    theta = climbed(x, (y - y.mean()) / y.std(), Prior.vanilla(3), 30)
    assert np.isfinite(theta).all()
