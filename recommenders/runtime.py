"""How long a configuration runs on a task: measured, or predicted from configs and meta-features.

Hutter, Xu, Hoos, Leyton-Brown 2014, "Algorithm runtime prediction: methods & evaluation" (log
seconds as the target, trees as the model); the trees are LightGBM's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np

from metadb.errors import NotFound
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Evaluation, Task
from recommenders.candidates import Places, Pool
from recommenders.likeness import Likeness
from recommenders.remembered import Remembered

if TYPE_CHECKING:
    from lightgbm import Booster

MOST_ROWS = 30_000
"""So many timed evaluations, drawn at random, teach the trees; four times as many the levels."""

SHORTEST_S = 1e-3
"""What is quicker counts as this: clocks and start-up hide the rest."""

FOLDS, HELD, HELD_ROWS = 5, 20, 200
"""Tasks are left out in so many folds; of each, so many are judged by so many configs."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True, eq=False)
class RunTime:
    """Seconds of configurations on tasks, in logarithms: the level of the task plus the config's.

    log s(t, c) = a_t + f(x_c, z_t) + b_c. The level a_t of a new task is a ridge regression on its
    meta-features z (`Likeness.encode`), shrunk to the mean level as far as leaving tasks out says;
    observed seconds then move it to what they show: by the sum of their residuals over
    (m + q), q = variance within a task / variance of levels around their prediction. The shape f
    is LightGBM on the seconds less the level; b_c is what a config's residuals share, shrunk by
    one imagined residual of 0. All of it is mixed with the plain median of the config over the
    tasks (where it was timed) in the share that five folds over tasks prefer (mean absolute
    error of log seconds; a fold never sees the task): `share` 0 is the median alone.

    Leaving one task out (every other one held out), mean of the median absolute log error, the
    plain median of the config over the past tasks in brackets: TabRepo LightGBM 0.90 (1.43), rank
    correlation 0.89 (0.75); text-classification, which has no meta-features, 0.61 (0.61), 0.86
    (0.85): there is nothing to tell the level of a task from. After three observed seconds 0.25
    and 0.17 (0.37 and 0.18 for the median moved by their mean residual).
    Cost of `fit`: six boosters of at most 30,000 rows, seconds; of `predict`: one pass of the
    trees, remembered for the last few pools and tasks.

    Args:
        configs: Those of the history. tasks: Those that were timed, (tasks,).
        task: Of each timed result, (n,). config: (n,). log_s: (n,).
        level: a_t, (tasks,). slope: Of the level on z, the constant last, (columns + 1,).
        excess: b_c, NaN where the config was never timed, (configs,).
        median: Median log seconds of a config over tasks, NaN where never timed, (configs,).
        share: Of the model in the mixture. doubt: q. model: LightGBM's text.
    """

    configs: Configs
    tasks: tuple[str, ...]
    task: Places
    config: Places
    log_s: Floats
    likeness: Likeness
    features: Floats
    level: Floats
    slope: Floats
    excess: Floats
    median: Floats
    share: float
    doubt: float
    model: str

    @classmethod
    def fit(cls, history: History, *, seed: int = 0) -> Self:
        """Learn from every evaluation with known seconds, failed ones too.

        Raises:
            NotFound: No evaluation of the history has its seconds.
        """
        task, config, log_s = _timed(history)
        likeness = Likeness.fit(history)
        features = likeness.matrix()  # (all tasks, columns)
        x = history.configs.x
        share, doubt = _judged(x, features, task, config, log_s, seed)
        whole = _learn(x, features, task, config, log_s, seed, MOST_ROWS)
        return cls(
            history.configs, history.tasks, task, config, log_s, likeness, features, whole.level,
            whole.slope, whole.excess, whole.median, share, doubt, whole.model,
        )  # fmt: skip

    def predict(self, task: Task, pool: Pool, *, observed: Sequence[Evaluation] = ()) -> Floats:
        """Seconds of every config of the pool on a task, none unknown, (n,).

        What `observed` says of the seconds of configs moves the level of the task.
        """
        z = self.likeness.encode(task)
        log_s = self._log_seconds(pool, z)
        return np.exp(log_s + self._offset(z, pool, observed))

    def seconds(self, pool: Pool) -> Floats:
        """Seconds of every config of the pool on every past task, (n, tasks).

        As measured; where not, as predicted from the level that the task was measured to have.
        """
        return _tables.get((self, pool.configs), lambda: self._seconds(pool))

    def _seconds(self, pool: Pool) -> Floats:
        position = np.full(len(self.configs) + 1, -1)
        position[pool.place] = np.arange(len(pool))  # a new config writes to the last place
        at = position[self.config]
        there = at >= 0
        log_s = np.full((len(pool), len(self.tasks)), np.nan)
        log_s[at[there], self.task[there]] = self.log_s[there]
        for t in np.flatnonzero(np.isnan(log_s).any(axis=0)):
            holes = np.isnan(log_s[:, t])
            z = self.features[t]
            off = self.level[t] - (z @ self.slope[:-1] + self.slope[-1])
            log_s[holes, t] = self._log_seconds(pool, z)[holes] + off
        return np.asarray(np.exp(log_s))

    def _log_seconds(self, pool: Pool, z: Floats) -> Floats:
        """Of a pool on a task that z describes, before anything was observed, (n,)."""

        def make() -> Floats:
            learnt = _Learnt(self.level, self.slope, self.excess, self.median, self.model)
            said, plain = learnt.of(pool.x, z, pool.place)
            return np.asarray(plain + self.share * (said - plain))

        return _predictions.get((self, pool.configs), make, z.tobytes())

    def _offset(self, z: Floats, pool: Pool, observed: Sequence[Evaluation]) -> float:
        """How much longer than predicted the observed configs took, in logarithms."""
        log_s = [
            Evaluation(e.trial, float(np.log(max(e.cost_s, SHORTEST_S))))
            for e in observed
            if e.cost_s is not None and 0 <= e.cost_s < np.inf
        ]
        seen = pool.seen(log_s)
        if not len(seen):
            return 0.0
        if (seen.place >= 0).all():
            expected = self._log_seconds(pool, z)[seen.place]
        else:
            expected = self._log_seconds(Pool(pool.known, seen.configs, seen.known), z)
        return float((seen.loss - expected).sum() / (len(seen) + self.doubt))


