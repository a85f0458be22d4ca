"""Steps down a loss with momentum, and the memory of optimisers as named tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metadb.errors import Diverged

MOMENTUM, DECAY, CLIP = 0.9, 3e-4, 5.0


class Descent:
    """Stochastic gradient descent with momentum, its rate falling along one cosine (as in DARTS).

    Args:
        rate, least: Where the rate begins and ends.
        total: Steps planned; later ones have the least rate.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, rate: float, least: float = 0.001, total: int
    ) -> None:
        self.parameters = list(parameters)
        self.first, self.least, self.total, self.taken = rate, min(least, rate), max(1, total), 0
        self.sgd = torch.optim.SGD(self.parameters, rate, momentum=MOMENTUM, weight_decay=DECAY)

    @property
    def share(self) -> float:
        """How much of the plan is done, from 0 to 1."""
        return min(1.0, self.taken / self.total)

    @property
    def rate(self) -> float:
        """Of the next step."""
        return self.least + (self.first - self.least) * (1 + math.cos(math.pi * self.share)) / 2

    def momentum(self, p: nn.Parameter) -> Tensor:
        """What moves a parameter beside its gradient."""
        kept = self.sgd.state[p].get("momentum_buffer")
        return torch.zeros_like(p) if kept is None else kept

    def step(self, loss: Tensor) -> float:
        """One step down; returns the loss.

        Raises:
            Diverged: It is not finite; nothing moves.
        """
        value = loss.item()
        if not math.isfinite(value):
            raise Diverged(
                f"the loss of step {self.taken + 1} is not finite; lower the rate ({self.first})"
            )
        self.sgd.param_groups[0]["lr"] = self.rate
        self.sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.sgd.step()
        self.taken += 1
        return value

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, beside the parameters."""
        return optimizer_state(self.sgd) | {"taken": torch.tensor(self.taken)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        restore_optimizer(self.sgd, state)
        self.taken = int(state["taken"])


def optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """The memory of an optimiser of torch, as `number.name`."""
    return {
        f"{i}.{name}": t
        for i, p in enumerate(optimizer.param_groups[0]["params"])
        for name, t in optimizer.state[p].items()
        if isinstance(t, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, state: Mapping[str, Tensor]) -> None:
    """Give an optimiser what `optimizer_state` took from one of its kind."""
    for i, p in enumerate(optimizer.param_groups[0]["params"]):
        for key, t in state.items():
            number, _, name = key.partition(".")
            if number == str(i):
                kept = t.to(p.device) if name != "step" else t
                optimizer.state[p][name] = kept.clone()


def under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with a prefix to their names."""
    return {f"{prefix}.{name}": t for name, t in state.items()}


def within(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a prefix, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: t for name, t in state.items() if name.startswith(start)}


__all__ = ["Descent", "optimizer_state", "restore_optimizer", "under", "within"]
