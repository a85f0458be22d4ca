"""What a meta-model learns from: rows of (config, task) with their regret, and boosted trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metadb.protocols import Floats
from metadb.records import Task
from recommenders.candidates import Places, Pool
from recommenders.completion import Completion
from recommenders.leaves import Leaves
from recommenders.likeness import Likeness
from recommenders.remembered import Remembered

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

MOST_ROWS = 40_000
"""So many evaluations at most teach a meta-model, drawn at random, as many from each task."""

MOST_KNOWN = 5_000
"""Of so many configs at most it is kept how far they come in the trees."""

FEW = 3
"""A config that fewer tasks ran has no usual regret of its own."""

TREES: Mapping[str, Any] = {
    "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 20, "feature_fraction_bynode": 0.5,
    "lambda_l2": 5.0, "max_bin": 63, "deterministic": True, "force_row_wise": True,
    "num_threads": 1, "verbosity": -1,
}  # fmt: skip
"""Small trees, no split of which sees all features: tasks are few, their rows no new tasks."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Rows drawn from a history; those of a task stand together.

    Args:
        task: (n,). config: (n,).
        y: Root of the normalised regret, (n,).
        usual: What the config usually has, see `usual`, (n,).
        features: The config encoded, its `usual`, the task's meta-features, (n, columns).
    """

    task: Places
    config: Places
    y: Floats
    usual: Floats
    features: Floats

    @classmethod
    def of(
        cls, completion: Completion, likeness: Likeness, *, seed: int, most: int = MOST_ROWS
    ) -> Self:
        """At most `MOST_ROWS` rows, at most `most` of a task; the seed draws them."""
        each = min(most, max(2, MOST_ROWS // max(1, len(completion.tasks))))
        mixed = np.random.default_rng(seed).permutation(len(completion.task))
        mixed = mixed[np.argsort(completion.task[mixed], kind="stable")]
        task = completion.task[mixed]
        nth = np.arange(len(task)) - np.searchsorted(task, task)  # of its task, in the drawn order
        rows = mixed[nth < each]
        task, config = completion.task[rows], completion.config[rows]
        y = np.sqrt(completion.regret)[rows]
        usual = _usual(completion)[0][config]
        z = likeness.matrix()[task]
        return cls(task, config, y, usual, _features(completion.configs.x[config], usual, z))


def usual(completion: Completion, pool: Pool) -> Floats:
    """The mean root regret of each config, one imagined usual result added, (n,).

    Of a config that fewer than three tasks ran it is the mean of all: its own would tell the trees
    what they are to learn. For the same reason nothing is left out of it (a mean without a row's
    own result tells that result).
    """
    mean, overall = _usual(completion)
    said: Floats = np.where(pool.place >= 0, mean[pool.place], overall)
    return said


def _usual(completion: Completion) -> tuple[Floats, float]:
    """Of each known config, (configs,), and of all; the last few are remembered."""
    return _usuals.get((completion,), lambda: _counted(completion))


def _counted(completion: Completion) -> tuple[Floats, float]:
    n, y = len(completion.configs), np.sqrt(completion.regret)
    overall = float(y.mean()) if len(y) else 0.5
    times = np.bincount(completion.config, minlength=n)
    total = np.bincount(completion.config, y, minlength=n)
    return np.where(times >= FEW, (total + overall) / (times + 1), overall), overall


def _features(x: Floats, usually: Floats, z: Floats) -> Floats:
    return np.column_stack([x, usually, z])


def binned(lesson: Lesson, label: Any, *, groups: bool = False) -> Dataset:
    """The rows as LightGBM learns from them; parts of them are taken by `subset`."""
    from lightgbm import Dataset

    group = np.bincount(lesson.task)
    return Dataset(
        lesson.features, label, group=group[group > 0] if groups else None,
        params={"max_bin": TREES["max_bin"], "verbosity": -1},
    )  # fmt: skip


def boosted(data: Dataset, *, rounds: int, seed: int, options: Mapping[str, Any]) -> Booster:
    """Trees learnt from binned rows."""
    from lightgbm import train

    options = {**TREES, **options, "seed": seed}
    return train(options, data, rounds, keep_training_booster=True)  # else it is parsed anew


def predicted(
    model: str, completion: Completion, likeness: Likeness, task: Task, pool: Pool
) -> Floats:
    """What the trees say of the configs of a pool on a task, (n,); the last few are remembered."""
    z = _encoded.get((likeness, task), lambda: likeness.encode(task))

    def leaves() -> Leaves:
        return Leaves.fit(_booster(model), np.column_stack([pool.x, usual(completion, pool)]))

    def make() -> Floats:
        if pool.configs is pool.known and len(pool) <= MOST_KNOWN:  # which are asked for again
            return _leaves.get((completion, pool.configs), leaves, model).predict(z)
        often = usual(completion, pool)
        row = np.broadcast_to(z, (len(pool), len(z)))
        return np.asarray(
            _booster(model).predict(_features(pool.x, often, row), num_threads=1), float
        )

    return _predictions.get((completion, pool.configs), make, model, z.tobytes())


@lru_cache(maxsize=64)
def _booster(model: str) -> Booster:
    from lightgbm import Booster

    return Booster(model_str=model)


_usuals: Remembered[tuple[Floats, float]] = Remembered(8, 64_000_000, lambda kept: kept[0].nbytes)
_encoded: Remembered[Floats] = Remembered(64, 64_000_000, lambda kept: kept.nbytes)
_leaves: Remembered[Leaves] = Remembered(16, 128_000_000, lambda kept: kept.nbytes)
_predictions: Remembered[Floats] = Remembered(64, 64_000_000, lambda kept: kept.nbytes)
