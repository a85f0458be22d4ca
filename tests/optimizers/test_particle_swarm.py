"""The swarm flies as the paper says."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, Float

from metadb.records import Evaluation
from optimizers import ParticleSwarm

D, P, SEED = 3, 8, 1
CHI = 2 / abs(2 - 4.1 - (4.1**2 - 4 * 4.1) ** 0.5)  # Clerc, Kennedy 2002: phi = 4.1
C = CHI * 4.1 / 2
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]


def sphere(x):
    return float(((x - 0.4) ** 2).sum())


def ellipsoid(x):
    y = TURN @ (x - 0.4)
    return float((10.0 ** np.arange(D) * y**2).sum())


def plain(x, f, rounds):
    """v <- chi v + c r1 (p - x) + c r2 (g - x), coordinate by coordinate; and who rests."""
    x, v = x.copy(), np.zeros_like(x)
    p, best = x.copy(), [f(one) for one in x]
    for k in range(1, rounds + 1):
        g, before = p[int(np.argmin(best))].copy(), x.copy()
        for i in range(P):
            r1, r2 = np.random.default_rng([SEED, k * P + i]).random((2, D))
            for j in range(D):
                pull = C * r1[j] * (p[i, j] - x[i, j]) + C * r2[j] * (g[j] - x[i, j])
                v[i, j] = CHI * v[i, j] + pull
                x[i, j] += v[i, j]
                if not 0 <= x[i, j] <= 1:
                    x[i, j], v[i, j] = min(max(x[i, j], 0.0), 1.0), 0.0
        yield x, (x == before).all(axis=1)
        for i in range(P):
            if f(x[i]) <= best[i]:
                p[i], best[i] = x[i], f(x[i])


@pytest.mark.parametrize("f", [sphere, ellipsoid])
def test_told_a_swarm_at_a_time_it_is_the_paper(f):
    space = ConfigurationSpace(name="cube")
    space.add([Float(f"x{i}", (0.0, 1.0)) for i in range(D)])
    optimizer = ParticleSwarm(space, seed=SEED, population=P)

    def round_of():
        trials = optimizer.ask(P)
        x = np.array([[t.config[f"x{i}"] for i in range(D)] for t in trials])
        optimizer.tell([Evaluation(t, f(one)) for t, one in zip(trials, x, strict=True)])
        return x

    first = round_of()
    n_resting = 0
    for expected, resting in plain(first, f, 12):
        x = round_of()
        np.testing.assert_allclose(x[~resting], expected[~resting], atol=1e-9)
        np.testing.assert_allclose(x[resting], expected[resting], atol=0.01)
        expected[resting] = x[resting]  # no config is asked twice, so who rests is moved a little
        n_resting += resting.sum()
    assert n_resting <= 1


def test_the_constants_are_those_in_use_everywhere():
    assert pytest.approx((0.72984, 1.49618), abs=1e-5) == (CHI, C)


def test_a_swarm_that_would_not_settle_is_refused():
    with pytest.raises(ValueError, match="phi > 4"):
        ParticleSwarm(ConfigurationSpace({"a": (0.0, 1.0)}), phi=4)
