"""Are our hyperparameter importances the published ones? Two algorithms on 192 OpenML tasks.

    python -m benchmarks.importance STORE [--pimp ../shared/data/openml-pimp]

Protocol: STORE holds openml-pimp (metadb ingest); a forest a task, 64 trees, and its functional
ANOVA; beside it the published `fanova/<flow>/vanilla/<task>/pimp_values_fanova.json` of van Rijn,
Hutter 2018 (tasks that have both). These were computed with the authors' package: 16 trees of
pyrfr, no cutoffs, learning rates on a logarithmic scale, integers as an interval (so the smallest
and the largest weigh half), possibly from more runs than the 400 and 500 of each task that were
published with them. "as the package" does likewise with integers; ours weighs every integer alike.
Published forests are random and without a seed, so two of our own seeds, 16 trees each, show how
close one can come. Figures, for each algorithm: Spearman's rank correlation of the
hyperparameters' importances within a task; absolute differences of fractions; on how many tasks
the most important one is the same; for each hyperparameter the median over tasks, theirs and ours,
and the rank correlation over tasks.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.machine import write
from metadb.history import History
from metadb.protocols import Floats
from metadb.store import Store
from recommenders.importance import Importance

PIMP = Path(__file__).resolve().parents[2] / "shared" / "data" / "openml-pimp"
SPACES = {"randomforestclassifier": "6969", "adaboostclassifier": "6970"}


def published(pimp: Path, flow: str, found: Importance) -> Floats:
    """The published fractions in the order of ours, NaN where a task has none, (tasks, d)."""
    values = np.full(found.single.shape, np.nan)
    names = [name.rsplit("__", 1)[-1] for name in found.names]
    for row, task in enumerate(found.tasks):
        native = task.rsplit("/", 1)[-1]
        path = pimp / "fanova" / flow / "vanilla" / native / "pimp_values_fanova.json"
        if path.exists():
            said = json.loads(path.read_text())
            values[row] = [said[name] for name in names]
    return values


def agreement(one: Floats, other: Floats) -> dict[str, Any]:
    """How alike two tables of fractions are, tasks that lack either left out."""
    both = ~(np.isnan(one) | np.isnan(other)).any(axis=1)
    one, other = one[both], other[both]
    rho = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    away = np.abs(one - other)
    return {
        "tasks": int(both.sum()),
        "spearman_within_a_task": {"median": _round(np.median(rho)), "mean": _round(np.mean(rho))},
        "absolute_difference": {"median": _round(np.median(away)), "mean": _round(away.mean())},
        "same_first": _round((one.argmax(axis=1) == other.argmax(axis=1)).mean()),
    }


def _each(names: tuple[str, ...], theirs: Floats, ours: Floats) -> dict[str, Any]:
    both = ~(np.isnan(theirs) | np.isnan(ours)).any(axis=1)
    return {
        name.rsplit("__", 1)[-1]: {
            "median_published": _round(np.median(theirs[both, i])),
            "median_ours": _round(np.median(ours[both, i])),
            "spearman_over_tasks": _round(spearmanr(theirs[both, i], ours[both, i]).statistic),
        }
        for i, name in enumerate(names)
    }


def _round(value: Any) -> float:
    return round(float(value), 4)


def compare(history: History, pimp: Path, flow: str) -> dict[str, Any]:
    """All figures of one algorithm."""
    start = time.perf_counter()
    ours = Importance.fit(history)
    seconds = time.perf_counter() - start
    alike = Importance.fit(history, intervals=True)
    theirs = published(pimp, flow, ours)
    seeds = [Importance.fit(history, trees=16, intervals=True, seed=seed) for seed in (1, 2)]
    return {
        "ours": agreement(theirs, ours.single),
        "as the package": agreement(theirs, alike.single),
        "two of our seeds": agreement(seeds[0].single, seeds[1].single),
        "hyperparameters, ours": _each(ours.names, theirs, ours.single),
        "hyperparameters, as the package": _each(ours.names, theirs, alike.single),
        "mean_sum_of_single": {
            "published": _round(np.nanmean(theirs.sum(axis=1))),
            "ours": _round(np.nanmean(ours.single.sum(axis=1))),
        },
        "seconds_a_task": round(seconds / len(history.tasks), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--pimp", type=Path, default=PIMP)
    options = parser.parse_args()
    figures = {}
    with Store(options.store) as store:
        for space, flow in SPACES.items():
            figures[space] = compare(store.history(space, "accuracy"), options.pimp, flow)
    write("importance", figures)


if __name__ == "__main__":
    main()