_predictions: Remembered[Floats] = Remembered(256, 256_000_000, lambda log_s: log_s.nbytes)
_tables: Remembered[Floats] = Remembered(16, 512_000_000, lambda seconds: seconds.nbytes)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """The parts of the model; see `RunTime`."""

    level: Floats
    slope: Floats
    excess: Floats
    median: Floats
    model: str

    def of(self, x: Floats, z: Floats, config: Places) -> tuple[Floats, Floats]:
        """Log seconds on a task by the model, and by the configs' medians, each (n,).

        A config without a median (place -1, or never timed) has the model's word in both.
        """
        level = float(z @ self.slope[:-1] + self.slope[-1])
        shape = _shape(self.model, np.column_stack([x, np.broadcast_to(z, (len(x), len(z)))]))
        excess = np.append(self.excess, np.nan)[config]
        said = level + shape + np.nan_to_num(excess)
        median = np.append(self.median, np.nan)[config]
        return said, np.where(np.isnan(median), said, median)


def _timed(history: History) -> tuple[Places, Places, Floats]:
    """Task, config and log seconds of every timed result at its largest budget."""
    known = np.isfinite(history.cost_s) & (history.cost_s >= 0)
    if not known.any():
        raise NotFound(
            f"no evaluation of space {history.configs.space_name!r} has its seconds (cost_s), so "
            "nothing can be said of run time; use a recommender that does not weigh it, e.g. "
            "portfolio or active_testing"
        )
    timed = history.at(np.flatnonzero(known))
    rows = timed.finals()
    log_s = np.log(np.maximum(timed.cost_s[rows], SHORTEST_S))
    return timed.task[rows].astype(np.intp), timed.config[rows].astype(np.intp), log_s


