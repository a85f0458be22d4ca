"""Architectures ranked by what a supernet's shared weights say of the latest validation images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metadb.errors import WrongUsage
from metadb.identity import canonical_config
from metadb.records import Config
from optimizers.nas.images import Images
from optimizers.nas.supernet import Supernet

KEPT = 8
"""So many batches are kept to judge by."""


@dataclass(slots=True)
class Ranking:
    """The latest validation batches, and what a path of the supernet makes of them.

    Args:
        net: Whose weights judge.
    """

    net: Supernet
    _seen: deque[Images] = field(default_factory=lambda: deque(maxlen=KEPT))

    def see(self, validation: Images) -> None:
        """Keep a batch; the oldest of too many is forgotten."""
        self._seen.append(validation)

    @torch.no_grad()
    def accuracy(self, config: Config) -> float:
        """The share of the images kept whose class the architecture tells.

        Raises:
            WrongUsage: No batch was seen yet.
        """
        if not self._seen:
            raise WrongUsage("nothing was learnt yet; take a step before an architecture is judged")
        mix, active = self.net.path(config)
        right = [(self.net(x, mix, active).argmax(1) == y).float() for x, y in self._seen]
        return float(torch.cat(right).mean())

    def best(self, configs: Iterable[Config]) -> Config:
        """The most accurate architecture, the first of equals; each network is judged once."""
        forms = {canonical_config(f): f for f in map(self.net.space.canonical, configs)}
        return max(forms.values(), key=self.accuracy)

    def state(self) -> dict[str, Tensor]:
        """The batches kept, by name."""
        named = {f"{i}.x": x for i, (x, _) in enumerate(self._seen)}
        return named | {f"{i}.y": y for i, (_, y) in enumerate(self._seen)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Keep the batches that `state` gave."""
        self._seen.clear()
        place = self.net.place.device
        for i in range(len(state) // 2):
            self._seen.append((state[f"{i}.x"].to(place), state[f"{i}.y"].to(place)))


__all__ = ["Ranking"]
