"""CMA-ES: a normal distribution that learns the shape of the good region, one generation at a time.

Hansen 2016, "The CMA Evolution Strategy: A Tutorial", x ~ m + sigma N(0, C), as the library `cmaes`
has it; with the margin that keeps every choice and integer within reach of Hamano, Saito, Nomura,
Shirakawa 2022, "CMA-ES with Margin", and the warm start of Nomura, Watanabe, Akimoto, Ozaki, Onishi
2021, "Warm Starting CMA-ES for Hyperparameter Optimization": m and sigma^2 C are the mean and the
covariance of the best share gamma of earlier results, plus alpha^2 I.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metadb.identity import canonical_config
from metadb.protocols import Floats
from metadb.records import Config, Evaluation, Trial
from optimizers.cube import Cube
from optimizers.ledger import DRAWS, Ledger, full
from optimizers.prior import within

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from recommenders.region import Region

GAMMA, ALPHA = 0.1, 0.1
"""The share of earlier results that count as good, and the least spread around them (Nomura)."""

FEW = 10
"""Without a warm start, fewer earlier results than this do not say where to begin."""

Start = tuple[Floats, float, Floats]
"""m (width,), sigma, C (width, width)."""


class CMAES:
    """CMA-ES on the cube: for numbers that depend on each other, and budgets of some hundreds.

    The distribution begins with the best of what was told until then (the warm start, trials never
    asked), else with the configs of the warm start, else with the priors of the space. It never
    waits: asks go on drawing from the present distribution; once the oldest `population` points
    drawn all have results, these are the generation that updates it, and the next ones may belong
    to the next generation (an update with whole failed generations is passed over). A forbidden
    point is drawn again; a config asked before counts with the result it has, without a trial.
    Where nothing new is drawn a random config is asked outside the generations. A search that has
    converged begins again from the priors with twice the population (Auger, Hansen 2005).

    Args:
        space: Where to search.
        warm_start: Configs asked first and in order.
        prior: Of similar tasks; the distribution begins as that of their good configs.
        seed: Same seed, same asks.
        population: The size of a generation; None: 4 + floor(3 ln(width)).

    Raises:
        InvalidConfig: A config of the warm start, or every one of the prior, is not legal.
        ValueError: A population of fewer than 3.
    """

    def __init__(
        self,
        space: ConfigurationSpace,
        *,
        warm_start: Sequence[Config] = (),
        prior: Region | None = None,
        seed: int = 0,
        population: int | None = None,
    ) -> None:
        if population is not None and population < 3:
            raise ValueError(f"a population must be 3 or more, not {population}")
        self._ledger, self._cube = Ledger(space, warm_start, seed), Cube.of(space)
        self._warm = tuple(warm_start)
        self._prior = from_region(self._cube, prior) if prior and self._cube.width else None
        self._population = population or 4 + int(3 * np.log(max(self._cube.width, 1)))
        self._search: Any = None
        self._restarts = 0
        self._told: dict[str, tuple[float, Config]] = {}
        self._drawn: list[tuple[Floats, str]] = []  # of generations to come, the oldest first

    def ask(self, n: int = 1) -> list[Trial]:
        """The next `n` trials; fewer once a finite space is used up."""
        return self._ledger.ask(n, self._next)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Results wait until their generation is complete; a failed one ranks last."""
        self._ledger.tell(evaluations)
        for trial, loss in full(evaluations):
            text = canonical_config(trial.config)
            best, _ = self._told.get(text, (np.inf, trial.config))
            self._told[text] = min(loss, best), trial.config

    def _next(self) -> Config | None:
        if not self._cube.width:
            return self._ledger.draw()
        if self._search is None:
            self._search = self._begin(self._start())
        for _ in range(DRAWS):
            self._update()
            place, x = self._search.ask()
            configs, legal = self._cube.decode(place[None])
            if legal[0]:
                self._drawn.append((x, canonical_config(configs[0])))
                if self._ledger.new(configs[0]):
                    return configs[0]
        return self._ledger.draw()

    def _update(self) -> None:
        """Hand complete generations to the distribution."""
        size = self._search.population_size
        while len(self._drawn) >= size and all(t in self._told for _, t in self._drawn[:size]):
            loss = np.array([self._told[text][0] for _, text in self._drawn[:size]])
            points = [x for x, _ in self._drawn[:size]]
            del self._drawn[:size]
            if np.isinf(loss).all():
                continue
            worst = loss[np.isfinite(loss)].max()
            loss = np.where(np.isinf(loss), np.nextafter(worst, np.inf), loss)
            self._search.tell(list(zip(points, loss.tolist(), strict=True)))
            if self._search.should_stop():
                self._restarts += 1
                self._drawn.clear()
                self._search = self._begin(from_priors(self._cube))
                size = self._search.population_size

    def _start(self) -> Start:
        told = [t for _, t in sorted(self._told.items()) if np.isfinite(t[0])]
        if self._prior is not None and len(told) < FEW:
            return self._prior
        if told and (self._warm or len(told) >= FEW):
            loss, configs = zip(*told, strict=True)
            return from_results(self._cube.encode(configs), np.array(loss))
        if self._warm:
            return from_results(self._cube.encode(self._warm), np.zeros(len(self._warm)), gamma=1)
        return from_priors(self._cube)

    def _begin(self, start: Start) -> Any:
        from cmaes import CMAwM

        mean, sigma, cov = start
        bounds, steps = lattice(self._cube)
        return CMAwM(
            np.clip(mean, bounds[:, 0], bounds[:, 1]),
            sigma,
            bounds,
            steps,
            seed=(self._ledger.seed + self._restarts) % 2**32,
            population_size=self._population * 2**self._restarts,
            cov=cov,
        )


