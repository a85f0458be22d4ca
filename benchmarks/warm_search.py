"""Does a search that knows other tasks need a third of the evaluations?

    python -m benchmarks.warm_search --methods start.portfolio:tpe,start.auto+prior:tpe --seeds 5
    python -m benchmarks.warm_search --summary

Protocol, stated before the first run. Families: lcbench (34 tasks) and rbv2_ranger (116 tasks) of
`benchmarks.problems`, their tasks one after the other the new one. The past: 100 random configs,
the same on each of all other tasks of the family, at the full budget, nothing of the new task. A
method `HELP.OF+HELP.OF:OPTIMIZER` gives the optimiser what `HELPS` make of that past (`start.auto`:
a warm start of five configs that `auto` advises; `surrogate.rgpe`: that surrogate; `prior`: the
region of the good configs) and runs it for 50 evaluations; `cold:OPTIMIZER` gives it nothing.
Compared, paired by task and seed: the normalised regret (as in `benchmarks.optimizer_quality`) of
the warm search after 16 evaluations, a third of 50, and of the cold one after 50; the mean
difference has an interval of 95 % by bootstrap, over tasks, as each is a task that neither knew.
`ranked_rgpe`, and that `bo` waits for no more results than a warm start has, were chosen, before
they ran on any other task, by 16 evaluations with seed 0 on the twelve tasks of `DEVELOPMENT`,
which are not reported. Nothing was tuned on those reported.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from api.picture import curves
from benchmarks.machine import write
from benchmarks.optimizer_summary import DOCS, Curves, mean, references, regrets
from benchmarks.problems import DATA, Problem, chosen, problem, tasks
from benchmarks.runs import EVALUATIONS, Run, keep, missing, origin, read, work, work_off
from metadb.history import Configs, History
from metadb.protocols import Floats, Optimizer
from metadb.records import Task
from metadb.space import sample, to_json
from optimizers import OPTIMIZERS
from recommenders import RECOMMENDERS

BUILD = Path(__file__).resolve().parents[1] / "build"
CACHE, QUALITY = BUILD / "warm_search.jsonl", BUILD / "optimizer_quality.jsonl"
PAST, ADVISED, THIRD = 100, 5, EVALUATIONS // 3
RESAMPLES = 10_000

DEVELOPMENT = tuple(
    f"rbv2_ranger:{i}"
    for i in (1462, 1510, 307, 40923, 41156, 4541, 38, 458, 24, 41143, 40984, 182)
)
"""What was chosen was chosen on these; they are not reported."""


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
    return History(
        "error_rate",
        tuple(names),
        configs,
        task,
        config,
        loss.ravel(),
        ones,
        ones,
        {},
        tuple(names),
    )


@lru_cache(maxsize=400)
def _fitted(recommender: str, new: str, family: str, data: Path) -> Any:
    return RECOMMENDERS[recommender].fit(past(family, data).without(new))


def start(of: str, new: Problem, data: Path, seed: int) -> dict[str, Any]:
    """A warm start: the first configs that a recommender advises."""
    advice = _fitted(of, new.name, new.family, data).recommend(Task(new.name), ADVISED)
    return {"warm_start": [dict(one.config) for one in advice]}


def surrogate(of: str, new: Problem, data: Path, seed: int) -> dict[str, Any]:
    """A surrogate that carries what the past taught."""
    from recommenders import fitter

    return {"surrogate": fitter(of, past(new.family, data).without(new.name), Task(new.name))}


def prior(of: str, new: Problem, data: Path, seed: int) -> dict[str, Any]:
    """The region of the good configs of the past."""
    from recommenders.region import Region

    return {"prior": Region.fit(past(new.family, data).without(new.name), Task(new.name))}


HELPS: dict[str, Callable[[str, Problem, Path, int], dict[str, Any]]] = {
    "cold": lambda of, new, data, seed: {},
    "start": start,
    "surrogate": surrogate,
    "prior": prior,
}
"""Name to what makes keyword arguments of an optimiser from a word, the new problem and a seed."""


def search(method: str, new: Problem, data: Path, seed: int) -> Run:
    """Run `HELP.OF+HELP.OF:OPTIMIZER` on a new task."""
    helps, _, optimizer = method.partition(":")

    def make() -> Optimizer:
        given: dict[str, Any] = {}
        for part in helps.split("+"):
            name, _, of = part.partition(".")
            given |= HELPS[name](of, new, data, seed)
        made: Optimizer = OPTIMIZERS[optimizer](new.space, seed=seed, **given)
        return made

    return work(Run(method, new.name, seed, made_by=origin(optimizer)), new, make)


def known(cache: Path, quality: Path) -> dict[tuple[str, str, int], Run]:
    """The cached runs; cold ones are taken from the study of quality too."""
    cold = {(f"cold:{m}", p, s): run for (m, p, s), run in read(quality).items() if m in OPTIMIZERS}
    return {key: run for key, run in (cold | read(cache)).items() if ":" in key[1]}


def compared(runs: Mapping[tuple[str, str, int], Run]) -> dict[tuple[str, str, int], Run]:
    """The warm runs and the cold ones of the same optimisers, on tasks that all of these ran.

    Of each family by itself: a method that did not run on a family is not compared there.
    """
    kept: dict[tuple[str, str, int], Run] = {}
    for family in {p.partition(":")[0] for _, p, _ in runs}:
        own = {k: r for k, r in runs.items() if k[1].partition(":")[0] == family}
        warm = {m for m, _, _ in own if not m.startswith("cold:")}
        methods = warm | {f"cold:{m.partition(':')[2]}" for m in warm}
        ran = [{p for m, p, _ in own if m == method} for method in methods]
        tasks_of_all = (set.intersection(*ran) if ran else set()) - set(DEVELOPMENT)
        kept |= {k: r for k, r in own.items() if k[0] in methods and k[1] in tasks_of_all}
    return kept


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


def summarise(cache: Path, quality: Path, data: Path) -> None:
    """Write `results/warm_search.json` and its picture from the cached runs."""
    runs = compared(known(cache, quality))
    reference = references(runs, data, quality.parent)
    found = regrets(runs, reference)
    figures: dict[str, Any] = {"past_configs": PAST, "advised": ADVISED, "third": THIRD}
    for family in ("lcbench", "rbv2_ranger"):
        rows = {}
        for method, curve in sorted(found.items()):
            own = {n: seeds for n, seeds in curve.items() if n.startswith(family)}
            line = mean(own, list(own))
            if line is None:
                continue
            cold = found.get(f"cold:{method.partition(':')[2]}", {})
            rows[method] = {
                **{str(k): float(f"{line[k - 1]:.4g}") for k in (1, 5, THIRD, EVALUATIONS)},
                "tasks": len(own), "seeds": min(map(len, own.values())),
                "third_against_cold": None if curve is cold else against(own, cold),
            }  # fmt: skip
        figures[family] = rows
    _draw(found)
    figures["failed"] = [
        f"{'/'.join(map(str, r.key))}: {r.error}" for r in runs.values() if r.error
    ]
    write("warm_search", figures)


def _draw(found: Curves) -> None:
    """A picture of the mean of both families' means."""
    lines = {}
    for method, curve in sorted(found.items()):
        means = [
            mean(curve, [n for n in curve if n.startswith(f)]) for f in ("lcbench", "rbv2_ranger")
        ]
        both = [m for m in means if m is not None]
        if len(both) == 2:
            lines[method] = list(np.log10(np.maximum(np.mean(both, axis=0), 1e-6)))
    if lines:
        picture = curves(
            lines,
            title="Regret, cold and warm, mean over lcbench, rbv2_ranger",
            x_label="evaluations",
            y_label="log10 of normalised regret",
        )
        (DOCS / "warm_search.svg").write_text(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default="", help="HELP:OPTIMIZER, comma between")
    parser.add_argument("--problems", default="lcbench,rbv2_ranger")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--quality", type=Path, default=QUALITY, help="cache with cold runs")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()
    methods = [name for name in arguments.methods.split(",") if name]
    names = chosen(arguments.problems.split(","), arguments.data)

    def run(method: str, name: str, seed: int) -> Run:
        return search(method, problem(name, arguments.data), arguments.data, seed)

    runs = known(arguments.cache, arguments.quality)
    done = {key for key, made in runs.items() if not made.error}
    jobs = list(missing(methods, names, range(arguments.seeds), done))
    work_off(jobs, run, arguments.cache, arguments.hours)
    if arguments.summary:
        summarise(arguments.cache, arguments.quality, arguments.data)
        keep(arguments.cache)


if __name__ == "__main__":
    main()
