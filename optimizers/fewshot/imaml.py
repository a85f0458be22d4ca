"""iMAML: first weights, by a gradient that needs the solution of a task and not the way to it.

Rajeswaran, Finn, Kakade, Levine 2019, "Meta-Learning with Implicit Gradients",
https://arxiv.org/abs/1909.04630: each task is solved with a pull towards the first weights,
theta* = argmin L(theta) + strength / 2 |theta - first|^2, and the gradient of the queries' loss v
goes through it as (I + H / strength)^-1 v, solved by conjugate gradients (equation 6, algorithm 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from ConfigSpace import Float, Integer
from torch import Tensor, nn

from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.forward import Weights, losses, outputs, spread
from optimizers.fewshot.networks import by_batch, learnable
from optimizers.fewshot.outer import Outer
from optimizers.fewshot.predictor import Predictor, predictor

Vector = Sequence[Tensor]
"""One tensor for each named weight, each with a leading task axis."""


class IMAML:
    """MAML with implicit gradients: its memory does not grow with the inner steps.

    Args:
        module, outer_rate, at_once, device: See `MAML`.
        steps, adapt_steps: Inner steps; in training enough of them to be near the solution.
        rate: Of the inner gradient descent.
        strength: Of the pull towards the first weights; the paper's lambda.
        solver_steps: Of conjugate gradients.
    """

    hyperparameters: ClassVar = (
        Integer("steps", (1, 32), default=16),
        Float("rate", (1e-3, 1.0), log=True, default=0.1),
        Float("strength", (0.1, 10.0), log=True, default=2.0),
        Float("outer_rate", (1e-4, 1e-2), log=True, default=1e-3),
    )

    def __init__(
        self,
        module: nn.Module,
        *,
        steps: int = 16,
        adapt_steps: int | None = None,
        rate: float = 0.1,
        strength: float = 2.0,
        solver_steps: int = 5,
        outer_rate: float = 1e-3,
        at_once: int | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self._module = by_batch(module, twice=True).to(device)
        self.learnt = learnable(self._module)
        self.kept: dict[str, Tensor] = {}
        self.outer = Outer(self.learnt, rate=outer_rate, at_once=at_once)
        self._steps, self._adapt_steps = steps, adapt_steps or steps
        self._rate, self._strength, self._solver_steps = rate, strength, solver_steps

    def step(self, episodes: Episodes) -> float:
        """One step of Adam; returns the mean loss on the queries."""
        return self.outer.apply(self._sloped, episodes)

    def adapt(self, support: Examples) -> Predictor:
        """The network near the solution of each task."""
        return predictor(self._module, self._solved(support, self._adapt_steps))

    def _sloped(self, episodes: Episodes) -> tuple[Tensor, list[Tensor]]:
        support, query = episodes.support, episodes.query
        solved = self._solved(support, self._steps)
        weights = {name: w.requires_grad_() for name, w in solved.items()}
        leaves = list(weights.values())
        each = losses(outputs(self._module, weights, query.x), query.y)
        wanted = torch.autograd.grad(each.sum(), leaves)
        inner = losses(outputs(self._module, weights, support.x), support.y).sum()
        slopes = torch.autograd.grad(inner, leaves, create_graph=True)

        def bent(vector: Vector) -> Vector:
            """(I + H / strength) times a vector, H of each task's loss on its support."""
            curved = torch.autograd.grad(slopes, leaves, list(vector), retain_graph=True)
            return [v + h / self._strength for v, h in zip(vector, curved, strict=True)]

        found = conjugate_gradients(bent, wanted, steps=self._solver_steps)
        return each.detach(), [g.sum(0) for g in found]

    def _solved(self, support: Examples, steps: int) -> Weights:
        first = {name: w.detach() for name, w in spread(self.learnt, len(support.x)).items()}
        weights, support = first, support.to(next(iter(first.values())).device)
        for _ in range(steps):
            leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
            loss = losses(outputs(self._module, leaves, support.x), support.y).sum()
            slopes = torch.autograd.grad(loss, list(leaves.values()))
            weights = {
                name: leaves[name].detach()
                - self._rate * (slope + self._strength * (leaves[name].detach() - first[name]))
                for name, slope in zip(leaves, slopes, strict=True)
            }
        return weights


def conjugate_gradients(
    times: Callable[[Vector], Vector], wanted: Vector, *, steps: int
) -> list[Tensor]:
    """Solve A x = wanted for each task, A symmetric and positive, given by its products.

    A task whose residual has vanished stands still. Hestenes, Stiefel 1952, "Methods of Conjugate
    Gradients for Solving Linear Systems".
    """
    found = [torch.zeros_like(w) for w in wanted]
    residual = [w.clone() for w in wanted]
    way = [w.clone() for w in wanted]
    size = _dot(residual, residual)  # (tasks,)
    enough = 1e-20 * size
    for _ in range(steps):
        image = times(way)
        curve = _dot(way, image)
        going = (size > enough) & (curve > 0)
        share = torch.where(going, size / curve.where(curve != 0, torch.ones_like(curve)), 0.0)
        found = [f + _scaled(share, w) for f, w in zip(found, way, strict=True)]
        residual = [r - _scaled(share, i) for r, i in zip(residual, image, strict=True)]
        new = _dot(residual, residual)
        turn = torch.where(going, new / size.where(size != 0, torch.ones_like(size)), 0.0)
        way = [r + _scaled(turn, w) for r, w in zip(residual, way, strict=True)]
        size = new
    return found


def _dot(a: Vector, b: Vector) -> Tensor:
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def _scaled(share: Tensor, w: Tensor) -> Tensor:
    return share.view(-1, *[1] * (w.dim() - 1)) * w
