"""The ledger of a search: what is to be asked, what was asked, and what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metadb.errors import InvalidConfig, InvalidRows
from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

DRAWS = 100
"""So many known draws in a row say that the space is as good as used up; so many come at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Results in an order that does not depend on the order of telling: by trial, then by config.

    Args:
        configs: (n,). x: Encoded, (n, width). loss: NaN where there is no usable score, (n,).
        budget: (n,).
    """

    configs: tuple[Config, ...]
    x: Floats
    loss: Floats
    budget: Floats

    def __len__(self) -> int:
        return len(self.configs)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Results:
        """Some of them, by places or a mask."""
        places = np.arange(len(self))[which]
        configs = tuple(self.configs[i] for i in places)
        return Results(configs, self.x[places], self.loss[places], self.budget[places])

    @property
    def filled(self) -> Floats:
        """The losses, a failed one as bad as the worst usable one (0 where none is), (n,)."""
        ok = ~np.isnan(self.loss)
        worst: float = self.loss[ok].max() if ok.any() else 0.0
        return np.where(ok, self.loss, worst)


Canonical = Callable[[Config], Config]
"""Gives the one that stands for all configs that are the same."""


def _itself(config: Config) -> Config:
    return config


def full(evaluations: Sequence[Evaluation]) -> list[tuple[Trial, float]]:
    """Trials at full budget and their losses, infinite where there is no usable score.

    For searches that compare losses one by one: a loss at less than the full budget is left out,
    as it says little beside one at full budget.
    """
    return [
        (e.trial, e.loss if e.loss is not None and e.status == "ok" else np.inf)
        for e in evaluations
        if e.trial.budget >= 1.0
    ]


class Ledger:
    """What every optimiser keeps of its search, so that all treat it alike.

    The warm start is asked first and in order. A config is asked once at full budget, whether it
    was asked here or told as prior knowledge; where `canonical` says which configs are the same,
    one of them is, in its canonical form (the warm start as it is). Results may come in any order,
    in any grouping, of trials that were never asked too (an earlier run's, a colleague's): what is
    told is kept by trial and config, and read in their order.

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        seed: Of all draws.
        canonical: Gives the one that stands for all configs that are the same; each is by itself
            by default.

    Raises:
        InvalidConfig: A config of the warm start is not legal in the space.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        warm_start: Sequence[Config] = (),
        seed: int = 0,
        canonical: Canonical | None = None,
    ) -> None:
        from metadb.encoding import encoding

        self.space, self.seed = space, seed
        self.form: Canonical = canonical or _itself
        self.encoding = encoding(space)
        self.asked: dict[int, Trial] = {}
        self.told: dict[tuple[int, str, float], Evaluation] = {}
        self._open: dict[tuple[int, str, float], Trial] = {}
        self._check(warm_start, "warm start")
        self._queue = deque(warm_start)
        self._known: set[str] = set()
        self._next_id = 0
        self._n_drawn = 0
        self._drawn: list[Config] = []
        self._x: dict[str, Floats] = {}  # what was encoded, so that it is encoded once

    @property
    def n_asked(self) -> int:
        """The number of trials asked here."""
        return len(self.asked)

    @property
    def warming(self) -> bool:
        """Whether configs of the warm start are still to be asked."""
        return bool(self._queue)

    def random(self, *stream: int) -> np.random.Generator:
        """A generator that depends on the seed, the next trial's id, and `stream`."""
        return np.random.default_rng([self.seed, self._next_id, *stream])

    def ask(
        self, n: int, propose: Callable[[], Config | None], *, budget: float = 1.0
    ) -> list[Trial]:
        """At most `n` trials: the warm start, then what is proposed, one after the other.

        Args:
            propose: The next config, None where the search is done or must wait; it sees the
                trials before it in `pending`.
        """
        trials: list[Trial] = []
        while len(trials) < n:
            config = self.next_warm()
            if config is None:
                config = propose()
                if config is None:
                    break
                config = self.form(config)
            trials.append(self.issue(config, budget))
        return trials

    def next_warm(self) -> Config | None:
        """The next config of the warm start that is not known yet."""
        while self._queue:
            config = self._queue.popleft()
            if self.new(config):
                return config
        return None

    def issue(self, config: Config, budget: float = 1.0, resume: int | None = None) -> Trial:
        """A trial, entered."""
        trial = Trial(config, budget, self._next_id, resume)
        text = canonical_config(config)
        self.asked[trial.id] = trial
        self._open[trial.id, text, budget] = trial
        self._next_id += 1
        self._known.add(self.identity(config))
        return trial

    def identity(self, config: Config) -> str:
        """One text for all configs that are the same."""
        return canonical_config(self.form(config))

    def new(self, config: Config) -> bool:
        """Whether a config was neither asked nor told."""
        return not self.knows(self.identity(config))

    def knows(self, identity: str) -> bool:
        """Whether a config of this `identity` was asked or told."""
        return identity in self._known

    def draw(self) -> Config | None:
        """A random config that is new, drawn from the space's priors; None: none is left."""
        from metadb.space import sample

        for _ in range(DRAWS + len(self._known)):  # an earlier run with this seed drew the same
            if not self._drawn:
                self._n_drawn += 1
                stream = (self.seed * 1_000_003 + self._n_drawn) % 2**32
                self._drawn = sample(self.space, DRAWS, stream)[::-1]
            config = self._drawn.pop()
            if self.new(config):
                return config
        return None

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Enter results.

        Raises:
            InvalidConfig: A config is not legal in the space; nothing was entered.
            InvalidRows: A loss is no finite number; nothing was entered.
        """
        foreign = [e for e in evaluations if self.asked.get(e.trial.id) != e.trial]
        self._check([e.trial.config for e in foreign], "told evaluation")
        for e in evaluations:
            if e.loss is not None and not np.isfinite(e.loss):
                raise InvalidRows(
                    f"the loss of trial {e.trial.id} is {e.loss}, which is no finite number; tell "
                    "None where there is no usable score"
                )
        for e in evaluations:
            text = canonical_config(e.trial.config)
            self.told[e.trial.id, text, e.trial.budget] = e
            self._open.pop((e.trial.id, text, e.trial.budget), None)
            self._known.add(self.identity(e.trial.config))
            self._next_id = max(self._next_id, e.trial.id + 1)

    def _check(self, configs: Sequence[Config], what: str) -> None:
        from metadb.space import check

        for nth, why in enumerate(check(self.space, configs) if configs else []):
            if why is not None:
                raise InvalidConfig(f"{what} {nth}: {why}")

    @property
    def pending(self) -> list[Trial]:
        """Asked, and nothing told yet, in the order of asking."""
        return list(self._open.values())

    def results(self) -> Results:
        """All that was told, by trial, then by config and budget."""
        keys = sorted(self.told)
        told = [self.told[key] for key in keys]
        configs = tuple(e.trial.config for e in told)
        loss = [np.nan if e.loss is None or e.status != "ok" else e.loss for e in told]
        return Results(
            configs,
            self.encode([text for _, text, _ in keys], configs),
            np.array(loss, float),
            np.array([e.trial.budget for e in told], float),
        )

    def encode(self, texts: Sequence[str], configs: Sequence[Config]) -> Floats:
        """Configs of the given canonical texts, encoded, (n, width); each is encoded once."""
        new = {t: c for t, c in zip(texts, configs, strict=True) if t not in self._x}
        if new:
            x = self.encoding.encode(list(new.values()))
            self._x.update(zip(new, x, strict=True))
        return np.array([self._x[t] for t in texts]).reshape(len(texts), self.encoding.width)
