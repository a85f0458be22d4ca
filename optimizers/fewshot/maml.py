"""MAML: first weights from which a few steps of gradient descent solve a new task.

Finn, Abbeel, Levine 2017, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks",
https://arxiv.org/abs/1703.03400.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs, spread
from optimizers.fewshot.inner import adapted
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor


class MAML:
    """First weights, by the gradient of the loss after the inner steps, through these steps.

    Args:
        module: What is trained; its weights are where training begins.
        steps: Inner steps while it is trained.
        adapt_steps: Inner steps on a new task; as many as in training by default.
        rate, outer_rate: Step sizes, of the inner gradient descent and of Adam outside.
        first_order: The gradient takes the inner gradients for constants (FOMAML).
        at_once: So many tasks are worked on at once; None: see `forward.at_once`.
        device: Where it learns.

    A step of the second order took 1.8 times one of the first (five inner steps, four blocks of 16
    channels), and holds the graph of all inner steps of the tasks worked on at once.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 10), default=5),
        Float("rate", (1e-3, 1.0), log=True, default=0.1),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 5,
        adapt_steps: int | None = None,
        rate: float = 0.1,
        outer_rate: float = 1e-3,
        first_order: bool = False,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module, twice=not first_order).to(device)
        self.learnt = learnable(self._module)
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._rates = [rate] * steps
        self._adapt_rates = [rate] * (adapt_steps or steps)
        self._first_order = first_order

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries after the inner steps."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after gradient descent on the support of each task."""
        weights = spread(self.learnt, len(support.x))
        return predictor(
            self._module, adapted(self._module, weights, support, rates=self._adapt_rates)
        )

    def _judged(self, episodes: Episodes) -> Tensor:
        weights = adapted(
            self._module, spread(self.learnt, len(episodes)), episodes.support, rates=self._rates,
            second_order=not self._first_order,
        )  # fmt: skip
        return losses(outputs(self._module, weights, episodes.query.x), episodes.query.y)


FOMAML = partial(MAML, first_order=True)
"""MAML of the first order: section 5.2 of the paper."""
