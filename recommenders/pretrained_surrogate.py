"""The pre-trained Gaussian process at any point of a space, asked by a search; see `Pretrained`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from metadb.protocols import Floats
from metadb.records import Task
from recommenders.pretrained import Belief, Pretrained, regret_curve
from recommenders.pretraining import scores
from recommenders.transfer_surrogate import Known, drawn_panel


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedFitter:
    """The pre-trained Gaussian process as a fitter, for one task.

    Args:
        family: Fitted on the history.
        known: The history's configs.
        weight: How much each past task says of this one, (tasks,).
        panel: Regrets of some configs on each past task, on which scores are standardised,
            (tasks, panel).
        curve: The regret that belongs to a score, (grid,).
    """

    family: Pretrained
    known: Known
    weight: Floats
    panel: Floats
    curve: Floats
    startup: int = 0

    @classmethod
    def of(cls, family: Pretrained, task: Task, *, seed: int = 0) -> Self:
        """Look up a panel of the past's configs, drawn where they are many."""
        completion, weight = family.completion, family.weights(task)
        drawn = drawn_panel(len(completion.configs), seed)
        regret = completion.at(completion.configs.x[drawn], drawn)
        curve = regret_curve(scores(regret), regret, weight)
        return cls(family, Known.of(completion.configs), weight, regret, curve)

    def __call__(self, x: Floats, loss: Floats, seed: int = 0) -> PretrainedSurrogate:
        """The surrogate of results (n, width), (n,); none are needed.

        Raises:
            InvalidRows: The points are of another space.
        """
        regret = self.family.completion.at(x, self.known.places(x))
        return PretrainedSurrogate(self, x, scores(regret, self.panel), loss, x[:0])


@dataclass(frozen=True, slots=True, eq=False)
class PretrainedSurrogate:
    """What the pre-trained process says of any point of one task, as normalised regret.

    Args:
        x: What was seen, (m, width). z: Its scores on past tasks, (tasks, m). loss: (m,).
        believed: Points that are believed to have come out as expected, (k, width).
    """

    fitter: PretrainedFitter
    x: Floats
    z: Floats
    loss: Floats
    believed: Floats

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """The regret expected at x (n, width) and its deviation, each (n,)."""
        mean, sd = self._belief(x).expected()
        return mean[: len(x)], sd[: len(x)]

    def gain(self, x: Floats) -> Floats:
        """The improvement to be hoped of points, averaged over ranges of the losses, (n,)."""
        return self._belief(x).gain(np.arange(len(x)))

    def believe(self, x: Floats) -> Self:
        """The same as if points (k, width) had come out as expected, one after the other."""
        return replace(self, believed=np.vstack([self.believed, x]))

    def _belief(self, x: Floats) -> Belief:
        fitter, n = self.fitter, len(x)
        x = np.vstack([x, self.believed])
        regret = fitter.family.completion.at(x, fitter.known.places(x))
        z = scores(regret, fitter.panel)
        belief = Belief.prior(fitter.family, x, regret, z, fitter.curve, fitter.weight)
        belief.condition(fitter.family, self.x, self.z, self.loss, fitter.weight)
        for i in range(n, len(x)):
            belief.take(np.array([i]))
        return belief
