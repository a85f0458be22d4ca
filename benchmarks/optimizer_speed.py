"""Seconds per suggestion: ours beside Optuna, BoTorch and SMAC3 in one run, alone on the machine.

    python -m benchmarks.optimizer_speed        # about 12 minutes; one thread

Protocol: the space is eight floats in [0, 1], the loss a shifted quadratic with a ripple,
sum (x - .3)^2 + .1 (1 - cos(10 pi (x - .3))). Each search is told n = 50, 200, 500 random results
(of trials never asked), then asked 50 times, one trial each, its result told before the next ask.
The figure is the mean of these 50 asks with their tells, since some searches work in `tell` and one
fit of SMAC3's forest serves eight asks; beside it the longest one. A repetition has another seed; a
cell is repeated three times, but none is begun after half a minute; the median of the
repetitions counts. SMAC3 has no initial design of its own here, as it knows n results. One thread
for torch, OpenMP and BLAS. Before the first figure each search is run once on a small case, for its
imports.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np

from api.picture import curves
from benchmarks.machine import RESULTS, write
from benchmarks.runs import maker
from metadb.errors import NotFound
from metadb.protocols import Floats, Optimizer
from metadb.records import Config, Evaluation, Trial

D, ASKS, OBSERVED = 8, 50, (50, 200, 500)
REPETITIONS, ENOUGH_S = 3, 30.0
METHODS = (
    "random", "tpe", "bo", "forest_bo", "optuna_tpe", "optuna_gp", "botorch", "smac",
)  # fmt: skip
RATIOS = (
    ("bo", "optuna_gp"), ("bo", "botorch"), ("tpe", "optuna_tpe"), ("forest_bo", "smac"),
)  # fmt: skip
"""Ours, and the peer whose seconds ours are a share of."""


def the_space() -> Any:
    """Eight floats in [0, 1]."""
    from ConfigSpace import ConfigurationSpace, Float

    space = ConfigurationSpace(name="speed")
    space.add(*(Float(f"x{i}", (0.0, 1.0)) for i in range(D)))
    return space


def losses(x: Floats) -> Floats:
    """(n, 8) -> (n,)."""
    away = x - 0.3
    return np.asarray((away**2 + 0.1 * (1 - np.cos(10 * np.pi * away))).sum(axis=1))


def loss(config: Config) -> float:
    return float(losses(np.array([[float(config[f"x{i}"]) for i in range(D)]]))[0])


def told(n: int, seed: int) -> list[Evaluation]:
    """Random results."""
    x = np.random.default_rng([seed, n]).random((n, D))
    y = losses(x)
    return [
        Evaluation(Trial({f"x{j}": float(v) for j, v in enumerate(row)}, id=i), float(value), 1.0)
        for i, (row, value) in enumerate(zip(x, y, strict=True))
    ]


def seconds(make: Any, n: int, seed: int, asks: int = ASKS) -> list[float]:
    """Of each ask with its tell."""
    optimizer: Optimizer = make(the_space(), seed=seed)
    optimizer.tell(told(n, seed))
    spent = []
    for _ in range(asks):
        start = time.perf_counter()
        (trial,) = optimizer.ask(1)
        asked = time.perf_counter()
        evaluation = Evaluation(trial, loss(trial.config), 1.0)
        evaluated = time.perf_counter()
        optimizer.tell([evaluation])
        spent.append(time.perf_counter() - evaluated + asked - start)
    return spent


def cell(make: Any, n: int) -> dict[str, Any]:
    """The median over repetitions of the mean, of the longest and of each ask."""
    begin = time.perf_counter()
    runs: list[list[float]] = []
    while len(runs) < REPETITIONS and (not runs or time.perf_counter() - begin < ENOUGH_S):
        runs.append(seconds(make, n, seed=len(runs)))
    return {
        "mean_s": float(f"{median(float(np.mean(r)) for r in runs):.4g}"),
        "longest_s": float(f"{median(max(r) for r in runs):.4g}"),
        "repetitions": len(runs),
        "each_s": [float(f"{s:.3g}") for s in np.median(runs, axis=0)],
    }


def made(method: str) -> Any:
    """What makes a search."""
    make = maker(method)
    return partial(make, initial=0) if method == "smac" else make


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--observed", default=",".join(map(str, OBSERVED)))
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rows: dict[str, dict[str, Any]] = {}
    for method in arguments.methods.split(","):
        try:
            make = made(method)
            seconds(make, 30, seed=0, asks=2)
        except NotFound as error:
            print(f"{method} is left out: {error}", flush=True)
            continue
        rows[method] = {}
        for n in map(int, arguments.observed.split(",")):
            rows[method][str(n)] = cell(make, n)
            print(method, n, rows[method][str(n)]["mean_s"], flush=True)
    share = {
        f"{ours} / {peer}": {
            n: round(rows[ours][n]["mean_s"] / rows[peer][n]["mean_s"], 3) for n in rows[ours]
        }
        for ours, peer in RATIOS
        if ours in rows and peer in rows
    }
    at = str(OBSERVED[1])
    lines = {m: list(np.log10(row[at]["each_s"])) for m, row in rows.items() if at in row}
    if lines:
        picture = curves(
            lines,
            title=f"Seconds of each ask, {at} results and more known, {D} dimensions",
            x_label="ask",
            y_label="log10 of seconds",
        )
        (RESULTS.parents[1] / "docs" / "optimizer_speed.svg").write_text(picture)
    packages = ("torch", "optuna", "botorch", "gpytorch", "smac")
    versions = {p: version(p) for p in packages}
    write(
        "optimizer_speed",
        {"dimensions": D, "asks": ASKS, "peers": versions, "seconds": rows, "share": share},
    )


if __name__ == "__main__":
    main()
