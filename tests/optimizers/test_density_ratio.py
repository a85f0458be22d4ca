"""The proposal against a slow plain reference, without a prior and with one."""

from __future__ import annotations

import numpy as np

from optimizers.density_ratio import BETA, propose
from optimizers.groups import Groups
from optimizers.ledger import Ledger
from optimizers.parzen import Mixture
from optimizers.prior import Prior
from tests.optimizers.halving import nearing, plane
from tests.optimizers.test_parzen import reference
from tests.optimizers.test_prior import region


def test_the_largest_ratio_is_proposed_and_a_prior_counts_less_with_every_result():
    ledger = Ledger(plane())
    groups = Groups(ledger)
    prior = Prior(region(plane(), nearing, n=20), groups, ledger)
    rng = np.random.default_rng(7)
    rank = np.array([np.log(4 / r) for r in (1, 2, 3)])
    rank *= 3 / rank.sum()
    pi_weights = prior.weights * len(prior.weights)
    for n in (4, 12):
        good, bad = rng.random((3, 2)), rng.random((n - 3, 2))
        for given in (None, prior):
            el, pi = groups.density(good, rank), prior.density
            drawn = el if given is None else Mixture(pi, el, BETA / (BETA + n))
            x, configs = groups.draw(drawn, 6, np.random.default_rng(n))
            power = 0.0 if given is None else BETA / n
            gain = [
                reference(groups.scales, good, rank, at)
                - reference(groups.scales, bad, np.ones(len(bad)), at)
                + power * reference(groups.scales, prior.x, pi_weights, at)
                for at in x
            ]
            found = propose(groups, good, bad, np.random.default_rng(n), candidates=6, prior=given)
            assert found == configs[int(np.argmax(gain))]
