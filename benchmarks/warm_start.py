"""How good is the first advice? Every recommender on every task of `data/sample`, by simulation.

    python -m benchmarks.warm_start

Protocol: leave one data set out (all its targets, since they share features); fit on the others;
take the recommender's first 20 configs among the 210 of the grid; look their losses up. Measure:
normalised regret x 100 of the best so far, (best - min) / (max - min) over the task's 210 configs,
metric accuracy at the full training size, mean over 28 tasks, with the standard error over the 12
data sets' means. Random: mean over 200 seeds. Nothing was chosen by looking at these figures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from api.picture import curves as picture
from benchmarks.machine import write
from benchmarks.sample_files import SAMPLE
from metadb.history import History
from metadb.store import Store
from recommenders import RECOMMENDERS
from recommenders.regret import normalised_regret

STEPS = (1, 2, 3, 5, 10, 20)
RANDOM_SEEDS = 200
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "warm_start.svg"

PICTURED = ("auto", "portfolio", "nearest", "average_rank", "random")
"""Twenty lines cannot be told apart."""


def regrets(history: History, name: str, seed: int) -> np.ndarray[Any, Any]:
    """Best regret after 1..20 configs on each task when its data set is unknown, (tasks, 20)."""
    regret = normalised_regret(history.matrix())  # (tasks, configs)
    curves = np.empty((len(history.tasks), STEPS[-1]))
    for dataset in sorted(set(history.datasets)):
        own = [i for i, d in enumerate(history.datasets) if d == dataset]
        past = history.without(*(history.tasks[i] for i in own))
        fitted = RECOMMENDERS[name].fit(past, seed=seed)
        for i in own:
            advised = fitted.recommend(history.described_task(history.tasks[i]), STEPS[-1])
            places = [history.configs.index(r.config) for r in advised]
            curves[i] = np.minimum.accumulate(regret[i, places])
    return curves


def main() -> None:
    from ingest import source
    from ingest.load import load

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store") as store:
        for _ in load("table", source("table", [SAMPLE]), store, Path(folder)):
            pass
        history = store.history("classifier", "accuracy")
    figures: dict[str, Any] = {"tasks": len(history.tasks), "configs": len(history.configs)}
    lines = {}
    groups = [np.array(history.datasets) == d for d in sorted(set(history.datasets))]
    for name in RECOMMENDERS:
        seeds = range(RANDOM_SEEDS) if name == "random" else range(1)
        curves = 100 * np.mean([regrets(history, name, seed) for seed in seeds], axis=0)
        lines[name] = list(curves.mean(axis=0))
        by_dataset = np.array([curves[own].mean(axis=0) for own in groups])  # (data sets, 20)
        error = by_dataset.std(axis=0, ddof=1) / np.sqrt(len(groups))
        figures[name] = {
            f"n={n}": f"{curves.mean(axis=0)[n - 1]:.2f} +- {error[n - 1]:.2f}" for n in STEPS
        }
    write("warm_start", figures)
    PICTURE.write_text(
        picture(
            {name: lines[name] for name in PICTURED},
            title="Regret of the best config so far, mean over 28 tasks left out",
            x_label="configs tried",
            y_label="normalised regret x 100",
        )
    )


if __name__ == "__main__":
    main()
