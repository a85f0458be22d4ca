"""The lazy greedy choice is the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.greedy import greedy


def coverage(sets, k, tie):
    """Plain greedy maximum coverage, layer by layer; ties by `tie`, then by place."""
    covered, chosen = np.zeros(sets.shape[1], bool), []
    while len(chosen) < min(k, len(sets)):
        rest = [i for i in range(len(sets)) if i not in chosen]
        if not (sets[rest] & ~covered).any():
            covered[:] = False
        chosen.append(max(rest, key=lambda i: ((sets[i] & ~covered).sum(), -tie[i], -i)))
        covered |= sets[chosen[-1]]
    return chosen


@pytest.mark.parametrize("seed", range(20))
def test_lazy_is_plain_with_many_ties(seed):
    rng = np.random.default_rng(seed)
    sets = rng.random((120, 40)) < rng.choice([0.02, 0.1, 0.3])
    tie = rng.integers(0, 4, 120).astype(float)
    covered = np.zeros(40, bool)

    def take(i):
        covered[sets[i]] = True

    def gain(at):
        return (sets[at] & ~covered).sum(axis=1).astype(float)

    lazy = greedy(110, gain, take, lambda: covered.fill(False), tie, np.arange(120))
    assert lazy == coverage(sets, 110, tie)


def test_it_looks_at_few():
    """Of 2,000 sets the first step looks at all, later ones at a few blocks."""
    rng = np.random.default_rng(0)
    value = rng.random((2000, 50)) ** 8
    best, looked = np.zeros(50), []

    def gain(at):
        looked.append(len(at))
        return np.maximum(value[at] - best, 0).sum(axis=1)

    def take(i):
        np.maximum(best, value[i], out=best)

    greedy(10, gain, take, lambda: best.fill(0.0), np.zeros(2000), np.arange(2000))
    assert looked[0] == 2000
    assert sum(looked[1:]) < 9 * 2000 / 2


def test_nothing_open_nothing_chosen():
    def nothing(*_):
        pass

    none = np.arange(0)
    assert greedy(3, lambda at: np.ones(len(at)), nothing, nothing, np.zeros(4), none) == []
