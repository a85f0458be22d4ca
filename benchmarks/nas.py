"""Which search finds a good architecture with 100 evaluations, alone or taught by other data sets?

    python -m benchmarks.nas --seeds 30
    python -m benchmarks.nas --speed            # CPU seconds of suggestions, on one thread
    python -m benchmarks.nas --summary          # results of what the cache holds

Protocol, stated before the first run:

Tables: NAS-Bench-201 as tabulated for hyperparameter transfer (`nas_bench102.csv.zip`: 15,625 cells
trained on CIFAR-10, CIFAR-100 and ImageNet16-120, final test error in percent; validation accuracy
is not in it, so published figures, searched on that, are no bar). Surrogate: YAHPO's nb301
(DARTS' cells on CIFAR-10, validation accuracy, 98 epochs).

Cold: each search of `NAS_OPTIMIZERS`, one trial at a time, 100 evaluations at the full budget, on
the table all but `successive_halving` (it has one budget), on the surrogate `random`,
`regularized_evolution`, `bananas` and `successive_halving` (budgets from 1/27, as much spent as
100 evaluations; a promoted trial costs the difference). Searches ask canonical cells only, and each
reads its own row of the table: 8,765 of 15,625. Seeds 0 to 29. Settings are the defaults, which
come from the papers (population 20 and sample 5 are ours for evolution of any space); nothing was
chosen on these problems, and one run each with seed 100 showed that the code works.

Taught: on each data set of the table, the two others are the past, all their 15,625 cells. A method
`HELP.OF+HELP:SEARCH` gives a search what was learnt there: `start.portfolio` a warm start of
configs that this recommender advises (ten, or five beside another help), `expectation` the
predictor's prior, `prior` the region of the good configs. 20 evaluations; `prior` seeds 0 to 29,
`expectation` 0 to 9, `start` one, as its first ten are the same whatever the seed. The methods with
two helps were added when seven seeds of all others had been seen; all five recommenders that were
tried are reported, three seeds each. `start.SyneTuneZeroShot`: that peer's advice for the same
search, where it is installed. `portfolio` was run again when it had learnt to begin anew once
nothing is left to gain, which was chosen on other tables (`benchmarks.few_tasks`).

Measure: regret (best error so far - least) / (largest - least), over all 15,625 rows of the table;
for the surrogate over the losses of 20,000 random configs, the least of which is replaced by the
least that any search here found. Mean over seeds. Each search is paired with `random` by seed after
100 evaluations: the mean difference has an interval of 95 % by bootstrap of the seeds (10,000
resamples), on each data set, and on the mean of the three. "Better": the interval lies below 0.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import rankdata

from api.picture import curves
from benchmarks.machine import write
from benchmarks.peers.syne_tune_transfer import SyneTuneZeroShot
from benchmarks.problems import LEAST
from benchmarks.problems import problem as surrogate
from benchmarks.runs import Run, append, keep, origin, read
from metadb.history import Configs, History
from metadb.protocols import Floats, Optimizer
from metadb.records import Config, Evaluation, Task, Trial
from metadb.space import sample, to_json
from optimizers.nas import NAS_OPTIMIZERS, CellDARTS, CellNB201, NasSpace
from optimizers.nas.expectation import Expectation
from recommenders import RECOMMENDERS
from recommenders.region import Region

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "nas" / "nas.jsonl"
TABLE = ROOT.parent / "shared/data/hp-transfer-evaluations/nas_bench102.csv.zip"

COLD, TAUGHT, ADVISED = 100, 20, 10
STEPS = (5, 10, 25, 50, 100)
RESAMPLES = 10_000

ON_TABLE = tuple(name for name in NAS_OPTIMIZERS if name != "successive_halving")
ON_SURROGATE = ("random", "regularized_evolution", "bananas", "successive_halving")
ONCE = (
    "start.portfolio:regularized_evolution",
    "start.average_rank:regularized_evolution",
    "start.copula:regularized_evolution",
)
"""Their first ten evaluations are the same whatever the seed."""

PEERS = {"SyneTuneZeroShot": SyneTuneZeroShot}
TOLD_BY_PEERS = ("start.SyneTuneZeroShot:regularized_evolution",)
"""Other packages' advice for the same search, where they are installed."""

