"""Gaussian processes on the CPU and on the GPU: one of 2,000 points, and 200 tasks as one batch.

    python -m benchmarks.optimizer_gpu           # some minutes; says so where there is no GPU
    python -m benchmarks.optimizer_gpu --share 0.1   # all sizes a tenth, to see that it works

Protocol: eight dimensions, smooth losses with a little noise, in double precision. One GP:
`GP.fit` on 2,000 points (80 steps of its hyperparameters, on all of them), then the logarithm of
the expected improvement of 10,000 candidates. A batch: `GP.fit` on 200 source tasks of 128 points
each, then the same 10,000 candidates judged by all of them. Median of three repetitions after one
that is not counted (kernels are loaded then); a repetition ends when the numbers are back in NumPy.
CPU: two threads. The GPU is to be at least ten times as fast.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np

from benchmarks.machine import write
from metadb.protocols import Floats
from recommenders.acquisition import log_expected_improvement
from recommenders.gp import GP

D, POINTS, CANDIDATES, TASKS, OF_A_TASK = 8, 2000, 10_000, 200, 128
REPETITIONS, THREADS = 3, 2


def data(tasks: int, n: int) -> tuple[Floats, Floats]:
    """Points (tasks, n, 8) and losses (tasks, n)."""
    rng = np.random.default_rng(0)
    x = rng.random((tasks, n, D))
    centre = 0.5 + 0.15 * rng.standard_normal((tasks, 1, D))
    y = ((x - centre) ** 2).sum(axis=2) + 0.1 * np.sin(10 * x).sum(axis=2)
    return x, y + 0.01 * rng.standard_normal((tasks, n))


def timed(work: Callable[[], Any], repetitions: int) -> tuple[float, Any]:
    """Median seconds, and what the last one gave."""
    spent, got = [], work()
    for _ in range(repetitions):
        start = time.perf_counter()
        got = work()
        spent.append(time.perf_counter() - start)
    return round(median(spent), 4), got


def on(device: str, share: float, repetitions: int) -> dict[str, float]:
    """Seconds of each piece of work on a device."""
    n, tasks = max(10, round(share * POINTS)), max(2, round(share * TASKS))
    many, candidates = max(10, round(share * OF_A_TASK)), max(100, round(share * CANDIDATES))
    at = np.random.default_rng(1).random((candidates, D))
    one_x, one_y = data(1, n)
    x, y = data(tasks, many)

    def fit() -> GP:
        return GP.fit(one_x, one_y, device=device, max_points=n, tune_points=n)

    def fit_batch() -> GP:
        return GP.fit(x, y, device=device)

    def judge(gp: GP) -> Floats:
        mean, sd = gp.predict(at)
        best = (gp.y.min(axis=1) * gp.width + gp.offset)[:, None]
        return log_expected_improvement(mean, sd, best)

    fit_s, gp = timed(fit, repetitions)
    judge_s, _ = timed(lambda: judge(gp), repetitions)
    batch_s, batch = timed(fit_batch, repetitions)
    judge_batch_s, _ = timed(lambda: judge(batch), repetitions)
    return {
        f"fit_{n}_points_s": fit_s,
        f"improvement_of_{candidates}_s": judge_s,
        f"fit_{tasks}_tasks_of_{many}_s": batch_s,
        f"improvement_of_{candidates}_on_{tasks}_tasks_s": judge_batch_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of all sizes")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--dry", action="store_true", help="print, do not write the results")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(THREADS)
    figures: dict[str, Any] = {"torch": torch.__version__, "threads": THREADS}
    figures["cpu"] = on("cpu", arguments.share, arguments.repetitions)
    if torch.cuda.is_available():
        figures["gpu"] = torch.cuda.get_device_name()
        figures["cuda"] = on("cuda", arguments.share, arguments.repetitions)
        figures["times_as_fast"] = {
            name: round(figures["cpu"][name] / seconds, 1)
            for name, seconds in figures["cuda"].items()
        }
    else:
        figures["gpu"] = "no GPU here"
    if arguments.dry:
        print(figures)
    else:
        write("optimizer_gpu", figures | {"share": arguments.share})


if __name__ == "__main__":
    main()
