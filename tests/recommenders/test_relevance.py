"""One scale or many: the choice follows what the results are of, and how many they are."""

from __future__ import annotations

import numpy as np

from recommenders.matern import Points, Prior, log_likelihood, sought, spread
from recommenders.relevance import Relevance

D = 6
EACH = np.arange(D)


def bowl(n):
    x = np.random.default_rng(0).random((n, D))
    return x, ((x - 0.4) ** 2).sum(axis=1)


def ridge(n):
    """Two of six columns matter, and differently."""
    x = np.random.default_rng(1).random((n, D))
    return x, np.sin(9 * x[:, 0]) + 0.5 * x[:, 3]


def chosen(x, y, before=None):
    found = Relevance.of(x, (y - y.mean()) / y.std(), EACH, before, "cpu")
    return found, len(set(found.theta[:D])) > 1


def test_few_results_of_a_bowl_warrant_one_scale(device):
    x, y = bowl(15)
    found = Relevance.of(x, (y - y.mean()) / y.std(), EACH, None, device)
    assert len(set(found.theta[:D])) == 1
    assert found.theta[0] == found.one[0]


def test_many_results_of_a_ridge_warrant_a_scale_each():
    found, each = chosen(*ridge(60))
    assert each
    scale = np.exp(found.theta[:D])
    assert scale[0] < scale[[1, 2, 4, 5]].min()


def test_it_is_the_criterion_of_schwarz():
    for x, y in (bowl(12), bowl(40), ridge(12), ridge(40)):
        z = (y - y.mean()) / y.std()
        points, prior = Points.of(x[None], z[None], np.ones((1, len(z))), "cpu"), Prior.vanilla(D)
        alike, one = np.zeros(D, int), prior.shared()
        worth = {}
        for name, p, groups in (("each", prior, EACH), ("one", one, alike)):
            theta = spread(sought(points, p, np.stack([p.start, p.start]), groups), groups)
            value = float(log_likelihood(points, points.tensor(theta[None]))[0])
            worth[name] = value - len(p.start) / 2 * np.log(len(z))
        assert chosen(x, y)[1] == (worth["each"] > worth["one"])


def test_it_goes_on_from_where_it_was():
    x, y = ridge(30)
    before, _ = chosen(x[:25], y[:25])
    found, _ = chosen(x, y, before)
    again, _ = chosen(x, y)
    np.testing.assert_allclose(found.theta, again.theta, atol=0.05)
