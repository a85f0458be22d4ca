"""The tree-structured Parzen estimator: where the good results lie thick and the bad ones thin.

Bergstra, Bardenet, Bengio, Kegl 2011, "Algorithms for Hyper-Parameter Optimization"; multivariate
kernels as in Falkner, Klein, Hutter 2018, "BOHB"; see also Watanabe 2023, "Tree-Structured Parzen
Estimator: Understanding Its Algorithm Components and Their Roles".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.density_ratio import propose
from optimizers.groups import Groups
from optimizers.ledger import Ledger
from optimizers.prior import Prior

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region


class TPE:
    """Model the good and the bad configs, l(x) and g(x); ask where l(x) / g(x) is largest.

    Of n results the min(ceil(gamma n), most_good) best are good, all others and the pending trials
    (as if they had come out bad, so that parallel asks differ) are bad. The good of rank r = 1 .. k
    weighs log(k + 1) - log(r). Expected improvement grows with l / g (Bergstra et al., equation 6),
    so of `candidates` drawn from l the one of the largest l / g is asked.

    Inactive hyperparameters have no say: l and g are products over groups of hyperparameters under
    the same condition, each of the configs in which it is active.

    Failed results are the worst; otherwise one at a larger budget is better than all at smaller
    ones, and of a config only its largest budget counts. Until `startup` results are in (one of
    them usable) configs are drawn from the space's priors. An ask waits for nothing, and takes
    2 to 6 ms at 500 results of 8 hyperparameters.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        prior: Of similar tasks; until there is a model configs are drawn around their good ones (a
            fifth is not), then their density counts too, less with every result.
        seed: Same seed and same results, same asks.
        startup: Results before the first model; None: 10, with a prior 5.
        gamma, most_good: The share and the greatest number of the good.
        candidates: Drawn for each trial.

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
        ValueError: `gamma` is not in (0, 1), or a count is less than 1.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        prior: Region | None = None,
        seed: int = 0,
        startup: int | None = None,
        gamma: float = 0.1,
        most_good: int = 25,
        candidates: int = 24,
    ) -> None:
        if startup is None:
            startup = 10 if prior is None else 5
        if not 0 < gamma < 1 or min(startup, most_good, candidates) < 1:
            raise ValueError(
                f"gamma must lie between 0 and 1, the counts be 1 or more; got gamma={gamma}, "
                f"startup={startup}, most_good={most_good}, candidates={candidates}"
            )
        self._ledger = Ledger(space, warm_start, seed)
        self._startup, self._gamma, self._most_good = startup, gamma, most_good
        self._candidates = candidates
        self._groups = Groups(self._ledger)
        self._prior = None if prior is None else Prior(prior, self._groups, self._ledger)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results; those of trials never asked count as well."""
        self._ledger.tell(evaluations)

    def _next(self) -> Config | None:
        good, bad = self._split()
        if not len(good):
            return self._ledger.draw() if self._prior is None else self._prior.draw()
        config = propose(
            self._groups,
            good,
            bad,
            self._ledger.random(1),
            candidates=self._candidates,
            prior=self._prior,
        )
        return self._ledger.draw() if config is None else config

    def _split(self) -> tuple[Floats, Floats]:
        """Places of the good, best first, and of the bad; no good ones: it is too early."""
        told = self._ledger.told
        largest: dict[str, float] = {}
        for _, text, budget in told:
            largest[text] = max(budget, largest.get(text, budget))
        keys = sorted(key for key in told if key[2] == largest[key[1]])
        ok = np.array([told[k].loss is not None and told[k].status == "ok" for k in keys], bool)
        if len(keys) < self._startup or not ok.any() or not self._groups.scales:
            return np.empty((0, 0)), np.empty((0, 0))
        loss = np.array(
            [told[k].loss if usable else 0.0 for k, usable in zip(keys, ok, strict=True)]
        )
        order = np.lexsort((loss, np.array([-budget for _, _, budget in keys]), ~ok))
        x = self._groups.places([(key[1], told[key].trial.config) for key in keys])[order]
        waiting = [(canonical_config(t.config), t.config) for t in self._ledger.pending]
        k = min(int(np.ceil(self._gamma * len(keys))), self._most_good, int(ok.sum()))
        return x[:k], np.vstack([x[k:], self._groups.places(waiting)])
