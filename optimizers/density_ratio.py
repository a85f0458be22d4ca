"""The config where the good lie thick and the bad thin: the proposal of TPE and of BOHB.

Expected improvement grows with l(x) / g(x), l the density of the good and g that of the bad configs
(Bergstra, Bardenet, Bengio, Kegl 2011, "Algorithms for Hyper-Parameter Optimization", equation 6).
With a prior: Hvarfner, Stoll, Souza, Lindauer, Hutter, Nardi 2022, "piBO: Augmenting Acquisition
Functions with User Beliefs for Bayesian Optimization".
"""

from __future__ import annotations

import numpy as np

from metadb.protocols import Floats
from metadb.records import Config
from optimizers.groups import Groups
from optimizers.parzen import Mixture
from optimizers.prior import Prior

BETA = 5.0
"""How long a prior is heard. Chosen on 14 tasks of lcbench and rbv2_ranger: mean regret after 17
and 50 evaluations .015 and -.054 (2: .028, -.028); the mixture (a pi + (1 - a) l) / g with
a = 10 / (10 + n) had .029 and -.046. `benchmarks.prior` reports other tasks."""


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

    The good of rank r = 1 .. k weighs log(k + 1) - log(r).

    With a prior pi, largest is l / g pi^(beta / n) after n results (Hvarfner et al. 2022), and
    the share beta / (beta + n) of the candidates is drawn from pi: it leads at first, and a
    misleading one is overcome.

    Args:
        good: Their places, best first, (k, d).
        bad: (m, d).
    """
    k, n = len(good), len(good) + len(bad)
    weights = np.log(k + 1) - np.log(np.arange(1, k + 1))
    el, g = groups.density(good, weights), groups.density(bad)
    drawn = el if prior is None else Mixture(prior.density, el, BETA / (BETA + n))
    x, configs = groups.draw(drawn, candidates, rng)
    if not configs:
        return None
    gain = el.logpdf(x) - g.logpdf(x)
    if prior is not None:
        gain += BETA / n * prior.density.logpdf(x)
    return configs[int(np.argmax(gain))]
