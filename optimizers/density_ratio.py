"""The config where the good lie thick and the bad thin: the proposal of TPE and of BOHB.

Expected improvement grows with l(x) / g(x), l the density of the good and g that of the bad configs
(Bergstra, Bardenet, Bengio, Kegl 2011, "Algorithms for Hyper-Parameter Optimization", equation 6).
"""

from __future__ import annotations

import numpy as np

from metadb.protocols import Floats
from metadb.records import Config
from optimizers.groups import Groups


def propose(
    groups: Groups, good: Floats, bad: Floats, rng: np.random.Generator, *, candidates: int
) -> Config | None:
    """Of `candidates` drawn from l the new config of the largest l / g; None where none is drawn.

    The good of rank r = 1 .. k weighs log(k + 1) - log(r). A group is drawn by its share among the
    good, with its share of the space as one more config; l and g are those of its members.

    Args:
        good: Their places, best first, (k, d).
        bad: (m, d).
    """
    group = groups.choose(good, rng)
    weights = np.log(len(good) + 1) - np.log(np.arange(1, len(good) + 1))
    l = groups.density(good, group, weights)  # noqa: E741
    g = groups.density(bad, group)
    x, configs = groups.draw(l, group, candidates, rng)
    if not configs:
        return None
    return configs[int(np.argmax(l.logpdf(x) - g.logpdf(x)))]