def from_results(x: Floats, loss: Floats, *, gamma: float = GAMMA) -> Start:
    """Where to begin after results at points `x` (n, width): among the best share, 3 at least."""
    from cmaes import get_warm_start_mgd

    gamma = min(1.0, max(gamma, 3.5 / len(x)))
    # In units of alpha, as its determinant of alpha^2 I would underflow in a wide space.
    scaled = [(point / ALPHA, value) for point, value in zip(x, loss.tolist(), strict=True)]
    mean, sigma, cov = get_warm_start_mgd(scaled, gamma=gamma, alpha=1.0)
    return mean * ALPHA, sigma * ALPHA, cov


def from_region(cube: Cube, region: Region) -> Start:
    """Where to begin among the good configs of similar tasks: as `from_results`, but weighted."""
    configs, w = within(region, cube.space)
    x = cube.complete(configs, np.random.default_rng(0))  # (n, width)
    mean = w @ x
    cov = (w * (x - mean).T) @ (x - mean) + ALPHA**2 * np.eye(cube.width)
    sigma = float(np.exp(np.linalg.slogdet(cov)[1] / (2 * cube.width)))
    return mean, sigma, cov / sigma**2


def from_priors(cube: Cube) -> Start:
    """Where to begin knowing nothing: mean and spread of the priors, each coordinate on its own."""
    x = cube.sample(1000, np.random.default_rng(0))
    variance = np.maximum(x.var(axis=0), 1e-4)
    sigma = float(np.exp(np.log(variance).mean() / 2))
    return x.mean(axis=0), sigma, np.diag(variance / sigma**2)


def lattice(cube: Cube) -> tuple[Floats, Floats]:
    """The bounds (width, 2) and steps (width,) of coordinates, step 0 where continuous.

    Choices lie in the middle of their cells; integers on a log scale lie unevenly: these are
    rounded by the cube.
    """
    bounds, steps = np.tile([0.0, 1.0], (cube.width, 1)), np.zeros(cube.width)
    for j, axis in enumerate(cube.moving):
        size = len(axis.choices)
        if size > 1:
            bounds[j], steps[j] = (0.5 / size, 1 - 0.5 / size), 1 / size
        elif axis.kind == "integer" and not axis.hyperparameter.log:
            low, high = int(axis.hyperparameter.lower), int(axis.hyperparameter.upper)
            first, last = axis.to_unit(np.array([low, high], float))
            bounds[j], steps[j] = (first, last), (last - first) / (high - low)
    return bounds, steps
