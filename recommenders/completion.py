"""Completion: the regret of every configuration on every past task, as run or as predicted.

Where tasks share no configuration (each drew its own), a table of tasks and configurations is empty
but for blocks; nothing can be compared before its holes are filled. A forest for each task, fitted
on what the task ran, fills them: Wistuba, Schilling, Schmidt-Thieme 2015, "Learning hyperparameter
optimization initializations", section 4; Eggensperger, Hutter, Hoos, Leyton-Brown 2015, "Efficient
benchmarking of hyperparameter optimizers via surrogates" (why forests).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.protocols import Floats
from recommenders.candidates import Places, Pool
from recommenders.regret import regret_within
from recommenders.remembered import Remembered

TREES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Completion:
    """What is known of each past task, and a surrogate for what is not.

    The surrogate of a task depends on nothing but the evaluations of this task, so it is fitted
    once in a process whatever the other tasks are (leaving one task out fits none anew).

    Args:
        tasks: (tasks,).
        configs: The configurations of the history.
        task: Index into tasks of each result, (n,). config: Index into configs, (n,).
        regret: Normalised within its task, failed ones 1, (n,).
    """

    tasks: tuple[str, ...]
    configs: Configs
    task: np.ndarray[Any, np.dtype[np.intp]]
    config: np.ndarray[Any, np.dtype[np.intp]]
    regret: Floats
    seed: int = 0

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Completion:
        """Keep one result a task and config, that at the largest budget, as regret."""
        return _fitted.get((history,), lambda: cls._of(history, seed), seed)

    @classmethod
    def _of(cls, history: History, seed: int) -> Completion:
        rows = history.finals()
        task, config, loss = history.task[rows], history.config[rows], history.loss[rows]
        return cls(
            history.tasks,
            history.configs,
            task.astype(np.intp),
            config.astype(np.intp),
            regret_within(task, loss, len(history.tasks)),
            seed,
        )

    def run(self, pool: Pool) -> Floats:
        """The regret of every config of the pool where it was run, else NaN, (tasks, n)."""
        return self._run(pool.place)

    def _run(self, place: Places) -> Floats:
        position = np.full(len(self.configs) + 1, -1)
        position[place] = np.arange(len(place))  # a new config writes to the last place
        at = position[self.config]
        there = at >= 0
        regret = np.full((len(self.tasks), len(place)), np.nan)
        regret[self.task[there], at[there]] = self.regret[there]
        return regret

    def at(self, x: Floats, place: Places) -> Floats:
        """The regret at any points x (n, width) on every past task, (tasks, n); not remembered.

        Args:
            place: Where each stands in `configs`, -1 where it is new, (n,); none twice but -1.
        """
        regret = self._run(place)
        bounds = np.searchsorted(self.task, np.arange(len(self.tasks) + 1))
        for t in np.flatnonzero(np.isnan(regret).any(axis=1)):
            rows, holes = slice(bounds[t], bounds[t + 1]), np.isnan(regret[t])
            known, y = self.configs.x[self.config[rows]], self.regret[rows]
            regret[t, holes] = _asked(known, y, x[holes], self.seed)
        return regret

    def regrets(self, pool: Pool) -> Floats:
        """The regret of every config of the pool on every past task, none unknown, (tasks, n).

        Cost: nothing where all was run; else a forest a task, fitted once in a process.
        """
        regret = self.run(pool)
        holes = np.isnan(regret)
        if not holes.any():
            return regret
        if _one_choice(self.configs):  # one choice: no config says anything of another
            return np.where(holes, _additive(regret), regret)
        bounds = np.searchsorted(self.task, np.arange(len(self.tasks) + 1))
        digest = blake2b(np.ascontiguousarray(pool.x).tobytes(), digest_size=16).digest()
        for t in np.flatnonzero(holes.any(axis=1)):
            rows = slice(bounds[t], bounds[t + 1])
            x = self.configs.x[self.config[rows]]
            regret[t, holes[t]] = _predicted(x, self.regret[rows], pool.x, digest, self.seed)[
                holes[t]
            ]
        return regret


def _one_choice(configs: Configs) -> bool:
    from ConfigSpace.hyperparameters import CategoricalHyperparameter

    parts = list(configs.space.values())
    return len(parts) == 1 and isinstance(parts[0], CategoricalHyperparameter)


def needs_results(history: History) -> None:
    """Let a history pass that has something to learn from.

    Raises:
        NotFound: It has no evaluation.
    """
    if not len(history):
        raise NotFound(
            "the history has no evaluation, so there is nothing to learn from; fill the store, or "
            "use a recommender that needs none, e.g. cold"
        )


def _additive(regret: Floats) -> Floats:
    """Mean of the task plus mean of the config less mean of all, cut to [0, 1], (tasks, n).

    The means shrink to that of all with one imagined result each.
    """
    there = ~np.isnan(regret)
    overall = float(regret[there].mean()) if there.any() else 0.5
    off = np.where(there, regret - overall, 0.0)
    config = off.sum(axis=0) / (there.sum(axis=0) + 1)
    task = np.where(there, off - config, 0.0).sum(axis=1) / (there.sum(axis=1) + 1)
    guess: Floats = np.clip(overall + task[:, None] + config, 0.0, 1.0)
    return guess


_fitted: Remembered[Completion] = Remembered(8, 512_000_000, lambda made: made.regret.nbytes)
_forests: Remembered[tuple[Any, ...]] = Remembered(256, 1 << 40, lambda made: 0)
_predictions: Remembered[Floats] = Remembered(1 << 16, 256_000_000, lambda made: made.nbytes)


def _predicted(x: Floats, regret: Floats, at: Floats, at_digest: bytes, seed: int) -> Floats:
    """What a forest fitted on the task's results predicts, (n,); remembered by content."""
    own = _digest(x, regret, seed)
    return _predictions.get((), lambda: _asked(x, regret, at, seed), own, at_digest)


