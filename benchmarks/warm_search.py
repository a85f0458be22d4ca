"""Does a search that knows other tasks need a third of the evaluations?

    python -m benchmarks.warm_search --methods portfolio:tpe,auto:tpe --problems lcbench --seeds 5
    python -m benchmarks.warm_search --summary

Protocol, stated before the first run. Families: lcbench (34 tasks) and rbv2_ranger (116 tasks) of
`benchmarks.problems`, their tasks one after the other the new one. The past: 100 random configs,
the same on each of all other tasks of the family, at the full budget, nothing of the new task. A
method `HELP:OPTIMIZER` gives the optimiser what `HELPS[HELP]` makes of that past (a warm start of
five configs; a surrogate or a prior) and runs it for 50 evaluations; `cold:OPTIMIZER` gives it
nothing. Compared, paired by task and seed: the normalised regret (as in
`benchmarks.optimizer_quality`) of the warm search after 16 evaluations, a third of 50, and of the
cold one after 50; the mean difference has an interval of 95 % by bootstrap, over tasks, as each is
a task that neither knew. Nothing was tuned on these tasks.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.machine import write
from benchmarks.optimizer_summary import REFERENCES, mean, references, regrets
from benchmarks.problems import DATA, Problem, chosen, problem, tasks
from benchmarks.runs import EVALUATIONS, Run, append, missing, origin, read, work
from metadb.history import Configs, History
from metadb.protocols import Floats
from metadb.records import Task
from metadb.space import sample, to_json
from optimizers import OPTIMIZERS
from recommenders import RECOMMENDERS

CACHE = Path(__file__).resolve().parents[1] / "build" / "warm_search.jsonl"
PAST, ADVISED, THIRD = 100, 5, EVALUATIONS // 3
RESAMPLES = 10_000


@lru_cache(maxsize=2)
def past(family: str, data: Path) -> History:
    """Losses of `PAST` random configs on every task of a family."""
    names = tasks(family, data)
    space = problem(names[0], data).space
    drawn = sample(space, PAST, seed=0)
    loss = np.array([problem(name, data).losses(drawn) for name in names])  # (tasks, configs)
    task, config = np.divmod(np.arange(loss.size, dtype=np.int32), PAST)
    ones = np.ones(loss.size)
    configs = Configs.of(str(space.name), drawn, definition=to_json(space))
    metric = "error_rate"
    return History(metric, tuple(names), configs, task, config, loss.ravel(), ones, ones)


@lru_cache(maxsize=4)
def _fitted(recommender: str, new: str, family: str, data: Path) -> Any:
    return RECOMMENDERS[recommender].fit(past(family, data).without(new))


def advised(recommender: str) -> Callable[[Problem, Path, int], dict[str, Any]]:
    """A help that starts a search with the first configs that a recommender advises."""

    def help_(new: Problem, data: Path, seed: int) -> dict[str, Any]:
        advice = _fitted(recommender, new.name, new.family, data).recommend(Task(new.name), ADVISED)
        return {"warm_start": [dict(one.config) for one in advice]}

    return help_


HELPS: dict[str, Callable[[Problem, Path, int], Mapping[str, Any]]] = {
    "cold": lambda new, data, seed: {},
    "portfolio": advised("portfolio"),
    "auto": advised("auto"),
}
"""Name to what makes keyword arguments of an optimiser from the new problem, data and seed."""


def search(method: str, new: Problem, data: Path, seed: int) -> Run:
    """Run `HELP:OPTIMIZER` on a new task."""
    help_, _, optimizer = method.partition(":")
    made = Run(method, new.name, seed, made_by=origin(optimizer))
    return work(
        made,
        new,
        lambda: OPTIMIZERS[optimizer](new.space, seed=seed, **HELPS[help_](new, data, seed)),
    )


def against(
    warm: Mapping[str, Mapping[int, Floats]], cold: Mapping[str, Mapping[int, Floats]]
) -> dict[str, Any] | None:
    """Warm after a third less cold after all evaluations, over tasks; None without pairs."""
    apart = []
    for name in sorted(set(warm) & set(cold)):
        both = sorted(set(warm[name]) & set(cold[name]))
        if both:
            apart.append(
                np.mean([warm[name][s][THIRD - 1] - cold[name][s][EVALUATIONS - 1] for s in both])
            )
    if not apart:
        return None
    rng = np.random.default_rng(0)
    d = np.array(apart)
    drawn = d[rng.integers(len(d), size=(RESAMPLES, len(d)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "difference": round(float(d.mean()), 6), "low": round(float(low), 6),
        "high": round(float(high), 6), "no_worse": bool(low <= 0), "tasks": len(d),
        "tasks_no_worse": int((d <= 1e-9).sum()),
    }  # fmt: skip


def summarise(cache: Path, data: Path) -> None:
    """Write `results/warm_search.json` from the cached runs."""
    runs = read(cache)
    found = regrets(runs, references(runs, data, REFERENCES))
    figures: dict[str, Any] = {"past_configs": PAST, "advised": ADVISED, "third": THIRD}
    for family in ("lcbench", "rbv2_ranger"):
        rows = {}
        for method, curve in sorted(found.items()):
            own = {n: seeds for n, seeds in curve.items() if n.startswith(family)}
            line = mean(own, list(own))
            if line is None or not own:
                continue
            cold = found.get(f"cold:{method.partition(':')[2]}", {})
            rows[method] = {
                **{str(k): float(f"{line[k - 1]:.4g}") for k in (1, 5, THIRD, EVALUATIONS)},
                "tasks": len(own), "seeds": min(map(len, own.values())),
                "third_against_cold": None if curve is cold else against(own, cold),
            }  # fmt: skip
        figures[family] = rows
    figures["failed"] = [
        f"{'/'.join(map(str, r.key))}: {r.error}" for r in runs.values() if r.error
    ]
    write("warm_search", figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default="", help="HELP:OPTIMIZER, comma between")
    parser.add_argument("--problems", default="lcbench,rbv2_ranger")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()
    methods = [name for name in arguments.methods.split(",") if name]
    names = chosen(arguments.problems.split(","), arguments.data)
    end = time.monotonic() + 3600 * arguments.hours
    jobs = list(missing(methods, names, range(arguments.seeds), set(read(arguments.cache))))
    for nth, (method, name, seed) in enumerate(jobs, 1):
        if time.monotonic() > end:
            print(f"time is up; {len(jobs) - nth + 1} runs are left", flush=True)
            break
        made = search(method, problem(name, arguments.data), arguments.data, seed)
        append(arguments.cache, made)
        print(
            f"{nth}/{len(jobs)} {method} {name} {seed}: {made.error or made.best()[-1]}", flush=True
        )
    if arguments.summary:
        summarise(arguments.cache, arguments.data)


if __name__ == "__main__":
    main()
