"""What a prior from past tasks is worth to a search, and what a misleading one costs.

    python -m benchmarks.prior [--data DIR] [--development]      # about ten minutes

Tasks: YAHPO's lcbench (budget: epochs) and rbv2_ranger (budget: share of the data), in the order of
their names. The past: 100 random configs, the same on each of the other tasks, at the full budget;
the region of their good ones is the prior, nothing else of the past is told. Share of the good,
draws at random, weight of the prior and the start of TPE's model were chosen on the development
tasks only (`--development`); reported are others.

A search runs until it has spent 50 evaluations (with the prior 17), over seeds; one at a smaller
budget counts as that share of one, a resumed one as what it adds. Regret is (loss - b) / (m - b),
b the best and m the median of 2,000 random configs at the full budget, at most 1; it can be below
0. Compared is, paired by task, the regret after 17 evaluations with the prior and after 50 without.
`misled`: the region is fitted to losses with their signs turned, so that it holds the worst
configs; after 50 with and without. Intervals: 95 %, bootstrap over tasks.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.machine import write
from metadb.history import Configs, History
from metadb.protocols import Floats, Optimizer
from metadb.records import Config, Trial
from metadb.space import sample, to_json
from optimizers import OPTIMIZERS
from optimizers.yahpo import Yahpo
from recommenders.region import Region

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "yahpo"
SCENARIOS = {"lcbench": "3945", "rbv2_ranger_v2": "3"}
"""With one task of each."""

SEARCHES = ("random", "tpe", "cma_es", "hyperband", "bohb")
EVALUATIONS, THIRD, PAST, SEEDS = 50, 17, 100, 5
DEVELOPMENT, REPORTED = 7, 12
"""Tasks of each scenario."""


def split(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Tasks to choose on, and tasks to report; spread evenly, none in both.

    Every eleventh is kept out of the first for other benchmarks.
    """
    names = tuple(sorted(names))
    open_ = [name for i, name in enumerate(names) if i % 11]
    chosen = open_[1 :: max(1, len(open_) // DEVELOPMENT)][:DEVELOPMENT]
    left = [name for name in names if name not in chosen]
    return chosen, [left[int(i)] for i in np.linspace(0, len(left) - 1, REPORTED)]


def past(data: Path, scenario: str, names: tuple[str, ...]) -> History:
    """Losses of the same random configs on every task."""
    space = Yahpo(data, scenario, names[0]).space
    configs = sample(space, PAST, seed=0)
    loss = np.array([losses(Yahpo(data, scenario, name), configs) for name in names])
    task, config = np.divmod(np.arange(loss.size, dtype=np.int32), PAST)
    of, one = Configs.of(scenario, configs, definition=to_json(space)), np.ones(loss.size)
    return History("loss", names, of, task, config, loss.ravel(), one, one, {}, names)


def losses(surrogate: Yahpo, configs: list[Config]) -> Floats:
    """At the full budget, (n,)."""
    return np.array([surrogate(Trial(config)).loss for config in configs], float)


def bests(search: Optimizer, surrogate: Yahpo, n: int) -> Floats:
    """The best loss at the full budget once 17 and `n` evaluations are spent, inf where none."""
    spent, best, budgets, found = 0.0, np.inf, {}, []
    while True:
        (trial,) = search.ask(1)
        spent += trial.budget - budgets.get(trial.resume, 0.0)
        budgets[trial.id] = trial.budget
        while len(found) < 2 and spent > (THIRD, n)[len(found)] + 1e-6:
            found.append(best)
        if len(found) == 2:
            return np.array(found)
        evaluation = surrogate(trial)
        search.tell([evaluation])
        if trial.budget >= 1.0 and evaluation.loss is not None:
            best = min(best, evaluation.loss)


def of_task(surrogate: Yahpo, history: History, seeds: int) -> Iterator[tuple[str, Floats]]:
    """Name of a search and its regrets, (seeds, 2)."""
    known = np.sort(losses(surrogate, sample(surrogate.space, 2000, seed=1)))
    low, middle = known[0], known[len(known) // 2]
    others = history.without(str(surrogate.instance))
    good = Region.fit(others)
    bad = Region.fit(replace(others, loss=-others.loss))
    made = [(name, f"{name} {prior}", of) for name in SEARCHES for prior, of in PRIORS.items()]
    for name, label, of in [*made, ("tpe", "tpe misled", "bad")]:
        prior = {"none": None, "good": good, "bad": bad}[of]
        n = THIRD if of == "good" else EVALUATIONS
        found = [
            bests(OPTIMIZERS[name](surrogate.space, prior=prior, seed=seed), surrogate, n)
            for seed in range(seeds)
        ]
        yield label, (np.minimum(found, middle) - low) / (middle - low)


PRIORS = {"cold": "none", "prior": "good"}


def interval(differences: Floats) -> dict[str, float]:
    """The mean of (tasks,) and its bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(differences), size=(10_000, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return {
        "difference": round(float(differences.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def summary(regrets: dict[str, Floats]) -> dict[str, Any]:
    """Of a scenario; the regrets of each search are (tasks, seeds, 2)."""
    mean = {label: found.mean(axis=1) for label, found in regrets.items()}  # (tasks, 2)
    rows: dict[str, Any] = {}
    for name in SEARCHES:
        cold, prior = mean[f"{name} cold"], mean[f"{name} prior"]
        rows[name] = {
            "cold_17": round(float(cold[:, 0].mean()), 4),
            "cold_50": round(float(cold[:, 1].mean()), 4),
            "prior_17": round(float(prior[:, 0].mean()), 4),
            "less": interval(prior[:, 0] - cold[:, 1]),
        }
    misled, cold = mean["tpe misled"], mean["tpe cold"]
    rows["tpe misled"] = {
        "misled_17": round(float(misled[:, 0].mean()), 4),
        "misled_50": round(float(misled[:, 1].mean()), 4),
        "less": interval(misled[:, 1] - cold[:, 1]),
    }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--development", action="store_true", help="the tasks to choose on")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    start = time.perf_counter()
    figures: dict[str, Any] = {"seeds": options.seeds}
    for scenario, one in SCENARIOS.items():
        names = tuple(sorted(Yahpo(options.data, scenario, one).instances))
        history = past(options.data, scenario, names)
        tasks = split(names)[0 if options.development else 1]
        found: dict[str, list[Floats]] = {}
        for name in tasks:
            for label, regret in of_task(
                Yahpo(options.data, scenario, name), history, options.seeds
            ):
                found.setdefault(label, []).append(regret)
        regrets = {label: np.array(one) for label, one in found.items()}
        figures[scenario] = {"tasks": len(tasks)} | summary(regrets)
    figures["minutes"] = round((time.perf_counter() - start) / 60, 1)
    if options.development:
        print(figures)
    else:
        write("prior", figures)


if __name__ == "__main__":
    main()
