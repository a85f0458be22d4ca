"""A prior from past tasks: new configs around the good ones of similar tasks, and their density.

Everything stays reachable: a share of the draws is from the space's own priors, as in Hvarfner,
Stoll, Souza, Lindauer, Hutter, Nardi 2022, "piBO", and Souza, Nardi, Oliveira, Olukotun, Lindauer,
Hutter 2021, "Bayesian Optimization with a Prior for the Optimum".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metadb.errors import InvalidConfig, WrongUsage
from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config
from optimizers.groups import Groups
from optimizers.ladder import Draw
from optimizers.ledger import Ledger

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region

RANDOM = 0.2
"""The share of configs drawn from the space's own priors."""


class Prior:
    """The region of a search's space where similar tasks had their good configs.

    Args:
        region: Of similar tasks; configs that the space does not hold are left out.
        groups, ledger: Of the search.

    Raises:
        InvalidConfig: The space holds none of the configs.
    """

    def __init__(self, region: Region, groups: Groups, ledger: Ledger) -> None:
        configs, self.weights = within(region, ledger.space)
        self.x = groups.places([(canonical_config(config), config) for config in configs])
        self.density = groups.density(self.x, self.weights)
        self._groups, self._ledger = groups, ledger

    def draw(self) -> Config | None:
        """A new config of the region, or with probability `RANDOM` of the space; None: all used."""
        rng = self._ledger.random(2)
        if self._groups.scales and rng.random() >= RANDOM:
            _, configs = self._groups.draw(self.density, 1, rng)
            if configs:
                return configs[0]
        return self._ledger.draw()


def within(region: Region, space: ConfigurationSpace) -> tuple[list[Config], Floats]:
    """The configs of a region that a space holds, and their weights, which sum to 1.

    Raises:
        InvalidConfig: There is none.
    """
    from metadb.space import check

    configs = list(region.configs)
    why = check(space, configs)
    fine = np.array([said is None for said in why], bool)
    if not fine.any():
        raise InvalidConfig(
            f"none of the {len(configs)} configs of the prior is legal in the space (the first: "
            f"{why[0] if why else 'there is none'}); fit the region to a history of this space"
        )
    weights = region.weights[fine]
    return [c for c, ok in zip(configs, fine, strict=True) if ok], weights / weights.sum()


def drawing(ledger: Ledger, prior: Region | None, draw: Draw | None = None) -> Draw | None:
    """Where a search that does not model gets new configs from: None says the space's priors.

    Raises:
        WrongUsage: Both a prior and a draw are given.
        InvalidConfig: The space holds none of the prior's configs.
    """
    if prior is None:
        return draw
    if draw is not None:
        raise WrongUsage("give a prior or a draw, not both: either says where configs come from")
    return Prior(prior, Groups(ledger), ledger).draw
