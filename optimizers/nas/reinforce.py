"""REINFORCE: a controller draws architectures, and each reward makes its choices more likely.

Zoph, Le 2017, "Neural Architecture Search with Reinforcement Learning"; the controller has one
softmax a choice and no recurrent network, as Ying, Klein, Christiansen, Real, Murphy, Hutter 2019,
"NAS-Bench-101", found it better with few evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.axes import Axis
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger
from optimizers.nas.replay import Replay, Result
from optimizers.nas.space import NasSpace
from optimizers.prior import RANDOM, within

if TYPE_CHECKING:
    from recommenders.region import Region

DRAWN = ((1, 1), (DRAWS, 1), (DRAWS, 2), (DRAWS, 4))
"""How many architectures are drawn at once, and what the logits are divided by: the first draw is
mostly new; a controller that draws only known ones is flattened."""

CELLS = 10
"""A float is drawn in one of so many equal parts of its range."""


@dataclass(slots=True)
class _Controller:
    """Args: logits: Of each choice, -inf where there is none, (width, choices)."""

    logits: Floats
    baseline: float = np.nan
    spread: float = np.nan
    worst: float = np.nan


class Reinforce:
    """Policy gradient with a moving baseline; advantages are divided by their own usual size.

    After a result of loss y at the choices c (of active hyperparameters) the logits move by

        rate * a / mean |a| * (onehot(c) - softmax(logits)),   a = baseline - y,

    both means moving ones. It asks what the controller draws; where all of that is known, what
    a flatter one draws, at last a random architecture.

    Args:
        nas: Where to search.
        warm_start: Configs asked first and in order.
        prior: Of similar tasks: the first logits are the logarithm of how often its configs, by
            their weights, make each choice, a fifth being spread evenly.
        seed: Same seed, same asks.
        rate: The learning rate.
        momentum: Of the moving means.

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
    """

    def __init__(
        self,
        nas: NasSpace,
        *,
        warm_start: Sequence[Config] = (),
        prior: Region | None = None,
        seed: int = 0,
        rate: float = 0.1,
        momentum: float = 0.9,
    ) -> None:
        self._ledger = Ledger(nas.space, warm_start, seed, nas.canonical)
        self._cube, self._rate, self._momentum = Cube.of(nas.space), rate, momentum
        self._sizes = np.array([_size(axis) for axis in self._cube.moving], int)  # (width,)
        there = np.arange(max(self._sizes, default=1)) < self._sizes[:, None]  # (width, choices)
        self._first = np.where(there, 0.0, -np.inf)
        if prior is not None:
            self._first = self._learnt(prior, there)
        self._controller = Replay(lambda: _Controller(self._first.copy()), self._step)

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def _next(self) -> Config | None:
        rng = self._ledger.random()
        for n, heat in DRAWN:
            upto = softmax(self._controller.state.logits / heat).cumsum(axis=1)  # (width, choices)
            u = rng.random((n, len(upto), 1))
            choice = np.minimum((u > upto).sum(axis=2), self._sizes - 1)  # (n, width)
            configs, legal = self._cube.decode((choice + 0.5) / self._sizes)
            for i in np.flatnonzero(legal):
                if self._ledger.new(configs[i]):
                    return configs[i]
        return self._ledger.draw()

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Each result moves the controller; a failed one as the worst usable one before it."""
        self._ledger.tell(evaluations)
        self._controller.tell(evaluations)

    def _step(self, controller: _Controller, result: Result) -> None:
        loss = result.loss if np.isfinite(result.loss) else controller.worst
        if np.isnan(loss):
            return
        controller.worst = float(np.fmax(controller.worst, loss))
        if np.isnan(controller.baseline):
            controller.baseline = loss
            return
        advantage = controller.baseline - loss
        controller.baseline -= (1 - self._momentum) * advantage
        if advantage == 0:
            return
        usual = controller.spread if np.isfinite(controller.spread) else abs(advantage)
        controller.spread = usual + (1 - self._momentum) * (abs(advantage) - usual)
        made, active = self._choices([result.config])  # (1, width, choices), (1, width)
        gradient = (made[0] - softmax(controller.logits)) * active[0][:, None]
        controller.logits += self._rate * advantage / controller.spread * gradient

    def _choices(self, configs: Sequence[Config]) -> tuple[Floats, Floats]:
        """Choices of configs, one-hot, (n, width, choices), and which are active, (n, width)."""
        place = np.floor(self._cube.encode(tuple(configs)) * self._sizes)
        choice = np.minimum(place, self._sizes - 1)[:, :, None]
        made = (choice == np.arange(self._first.shape[1])).astype(float)
        return made, self._cube.active(configs).astype(float)

    def _learnt(self, prior: Region, there: NDArray[np.bool_]) -> Floats:
        configs, weights = within(prior, self._ledger.space)
        made, active = self._choices(configs)
        often = np.einsum("n,nw,nwc->wc", weights, active, made)  # (width, choices)
        even = there / self._sizes[:, None]
        total = often.sum(axis=1, keepdims=True)
        share = np.where(total > 0, often / np.where(total > 0, total, 1), even)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((1 - RANDOM) * share + RANDOM * even))


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def _size(axis: Axis) -> int:
    if axis.choices:
        return len(axis.choices)
    of = axis.hyperparameter
    return min(CELLS, int(of.upper - of.lower) + 1) if axis.kind == "integer" else CELLS
