"""The config where the good lie thick and the bad thin: the proposal of TPE and of BOHB.

Expected improvement grows with l(x) / g(x), l the density of the good and g that of the bad configs
(Bergstra, Bardenet, Bengio, Kegl 2011, "Algorithms for Hyper-Parameter Optimization", equation 6).
"""

from __future__ import annotations

import numpy as np

from metadb.protocols import Floats
from metadb.records import Config
from optimizers.groups import Groups, members
from optimizers.parzen import Density, Mixture
from optimizers.prior import EVIDENCE, Prior


def propose(
    groups: Groups,
    good: Floats,
    bad: Floats,
    rng: np.random.Generator,
    *,
    candidates: int,
    prior: Prior | None = None,
) -> Config | None:
    """Of `candidates` drawn from l the new config of the largest l / g; None where none is drawn.

    The good of rank r = 1 .. k weighs log(k + 1) - log(r). A group is drawn by its share among the
    good, with its share of the space as one more config; l and g are those of its members.

    A prior pi makes of l the mixture a pi + (1 - a) l with a = b / (b + n) after n results, b being
    `EVIDENCE`: it leads at first, and where it misleads, bad results gather there and g says so.

    Args:
        good: Their places, best first, (k, d).
        bad: (m, d).
    """
    x, mass, k = good, np.ones(len(good)), len(good)
    if prior is not None:
        n = len(good) + len(bad)
        x = np.vstack([good, prior.x])
        mass = np.append(mass, EVIDENCE / n * (k + 1) * prior.weights)
    group = groups.choose(x, rng, mass)
    weights = np.log(k + 1) - np.log(np.arange(1, k + 1))
    l: Density = groups.density(good, group, weights)  # noqa: E741
    if prior is not None:
        mine = members(x, group)
        of_prior = mass[k:][mine[k:]].sum()
        share = of_prior / (of_prior + mine[:k].sum() + groups.share(group))
        l = Mixture(prior.density(group), l, share)  # noqa: E741
    g = groups.density(bad, group)
    at, configs = groups.draw(l, group, candidates, rng)
    if not configs:
        return None
    return configs[int(np.argmax(l.logpdf(at) - g.logpdf(at)))]
