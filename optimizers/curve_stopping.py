"""End a config as soon as its learning curve says that it will not become the best.

Domhan, Springenberg, Hutter 2015, "Speeding Up Automatic Hyperparameter Optimization of Deep Neural
Networks by Extrapolation of Learning Curves", section 3.3: a run is ended once P(y_m > best) < 0.05
for its accuracy y_m at the end, and the search that proposed it is told E[y_m] instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from metadb.errors import WrongUsage
from metadb.identity import canonical_config
from metadb.protocols import Optimizer
from metadb.records import Config, Evaluation, Trial
from optimizers.ladder import Ladder, Result
from optimizers.ledger import Ledger
from optimizers.rungs import Rungs
from optimizers.tpe import TPE
from recommenders.learning_curve import LearningCurve

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

POINTS = 3
"""Usable results of a config before its curve is extrapolated."""


class CurveStopping:
    """Every config climbs from budget to budget, up to `most` unless it is ended on the way.

    What has begun goes on before anything new begins, the furthest first; an ask never waits while
    there are new configs. Nothing is ended before there is a result at `most`. `inner` proposes the
    configs and is told one loss of each that is over, as of full budget: what it came to at `most`,
    or what its curve is expected to come to. A failed trial ends its config. A result that was
    never asked stands on the next budget below, and its config goes on from there.

    A config costs at most `most` where trials are resumed, and a verdict some 2 ms.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order, at the smallest budget.
        least, most: The smallest and largest budget, in the unit of the search.
        steps: Budgets from `least` to `most`.
        even: Whether budgets lie at even distances instead of even ratios.
        threshold: A config is ended when the probability that it beats the best is below it.
        inner: Makes the search that proposes configs: `inner(space, seed=seed)`.
        seed: Same seed, same asks.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
        WrongUsage: Not 0 < least < most, fewer than two steps, or a threshold outside [0, 1].
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        least: float = 1 / 27,
        most: float = 1.0,
        steps: int = 8,
        even: bool = False,
        threshold: float = 0.05,
        inner: Callable[..., Optimizer] = TPE,
        seed: int = 0,
    ) -> None:
        if not (0 < least < most < math.inf and steps >= 2 and 0 <= threshold <= 1):
            raise WrongUsage(
                "ending by learning curves needs 0 < least < most, two steps or more and a "
                f"threshold from 0 to 1, not least={least}, most={most}, steps={steps}, "
                f"threshold={threshold}"
            )
        spaced = np.linspace if even else np.geomspace
        budgets = [*spaced(least, most, steps).tolist()[:-1], float(most)]
        rungs = Rungs(tuple(budgets), (most / least) ** (1 / (steps - 1)))
        self._ladder = Ladder(Ledger(space, warm_start, seed), rungs, self._draw)
        self._inner, self._threshold = inner(space, seed=seed), threshold
        self._reached: dict[str, int] = {}  # config to the highest rung asked or told
        self._waiting: set[str] = set()  # configs to be judged by what was told of them
        self._proposed: dict[str, Trial] = {}
        self._over: dict[str, tuple[Result, float | None]] = {}  # not yet told to `inner`

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; one that goes on has `resume`."""
        return list(islice(self._trials(), n))

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Verdicts are given at the next ask, so the order of telling has no say in them."""
        for rung, result in self._ladder.tell(evaluations):
            self._reached[result.text] = max(rung, self._reached.get(result.text, 0))
            self._waiting.add(result.text)

    def _trials(self) -> Iterator[Trial]:
        """The warm start, what goes on, and then what is new, as long as there is something."""
        while (config := self._ladder.ledger.next_warm()) is not None:
            yield self._begin(config)
        for rung, below in self._standing():
            self._waiting.discard(below.text)
            if self._goes_on(rung, below):
                self._reached[below.text] = rung + 1
                yield self._ladder.issue(below.config, rung + 1, below)
        while (config := self._ladder.fresh()) is not None:
            yield self._begin(config)

    def _begin(self, config: Config) -> Trial:
        self._reached[canonical_config(config)] = 0
        return self._ladder.issue(config, 0)

    def _standing(self) -> list[tuple[int, Result]]:
        """Where the configs of the latest results stand, the highest rung first, the best first."""
        found = [
            (self._reached[text], result)
            for text in self._waiting
            if (result := self._ladder.at(self._reached[text], text)) is not None
        ]
        return sorted(found, key=lambda one: (-one[0], one[1][:4]))

    def _goes_on(self, rung: int, result: Result) -> bool:
        """Whether a config is to climb; where it is over, `inner` is to hear of it."""
        if result.failed:
            self._over[result.text] = result, None
            return False
        if rung == len(self._ladder.rungs) - 1:
            self._over[result.text] = result, result.loss
            return False
        best = self._ladder.ranked[-1][:1]
        curve = self._curve(rung, result.text)
        if not best or best[0].failed or curve is None:
            return True
        most = self._ladder.rungs.budgets[-1]
        if curve.probability_below(most, best[0].loss) >= self._threshold:
            return True
        self._over[result.text] = result, float(curve.predict(most)[0])
        return False

    def _curve(self, rung: int, text: str) -> LearningCurve | None:
        """The learning curve of a config up to a rung; None: too few points."""
        known = [self._ladder.at(below, text) for below in range(rung + 1)]
        points = [(one.budget, one.loss) for one in known if one is not None and not one.failed]
        if len(points) < POINTS:
            return None
        budgets, losses = zip(*points, strict=True)
        return LearningCurve.fit(budgets, losses)

    def _draw(self) -> Config | None:
        """A config of the inner search, which first hears of those that are over, by id."""
        told = [
            Evaluation(
                self._proposed.get(result.text, Trial(result.config, 1.0, result.id)),
                loss,
                status="ok" if loss is not None else "failed",
            )
            for result, loss in sorted(self._over.values(), key=lambda one: one[0].id)
        ]
        self._over.clear()
        self._inner.tell(told)
        trials = self._inner.ask(1)
        if not trials:
            return None
        self._proposed[canonical_config(trials[0].config)] = trials[0]
        return trials[0].config
