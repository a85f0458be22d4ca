"""Random search with weight sharing: each step trains the path of one random architecture.

Li, Talwalkar 2019, "Random Search and Reproducibility for Neural Architecture Search",
https://arxiv.org/abs/1902.07638.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor, nn

from metadb.records import Config
from optimizers.nas.decisions import drawn
from optimizers.nas.descent import Descent, under, within
from optimizers.nas.images import Images
from optimizers.nas.ranking import Ranking
from optimizers.nas.supernet import Supernet


class SharedRandom:
    """Trains paths drawn uniformly, and derives the best of some others drawn so.

    Args:
        net: The supernet; its weights are learnt in place.
        total: Steps planned.
        rate: Of the weights.
        candidates: Architectures that are judged in the end, by the shared weights on the latest
            validation batches.
        seed: Of what is drawn.
    """

    def __init__(
        self, net: Supernet, *, total: int, rate: float = 0.025, candidates: int = 100,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.net, self.candidates, self.seed = net, candidates, seed
        self.rng = Generator().manual_seed(seed)
        self.descent = Descent(net.parameters(), rate=rate, total=total)
        self.ranking = Ranking(net)

    def step(self, train: Images, validation: Images) -> float:
        """One step of one path's weights; returns its training loss."""
        self.ranking.see(validation)
        mix, active = self.net.path(drawn(self.net.space, self.rng))
        return self.descent.step(
            nn.functional.cross_entropy(self.net(train[0], mix, active), train[1])
        )

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


__all__ = ["SharedRandom"]
