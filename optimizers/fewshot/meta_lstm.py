"""The LSTM meta-learner: the weights of a network as the cell state of an LSTM.

Ravi, Larochelle 2017, "Optimization as a Model for Few-Shot Learning",
https://openreview.net/forum?id=rJY0-Kcll: a step is c = f c + i (-gradient), with a forget gate f
and an input gate i for each weight, learnt with the first cell state (equations 2 to 4).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Generator, Tensor, nn

from optimizers.fewshot.coordinates import flat, remembered, scaled, shaped
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import losses, outputs, spread
from optimizers.fewshot.networks import by_batch, fresh, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor

HIDDEN = 20

FORGET, LEARN = (4.0, 6.0), (-5.0, -4.0)
"""The gates' biases begin between these: forgetting next to nothing, with small learning rates."""


class MetaLSTM:
    """First weights, and gates that say how much of each is kept and how far it moves.

    Args:
        module: What is trained; its weights are where training begins.
        steps, adapt_steps: Steps on the support, in training and on a new task.
        outer_rate, at_once, device: See `MAML`.
        seed: Of the gates.

    Gradients, losses and weights enter the gates as constants, as in the paper.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 10), default=5),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 5,
        adapt_steps: int | None = None,
        outer_rate: float = 1e-3,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module).to(device)
        weights = learnable(self._module)
        kind = next(iter(weights.values()))
        self._names = list(weights)
        layers = {
            "sees": nn.LSTMCell(4, HIDDEN),
            "forget": nn.Linear(HIDDEN + 2, 1),
            "learn": nn.Linear(HIDDEN + 2, 1),
        }
        self._gates = nn.ModuleDict(
            {name: fresh(layer, seed).to(kind) for name, layer in layers.items()}
        )
        gates, rng = dict(self._gates.named_parameters()), Generator().manual_seed(seed)
        for gate, (low, high) in (("forget", FORGET), ("learn", LEARN)):
            drawn = low + (high - low) * torch.rand(1, generator=rng)
            with torch.no_grad():
                gates[f"{gate}.bias"].copy_(drawn)
                gates[f"{gate}.weight"].mul_(0.05)
        self.learnt: dict[str, Tensor] = weights | {f"gates.{n}": w for n, w in gates.items()}
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._steps, self._adapt_steps = steps, adapt_steps or steps

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries after the last inner step."""
        return self.outer.descend(self._judged, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network after the learned steps on the support of each task."""
        support = support.to(next(iter(self.learnt.values())).device)
        with torch.no_grad():
            return predictor(self._module, self._walked(support, self._adapt_steps))

    def _judged(self, episodes: Episodes) -> Tensor:
        weights = self._walked(episodes.support, self._steps)
        return losses(outputs(self._module, weights, episodes.query.x), episodes.query.y)

    def _walked(self, support: Examples, steps: int) -> dict[str, Tensor]:
        like = {name: self.learnt[name] for name in self._names}
        cell = flat(spread(like, len(support.x)))  # (tasks, coordinates)
        count = cell.numel()
        seen = [cell.new_zeros(count, HIDDEN), cell.new_zeros(count, HIDDEN)]
        kept, rate = cell.new_zeros(count, 1), cell.new_zeros(count, 1)
        for _ in range(steps):
            leaf = cell.detach().requires_grad_()
            with torch.enable_grad():
                each = losses(outputs(self._module, shaped(leaf, like), support.x), support.y)
                (slope,) = torch.autograd.grad(each.sum(), leaf)
            loss = each.detach().unsqueeze(1).expand_as(slope)
            told = torch.cat([scaled(slope), scaled(loss)], dim=2).flatten(0, 1)
            seen = remembered(self._gates["sees"], told, (seen[0], seen[1]))
            now = leaf.detach().reshape(count, 1)
            kept = self._gates["forget"](torch.cat([seen[0], now, kept], dim=1)).sigmoid()
            rate = self._gates["learn"](torch.cat([seen[0], now, rate], dim=1)).sigmoid()
            cell = kept.view_as(cell) * cell - rate.view_as(cell) * slope
        return shaped(cell, like)
