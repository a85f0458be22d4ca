"""A Gaussian process for each past task: what surrogate transfer knows of the past.

All tasks are fitted as one batch. A task's surrogate depends on nothing but the task's own results,
so its hyperparameters are sought once in a process, and its predictions for a pool made once,
whatever the other tasks are (leaving one task out fits none anew).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Self

import numpy as np

from metadb.history import Configs, History
from metadb.protocols import Floats
from recommenders.candidates import Places, Pool
from recommenders.gp import GP, MAX_POINTS, subset
from recommenders.matern import Hyperparameters
from recommenders.posteriors import Posteriors
from recommenders.regret import regret_within

Bools = np.ndarray[Any, np.dtype[np.bool_]]

TUNE_POINTS = 64
"""So many of its points say a task's hyperparameters. With 128 a fit took four times as long, and
the regrets of RGPE and TST-R were no smaller (DeepAR, AdaBoost, classifiers; k = 1 to 20)."""

_MOST_TASKS, _MOST_BYTES = 20_000, 256_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Past tasks, their results on a common scale, and a GP of each.

    Args:
        tasks: (tasks,).
        configs: The configurations of the history.
        metric: Of the losses.
        task: Index into tasks of each result, ascending, (n,). config: Into configs, (n,).
        y: Normalised regret within its task (failed ones 1), or its normal score, (n,).
        failed: Which results are of failed runs, (n,).
        gp: Of y, a task each; of large tasks the best results and some others.
        digests: Name the content of each task's GP, (tasks,).
    """

    tasks: tuple[str, ...]
    configs: Configs
    metric: str
    task: Places
    config: Places
    y: Floats
    failed: Bools
    gp: GP
    digests: tuple[str, ...]

    @classmethod
    def fit(
        cls, history: History, *, seed: int = 0, device: str = "cpu", normal: bool = False
    ) -> Self:
        """Keep one result a task and config, that at the largest budget, and fit the GPs.

        Args:
            normal: Take normal scores of the ranks within each task instead of regrets.
        """
        rows = history.finals()
        task: Places = history.task[rows].astype(np.intp)
        config: Places = history.config[rows].astype(np.intp)
        loss = history.loss[rows]
        bounds = np.searchsorted(task, np.arange(len(history.tasks) + 1))
        if normal:
            scores = (normal_scores(loss[a:b]) for a, b in pairwise(bounds))
            y = np.concatenate([*scores, np.empty(0)])
        else:
            y = regret_within(task, loss, len(history.tasks))
        x = history.configs.x
        parts = [(x[config[a:b]], y[a:b]) for a, b in pairwise(bounds)]  # a task each
        gp, digests = _fitted(parts, x.shape[1], seed, device)
        return cls(
            history.tasks, history.configs, history.metric, task, config, y, ~np.isfinite(loss),
            gp, digests,
        )  # fmt: skip

    def run(self, pool: Pool) -> Floats:
        """y of every config of the pool where it was run, else NaN, (tasks, n)."""
        return self._run(pool.place)

    def _run(self, place: Places) -> Floats:
        position = np.full(len(self.configs) + 1, -1)
        position[place] = np.arange(len(place))
        position[-1] = -1  # where the new configs of the pool wrote to
        at = position[self.config]
        there = at >= 0
        y = np.full((len(self.tasks), len(place)), np.nan)
        y[self.task[there], at[there]] = self.y[there]
        return y

    def predict(self, pool: Pool) -> tuple[Floats, Floats]:
        """Mean and deviation of y on every past task: as run, or as predicted, each (tasks, n)."""
        run = self.run(pool)
        if not np.isnan(run).any():
            return run, np.zeros_like(run)
        mean, sd = self._predicted(pool.x)
        holes = np.isnan(run)
        return np.where(holes, mean, run), np.where(holes, sd, 0.0)

    def at(
        self, x: Floats, place: Places, gp: GP | Posteriors, tasks: Places | None = None
    ) -> tuple[Floats, Floats]:
        """The same at any points x (n, width), of which nothing is remembered.

        Args:
            place: Where each stands in the configurations of the history, -1 where it is new,
                (n,); none twice but -1.
            gp: Of the tasks that are asked. tasks: Which these are; the others say 0; None: all.
        """
        run = self._run(place)
        holes = np.isnan(run)
        if tasks is not None:
            holes &= np.isin(np.arange(len(run)), tasks)[:, None]
        mean, sd = np.nan_to_num(run), np.zeros_like(run)
        if holes.any():
            rows = slice(None) if tasks is None else tasks
            told = gp.predict(x)
            mean[rows] = np.where(holes[rows], told[0], mean[rows])
            sd[rows] = np.where(holes[rows], told[1], 0.0)
        return mean, sd

    def _predicted(self, x: Floats) -> tuple[Floats, Floats]:
        if not self.tasks:
            return np.empty((0, len(x))), np.empty((0, len(x)))
        at = blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16).digest()
        rows = [_predictions.get((digest, at)) for digest in self.digests]
        missing = [t for t, row in enumerate(rows) if row is None]
        if missing:
            both = np.stack(self.gp.take(missing).predict(x), 1)  # (missing, 2, n)
            for t, row in zip(missing, both, strict=True):
                rows[t] = _predictions[self.digests[t], at] = row.copy()
            while sum(p.nbytes for p in _predictions.values()) > _MOST_BYTES:
                _predictions.popitem(last=False)
        mean, sd = np.stack([row for row in rows if row is not None], 1)
        return mean, sd


