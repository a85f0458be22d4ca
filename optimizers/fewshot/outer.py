"""The outer optimiser: what is learnt across tasks, moved down a gradient summed over tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import torch
from torch import Tensor

from metadb.errors import Diverged
from optimizers.fewshot.episode import Episodes
from optimizers.fewshot.forward import at_once

Judged = Callable[[Episodes], Tensor]
"""The loss of each task, (tasks,), as part of a graph that reaches what is learnt."""

Sloped = Callable[[Episodes], tuple[Tensor, Sequence[Tensor]]]
"""The loss of each task, (tasks,), and the gradients, summed over tasks."""


class Outer:
    """Adam, or plain gradient descent, over named tensors, with a state of plain tensors.

    Args:
        learnt: What is moved, in place.
        rate: The step size.
        plain: Gradient descent without a memory, in place of Adam.
        at_once: So many tasks are worked on at once; None: see `forward.at_once`.

    Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization".
    """

    def __init__(
        self,
        learnt: dict[str, Tensor],
        *,
        rate: float,
        plain: bool = False,
        at_once: int | None = None,
    ) -> None:
        self._learnt = learnt
        self.rate = rate
        self._size = at_once
        family = torch.optim.SGD if plain else torch.optim.Adam
        self._optimizer = family(list(learnt.values()), lr=rate)
        self.steps = 0

    def descend(self, judged: Judged, episodes: Episodes) -> float:
        """One step down the mean loss of the episodes; returns that loss.

        Raises:
            Diverged: The loss is not finite; nothing was moved.
        """
        names = list(self._learnt)

        def sloped(part: Episodes) -> tuple[Tensor, Sequence[Tensor]]:
            each = judged(part)
            slopes = torch.autograd.grad(
                each.sum(), [self._learnt[name] for name in names], materialize_grads=True
            )
            return each.detach(), slopes

        return self.apply(sloped, episodes)

    def apply(self, sloped: Sloped, episodes: Episodes) -> float:
        """One step along gradients that the learner makes itself; returns the mean loss.

        Raises:
            Diverged: The loss or a gradient is not finite; nothing was moved.
        """
        learnt = list(self._learnt.values())
        episodes = episodes.to(learnt[0].device)
        sums = [torch.zeros_like(w) for w in learnt]
        total = torch.zeros((), device=learnt[0].device, dtype=learnt[0].dtype)
        for some in at_once(episodes, self._size):
            each, slopes = sloped(some)
            total += each.sum()
            for whole, slope in zip(sums, slopes, strict=True):
                whole += slope
        loss = float(total) / len(episodes)
        if not isfinite(loss) or not all(bool(g.isfinite().all()) for g in sums):
            raise Diverged(
                f"the training diverged: the loss of step {self.steps + 1} is {loss}, or its "
                "gradient is not finite; lower the inner or the outer learning rate"
            )
        for w, slope in zip(learnt, sums, strict=True):
            w.grad = slope / len(episodes)
        self._optimizer.param_groups[0]["lr"] = self.rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        return loss

    def state(self) -> dict[str, Tensor]:
        """All that a later step depends on beside what is learnt."""
        found = {"steps": torch.tensor(self.steps), "rate": torch.tensor(self.rate).double()}
        for name, w in self._learnt.items():
            for part, value in self._optimizer.state.get(w, {}).items():
                found[f"{part}.{name}"] = value.detach().clone()
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.steps, self.rate = int(state["steps"]), float(state["rate"])
        for name, w in self._learnt.items():
            own = {
                part: state[f"{part}.{name}"].clone()
                for part in ("step", "exp_avg", "exp_avg_sq")
                if f"{part}.{name}" in state
            }
            if own:
                self._optimizer.state[w] = own
