"""Make `data/sample`: 7 learners x 30 configs on every sample task, 3 folds, 4 training sizes.

    python -m benchmarks.sample --workers 2      # 35 minutes on 2 cores; run it again to resume

One file per task and learner is written to the work folder, whole or not at all, so a killed run
loses at most the pairs it was at. Seeds are fixed; seconds are of the machine that ran it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.sample_files import assemble
from benchmarks.sample_tasks import SampleTask, sample_tasks
from optimizers.learners import LEARNERS, classifier_space, pipeline

CONFIGS_PER_LEARNER = 30
FOLDS = 3
FRACTIONS = (0.125, 0.25, 0.5, 1.0)
SEED = 0
WORK = Path(__file__).parent / ".work" / "sample"


def sample_configs() -> dict[str, list[dict[str, Any]]]:
    """Per learner its default and 29 random draws from the space, the same for every task."""
    space = classifier_space()
    space.seed(SEED)
    drawn: dict[str, list[dict[str, Any]]] = {name: [_default(name)] for name in LEARNERS}
    while any(len(configs) < CONFIGS_PER_LEARNER for configs in drawn.values()):
        for configuration in space.sample_configuration(100):
            config = _plain(configuration)
            configs = drawn[config["learner"]]
            if len(configs) < CONFIGS_PER_LEARNER and config not in configs:
                configs.append(config)
    return drawn


def _default(name: str) -> dict[str, Any]:
    from ConfigSpace.util import deactivate_inactive_hyperparameters

    space = classifier_space()
    values = {h.name: h.default_value for h in space.values()} | {"learner": name}
    return _plain(deactivate_inactive_hyperparameters(values, space))


def _plain(configuration: Any) -> dict[str, Any]:
    """A mapping of plain Python values, floats to 6 significant digits, so that JSON keeps them."""
    plain = {}
    for key, value in dict(configuration).items():
        value = value.item() if isinstance(value, np.generic) else value
        plain[key] = float(f"{value:.6g}") if isinstance(value, float) else value
    return plain


def splits(y: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Fold number, training rows in a random order (so that a prefix is a sample), test rows."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for fold, (train, test) in enumerate(folds.split(np.zeros(len(y)), y)):
        yield fold, np.random.default_rng(SEED + fold).permutation(train), test


def evaluate(task: SampleTask, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row per fold and training fraction; a fit that raises is a row with status `failed`."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    x = task.x.to_numpy()
    for fold, train, test in splits(task.y):
        for fraction in FRACTIONS:
            rows = train[: max(2, round(fraction * len(train)))]
            row: dict[str, Any] = {"task": task.name, "config": json.dumps(config, sort_keys=True)}
            row |= {"fold": fold, "fraction": fraction, "status": "ok"}
            start = time.perf_counter()
            try:
                model = pipeline(config, seed=SEED).fit(x[rows], task.y[rows])
                fitted = time.perf_counter()
                predicted = model.predict(x[test])
                row |= {"fit_s": fitted - start, "predict_s": time.perf_counter() - fitted}
                row["accuracy"] = accuracy_score(task.y[test], predicted)
                row["balanced_accuracy"] = balanced_accuracy_score(task.y[test], predicted)
            except ValueError as error:
                row |= {"status": "failed", "fit_s": time.perf_counter() - start}
                row["error"] = str(error).splitlines()[0][:200]
            yield row


SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("config", pa.string()),
        ("fold", pa.int32()),
        ("fraction", pa.float64()),
        ("status", pa.string()),
        ("accuracy", pa.float64()),
        ("balanced_accuracy", pa.float64()),
        ("fit_s", pa.float64()),
        ("predict_s", pa.float64()),
        ("error", pa.string()),
    ]
)


def run_pair(task: SampleTask, configs: list[dict[str, Any]], target: Path) -> int:
    """Evaluate the configs of one learner on one task and write them; returns the rows written."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [row for config in configs for row in evaluate(task, config)]
    part = target.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), part)
    part.replace(target)
    return len(rows)


def main() -> None:
    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=WORK)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    configs = sample_configs()
    pending = []
    for task in sample_tasks():
        for learner in LEARNERS:
            target = arguments.work / f"{task.name}--{learner}.parquet"
            if not target.exists():
                pending.append((task, configs[learner], target))
    with ProcessPoolExecutor(arguments.workers) as pool, Progress() as progress:
        bar = progress.add_task("task x learner", total=len(pending))
        for future in as_completed(pool.submit(run_pair, *pair) for pair in pending):
            future.result()
            progress.advance(bar)
    assemble(arguments.work)


if __name__ == "__main__":
    main()
