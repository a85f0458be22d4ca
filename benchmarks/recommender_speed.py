"""How fast are the recommenders? Seconds to fit and milliseconds to advise.

    python -m benchmarks.recommender_speed

Protocol: a random history of 1,000 tasks x 1,000 configurations of 8 hyperparameters, all run, 20
meta-features; one thread. Fit: one run each, in this process, imports done before. Advice: 10
configurations, with nothing and with 20 observed, median of 20 calls after the first; the first
call too. Surrogate transfer: 20, 40 and 80 past tasks x 100 results, none shared; one suggestion
among 500 candidates after 20 observed, another result told each time, as a search does.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import write
from metadb.history import Configs, History
from metadb.records import Evaluation, Task, Trial
from recommenders import RECOMMENDERS

LARGE = ("portfolio", "active_testing", "nearest", "factorisation", "zero_shot")
TRANSFER = ("rgpe", "stacked", "tst", "taf", "copula")
D = 8


def drawn(tasks: int, configs: int, *, shared: bool, seed: int = 0) -> History:
    """A history of smooth losses that tasks share in part."""
    rng = np.random.default_rng(seed)
    n = configs if shared else tasks * configs
    x = rng.random((n, D))
    batch = Configs.of("speed", [{f"x{j}": float(v) for j, v in enumerate(row)} for row in x])
    centre = 0.5 + 0.15 * rng.standard_normal((tasks, D))
    task = np.repeat(np.arange(tasks), configs)
    config = np.tile(np.arange(configs), tasks) if shared else np.arange(n)
    loss = ((x[config] - centre[task]) ** 2).sum(axis=1) + 0.01 * rng.random(len(task))
    ids = tuple(f"speed:{t}" for t in range(tasks))
    described = {f"m{j}": rng.random(tasks) for j in range(20)}
    ones = np.ones(len(task))
    return History(
        "error_rate", ids, batch, task.astype(np.int32), config.astype(np.int32), loss, ones, ones,
        described, ids,
    )  # fmt: skip


def told(configs: Configs, n: int, seed: int = 1) -> list[Evaluation]:
    """Results of the first n configurations."""
    rng = np.random.default_rng(seed)
    return [Evaluation(Trial(configs[i], id=i), float(rng.random()), 1.0) for i in range(n)]


def main() -> None:
    task = Task("speed:new", metafeatures={f"m{j}": 0.5 for j in range(20)})
    rows: dict[str, Any] = {}
    small = drawn(4, 20, shared=True)
    for name in (*LARGE, *TRANSFER):
        RECOMMENDERS[name].fit(small).recommend(task, 2)  # imports
    history = drawn(1000, 1000, shared=True)
    for name in LARGE:
        start = time.perf_counter()
        fitted = RECOMMENDERS[name].fit(history)
        row = {"fit_s": round(time.perf_counter() - start, 2)}
        for label, observed in (("nothing", []), ("20", told(history.configs, 20))):
            times = []
            for _ in range(21):
                start = time.perf_counter()
                fitted.recommend(task, 10, observed=observed)
                times.append(1000 * (time.perf_counter() - start))
            row[f"first_ms_{label}"] = round(times[0], 1)
            row[f"ms_{label}"] = round(median(times[1:]), 1)
        rows[name] = row
        print(name, row, flush=True)
    for tasks in (20, 40, 80):
        past = drawn(tasks, 100, shared=False)
        candidates = drawn(1, 500, shared=False, seed=9).configs
        observed = told(candidates, 40)
        for name in TRANSFER:
            start = time.perf_counter()
            fitted = RECOMMENDERS[name].fit(past)
            fit_s = time.perf_counter() - start
            fitted.recommend(task, 1, observed=observed[:19], candidates=candidates)
            times = []
            for n in range(20, 35):
                start = time.perf_counter()
                fitted.recommend(task, 1, observed=observed[:n], candidates=candidates)
                times.append(time.perf_counter() - start)
            rows.setdefault(name, {})[f"{tasks} tasks"] = {
                "fit_s": round(fit_s, 2), "suggest_s": round(median(times), 3),
            }  # fmt: skip
            print(name, tasks, rows[name], flush=True)
    write("recommender_speed", {"rows": rows})


if __name__ == "__main__":
    main()