_hypers: OrderedDict[str, Floats] = OrderedDict()
_predictions: OrderedDict[tuple[str, bytes], Floats] = OrderedDict()


def normal_scores(loss: Floats) -> Floats:
    """The normal quantile of rank / (n + 1), equal losses alike, failed ones last, (n,)."""
    from scipy.stats import norm, rankdata

    if not len(loss):
        return np.empty(0)
    last = np.where(np.isfinite(loss), loss, np.inf)
    return np.asarray(norm.ppf(rankdata(last) / (len(loss) + 1)), float)


def _fitted(
    parts: list[tuple[Floats, Floats]], width: int, seed: int, device: str
) -> tuple[GP, tuple[str, ...]]:
    """A GP of each task and its name; hyperparameters are sought where they are not known yet."""
    small = [
        tuple(a[0] for a in subset(x[None], y[None], np.ones((1, len(y)), bool), MAX_POINTS,
                                   seed=seed))
        for x, y in parts
    ]  # fmt: skip
    digests = tuple(_digest(x, y, seed) for x, y, _ in small)
    # A batch of tasks of a like size: small ones are not padded to the largest.
    size = np.array([-(-max(len(y), 1) // 32) * 32 for _, y, _ in small], np.intp)
    unknown = [t for t, d in enumerate(digests) if d not in _hypers]
    for n in sorted({int(size[t]) for t in unknown}):
        chosen = [t for t in unknown if size[t] == n]
        batch = _padded([small[t][:2] for t in chosen], n, width)
        gp = GP.fit(*batch, seed=seed, device=device, tune_points=TUNE_POINTS)
        for t, theta in zip(chosen, gp.hyper.theta, strict=True):
            _hypers[digests[t]] = theta
    found = np.array([_hypers[d] for d in digests]).reshape(len(digests), width + 3)
    while len(_hypers) > _MOST_TASKS:
        _hypers.popitem(last=False)
    x, y, mask = _padded([(x, y) for x, y, _ in small], int(size.max(initial=1)), width)
    return GP.fit(x, y, mask, hyper=Hyperparameters.of(found), device=device), digests


def _padded(parts: list[tuple[Floats, Floats]], n: int, width: int) -> tuple[Floats, Floats, Bools]:
    x, y = np.zeros((len(parts), n, width)), np.zeros((len(parts), n))
    mask = np.zeros((len(parts), n), bool)
    for t, (xs, ys) in enumerate(parts):
        x[t, : len(ys)], y[t, : len(ys)], mask[t, : len(ys)] = xs, ys, True
    return x, y, mask


def _digest(x: Floats, y: Floats, seed: int) -> str:
    hashed = blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16)
    hashed.update(y.tobytes() + f"{x.shape} {seed}".encode())
    return hashed.hexdigest()
