"""Syne Tune's transfer-learning schedulers, given the history, over the candidates.

Salinas, Seeger, Klein, Perrone, Wistuba, Archambeau 2022, "Syne Tune: a library for large scale
hyperparameter tuning and reproducible research".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.proposal import answer, nearest, package, seed_of
from benchmarks.peers.syne_tune_form import (
    INSTALL,
    LOSS,
    TRANSFER,
    config_of,
    evaluations,
    past_of,
    quiet,
    seeded,
    space_of,
    table_of,
    varying,
)
from metadb.axes import Axis, axes_of
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Recommendation, Task
from recommenders.candidates import Pool, pool
from recommenders.completion import Completion


@dataclass(frozen=True, slots=True, eq=False)
class SyneTuneZeroShot:
    """`ZeroShotTransfer`: greedily the config with the best mean rank beside those chosen.

    It takes tables in which every task ran the same configs. Where tasks did not run a candidate,
    its regret there is that of a forest (`recommenders.completion`); the package's own
    `use_surrogates` draws other configs for each task and compares them as if they were the same.
    It does not look at what was observed: what was run is passed over in its fixed order.

    Wistuba, Schilling, Schmidt-Thieme 2015, "Sequential model-free hyperparameter tuning".
    """

    completion: Completion
    configs: Configs
    metric: str
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Keep the history, completed.

        Raises:
            NotFound: Syne Tune, or what it needs, is not installed.
        """
        package(f"{TRANSFER}.zero_shot", INSTALL)
        return cls(Completion.fit(history, seed=seed), history.configs, history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The next candidates of the fixed order."""
        within = pool(self.configs, candidates)
        left = set(within.left(observed).tolist()) if self.completion.tasks else set()
        order: list[int] = []
        nth = 0
        while len(order) < min(k, len(left)):
            place = _zero_shot(self.completion, within, self.seed).at(nth)
            order += [place] if place in left else []
            nth += 1
        return answer(within, order, self.metric, "proposed by Syne Tune's ZeroShotTransfer")


@dataclass(frozen=True, slots=True, eq=False)
class SyneTuneQuantile:
    """`QuantileBasedSurrogateSearcher`: Thompson sampling from a model of Gaussian-ranked losses.

    Model and draw are the package's; the 100,000 random configs among which it draws are replaced
    by the candidates that were not run. Observations do not change the model.

    Salinas, Shen, Perrone 2020, "A quantile-based approach for hyperparameter transfer learning".
    """

    configs: Configs
    axes: dict[str, Axis]
    model: Any
    sd: float
    metric: str
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Fit the package's model on all past tasks.

        Raises:
            NotFound: Syne Tune, or what it needs, is not installed.
        """
        quantile = package(f"{TRANSFER}.quantile_based.quantile_based_searcher", INSTALL)
        axes = varying(history.configs)
        past = past_of(history, axes)
        if not past:
            return cls(history.configs, axes, None, 1.0, history.metric, seed)
        with quiet(), seeded(seed):
            model, _, sd = quantile.fit_model(
                space_of(axes), past, "gaussian", 100_000,
                np.random.RandomState(seed), quantile.xgboost.XGBRegressor(n_jobs=1),
            )  # fmt: skip
        return cls(history.configs, axes, model, float(sd), history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The candidates that are best in one draw each."""
        quantile = package(f"{TRANSFER}.quantile_based.quantile_based_searcher", INSTALL)
        within = pool(self.configs, candidates)
        left = within.left(observed)
        searcher = object.__new__(quantile.QuantileBasedSurrogateSearcher)
        n = len(within.seen(observed))
        searcher.random_state = np.random.RandomState(seed_of(self.seed, task, n))
        order: list[int] = []
        mean = _means(self, within)[left]
        while len(order) < k and len(left):
            searcher.X_candidates = package("pandas", "pandas").DataFrame({"place": left})
            searcher.mu_pred, searcher.sigma_pred = mean, np.full_like(mean, self.sd)
            order.append(int(searcher.suggest()["place"]))
            mean, left = mean[left != order[-1]], left[left != order[-1]]
        return answer(within, order, self.metric, "proposed by Syne Tune's quantile-based searcher")


@dataclass(frozen=True, slots=True, eq=False)
class SyneTuneBoundingBox:
    """`BoundingBox`: random search in the smallest box that holds the best config of each task.

    The nearest candidate in the box that was not run stands in for each draw, the nearest of all
    where the box holds none. Draws do not depend on what was drawn before, so one scheduler serves
    all calls.

    Perrone, Shen, Seeger, Archambeau, Jenatton 2019, "Learning search spaces for Bayesian
    optimization: another view of hyperparameter transfer learning".
    """

    configs: Configs
    axes: dict[str, Axis]
    scheduler: Any
    box: dict[str, Any]
    metric: str
    seed: int

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Lay the box around what was best; without a usable task it is the space.

        Raises:
            NotFound: Syne Tune, or what it needs, is not installed.
        """
        bounding_box = package(f"{TRANSFER}.bounding_box", INSTALL)
        baselines = package("syne_tune.optimizer.baselines", INSTALL)
        axes = varying(history.configs)
        space, past = space_of(axes), past_of(history, axes)

        box: dict[str, Any] = {}

        def search(space: Any, metric: str, minimise: bool, seed: int) -> Any:
            box.update(space)
            return baselines.RandomSearch(space, [metric], minimise, seed)

        with quiet(), seeded(seed):
            scheduler = (
                bounding_box.BoundingBox(search, space, LOSS, past, random_seed=seed)
                if past
                else search(space, LOSS, True, seed)
            )
        return cls(history.configs, axes, scheduler, box, history.metric, seed)

    def recommend(
        self,
        task: Task,
        k: int,
        *,
        observed: Sequence[Evaluation] = (),
        candidates: Configs | None = None,
    ) -> list[Recommendation]:
        """The candidates nearest to what the scheduler suggests, in its order."""
        within = pool(self.configs, candidates)
        left, every = within.left(observed), axes_of(self.configs.space)
        order: list[int] = []
        inside = _inside(self, within)
        with quiet(), seeded(seed_of(self.seed, task, len(within.seen(observed)))):
            while len(order) < k and len(left):
                config = config_of(self.scheduler.suggest().config, every)
                near = left[inside[left]] if inside[left].any() else left
                order.append(nearest(within, near, config, every))
                left = left[left != order[-1]]
        return answer(within, order, self.metric, "proposed by Syne Tune's BoundingBox")


@lru_cache(maxsize=4)
def _means(of: SyneTuneQuantile, within: Pool) -> Floats:
    """What the model predicts of every config of the pool, (n, 1); alike where there is none."""
    if of.model is None or not len(within):
        return np.zeros((len(within), 1))
    table = table_of(within.configs.values, of.axes)
    return np.asarray(of.model.predict(table), float).reshape(-1, 1)


@lru_cache(maxsize=4)
def _inside(of: SyneTuneBoundingBox, within: Pool) -> NDArray[np.bool_]:
    """Which configs of the pool the box holds, (n,)."""
    inside = np.ones(len(within), bool)
    for name, column in table_of(within.configs.values, of.axes).items():
        side = of.box[name]
        if of.axes[name].kind == "categorical":
            inside &= column.isin(side.categories).to_numpy()
        else:
            inside &= column.between(side.lower, side.upper).to_numpy()
    return inside


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """The fixed order of a scheduler that knows its configs by their places, as far as known."""

    scheduler: Any
    known: list[int]

    def at(self, nth: int) -> int:
        """The place that comes nth."""
        while len(self.known) <= nth:
            with quiet():
                self.known.append(int(self.scheduler.get_config()["place"]))
        return self.known[nth]


@lru_cache(maxsize=4)
def _zero_shot(completion: Completion, within: Pool, seed: int) -> _Order:
    """The package's order of the pool."""
    zero_shot = package(f"{TRANSFER}.zero_shot", INSTALL)
    space = {"place": package("syne_tune.config_space", INSTALL).randint(0, len(within))}
    table = package("pandas", "pandas").DataFrame({"place": np.arange(len(within))})
    past = {
        task: evaluations(space, table, regret)
        for task, regret in zip(completion.tasks, completion.regrets(within), strict=True)
    }
    with quiet(), seeded(seed):
        return _Order(zero_shot.ZeroShotTransfer(space, LOSS, past, random_seed=seed), [])