def _asked(x: Floats, regret: Floats, at: Floats, seed: int) -> Floats:
    """The same, of which only the forest is remembered."""
    if not len(regret):
        return np.full(len(at), 0.5)
    own = _digest(x, regret, seed)
    return _mean_of_trees(_forests.get((), lambda: _forest(x, regret, seed), own), at)


def _digest(x: Floats, regret: Floats, seed: int) -> bytes:
    hashed = blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16)
    hashed.update(regret.tobytes() + f"{x.shape} {seed}".encode())
    return hashed.digest()


def _forest(x: Floats, regret: Floats, seed: int) -> tuple[Any, ...]:
    """The trees of scikit-learn's `RandomForestRegressor`, grown one by one, (trees,).

    Of a few hundred results its cloning and checking of estimators takes far longer than growing.
    """
    from sklearn import config_context
    from sklearn.tree import DecisionTreeRegressor

    rng, n = np.random.RandomState(seed), len(regret)
    single, y = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(regret[:, None], float)
    grown = []
    with config_context(skip_parameter_validation=True):
        for of_tree in [int(rng.randint(np.iinfo(np.int32).max)) for _ in range(TREES)]:
            drawn = np.random.RandomState(of_tree).randint(0, n, n)
            tree = DecisionTreeRegressor(max_features=0.5, random_state=of_tree)
            tree.fit(single, y, np.bincount(drawn, minlength=n), check_input=False)
            grown.append(tree.tree_)
    return tuple(grown)


def _mean_of_trees(forest: tuple[Any, ...], x: Floats) -> Floats:
    """As the forest's own `predict`, (n,)."""
    single = np.ascontiguousarray(x, np.float32)
    mean: Floats = np.mean([tree.predict(single).ravel() for tree in forest], axis=0, dtype=float)
    return mean
