"""A learned optimiser: an LSTM, the same for every weight, that turns gradients into steps.

Andrychowicz, Denil, Gomez, Hoffman, Pfau, Schaul, Shillingford, de Freitas 2016, "Learning to learn
by gradient descent by gradient descent", https://arxiv.org/abs/1606.04474.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.coordinates import flat, remembered, scaled, shaped
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs, spread
from optimizers.fewshot.networks import by_batch, fresh, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor

HIDDEN, STEP = 20, 0.1
"""Units of each of the two layers, and the scale of what they give, as in the paper."""


class LSTMOptimizer:
    """Steps for each weight by two layers of LSTM that see its gradients, one after the other.

    Args:
        module: What is trained on a task, each time from new first weights.
        steps, adapt_steps: Steps unrolled in training, and on a new task.
        outer_rate: Of Adam on the LSTM.
        at_once, device: See `MAML`.
        seed: Of the LSTM and of the first weights.

    It is trained by the sum of the queries' losses after each step; gradients of gradients are left
    out, as in the paper (section 2). The graph of a step holds some 40 x 20 numbers a weight.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 20), default=10),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 10,
        adapt_steps: int | None = None,
        outer_rate: float = 1e-3,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module).to(device)
        kind = next(module.parameters()).dtype
        layers = {
            "first": nn.LSTMCell(2, HIDDEN),
            "second": nn.LSTMCell(HIDDEN, HIDDEN),
            "step": nn.Linear(HIDDEN, 1),
        }
        self._lstm = nn.ModuleDict(
            {name: fresh(layer, seed).to(device, kind) for name, layer in layers.items()}
        )
        self.learnt: dict[str, Tensor] = dict(self._lstm.named_parameters())
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._steps, self._adapt_steps, self._seed = steps, adapt_steps or steps, seed

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean over steps and queries of the loss."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after the learned steps on the support of each task."""
        support = support.to(next(iter(self.learnt.values())).device)
        first = self._first(self._seed, len(support.x))
        like = {name: w[0] for name, w in first.items()}
        rows, memory = flat(first), self._memory(flat(first))
        for _ in range(self._adapt_steps):
            with torch.enable_grad():
                slope = self._slope(rows, like, support)
            with torch.no_grad():
                way, memory = self._way(slope, memory)
                rows = rows + way
        return predictor(self._module, shaped(rows, like))

    def _judged(self, episodes: Episodes) -> Tensor:
        first = self._first(self._seed + 1 + self.outer.steps, len(episodes))
        like = {name: w[0] for name, w in first.items()}
        rows, memory = flat(first), self._memory(flat(first))
        each = torch.zeros(len(rows), device=rows.device, dtype=rows.dtype)
        query = episodes.query
        for _ in range(self._steps):
            way, memory = self._way(self._slope(rows, like, episodes.support), memory)
            rows = rows + way
            after = outputs(self._module, shaped(rows, like), query.x)
            each = each + losses(after, query.y) / self._steps
        return each

    def _first(self, seed: int, tasks: int) -> dict[str, Tensor]:
        """New first weights, the same for all tasks of a batch."""
        drawn = learnable(fresh(self._module, seed))
        like = next(iter(self.learnt.values()))
        return {name: w.detach() for name, w in spread(_to(drawn, like), tasks).items()}

    def _slope(self, rows: Tensor, like: dict[str, Tensor], support: Examples) -> Tensor:
        """The gradient of each task's loss, (tasks, coordinates), without a graph."""
        leaf = rows.detach().requires_grad_()
        loss = losses(outputs(self._module, shaped(leaf, like), support.x), support.y).sum()
        (slope,) = torch.autograd.grad(loss, leaf)
        return slope

    def _memory(self, rows: Tensor) -> list[Tensor]:
        return [rows.new_zeros(rows.numel(), HIDDEN) for _ in range(4)]

    def _way(self, slope: Tensor, memory: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The step of each coordinate (tasks, coordinates), and what the LSTM remembers."""
        told = scaled(slope.flatten())
        first = remembered(self._lstm["first"], told, (memory[0], memory[1]))
        second = remembered(self._lstm["second"], first[0], (memory[2], memory[3]))
        way = STEP * self._lstm["step"](second[0])
        return way.view(slope.shape), [*first, *second]


def _to(weights: dict[str, Tensor], like: Tensor) -> dict[str, Tensor]:
    return {name: w.to(like) for name, w in weights.items()}
