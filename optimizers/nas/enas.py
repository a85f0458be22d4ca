"""ENAS: a controller draws paths of shared weights, and is rewarded by their accuracies.

Pham, Guan, Zoph, Le, Dean 2018, "Efficient Neural Architecture Search via Parameter Sharing",
https://arxiv.org/abs/1802.03268.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from metadb.records import Config
from optimizers.nas.decisions import choices_of, decide
from optimizers.nas.descent import Descent, optimizer_state, restore_optimizer, under, within
from optimizers.nas.images import Images
from optimizers.nas.ranking import Ranking
from optimizers.nas.space import NasSpace
from optimizers.nas.supernet import Supernet

TEMPERATURE, SQUASH = 5.0, 2.5
"""Logits are `2.5 tanh(logits / 5)`, so that the controller never becomes sure too early."""


class Controller(nn.Module):
    """A recurrent network that decides one hyperparameter after the other, those before in view.

    Args:
        space: Whose decisions it makes.
        width: Of its state.
        seed: Of its first weights.
    """

    def __init__(self, space: NasSpace, *, width: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.space, self.width = space, width
        sizes = [len(choices_of(one)) for one in space.space.values()]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.cell = nn.LSTMCell(width, width)
            self.start = nn.Parameter(torch.zeros(width))
            self.choices = nn.ModuleList(nn.Embedding(n, width) for n in sizes)
            self.heads = nn.ModuleList(nn.Linear(width, n) for n in sizes)
            for p in self.parameters():
                nn.init.uniform_(p, -0.1, 0.1)

    def draw(self, rng: Generator) -> tuple[Config, Tensor, Tensor]:
        """A configuration, its log-probability, and the entropy met on the way.

        Both are sums over the decisions made.
        """
        given = self.start.unsqueeze(0)
        state = (torch.zeros_like(given), torch.zeros_like(given))
        logs: list[Tensor] = []
        entropies: list[Tensor] = []

        def choose(number: int, choices: Sequence[Any]) -> int:
            nonlocal given, state
            state = self.cell(given, state)
            logits = self.heads[number](state[0])[0]
            log = (SQUASH * torch.tanh(logits / TEMPERATURE)).log_softmax(0)
            place = int(torch.multinomial(log.detach().exp().cpu(), 1, generator=rng))
            logs.append(log[place])
            entropies.append(-(log.exp() * log).sum())
            given = cast(nn.Embedding, self.choices[number]).weight[place].unsqueeze(0)
            return place

        config = decide(self.space, choose)
        return config, torch.stack(logs).sum(), torch.stack(entropies).sum()


class ENAS:
    """Alternates a step of a drawn path's weights and one of the controller (REINFORCE).

    Args:
        net: The supernet; its weights are learnt in place.
        total: Steps planned.
        rate, controller_rate: Of the weights (SGD) and of the controller (Adam).
        draws: Architectures of a step of the controller.
        entropy: How much of the entropy is added to a reward.
        baseline: How much of the mean reward so far stays when a new one comes.
        candidates: Architectures drawn in the end, of which the most accurate is derived.
        seed: Of the controller's first weights and of what is drawn.
    """

    def __init__(
        self, net: Supernet, *, total: int, rate: float = 0.025, controller_rate: float = 3.5e-4,
        draws: int = 4, entropy: float = 1e-4, baseline: float = 0.95, candidates: int = 20,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.net, self.draws, self.entropy, self.keep = net, draws, entropy, baseline
        self.candidates, self.seed = candidates, seed
        self.controller = Controller(net.space, seed=seed).to(net.place)
        self.adam = torch.optim.Adam(self.controller.parameters(), controller_rate)
        self.descent = Descent(net.parameters(), rate=rate, total=total)
        self.ranking = Ranking(net)
        self.rng = Generator().manual_seed(seed)
        self.mean: float | None = None  # of the rewards so far

    def step(self, train: Images, validation: Images) -> float:
        """One step of one path's weights, one of the controller; returns the training loss."""
        self.ranking.see(validation)
        with torch.no_grad():
            config, _, _ = self.controller.draw(self.rng)
        mix, active = self.net.path(config)
        said = self.net(train[0], mix, active)
        found = self.descent.step(nn.functional.cross_entropy(said, train[1]))
        self._reinforce(validation)
        return found

    def derive(self) -> Config:
        """The most accurate of the architectures that the controller draws."""
        rng = Generator().manual_seed(self.seed + 1)
        with torch.no_grad():
            configs = [self.controller.draw(rng)[0] for _ in range(self.candidates)]
        live = [c for c in configs if self.net.space.graph(c).connected]
        return self.ranking.best(live or configs)

    def state(self) -> dict[str, Tensor]:
        """All that the next steps rest on, by name."""
        mean = float("nan") if self.mean is None else self.mean
        return {
            **under("net", self.net.state_dict()),
            **under("controller", self.controller.state_dict()),
            **under("adam", optimizer_state(self.adam)),
            **under("descent", self.descent.state()),
            **under("ranking", self.ranking.state()),
            "mean": torch.tensor(mean, dtype=torch.float64),
            "rng": self.rng.get_state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(within("net", state))
        self.controller.load_state_dict(within("controller", state))
        restore_optimizer(self.adam, within("adam", state))
        self.descent.restore(within("descent", state))
        self.ranking.restore(within("ranking", state))
        mean = float(state["mean"])
        self.mean = None if mean != mean else mean
        self.rng.set_state(state["rng"])

    def _reinforce(self, validation: Images) -> None:
        losses = []
        for _ in range(self.draws):
            config, log, entropy = self.controller.draw(self.rng)
            reward = self._accuracy(config, validation) + self.entropy * float(entropy.detach())
            self.mean = (
                reward if self.mean is None else self.keep * self.mean + (1 - self.keep) * reward
            )
            losses.append(-(reward - self.mean) * log)
        self.adam.zero_grad()
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        self.adam.step()

    @torch.no_grad()
    def _accuracy(self, config: Config, images: Images) -> float:
        mix, active = self.net.path(config)
        return float((self.net(images[0], mix, active).argmax(1) == images[1]).float().mean())


__all__ = ["ENAS", "Controller"]
