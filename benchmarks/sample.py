"""Make `data/sample` and `data/regression`: every learner's configs on every sample task, 3 folds.

    python -m benchmarks.sample --workers 2      # 40 minutes on 2 cores; run it again to resume

Classification: 7 learners x 30 configs, 4 training sizes; regression: 8 x 12, one size.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.sample_files import assemble
from benchmarks.sample_tasks import SampleTask, sample_tasks
from optimizers.learners import KINDS, pipeline, space_of
from optimizers.scoring import SCORES, Predicted

FOLDS = 3
SEED = 0
WORK = Path(__file__).parent / ".work" / "sample"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the tasks of a kind are run.

    Args:
        configs: Of each learner.
        fractions: Of the training rows.
        scores: Those that are kept.
    """

    configs: int
    fractions: tuple[float, ...]
    scores: tuple[str, ...]


PLANS = {
    "classification": Plan(30, (0.125, 0.25, 0.5, 1.0), ("accuracy", "balanced_accuracy")),
    "regression": Plan(12, (1.0,), ("rmse", "mae", "r2")),
}


def sample_configs(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Per learner its default, then random draws from the space, the same for every task."""
    space, n = space_of(kind), PLANS[kind].configs
    space.seed(SEED)
    drawn: dict[str, list[dict[str, Any]]] = {n: [_default(kind, n)] for n in KINDS[kind][1]}
    while any(len(configs) < n for configs in drawn.values()):
        for configuration in space.sample_configuration(100):
            config = _plain(configuration)
            configs = drawn[config["learner"]]
            if len(configs) < n and config not in configs:
                configs.append(config)
    return drawn


def _default(kind: str, name: str) -> dict[str, Any]:
    from ConfigSpace.util import deactivate_inactive_hyperparameters

    space = space_of(kind)
    values = {h.name: h.default_value for h in space.values()} | {"learner": name}
    return _plain(deactivate_inactive_hyperparameters(values, space))


def _plain(configuration: Any) -> dict[str, Any]:
    """A mapping of plain Python values, floats to 6 significant digits, so that JSON keeps them."""
    plain = {}
    for key, value in dict(configuration).items():
        value = value.item() if isinstance(value, np.generic) else value
        plain[key] = float(f"{value:.6g}") if isinstance(value, float) else value
    return plain


def splits(task: SampleTask) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Fold number, training rows in a random order (so that a prefix is a sample), test rows."""
    from sklearn.model_selection import KFold, StratifiedKFold

    folds = StratifiedKFold if task.kind == "classification" else KFold
    parted = folds(FOLDS, shuffle=True, random_state=SEED).split(np.zeros(len(task.y)), task.y)
    for fold, (train, test) in enumerate(parted):
        yield fold, np.random.default_rng(SEED + fold).permutation(train), test


def evaluate(task: SampleTask, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row per fold and training fraction; a fit that raises is a row with status `failed`."""
    x, plan = task.x.to_numpy(), PLANS[task.kind]
    for fold, train, test in splits(task):
        for fraction in plan.fractions:
            rows = train[: max(2, round(fraction * len(train)))]
            row: dict[str, Any] = {"task": task.name, "config": json.dumps(config, sort_keys=True)}
            row |= {"fold": fold, "fraction": fraction, "status": "ok"}
            start = time.perf_counter()
            try:
                model = pipeline(config, kind=task.kind, seed=SEED).fit(x[rows], task.y[rows])
                fitted = time.perf_counter()
                said = model.predict(x[test])
                row |= {"fit_s": fitted - start, "predict_s": time.perf_counter() - fitted}
                if not np.isfinite(said).all():
                    raise ValueError("a prediction is no number")
                predicted = Predicted(task.y[test], said)
                row |= {name: SCORES[task.kind][name](predicted) for name in plan.scores}
            except ValueError as error:
                row |= {"status": "failed", "fit_s": time.perf_counter() - start}
                row["error"] = str(error).splitlines()[0][:200]
            yield row


def schema(kind: str) -> pa.Schema:
    """The columns of a file of the work folder."""
    measured = (*PLANS[kind].scores, "fit_s", "predict_s")
    return pa.schema(
        [
            ("task", pa.string()),
            ("config", pa.string()),
            ("fold", pa.int32()),
            ("fraction", pa.float64()),
            ("status", pa.string()),
            *((name, pa.float64()) for name in measured),
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
    pq.write_table(pa.Table.from_pylist(rows, schema=schema(task.kind)), part)
    part.replace(target)
    return len(rows)


def main() -> None:
    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--kinds", nargs="+", choices=PLANS, default=list(PLANS))
    arguments = parser.parse_args()
    pending = []
    for kind in arguments.kinds:
        (arguments.work / kind).mkdir(parents=True, exist_ok=True)
        configs = sample_configs(kind)
        for task in sample_tasks(kind):
            for learner, chosen in configs.items():
                target = arguments.work / kind / f"{task.name}--{learner}.parquet"
                if not target.exists():
                    pending.append((task, chosen, target))
    with ProcessPoolExecutor(arguments.workers) as pool, Progress() as progress:
        bar = progress.add_task("task x learner", total=len(pending))
        for future in as_completed(pool.submit(run_pair, *pair) for pair in pending):
            future.result()
            progress.advance(bar)
    for kind in arguments.kinds:
        assemble(arguments.work / kind, kind, PLANS[kind].scores)


if __name__ == "__main__":
    main()
