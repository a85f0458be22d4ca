"""DARTS: architectures made continuous, and descended on like weights; with cures for its collapse.

- Liu, Simonyan, Yang 2019, "DARTS: Differentiable Architecture Search",
  https://arxiv.org/abs/1806.09055;
- perturbation, SDARTS-RS: Chen, Hsieh 2020, "Stabilizing Differentiable Architecture Search via
  Perturbation-based Regularization";
- early stopping, RobustDARTS: Zela et al. 2020, "Understanding and Robustifying Differentiable
  Architecture Search".
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from metadb.errors import WrongUsage
from metadb.records import Config
from optimizers.nas.curvature import largest_eigenvalue
from optimizers.nas.descent import (
    DECAY,
    MOMENTUM,
    Descent,
    optimizer_state,
    restore_optimizer,
    under,
    within,
)
from optimizers.nas.images import Images
from optimizers.nas.supernet import Supernet

WINDOW, FALL = 5, 0.75
"""The search ends where the eigenvalue, a mean of 5, has grown by a third since 5 looks ago."""


class DARTS:
    """Alternates a step of the mix on validation images and one of the weights on training images.

    The collapse to skips that is known of it is cured by `perturbation` or by `look_every`.

    Args:
        net: The supernet; its weights are learnt in place.
        total: Steps planned.
        second_order: The mix is judged by the weights one step later. Exact (a derivative of a
            derivative), where the paper takes differences; about four times the cost of a step.
        rate, mix_rate: Of the weights (SGD) and of the mix (Adam).
        perturbation: Of the mix that weights are trained with, at the end of the search; it rises
            from 0. SDARTS-RS has 0.3.
        look_every: Steps between two looks at the largest eigenvalue of the Hessian by the mix;
            the search of the mix ends, some looks back, where it rises. None: it never does.
        seed: Of the mix's first values and of perturbations.
    """

    def __init__(
        self,
        net: Supernet,
        *,
        total: int,
        second_order: bool = False,
        rate: float = 0.025,
        mix_rate: float = 3e-4,
        perturbation: float = 0.0,
        look_every: int | None = None,
        seed: int = 0,
    ) -> None:
        if perturbation < 0 or (look_every is not None and look_every < 1):
            raise WrongUsage("perturbation is 0 or more, and look_every 1 step or more")
        self.net, self.second_order = net, second_order
        self.perturbation, self.look_every = perturbation, look_every
        self.rng = Generator().manual_seed(seed)
        first = 1e-3 * torch.randn(net.edges, len(net.ops), generator=self.rng)
        self.alpha = first.to(net.place).requires_grad_()  # (edges, operations)
        self.adam = torch.optim.Adam([self.alpha], mix_rate, betas=(0.5, 0.999), weight_decay=1e-3)
        self.descent = Descent(net.parameters(), rate=rate, total=total)
        self.eigenvalues: list[float] = []
        self.stopped = False
        self._looked: list[Tensor] = []

    def step(self, train: Images, validation: Images) -> float:
        """One step of the mix, one of the weights; returns the training loss."""
        if not self.stopped:
            self.alpha.grad = self.mix_gradient(train, validation)
            self.adam.step()
        loss = self._loss(train, self._perturbed(self.alpha.softmax(1).detach()))
        found = self.descent.step(loss)
        if self.look_every and not self.stopped and self.descent.taken % self.look_every == 0:
            self._look(validation)
        return found

    def derive(self) -> Config:
        """The cell of the strongest operations."""
        return self.net.strongest(self.alpha.detach().softmax(1))

    def mix_gradient(self, train: Images, validation: Images) -> Tensor:
        """The validation loss's gradient by the mix's logits, (edges, operations).

        Second order, with `w` the weights and `r` their rate:
        `L_val(w - r (m v + d w + dL_train(w, alpha)/dw), alpha)`, momentum `m v` and decay `d w`
        held fast.
        """
        mix = self.alpha.softmax(1)
        if not self.second_order:
            return torch.autograd.grad(self._loss(validation, mix), self.alpha)[0]
        named = dict(self.net.named_parameters())
        loss = self._loss(train, mix)
        grads = torch.autograd.grad(
            loss, list(named.values()), create_graph=True, allow_unused=True
        )
        moved = {
            name: p.detach()
            - self.descent.rate * (MOMENTUM * self.descent.momentum(p) + DECAY * p.detach() + g)
            for (name, p), g in zip(named.items(), grads, strict=True)
            if g is not None
        }
        x, y = validation
        said = functional_call(self.net, moved, (x, mix))
        return torch.autograd.grad(nn.functional.cross_entropy(said, y), self.alpha)[0]

    def eigenvalue(self, validation: Images) -> float:
        """The largest of the validation loss's Hessian by the mix's logits."""
        return largest_eigenvalue(self._loss(validation, self.alpha.softmax(1)), self.alpha)

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, by name."""
        return {
            **under("net", self.net.state_dict()),
            **under("adam", optimizer_state(self.adam)),
            **under("descent", self.descent.state()),
            **under("looked", {str(i): t for i, t in enumerate(self._looked)}),
            "alpha": self.alpha.detach(),
            "eigenvalues": torch.tensor(self.eigenvalues, dtype=torch.float64),
            "stopped": torch.tensor(self.stopped),
            "rng": self.rng.get_state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(within("net", state))
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        restore_optimizer(self.adam, within("adam", state))
        self.descent.restore(within("descent", state))
        looked = within("looked", state)
        self._looked = [looked[str(i)].to(self.alpha) for i in range(len(looked))]
        self.eigenvalues = state["eigenvalues"].tolist()
        self.stopped = bool(state["stopped"])
        self.rng.set_state(state["rng"])

    def _loss(self, images: Images, mix: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.net(images[0], mix), images[1])

    def _perturbed(self, mix: Tensor) -> Tensor:
        if not self.perturbation:
            return mix
        most = self.perturbation * self.descent.share
        noise = (2 * torch.rand(mix.shape, generator=self.rng) - 1) * most
        return (mix + noise.to(mix)).clamp(0, 1)

    def _look(self, validation: Images) -> None:
        self.eigenvalues.append(self.eigenvalue(validation))
        self._looked.append(self.alpha.detach().clone())
        back = rises(self.eigenvalues)
        if back is not None:
            self.stopped = True
            with torch.no_grad():
                self.alpha.copy_(self._looked[back])


def rises(eigenvalues: list[float]) -> int | None:
    """The look to go back to where the eigenvalue has risen by the last one; None: it has not.

    Zela et al. 2020, section 4.3: ends at the first look whose mean over 5 is so large that the
    mean of 5 looks before is below 0.75 of it.
    """
    if len(eigenvalues) < 2 * WINDOW:
        return None
    now = sum(eigenvalues[-WINDOW:]) / WINDOW
    before = sum(eigenvalues[-2 * WINDOW : -WINDOW]) / WINDOW
    if now > 0 and before / now < FALL:
        return len(eigenvalues) - 1 - WINDOW
    return None


__all__ = ["DARTS", "rises"]
