"""One-shot search: all paths are trained at once, ever more of them dropped at random.

Bender et al. 2018, "Understanding and Simplifying One-Shot Architecture Search".
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from metadb.errors import WrongUsage
from metadb.records import Config
from optimizers.nas.decisions import drawn
from optimizers.nas.descent import Descent, under, within
from optimizers.nas.images import Images
from optimizers.nas.ranking import Ranking
from optimizers.nas.supernet import Active, Supernet


class OneShot:
    """Trains the sum of all operations under path dropout; derives the best of random paths.

    Args:
        net: The supernet; its weights are learnt in place.
        total: Steps planned.
        dropout: The probability, at the end of the training, that all `k` operations of an edge
            are dropped; each is dropped with the k-th root of it. It rises from 0. The paper's `r`.
        rate: Of the weights.
        candidates: Architectures that are judged in the end.
        seed: Of what is drawn.
    """

    def __init__(
        self, net: Supernet, *, total: int, dropout: float = 0.05, rate: float = 0.025,
        candidates: int = 100, seed: int = 0,
    ) -> None:  # fmt: skip
        if not 0 <= dropout < 1:
            raise WrongUsage(f"dropout is a probability below 1, not {dropout}")
        self.net, self.dropout, self.candidates, self.seed = net, dropout, candidates, seed
        self.rng = Generator().manual_seed(seed)
        self.descent = Descent(net.parameters(), rate=rate, total=total)
        self.ranking = Ranking(net)

    @property
    def dropped(self) -> float:
        """The probability that an operation is dropped in the next step."""
        return float((self.dropout * self.descent.share) ** (1 / len(self.net.ops)))

    def step(self, train: Images, validation: Images) -> float:
        """One step of the weights that are not dropped; returns the training loss."""
        self.ranking.see(validation)
        mix, active = self.left()
        return self.descent.step(
            nn.functional.cross_entropy(self.net(train[0], mix, active), train[1])
        )

    def left(self) -> tuple[Tensor, Active]:
        """The mix and the operations that are left after a drawing of path dropout."""
        kept = torch.rand(self.net.edges, len(self.net.ops), generator=self.rng) >= self.dropped
        return kept.to(self.net.place), tuple(map(tuple, kept.tolist()))

    def derive(self) -> Config:
        """The most accurate of the candidates."""
        rng = Generator().manual_seed(self.seed + 1)
        return self.ranking.best(drawn(self.net.space, rng) for _ in range(self.candidates))

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, by name."""
        return {
            **under("net", self.net.state_dict()),
            **under("descent", self.descent.state()),
            **under("ranking", self.ranking.state()),
            "rng": self.rng.get_state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(within("net", state))
        self.descent.restore(within("descent", state))
        self.ranking.restore(within("ranking", state))
        self.rng.set_state(state["rng"])


__all__ = ["OneShot"]