def _judged(
    x: Floats, features: Floats, task: Places, config: Places, log_s: Floats, seed: int
) -> tuple[float, float]:
    """The share of the model that errs least on tasks left out, and the doubt of its level."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.unique(task))
    if len(order) < FOLDS:
        return 0.0, 0.1  # too few tasks to tell; what will be observed says nearly all
    if len(task) > 4 * MOST_ROWS:
        some = np.sort(rng.permutation(len(task))[: 4 * MOST_ROWS])
        task, config, log_s = task[some], config[some], log_s[some]
    means, variances, errors = [], [], []
    for f in range(FOLDS):
        held = order[f::FOLDS]
        inside = ~np.isin(task, held)
        part = _learn(
            x, features, task[inside], config[inside], log_s[inside], seed, MOST_ROWS // 3
        )
        for t in held[:HELD]:
            rows = np.arange(*np.searchsorted(task, (t, t + 1)))
            rows = rows[:: 1 + len(rows) // HELD_ROWS]
            said, plain = part.of(x[config[rows]], features[t], config[rows])
            wrong = log_s[rows] - (plain + np.outer(SHARES, said - plain))  # (shares, rows)
            errors.append(np.abs(wrong).mean(axis=1))
            means.append(wrong.mean(axis=1))
            variances.append(wrong.var(axis=1))
    best = int(np.argmin(np.mean(errors, axis=0)))
    within = float(np.mean([v[best] for v in variances]))
    between = float(np.mean([m[best] ** 2 for m in means]))
    return SHARES[best], within / max(between, 1e-9)


def _learn(
    x: Floats, features: Floats, task: Places, config: Places, log_s: Floats, seed: int, most: int
) -> _Learnt:
    """Levels, shape and excess; levels are made anew once the shape is known."""
    tasks, configs = len(features), len(x)
    median = _medians(config, log_s, configs)
    count = np.bincount(task, minlength=tasks)
    level = np.bincount(task, log_s, tasks) / np.maximum(count, 1)
    order = np.random.default_rng(seed).permutation(len(task))[: 4 * most]
    task, config, log_s = task[order], config[order], log_s[order]
    both = np.column_stack([x[config], features[task]])
    model = _boosted(both[:most], (log_s - level[task])[:most], seed)
    fitted = _shape(model, both)
    count = np.bincount(task, minlength=tasks)
    level = np.bincount(task, log_s - fitted, tasks) / np.maximum(count, 1)
    runs = np.bincount(config, minlength=configs)
    excess = np.bincount(config, log_s - fitted - level[task], configs) / (runs + 1)
    slope = _ridge(features[count > 0], level[count > 0])
    level[count == 0] = features[count == 0] @ slope[:-1] + slope[-1]
    never = runs == 0
    excess[never] = np.nan
    return _Learnt(level, slope, excess, median, model)


def _medians(config: Places, log_s: Floats, configs: int) -> Floats:
    """The median log seconds of each config, NaN where never timed, (configs,)."""
    order = np.lexsort((log_s, config))
    ordered, runs = log_s[order], np.bincount(config, minlength=configs)
    first = np.cumsum(runs) - runs
    there = runs > 0
    median = np.full(configs, np.nan)
    low, high = first + (runs - 1) // 2, first + runs // 2
    median[there] = (ordered[low[there]] + ordered[high[there]]) / 2
    return median


def _ridge(z: Floats, level: Floats) -> Floats:
    """Slopes and constant of the ridge whose leave-one-out error is the smallest, (columns + 1,).

    The constant alone is one of those tried. Closed form: residual / (1 - leverage).
    """
    constant = float(level.mean())
    n, columns = z.shape
    slope = np.append(np.zeros(columns), constant)
    if n < 3 or columns == 0:
        return slope
    middle = z.mean(axis=0)
    u, s, vt = np.linalg.svd(z - middle, full_matrices=False)
    y = level - constant
    best = float(np.mean((y * n / (n - 1)) ** 2))
    for ridge in RIDGES:
        keep = s**2 / (s**2 + ridge)
        leverage = (u**2 * keep).sum(axis=1) + 1 / n
        wrong = (y - u @ (keep * (u.T @ y))) / np.maximum(1 - leverage, 1e-3)
        error = float(np.mean(wrong**2))
        if error < best:
            best = error
            b = vt.T @ (s / (s**2 + ridge) * (u.T @ y))
            slope = np.append(b, constant - middle @ b)
    return slope


def _boosted(features: Floats, log_s: Floats, seed: int) -> str:
    """The text of a booster of log seconds; empty where there is nothing to part."""
    if len(log_s) < 2 or features.shape[1] == 0:
        return ""
    from lightgbm import Dataset, train

    settings = {
        "objective": "l2", "learning_rate": 0.1, "num_leaves": 31, "min_data_in_leaf": 10,
        "feature_fraction": 0.8, "lambda_l2": 1.0, "seed": seed, "deterministic": True,
        "force_row_wise": True, "num_threads": 1, "verbosity": -1,
    }  # fmt: skip
    return train(settings, Dataset(features, log_s), num_boost_round=100).model_to_string()


def _shape(model: str, features: Floats) -> Floats:
    if not model:
        return np.zeros(len(features))
    return np.asarray(_booster(model).predict(features, num_threads=1), float)


@lru_cache(maxsize=16)
def _booster(model: str) -> Booster:
    from lightgbm import Booster

    return Booster(model_str=model)
