"""Differential evolution is the algorithm of the paper, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, Float

from metadb.records import Evaluation
from optimizers import DifferentialEvolution

D, P, F, CR, SEED = 4, 12, 0.5, 0.9, 2
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]


def sphere(x):
    return float(((x - 0.4) ** 2).sum())


def ellipsoid(x):
    y = TURN @ (x - 0.4)
    return float((10.0 ** np.arange(D) * y**2).sum())


def plain(members, f, generations):
    """Storn, Price 1997, written as a loop over coordinates; yields each generation's trials."""
    members = [list(m) for m in members]
    losses = [f(np.array(m)) for m in members]
    for generation in range(1, generations + 1):
        trials = []
        for i in range(P):
            rng = np.random.default_rng([SEED, generation * P + i])
            a, b, c = rng.choice([k for k in range(P) if k != i], 3, replace=False)
            r, forced, anew = rng.random(D), rng.integers(D), rng.random(D)
            u = list(members[i])
            for j in range(D):
                if r[j] < CR or j == forced:
                    u[j] = members[a][j] + F * (members[b][j] - members[c][j])
                    if not 0 <= u[j] <= 1:
                        u[j] = anew[j]
            trials.append(u)
        yield np.array(trials)
        for i, u in enumerate(trials):
            if f(np.array(u)) <= losses[i]:
                members[i], losses[i] = u, f(np.array(u))


@pytest.mark.parametrize("f", [sphere, ellipsoid])
def test_told_a_generation_at_a_time_it_is_the_paper(f):
    space = ConfigurationSpace(name="cube")
    space.add([Float(f"x{i}", (0.0, 1.0)) for i in range(D)])
    optimizer = DifferentialEvolution(space, seed=SEED, population=P, factor=F, crossover=CR)

    def round_of():
        trials = optimizer.ask(P)
        x = np.array([[t.config[f"x{i}"] for i in range(D)] for t in trials])
        optimizer.tell([Evaluation(t, f(p)) for t, p in zip(trials, x, strict=True)])
        return x

    first = round_of()
    for expected in plain(first, f, 15):
        np.testing.assert_allclose(round_of(), expected, atol=1e-10)


def test_fewer_than_four_members_have_no_differences():
    with pytest.raises(ValueError, match="4 or more"):
        DifferentialEvolution(ConfigurationSpace({"a": (0.0, 1.0)}), population=3)
