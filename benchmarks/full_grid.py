"""A store in which every config was run on every task: what the benchmarks of the doors ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS, metric_row
from metadb.records import Rows
from metadb.store import Store

CONFIGS, BUDGETS = 200, 5

SPACE = "bench"

METAFEATURES = (
    "nr_inst", "nr_attr", "nr_class", "nr_num", "nr_cat", "attr_to_inst", "inst_to_attr",
    "cat_to_num", "num_to_cat", "freq_class.mean", "freq_class.sd", "freq_class.min",
    "freq_class.max", "nr_bin",
)  # fmt: skip
"""What is known of every task."""


def task_id(nth: int) -> str:
    """The id of a task of the store."""
    return f"bench:task/{nth}"


def draw(rng: np.random.Generator) -> dict[str, float]:
    """Meta-features of a task, at random; those of the store's tasks are drawn alike."""
    return dict(zip(METAFEATURES, (float(v) for v in rng.lognormal(2, 1, 14)), strict=True))


def fill(path: Path, n_evaluations: int) -> int:
    """A store of 200 configs at 5 budgets on as many tasks as it takes; returns their number.

    A score is a config's quality, what 3 hidden traits of task and config make of each other, and
    noise.
    """
    configs = [{"x": i, "kind": "a" if i % 2 else "b"} for i in range(CONFIGS)]
    ids = np.array([config_id(SPACE, c) for c in configs])
    n_tasks = max(1, n_evaluations // (CONFIGS * BUDGETS))
    tasks = np.array([task_id(i) for i in range(n_tasks)])
    which = np.indices((n_tasks, CONFIGS, BUDGETS)).reshape(3, -1)
    rng = np.random.default_rng(0)
    traits = rng.normal(size=(n_tasks, 3)) @ rng.normal(size=(3, CONFIGS))  # (tasks, configs)
    score = rng.normal(size=CONFIGS) + traits / 2
    shown = 1 / (1 + np.exp(-score[which[0], which[1]] - rng.normal(size=which.shape[1]) / 10))
    known = [draw(rng) for _ in tasks]
    rows = Rows(
        {
            "metrics": pa.Table.from_pylist([metric_row(METRICS["accuracy"])]),
            "tasks": pa.table({"task": tasks}),
            "metafeatures": pa.table(
                {
                    "task": np.repeat(tasks, len(METAFEATURES)),
                    "name": list(METAFEATURES) * n_tasks,
                    "value": [one[name] for one in known for name in METAFEATURES],
                    "extractor": ["metadb"] * len(METAFEATURES) * n_tasks,
                }
            ),
            "configs": pa.table(
                {
                    "config": ids,
                    "space": [SPACE] * CONFIGS,
                    "hyperparameters": [canonical_config(c) for c in configs],
                }
            ),
            "evaluations": pa.table(
                {
                    "task": tasks[which[0]],
                    "config": ids[which[1]],
                    "metric": ["accuracy"] * which.shape[1],
                    "value": shown * (which[2] + 5) / 10,
                    "budget": (which[2] + 1) / BUDGETS,
                }
            ),
        }
    )
    with Store(path) as store:
        store.add(rows)
    return n_tasks
