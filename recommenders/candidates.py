"""Which configurations may be advised, what was observed, and both encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadb.history import Configs
from metadb.protocols import Floats
from metadb.records import Evaluation
from recommenders.remembered import Remembered

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The configurations that may be advised, seen from a history; made by `pool`.

    Args:
        known: The configurations of the history, whose space encodes all others.
        configs: Those that may be advised, (n,).
        place: Where each stands in `known`, -1 where it is new, (n,).
        n_outside: How many candidates were left out because the space does not hold them.
    """

    known: Configs
    configs: Configs
    place: Places
    n_outside: int = 0

    def __len__(self) -> int:
        return len(self.configs)

    @property
    def x(self) -> Floats:
        """The configurations encoded in the space of the history, (n, width)."""
        return self.configs.x

    def left(self, observed: Sequence[Evaluation]) -> Places:
        """Indices into the pool that were not run yet, in order."""
        if not observed:
            return np.arange(len(self))
        left = np.ones(len(self), bool)
        run = (self.configs.index(e.trial.config) for e in observed)
        left[[i for i in run if i is not None]] = False
        return np.flatnonzero(left)

    def seen(self, observed: Sequence[Evaluation]) -> Seen:
        """What was run, brought to arrays; several evaluations of one config are averaged."""
        return _seen(self, observed)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was observed on the task at hand.

    Args:
        configs: The configurations, those outside the space left out, (m,).
        loss: Mean loss, inf where one of its evaluations failed, (m,).
        place: Where each stands in the pool, -1 where it may not be advised, (m,).
        known: Where each stands in the history's configurations, -1 where it is new, (m,).
        n_outside: How many configurations the space does not hold; they teach nothing.
    """

    configs: Configs
    loss: Floats
    place: Places
    known: Places
    n_outside: int = 0

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def x(self) -> Floats:
        """The configurations encoded in the space of the history, (m, width)."""
        return self.configs.x

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which have a usable loss, (m,)."""
        return np.isfinite(self.loss)


def pool(known: Configs, candidates: Configs | None = None) -> Pool:
    """What may be advised: the candidates, or all that the history knows.

    A candidate that the history's space does not hold cannot be judged, and is left out. Cost: the
    candidates are looked up and encoded once; the last few pools are remembered.
    """
    if candidates is None or candidates is known:
        return Pool(known, known, np.arange(len(known)))

    def make() -> Pool:
        first = {text: i for i, text in reversed([*enumerate(candidates.texts)])}
        whole = len(first) == len(candidates)
        once = candidates if whole else candidates.take(sorted(first.values()))
        configs, kept = within(known, once)
        return Pool(known, configs, known.places(configs), len(once) - len(kept))

    return _pools.get((known, candidates), make)


_pools: Remembered[Pool] = Remembered(16, 256_000_000, lambda made: made.place.nbytes)


def _seen(of: Pool, observed: Sequence[Evaluation]) -> Seen:
    if not observed:
        return _nothing.get((of.known,), lambda: _seen_nothing(of.known))
    told = Configs.of(of.known.space_name, [e.trial.config for e in observed])
    first: dict[str, int] = {}
    row = np.array([first.setdefault(text, len(first)) for text in told.texts])  # (observed,)
    loss = np.array([np.inf if e.loss is None else e.loss for e in observed], float)
    mean = np.bincount(row, np.where(np.isnan(loss), np.inf, loss)) / np.bincount(row)
    distinct = told.take([told.texts.index(text) for text in first])
    configs, kept = within(of.known, distinct)
    return Seen(
        configs, mean[kept], of.configs.places(configs), of.known.places(configs),
        len(distinct) - len(kept),
    )  # fmt: skip


def _seen_nothing(known: Configs) -> Seen:
    none = np.empty(0, np.intp)
    return Seen(known.take([]), np.empty(0), none, none)


_nothing: Remembered[Seen] = Remembered(16, 1 << 40, lambda made: 0)


def within(known: Configs, configs: Configs) -> tuple[Configs, Places]:
    """Those of `configs` that the space of `known` holds, encoded in it, and their indices."""
    from metadb.space import check

    place = known.places(configs)
    if (place >= 0).all():
        return known.take(place), np.arange(len(configs))
    new = np.flatnonzero(place < 0)
    why = check(known.space, [configs.values[i] for i in new])
    out = new[[i for i, said in enumerate(why) if said is not None]]
    kept = np.delete(np.arange(len(configs)), out)
    return known.with_encoding_of(configs.take(kept) if len(out) else configs), kept
