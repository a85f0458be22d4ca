"""Does `auto` harm where the past teaches nothing? Against the same search without transfer.

    python -m benchmarks.no_harm [--data DIR] [--folder DIR] [--jobs 2]

Protocol: that of `benchmarks.recommenders`, budget 50, one seed, at most 6 tasks of 300
configurations. Two ways to spoil the past: the losses of every past task are shuffled within the
task; or the past is that of another space (TabRepo's, or XGBoost's), with no task of the task's own
space, under one space's name. The task itself is untouched. Asked for: the regret of `auto` after
20 and 50 configurations at most 1.05 of that of `cold`, which searches without transfer.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write
from benchmarks.recommenders import SETS, stored
from benchmarks.shared import DATA
from metadb.history import Configs, History
from metadb.protocols import Recommender
from metadb.store import Store
from recommenders import RECOMMENDERS
from recommenders.comparison import compare
from recommenders.referee import leave_one_task_out

STEPS = (5, 10, 20, 50)
NAMES = ("auto", "cold", "random")
SHUFFLED = ("hp-transfer XGBoost", "text-classification", "TabRepo LightGBM, ROC AUC")
GLUED = (
    ("hp-transfer XGBoost", "TabRepo LightGBM, ROC AUC"),
    ("text-classification", "hp-transfer XGBoost"),
)
TASKS, CONFIGS, SEEDS = 6, 300, 1


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A family that is told a spoilt past; `recommend` knows the task as it is."""

    name: str
    other: History | None

    def fit(self, history: History, *, seed: int = 0) -> Recommender:
        """Shuffle the past's losses within tasks, or put another past in its place."""
        past = shuffled(history, seed) if self.other is None else self.other
        return RECOMMENDERS[self.name].fit(past, seed=seed)


def shuffled(history: History, seed: int) -> History:
    """Every task's losses in another order."""
    rng = np.random.default_rng(seed)
    loss = history.loss.copy()
    for t in range(len(history.tasks)):
        rows = np.flatnonzero(history.task == t)
        loss[rows] = loss[rng.permutation(rows)]
    return replace(history, loss=loss)


def glued(own: History, other: History) -> History:
    """The evaluations of another space's tasks, beside the (unused) configs of this one."""
    texts = own.configs.texts + other.configs.texts
    configs = Configs.of(own.configs.space_name, [*own.configs, *other.configs])
    assert len(texts) == len(configs)
    return replace(
        other, configs=configs, config=(other.config + len(own.configs)).astype(np.int32)
    )


def few(history: History) -> History:
    """Some tasks, and some configs of each."""
    rng = np.random.default_rng(0)
    out = [history.tasks[i] for i in rng.permutation(len(history.tasks))[TASKS:]]
    small = history.without(*out) if out else history
    kept = []
    for t in range(len(small.tasks)):
        rows = np.flatnonzero(small.task == t)
        kept.append(rows if len(rows) <= CONFIGS else rng.choice(rows, CONFIGS, replace=False))
    small = small.at(np.sort(np.concatenate(kept)))
    run = np.unique(small.config)  # configs that nobody ran are no candidates of anybody
    return replace(
        small, configs=small.configs.take(run),
        config=np.searchsorted(run, small.config).astype(np.int32),
    )  # fmt: skip


def ratio(regret: float, other: float) -> float | None:
    """How many times the other; None where that found the best and this did not."""
    if not other:
        return None if regret else 1.0
    return round(regret / other, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench-recommenders"))
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    histories = {}
    for name in {*SHUFFLED, *(n for pair in GLUED for n in pair)}:
        one = SETS[name]
        with Store(stored(one, arguments.data, arguments.folder)) as store:
            histories[name] = few(store.history(one.space, one.metric))
    rows: dict[str, Any] = {}
    trials = [(f"{name}, shuffled", histories[name], None) for name in SHUFFLED]
    trials += [
        (f"{name}, told of {other}", histories[name], glued(histories[name], histories[other]))
        for name, other in GLUED
    ]
    for title, history, other in trials:
        judgement = leave_one_task_out(
            history, {n: Spoilt(n, other) for n in NAMES}, budget=max(STEPS), seeds=range(SEEDS),
            jobs=arguments.jobs,
        )  # fmt: skip
        found = compare(judgement.verdicts, reference="cold")
        rows[title] = {
            name: {str(k): round(found[name].regret[k].mean, 4) for k in STEPS if k in found.tasks}
            for name in NAMES
        } | {
            "auto / cold": {
                str(k): ratio(found["auto"].regret[k].mean, found["cold"].regret[k].mean)
                for k in STEPS
                if k in found.tasks
            },
            "difference": {
                str(k): [round(v, 4) for v in found["auto"].difference[k]]
                for k in STEPS
                if k in found.tasks
            },
        }
        print(title, rows[title], flush=True)
    write("no_harm", {"tasks": TASKS, "configs": CONFIGS, "seeds": SEEDS, "rows": rows})


if __name__ == "__main__":
    main()
