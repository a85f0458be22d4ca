"""Surrogates for searches: what a fitter makes of the results so far, at any point of the space.

A fitter takes encoded points (n, width), losses (n,) and a seed; failed results are NaN or
infinite. What it makes predicts on its own scale (ranks, regret), so the best loss so far is the
least that it predicts where something was run. Beyond `predict` it may have

- `believe(x)`: itself as if points had come out as predicted, so that parallel trials differ;
- `gain(x)`: what is to be hoped of points, where expected improvement of one normal is not it;

and a fitter may have `startup`: so many results it needs, 0 where past tasks are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from metadb.errors import NotFound
from metadb.protocols import Floats, Surrogate
from metadb.records import Task
from recommenders.cold import STEPS
from recommenders.copula import Copula
from recommenders.forest import ranked_forest
from recommenders.gp import GP
from recommenders.pretrained import Pretrained
from recommenders.pretrained_surrogate import PretrainedFitter
from recommenders.rgpe import RGPE
from recommenders.sources import Sources
from recommenders.stacked import Stacked
from recommenders.taf import TAF
from recommenders.tail import scaled
from recommenders.transfer_surrogate import TransferFitter
from recommenders.tst import TST

if TYPE_CHECKING:
    from metadb.history import History

Fitter = Callable[[Floats, Floats, int], Surrogate]
"""Of encoded points (n, width), losses (n,) and a seed."""


class Maker(Protocol):
    """Makes a fitter for one task."""

    def __call__(
        self, history: History, task: Task, *, seed: int = 0, device: str = "cpu"
    ) -> Fitter:
        """The fitter, which carries what the tasks of the history taught."""


@dataclass(frozen=True, slots=True, eq=False)
class SingleGP:
    """The Gaussian process of one task's standardised losses."""

    gp: GP

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at x (n, width), each (n,)."""
        mean, sd = self.gp.predict(x)
        return mean[0], sd[0]

    def believe(self, x: Floats) -> Self:
        """The same as if points (k, width) had come out as predicted."""
        return replace(self, gp=self.gp.condition(x, self.gp.predict(x)[0][0]))


def single_gp(x: Floats, loss: Floats, seed: int, *, device: str = "cpu") -> SingleGP:
    """A Gaussian process of losses (n,), those that are not finite as the worst; see `Cold`."""
    ok = np.isfinite(loss)
    largest = float(np.abs(loss[ok]).max(initial=0.0)) or 1.0  # so that no square overflows
    y = np.where(ok, loss, loss[ok].max(initial=-np.inf) if ok.any() else 0.0) / largest
    y = (y - y.mean()) / (y.std() or 1.0)
    return SingleGP(GP.fit(x, y, scaling=(0.0, 1.0), steps=STEPS, seed=seed, device=device))


def _gp(history: History, task: Task, *, seed: int = 0, device: str = "cpu") -> Fitter:
    """Nothing of the past."""
    return partial(single_gp, device=device)


def _forest(history: History, task: Task, *, seed: int = 0, device: str = "cpu") -> Fitter:
    """Nothing of the past."""
    return ranked_forest


def _transfer(family: type[RGPE] | type[TST] | type[TAF] | type[Stacked] | type[Copula]) -> Maker:
    def make(history: History, task: Task, *, seed: int = 0, device: str = "cpu") -> Fitter:
        return TransferFitter.of(family.fit(history, seed=seed, device=device), seed=seed)

    return make


def _ranked_rgpe(history: History, task: Task, *, seed: int = 0, device: str = "cpu") -> Fitter:
    """RGPE on normal scores: what is good on a past task is told apart as well as what is bad.

    On regrets a few hopeless configs are the scale on which all good ones look alike, and a search
    is about these.
    """
    sources = Sources.fit(history, seed=seed, device=device, normal=True)
    return TransferFitter.of(RGPE(sources, seed), seed=seed, scaled=scaled)


def _pretrained(history: History, task: Task, *, seed: int = 0, device: str = "cpu") -> Fitter:
    return PretrainedFitter.of(Pretrained.fit(history, seed=seed, device=device), task, seed=seed)


SURROGATES: dict[str, Maker] = {
    # Of the task's own results.
    "gp": _gp,
    "forest": _forest,
    # These and past tasks.
    "tst": _transfer(TST),
    "taf": _transfer(TAF),
    "rgpe": _transfer(RGPE),
    "ranked_rgpe": _ranked_rgpe,
    "stacked": _transfer(Stacked),
    "copula": _transfer(Copula),
    "pretrained": _pretrained,
}


def fitter(
    name: str, history: History, task: Task, *, seed: int = 0, device: str = "cpu"
) -> Fitter:
    """The fitter of that name, for a search on one task of the history's space.

    Args:
        history: Past tasks of one space; without the task itself.
        task: What is to be solved; its meta-features say how near past tasks are (`pretrained`).
        device: Where torch computes.

    Raises:
        NotFound: There is none of that name, or the history has nothing to learn from.
    """
    if name not in SURROGATES:
        raise NotFound(f"no surrogate {name!r}; there are {', '.join(SURROGATES)}")
    return SURROGATES[name](history, task, seed=seed, device=device)
