"""GDAS: one operation an edge is drawn, and the gradient goes straight through the drawing.

Dong, Yang 2019, "Searching for a Robust Neural Architecture in Four GPU Hours",
https://arxiv.org/abs/1910.04465.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from metadb.records import Config
from optimizers.nas.descent import Descent, optimizer_state, restore_optimizer, under, within
from optimizers.nas.images import Images
from optimizers.nas.supernet import Supernet


class GDAS:
    """Alternates a step of the weights and one of the mix, each on a path of its own.

    Only the operation drawn is computed on each edge, so a step costs what a single network does.

    Args:
        net: The supernet; its weights are learnt in place.
        total: Steps planned.
        rate, mix_rate: Of the weights (SGD) and of the mix (Adam).
        warm, cold: The temperature at the first and the last step.
        seed: Of the mix's first values and of what is drawn.
    """

    def __init__(
        self, net: Supernet, *, total: int, rate: float = 0.025, mix_rate: float = 3e-4,
        warm: float = 10.0, cold: float = 0.1, seed: int = 0,
    ) -> None:  # fmt: skip
        self.net, self.warm, self.cold = net, warm, cold
        self.rng = Generator().manual_seed(seed)
        first = 1e-3 * torch.randn(net.edges, len(net.ops), generator=self.rng)
        self.alpha = first.to(net.place).requires_grad_()  # (edges, operations)
        self.adam = torch.optim.Adam([self.alpha], mix_rate, betas=(0.5, 0.999), weight_decay=1e-3)
        self.descent = Descent(net.parameters(), rate=rate, total=total)

    @property
    def temperature(self) -> float:
        """Of the next step."""
        return self.warm + (self.cold - self.warm) * self.descent.share

    def step(self, train: Images, validation: Images) -> float:
        """One step of the weights, one of the mix; returns the training loss."""
        found = self.descent.step(self._loss(train, self.drawn().detach()))
        (grad,) = torch.autograd.grad(
            self._loss(validation, self.drawn()), self.alpha, allow_unused=True
        )
        self.alpha.grad = torch.zeros_like(self.alpha) if grad is None else grad
        self.adam.step()
        return found

    def drawn(self) -> Tensor:
        """One operation an edge, as ones and zeros whose gradient is that of their softmax."""
        uniform = torch.rand(self.alpha.shape, generator=self.rng).clamp_min(1e-20)
        gumbel = -(-uniform.log()).clamp_min(1e-20).log()
        logits = self.alpha.log_softmax(1) + gumbel.to(self.alpha)
        return straight_through((logits / self.temperature).softmax(1))

    def derive(self) -> Config:
        """The cell of the strongest operations."""
        return self.net.strongest(self.alpha.detach().softmax(1))

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, by name."""
        return {
            **under("net", self.net.state_dict()),
            **under("adam", optimizer_state(self.adam)),
            **under("descent", self.descent.state()),
            "alpha": self.alpha.detach(),
            "rng": self.rng.get_state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(within("net", state))
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        restore_optimizer(self.adam, within("adam", state))
        self.descent.restore(within("descent", state))
        self.rng.set_state(state["rng"])

    def _loss(self, images: Images, mix: Tensor) -> Tensor:
        active = tuple(map(tuple, (mix.detach() > 0.5).tolist()))
        return nn.functional.cross_entropy(self.net(images[0], mix, active), images[1])


def straight_through(soft: Tensor) -> Tensor:
    """1 where a row is largest and 0 elsewhere, with the gradient of the row itself."""
    hard = nn.functional.one_hot(soft.argmax(1), soft.shape[1]).to(soft)
    return hard + (soft - soft.detach())


__all__ = ["GDAS", "straight_through"]
