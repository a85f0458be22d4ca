"""YAHPO surrogates: evaluations a second, and random search with and without a warm start.

    python -m benchmarks.yahpo [--data DIR]      # about half a minute

Speed: one thread, configs drawn at random, checked, encoded and evaluated at the full budget; one
batch of 10,000 (best of three), and 1,000 batches of one.

Warm start: 100 random configs on each of lcbench's 34 tasks go into a fresh store. For each task, a
portfolio of the other 33 (the task's own evaluations left out) gives five configs; random search
then runs 20 trials at the full budget, once after these five, and cold with five seeds. Loss is one
minus the validation accuracy, averaged over tasks (and seeds).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.machine import write
from ingest.building import metric_rows, rows
from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS
from metadb.records import Rows, Task
from metadb.space import sample
from metadb.store import Store
from optimizers import RandomSearch, run
from optimizers.yahpo import Yahpo
from recommenders.portfolio import Portfolio

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "yahpo"
ONE_EACH = {"lcbench": "3945", "nb301_v2": None, "rbv2_ranger_v2": "3"}
SPACE = "yahpo-lcbench"
TRIALS, ADVISED, SEEDS = 20, 5, 5


def speed(surrogate: Yahpo) -> dict[str, float]:
    """Evaluations a second in one batch and one by one."""
    configs = sample(surrogate.space, 10_000, seed=1)
    batches = []
    for _ in range(3):
        start = time.perf_counter()
        surrogate.evaluate(configs)
        batches.append(time.perf_counter() - start)
    start = time.perf_counter()
    for config in configs[:1000]:
        surrogate.evaluate([config])
    return {
        "batch_of_10000_per_s": round(10_000 / min(batches)),
        "batches_of_1_per_s": round(1000 / (time.perf_counter() - start)),
    }


def past(data: Path, instances: tuple[str, ...], store: Store) -> int:
    """Fill the store with 100 random configs on every task; returns the evaluations added."""
    configs = sample(Yahpo(data, "lcbench", instances[0]).space, 100, seed=0)
    ids = [config_id(SPACE, config) for config in configs]
    texts = [canonical_config(config) for config in configs]
    made = []
    for instance in instances:
        surrogate = Yahpo(data, "lcbench", instance)
        made.append(
            rows(
                "evaluations",
                task=[surrogate.task] * len(ids),
                config=ids,
                metric="accuracy",
                value=surrogate.evaluate(configs)["val_accuracy"].to_numpy() / 100,
                status="ok",
                budget=52.0,
                budget_unit="epochs",
                origin="yahpo",
            )
        )
    tables = {
        "metrics": metric_rows([METRICS["accuracy"]]),
        "configs": rows("configs", config=ids, space=SPACE, hyperparameters=texts),
        "tasks": rows("tasks", task=[f"openml:task/{i}" for i in instances], kind="classification"),
        "evaluations": pa.concat_tables(made),
    }
    return store.add(Rows(tables)).added["evaluations"]


def warm_start(data: Path) -> dict[str, Any]:
    """Mean best loss after 5 and 20 trials, cold and warm."""
    instances = Yahpo(data, "lcbench", "3945").instances
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store") as store:
        added = past(data, instances, store)
        history = store.history(SPACE, "accuracy")
    cold, warm = [], []  # (tasks, seeds, trials) and (tasks, trials): best so far
    for instance in instances:
        surrogate = Yahpo(data, "lcbench", instance)
        portfolio = Portfolio.fit(history.without(surrogate.task))
        advice = [one.config for one in portfolio.recommend(Task(surrogate.task), ADVISED)]
        warm.append(best(RandomSearch(surrogate.space, warm_start=advice), surrogate))
        cold.append([best(RandomSearch(surrogate.space, seed=s), surrogate) for s in range(SEEDS)])
    of_cold, of_warm = np.mean(cold, axis=1), np.array(warm)  # (tasks, trials)
    return {
        "past_evaluations": added,
        "tasks": len(instances),
        **{
            f"after_{n}": {
                "cold": round(float(of_cold[:, n - 1].mean()), 4),
                "warm": round(float(of_warm[:, n - 1].mean()), 4),
                "tasks_where_warm_is_better": int((of_warm < of_cold)[:, n - 1].sum()),
            }
            for n in (ADVISED, TRIALS)
        },
    }


def best(search: RandomSearch, surrogate: Yahpo) -> list[float]:
    """The best loss so far after each trial."""
    losses = [evaluation.loss or 0.0 for evaluation in run(search, surrogate, trials=TRIALS)]
    return list(np.minimum.accumulate(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    figures = {
        "speed": {name: speed(Yahpo(data, name, task)) for name, task in ONE_EACH.items()},
        "warm_start": warm_start(data),
    }
    write("yahpo", figures)


if __name__ == "__main__":
    main()