EXPECTING = ("expectation:wl_gp", "expectation:bananas")
SLOW = ("bananas", "wl_gp", "successive_halving")
BOTH = tuple(
    f"start.{name}+expectation:wl_gp"
    for name in ("auto", "average_rank", "copula", "portfolio", "zero_shot")
)

NB201, DARTS = CellNB201(), CellDARTS()
Key = tuple[str, ...]


@lru_cache(maxsize=1)
def table() -> dict[str, dict[Key, float]]:
    """Test error in percent by data set and operations."""
    found: dict[str, dict[Key, float]] = defaultdict(dict)
    with zipfile.ZipFile(TABLE) as packed, packed.open(packed.namelist()[0]) as file:
        for row in csv.DictReader(io.TextIOWrapper(file)):
            config = NB201.of_text(row["arch_str"])
            found[row["task"]][key(config)] = float(row["metric_error"])
    return dict(found)


def key(config: Config) -> Key:
    """The operations of a cell."""
    return tuple(str(config[f"x{k}"]) for k in range(6))


@lru_cache(maxsize=1)
def past() -> History:
    """All three data sets of the table."""
    tasks = sorted(table())
    cells = sorted(table()[tasks[0]])
    configs = [_config(cell) for cell in cells]
    loss = np.array([[table()[task][cell] for cell in cells] for task in tasks])  # (tasks, configs)
    task, config = np.divmod(np.arange(loss.size, dtype=np.int32), len(cells))
    ones = np.ones(loss.size)
    batch = Configs.of(str(NB201.space.name), configs, definition=to_json(NB201.space))
    return History("error_rate", tuple(tasks), batch, task, config, loss.ravel(), ones, ones)


@lru_cache(maxsize=60)
def helped(help_: str, task: str, n: int) -> dict[str, Any]:
    """A keyword argument of a search, of what the other data sets taught; `n` configs advised."""
    name, _, of = help_.partition(".")
    history = past().without(task)
    if name == "expectation":
        return {"expectation": Expectation.fit(history, NB201)}
    if name == "prior":
        return {"prior": Region.fit(history, Task(task))}
    advice = (RECOMMENDERS | PEERS)[of].fit(history).recommend(Task(task), n)
    return {"warm_start": [dict(one.config) for one in advice]}


