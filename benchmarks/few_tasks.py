"""How good is the first advice of a store that knows few tasks? Every recommender, by simulation.

    python -m benchmarks.few_tasks [--data DIR] [--draws 20]

Protocol: three tables where every task ran every config: `data/sample` (28 tasks, 210 configs),
text classification (50, 384) and TabRepo's LightGBM by ROC AUC (38, 104). For each draw a task is
left out with all of its data set and 2, 3, 5 or 10 of the others are the past; the recommender's
first 20 configs are looked up. Measure: normalised regret x 100 of the best so far, the mean over
draws and tables; beside it the standard error of the mean, the draws of each table taken as
independent. The draws are the same for all. Syne Tune's `ZeroShotTransfer` where it is installed.

That `portfolio` begins anew when nothing is left to gain was chosen on these and four other tables
with other draws (the other rule, going on by mean regret, is no longer in the code); nothing else
was.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write
from benchmarks.peers.syne_tune_transfer import SyneTuneZeroShot
from benchmarks.recommenders import NO_COSTS, SETS, stored
from benchmarks.sample_files import SAMPLE
from benchmarks.shared import DATA
from ingest import source
from ingest.load import load
from metadb.history import History
from metadb.protocols import Floats
from metadb.store import Store
from recommenders import RECOMMENDERS
from recommenders.regret import normalised_regret

PAST = (2, 3, 5, 10)
STEPS = (1, 3, 5, 10, 20)
SHARED = ("text-classification", "TabRepo LightGBM, ROC AUC")


def histories(data: Path, folder: Path) -> Iterator[tuple[str, History]]:
    """The tables."""
    with Store(folder / "sample") as store:
        for _ in load("table", source("table", [SAMPLE]), store, folder):
            pass
        yield "sample", store.history("classifier", "accuracy")
    for name in SHARED:
        with Store(stored(SETS[name], data, folder)) as store:
            yield name, store.history(SETS[name].space, SETS[name].metric)


def drawn(history: History, n: int, rng: np.random.Generator) -> tuple[int, History]:
    """A task, and a past of n tasks of other data sets."""
    task = int(rng.integers(len(history.tasks)))
    others = [i for i, d in enumerate(history.datasets) if d != history.datasets[task]]
    kept = {history.tasks[i] for i in rng.choice(others, n, replace=False)}
    return task, history.without(*(t for t in history.tasks if t not in kept))


def regrets(history: History, families: dict[str, Any], n: int, draws: int) -> dict[str, Floats]:
    """Best regret after 1..20 configs by recommender, (draws, 20)."""
    regret = normalised_regret(history.matrix())  # (tasks, configs)
    found: dict[str, list[Floats]] = {name: [] for name in families}
    rng = np.random.default_rng(n)
    for draw in range(draws):
        task, past = drawn(history, n, rng)
        about = history.described_task(history.tasks[task])
        for name, family in families.items():
            advised = family.fit(past, seed=draw).recommend(about, STEPS[-1])
            places = [history.configs.index(one.config) for one in advised]
            found[name].append(np.minimum.accumulate(regret[task, places]))
    return {name: 100 * np.array(curves) for name, curves in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--draws", type=int, default=20)
    asked = parser.parse_args()
    families: dict[str, Any] = {name: RECOMMENDERS[name] for name in NO_COSTS}
    if find_spec("syne_tune"):
        families["SyneTuneZeroShot (peer)"] = SyneTuneZeroShot
    curves: dict[int, dict[str, list[Floats]]] = {n: {f: [] for f in families} for n in PAST}
    with tempfile.TemporaryDirectory() as folder:
        for table, history in histories(asked.data, Path(folder)):
            for n in PAST:
                for name, found in regrets(history, families, n, asked.draws).items():
                    curves[n][name].append(found)
                print(table, n, flush=True)
    write(
        "few_tasks",
        {
            "draws": asked.draws,
            "methods": {
                name: {str(n): _figures(curves[n][name]) for n in PAST} for name in families
            },
        },
    )


def _figures(tables: list[Floats]) -> dict[str, str]:
    """The mean over tables (each (draws, 20)) after some configs, and its standard error."""
    means = np.mean([t.mean(axis=0) for t in tables], axis=0)
    variance = sum(t.var(axis=0, ddof=1) / len(t) for t in tables) / len(tables) ** 2
    return {str(k): f"{means[k - 1]:.2f} +- {np.sqrt(variance[k - 1]):.2f}" for k in STEPS}


if __name__ == "__main__":
    main()
