"""What running costs besides the trials: milliseconds a trial, here, in processes, on Dask and Ray.

    python -m benchmarks.run_overhead

Protocol: The objective returns a number at once, so all that is measured is ours: asking, sending,
recording, telling. The space is `classifier` (38 hyperparameters, conditions). In this process CPU
time counts (the machine had other work; alone, it is the wall clock's), on executors the wall
clock, with workers that are started and have the objective. `Ray's own map` runs the same 10,000
trials, asked beforehand, as `ray.get([f.remote(trial) for trial in trials])` and as
`ActorPool.map_unordered` with as many actors; ours asks and tells them as well, with 1,000 under
way. `Pool.map` is told all trials at once and cuts them into 8 messages, which a search that asks
and tells cannot do; it stands there for scale. Median of 5 rounds in which all take turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

from benchmarks.machine import write
from metadb.records import Task, Trial
from metadb.store import Store
from optimizers import OPTIMIZERS, RandomSearch, run
from optimizers.executors import Dask, Local, Ray, Workers
from optimizers.learners import classifier_space
from optimizers.recording import Recording

WORKERS = 2
N_RAY = 10_000
ROUNDS = 5
SPACE = classifier_space()


def number(trial: Trial) -> float:
    return float(trial.id)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cpu_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def here(n: int = 1000) -> dict[str, float]:
    """Milliseconds of CPU a trial in this process, of 1,000; TPE of 200."""
    found = {}
    for name, m in (("random", n), ("tpe", n // 5)):
        runs = [
            cpu_seconds(lambda: run(OPTIMIZERS[name](SPACE, seed=seed), number, trials=m))  # noqa: B023
            for seed in range(3)
        ]
        found[name] = round(1000 * median(runs) / m, 3)
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(folder) as store,
        Recording(store, Task("local:x"), SPACE, "log_loss", run="x") as recording,
    ):
        search = RandomSearch(SPACE)
        run(search, number, trials=1, record=recording)
        taken = cpu_seconds(lambda: run(search, number, trials=n, record=recording))
        found["random, recorded"] = round(1000 * taken / n, 3)
    return found


def on(executor: Workers, n: int = 2000) -> dict[str, float]:
    """Milliseconds a trial with as many under way as workers, and with 500."""
    run(RandomSearch(SPACE), number, trials=200, executor=executor, parallel=100)
    found = {}
    for parallel in (WORKERS, 500):
        m = n if parallel > WORKERS else n // 4
        taken = seconds(
            lambda: run(
                RandomSearch(SPACE),
                number,
                trials=m,  # noqa: B023
                executor=executor,
                parallel=parallel,  # noqa: B023
            )
        )
        found[f"{parallel} under way"] = round(1000 * taken / m, 3)
    return found


def beside_ray() -> dict[str, Any]:
    """10,000 trials through `run` and through Ray's own two maps, seconds."""
    import ray
    from ray.util import ActorPool
    from ray.util.multiprocessing import Pool

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="error")
    trials = RandomSearch(SPACE).ask(N_RAY)
    task = ray.remote(number)

    @ray.remote
    class Own:
        def number(self, trial: Trial) -> float:
            return number(trial)

    def tasks() -> None:
        assert len(ray.get([task.remote(trial) for trial in trials])) == N_RAY

    taken: dict[str, list[float]] = {"run": [], "tasks": [], "ActorPool": [], "Pool": []}
    for _ in range(ROUNDS):
        with Ray(WORKERS) as executor:
            few = on(executor)
            taken["run"].append(
                seconds(
                    lambda: run(
                        RandomSearch(SPACE),
                        number,
                        trials=N_RAY,
                        executor=executor,
                        parallel=1000,
                    )
                )
            )
        tasks()  # its workers are there
        taken["tasks"].append(seconds(tasks))
        actors = [Own.remote() for _ in range(WORKERS)]
        pool = ActorPool(actors)
        list(pool.map_unordered(lambda a, t: a.number.remote(t), trials[:200]))
        taken["ActorPool"].append(
            seconds(lambda: list(pool.map_unordered(lambda a, t: a.number.remote(t), trials)))  # noqa: B023
        )
        for actor in actors:
            ray.kill(actor)
        with Pool(WORKERS) as chunked:
            chunked.map(number, trials[:200])
            taken["Pool"].append(seconds(lambda: chunked.map(number, trials)))
    ray.shutdown()
    s = {name: round(median(all_), 2) for name, all_ in taken.items()}
    fastest = min(s["tasks"], s["ActorPool"])
    return {"ms": few, "trials": N_RAY, "s": s, "ratio": round(s["run"] / fastest, 3)}


def main() -> None:
    figures: dict[str, Any] = {"workers": WORKERS, "here_cpu_ms": here()}
    with Local(WORKERS) as executor:
        figures["local_ms"] = on(executor)
    with Dask(WORKERS) as executor:
        figures["dask_ms"] = on(executor)
    figures["ray"] = beside_ray()
    figures["packages"] = {name: version(name) for name in ("ray", "distributed", "ConfigSpace")}
    write("run_overhead", figures)


if __name__ == "__main__":
    main()
