"""BOHB: Hyperband's brackets, filled with configs that a Parzen estimator proposes.

Falkner, Klein, Hutter 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale":
the model is of the largest budget with enough results, and changes as larger ones have; a share of
the configs is drawn at random, so that what Hyperband promises still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from metadb.errors import WrongUsage
from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.brackets import Brackets
from optimizers.density_ratio import propose
from optimizers.groups import Groups
from optimizers.ladder import Ladder
from optimizers.ledger import Ledger
from optimizers.prior import Prior
from optimizers.rungs import Rungs

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region

FEW = 3
"""The least number of good configs. The paper has d + 1, which leaves two bad ones at first, as its
kernels' widths are of the good ones' spread; ours are given. Mean regret on 12 tasks of lcbench and
rbv2_ranger kept for choosing, after 6, 12, 25, 50 full budgets (3 seeds): 3 good .217 .149 .105
.031, d + 1 .238 .193 .133 .031; one model of all budgets, as TPE has it, .219 .165 .114 .077."""


class BOHB:
    """Hyperband whose new configs lie where those at the largest budget were good.

    The model is of the highest rung with d + 3 usable results or more, d the most hyperparameters
    that are active at once: of n the max(3, ceil(gamma n)) best are good, the others and the
    pending trials (as if they had come out bad, so that parallel asks differ) are bad; then as
    TPE, see `propose`. Before there is a model, and for the share `random`, configs are drawn from
    the space's priors. Brackets and promotions are Hyperband's, see `Brackets`; no ask waits. An
    ask with a model takes some milliseconds.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order, at the smallest budget.
        least: No budget is below it; the rungs are `most`, `most / eta`, `most / eta^2`, ...
        most: The largest budget R, in the unit of the search.
        eta: One config of so many goes up.
        prior: Of similar tasks; what would be random is drawn around their good configs (a fifth is
            not), and their density counts in the model, less with every result of its rung.
        seed: Same seed, same asks.
        random: The share of new configs that are drawn at random.
        gamma: The share of the good.
        candidates: Drawn for each new config.

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
        WrongUsage: Not 0 < least <= most, or not 1 < eta; a share or count out of range.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        least: float = 1 / 27,
        most: float = 1.0,
        eta: float = 3,
        prior: Region | None = None,
        seed: int = 0,
        random: float = 1 / 3,
        gamma: float = 0.15,
        candidates: int = 24,
    ) -> None:
        if not (0 <= random <= 1 and 0 < gamma < 1 and candidates >= 1):
            raise WrongUsage(
                "BOHB needs random in [0, 1], gamma between 0 and 1 and 1 candidate or more, not "
                f"random={random}, gamma={gamma}, candidates={candidates}"
            )
        self._ledger, rungs = Ledger(space, warm_start, seed), Rungs.between(least, most, eta)
        self._ladder = Ladder(self._ledger, rungs, self._draw)
        self._brackets = Brackets(self._ladder, cycle(reversed(range(len(rungs)))))
        self._groups = Groups(self._ledger)
        self._prior = None if prior is None else Prior(prior, self._groups, self._ledger)
        self._random, self._gamma, self._candidates = random, gamma, candidates

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; a promoted one has `resume`."""
        return self._brackets.ask(n)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """A rung whose results are all in sends its best configs up at the next ask."""
        self._brackets.tell(evaluations)

    def _draw(self) -> Config | None:
        rng = self._ledger.random(1)
        good, bad = self._split()
        if not len(good) or rng.random() < self._random:
            return None if self._prior is None else self._prior.draw()
        return propose(self._groups, good, bad, rng, candidates=self._candidates, prior=self._prior)

    def _split(self) -> tuple[Floats, Floats]:
        """Places of the good, best first, and of the bad; no good ones: it is too early."""
        enough = self._groups.width + 3
        for rung in reversed(range(len(self._ladder.rungs))):
            ranked = self._ladder.ranked[rung]
            usable = sum(not result.failed for result in ranked)
            if usable >= enough:
                x = self._groups.places([(r.text, r.config) for r in ranked])
                new = [(canonical_config(t.config), t.config) for t in self._ledger.pending]
                waiting = [one for one in new if self._ladder.at(rung, one[0]) is None]
                k = max(FEW, ceil(self._gamma * usable))
                return x[:k], np.vstack([x[k:], self._groups.places(waiting)])
        return np.empty((0, 0)), np.empty((0, 0))