def make(method: str, name: str, seed: int) -> Optimizer:
    """The search of a method on a problem."""
    helps, _, search = method.rpartition(":")
    nas: NasSpace = DARTS if name == "nb301" else NB201
    settings: dict[str, Any] = {}
    for help_ in helps.split("+") if helps else ():
        settings |= helped(help_, name, ADVISED // 2 if "+" in helps else ADVISED)
    if search == "successive_halving":
        settings = {"least": LEAST}
    return NAS_OPTIMIZERS[search](nas, seed=seed, **settings)


def evaluate(name: str) -> Callable[[Trial], Evaluation]:
    """The objective of a problem."""
    if name == "nb301":
        return surrogate(name).objective
    errors = table()[name]
    return lambda trial: Evaluation(trial, errors[key(trial.config)], 1.0)


@lru_cache(maxsize=1)
def commit() -> str:
    """The commit of the code that runs."""
    return origin("random")


def search(method: str, name: str, seed: int) -> Run:
    """Ask one, evaluate, tell, until all is spent."""
    made = Run(method, name, seed, made_by=commit())
    objective, spent, budgets = evaluate(name), 0.0, {}
    start = time.process_time()
    optimizer = make(method, name, seed)
    while spent < (TAUGHT if ":" in method else COLD) - 1e-9:
        (trial,) = optimizer.ask(1)
        evaluation = objective(trial)
        resumed = budgets.get(trial.resume, 0.0) if trial.resume is not None else 0.0
        budgets[trial.id] = trial.budget
        spent += trial.budget - resumed
        optimizer.tell([evaluation])
        assert evaluation.loss is not None
        made.losses.append(float(f"{evaluation.loss:.10g}"))
        made.spent.append(round(spent, 6))
        made.full.append(trial.budget >= 1.0)
    made.tell_s = round(time.process_time() - start, 3)  # the objective's seconds are among them
    return made


def jobs(seeds: int) -> list[tuple[str, str, int]]:
    """What is quick first; then a seed after the other, so that at any end all have the same."""
    found = []
    for seed in range(seeds):
        on_table = [*ON_TABLE, "prior:reinforce", "prior:random"]
        on_table += EXPECTING if seed < 10 else ()
        on_table += ONCE if seed < 1 else ()
        on_table += TOLD_BY_PEERS if seed < 1 and find_spec("syne_tune") else ()
        on_table += BOTH if seed < 3 else ()
        found += [(method, name, seed) for name in sorted(table()) for method in on_table]
        found += [(method, "nb301", seed) for method in ON_SURROGATE]
    return sorted(found, key=lambda job: any(word in job[0] for word in SLOW))


def regrets(runs: Mapping[tuple[str, str, int], Run]) -> dict[str, dict[str, dict[int, Floats]]]:
    """Problem, method, seed to regret after 1, 2, ... evaluations."""
    span: dict[str, tuple[float, float]] = {
        name: (min(rows.values()), max(rows.values())) for name, rows in table().items()
    }
    on_surrogate = [run for run in runs.values() if run.problem == "nb301"]
    if on_surrogate:
        of = surrogate("nb301")
        loss = of.losses(sample(of.space, 20_000, seed=20_000))
        least = min(float(loss.min()), *(float(run.best(COLD)[-1]) for run in on_surrogate))
        span["nb301"] = least, float(loss.max())
    found: dict[str, dict[str, dict[int, Floats]]] = defaultdict(lambda: defaultdict(dict))
    for (method, name, seed), run in runs.items():
        least, most = span[name]
        curve = (run.best(TAUGHT if ":" in method else COLD) - least) / (most - least)
        found[name][method][seed] = np.clip(curve, 0.0, 1.0)
    return found


def interval(apart: Floats) -> dict[str, Any]:
    """The mean of paired differences, (seeds,), and its interval."""
    drawn = np.random.default_rng(0).integers(len(apart), size=(RESAMPLES, len(apart)))
    low, high = np.quantile(apart[drawn].mean(axis=1), [0.025, 0.975])
    return {
        "difference": round(float(apart.mean()), 6), "low": round(float(low), 6),
        "high": round(float(high), 6), "better": bool(high < 0),
    }  # fmt: skip


def row(curves: Mapping[int, Floats], steps: Sequence[int]) -> dict[str, Any]:
    """The mean regret after some evaluations, and how many seeds it is of."""
    stack = np.array([curves[seed] for seed in sorted(curves)])  # (seeds, evaluations)
    mean, sd = stack.mean(axis=0), stack.std(axis=0)
    return {
        **{str(k): float(f"{round(mean[k - 1], 9):.4g}") for k in steps if k <= stack.shape[1]},
        "sd_at_end": float(f"{sd[-1]:.3g}"), "seeds": len(curves),
        "found_the_best": float(f"{(stack[:, -1] <= 1e-9).mean():.3g}"),
    }  # fmt: skip


def summarise(cache: Path) -> None:
    """Write `results/nas.json`."""
    runs = {k: run for k, run in read(cache).items() if not run.error}
    found = regrets(runs)
    tables = sorted(table())
    figures: dict[str, Any] = {"cold": {}, "taught": {}, "against_random": {}}
    for name, methods in sorted(found.items()):
        cold = {m: row(c, STEPS) for m, c in sorted(methods.items()) if ":" not in m}
        taught = {m: row(c, (1, 5, 10, 20)) for m, c in sorted(methods.items()) if ":" in m}
        figures["cold"][name] = cold
        if taught:
            figures["taught"][name] = taught
        figures["against_random"][name] = {
            m: interval(apart(methods, m)) for m in cold if m != "random"
        }
    figures["against_random"]["the three"] = {
        m: interval(np.mean([apart(found[name], m) for name in tables], axis=0))
        for m in ON_TABLE
        if m != "random"
    }
    figures["taught"]["the three"] = {
        m: {
            k: float(f"{np.mean([figures['taught'][name][m][k] for name in tables]):.4g}")
            for k in ("1", "5", "10", "20")
        }
        for m in sorted({m for name in tables for m in figures["taught"].get(name, {})})
        if all(m in figures["taught"].get(name, {}) for name in tables)
    }
    figures["accuracy"] = {
        name: {
            "optimum": round(100 - min(table()[name].values()), 2),
            **{
                m: round(100 - float(np.mean([runs[m, name, s].best(COLD)[-1] for s in curves])), 3)
                for m, curves in sorted(found[name].items())
                if ":" not in m
            },
        }
        for name in tables
    }
    figures["best_elsewhere"] = {name: elsewhere(name) for name in tables}
    _draw(found)
    figures["cpu_s"] = round(sum(run.tell_s for run in runs.values()))
    known = cache.with_name("speed.json")
    if known.exists():
        figures["speed"] = json.loads(known.read_text())
    write("nas", figures)


def elsewhere(name: str) -> int:
    """Which place the best cell of a data set has by mean rank on the two others."""
    cells = [cell for cell in table()[name] if key(NB201.canonical(_config(cell))) == cell]
    ranks = [rankdata([rows[c] for c in cells]) for n, rows in table().items() if n != name]
    mean = np.mean(ranks, axis=0)  # (cells,)
    best = min(range(len(cells)), key=lambda i: table()[name][cells[i]])
    return 1 + int((mean < mean[best]).sum())


def _config(cell: Key) -> Config:
    return {f"x{k}": op for k, op in enumerate(cell)}


def _draw(found: Mapping[str, Mapping[str, Mapping[int, Floats]]]) -> None:
    """A picture of the mean of the three tables."""
    lines = {}
    for method in ON_TABLE:
        of = [np.mean([*found[name][method].values()], axis=0) for name in table()]
        lines[method] = list(np.log10(np.maximum(np.mean(of, axis=0), 1e-4)))
    picture = curves(
        lines,
        title="Regret on NAS-Bench-201, mean of three data sets",
        x_label="evaluations",
        y_label="log10 of normalised regret",
    )
    (ROOT / "docs" / "nas.svg").write_text(picture)


def apart(methods: Mapping[str, Mapping[int, Floats]], method: str) -> Floats:
    """Regret at the end less that of `random`, by seed."""
    both = sorted(set(methods[method]) & set(methods["random"]))
    return np.array([methods[method][s][-1] - methods["random"][s][-1] for s in both])


def speed() -> dict[str, Any]:
    """CPU seconds of 1,000 suggestions without a model; of one at 500 told and a refit with one."""
    figures: dict[str, Any] = {}
    for nas in (NB201, DARTS):
        drawn = {str(c): c for c in map(nas.canonical, sample(nas.space, 900, seed=1))}
        loss = np.random.default_rng(0).random(500).tolist()
        told = [
            Evaluation(Trial(c, 1.0, i), y)
            for i, (c, y) in enumerate(zip(drawn.values(), loss, strict=False))
        ]
        for name in NAS_OPTIMIZERS:
            optimizer = NAS_OPTIMIZERS[name](nas, seed=0)
            if name in ("bananas", "wl_gp"):
                optimizer.tell(told)
                start = time.process_time()
                optimizer.ask(1)
                first = time.process_time() - start
                start = time.process_time()
                optimizer.ask(10)
                each = (time.process_time() - start) / 10
                done = {"suggestion_s": round(each, 4), "refit_s": round(first - each, 3)}
            else:
                start = time.process_time()
                for i in range(1000):
                    trials = optimizer.ask(1)
                    optimizer.tell([Evaluation(t, loss[(7 * i) % 500]) for t in trials])
                done = {"thousand_s": round(time.process_time() - start, 3)}
            figures.setdefault(nas.name, {})[name] = done
            print(nas.name, name, done, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--summary", action="store_true", help="write the results of the cache")
    arguments = parser.parse_args()
    done = set(read(arguments.cache))
    for method, name, seed in jobs(arguments.seeds):
        if (method, name, seed) not in done:
            made = search(method, name, seed)
            append(arguments.cache, made)
            print(f"{time.strftime('%X')} {method} {name} {seed}: {min(made.losses)}", flush=True)
    if arguments.speed:
        found = json.dumps(speed())
        arguments.cache.parent.mkdir(parents=True, exist_ok=True)
        arguments.cache.with_name("speed.json").write_text(found)
    if arguments.summary:
        summarise(arguments.cache)
        keep(arguments.cache)


if __name__ == "__main__":
    main()
