"""How good is every recommender? Leave one task out, on real histories, beside published figures.

    python -m benchmarks.recommenders [--data DIR] [--folder DIR] [--jobs 2] [NAME ...]

Protocol: `recommenders.referee`. A task is left out with all of its data set, in folds where the
line says so; a recommender sees the other tasks and what it has evaluated so far; candidates are
the configurations that were run on the task left out; regret is (loss - best) / (worst - best) over
these. One configuration at a time. Tasks with constant scores are dropped. Where tasks share no
configuration each method completes the past as its page says. Intervals: 95 %, 10,000 bootstrap
resamples of data sets, paired with `auto`. What was judged is kept in the folder, so the same
command goes on where it was cut off; hours on 2 cores. With `--recommenders` the lines of all
others stay. Peers in their own packages are judged in the same folds where they are installed.
`portfolio` was judged again, with `auto`, when it had learnt to begin anew, but for the random
forest and study 1, whose 83 past tasks and more leave it no occasion; `auto`, whose regret was the
same, keeps the seconds of a machine that did nothing else.

What was looked at while the methods were built: the default of active testing, the transform of
the factorisation and the shape of `pretrained` were chosen among variants by looking at these same
sets (and TabRepo's, AdaBoost's and DeepAR's), the weights and thresholds of `auto` were not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.naming import families_of
from benchmarks.machine import METADB, RESULTS, write
from benchmarks.shared import DATA
from metadb.store import Store
from recommenders import RECOMMENDERS
from recommenders.comparison import STEPS, compare
from recommenders.referee import leave_one_task_out

NO_COSTS = [n for n in RECOMMENDERS if n not in ("a3r", "pareto", "active_testing_cost")]
PEERS = [
    "benchmarks.peers.optuna_tpe:OptunaTPE",
    "benchmarks.peers.botorch_gp:BotorchGP",
    "benchmarks.peers.syne_tune_transfer:SyneTuneZeroShot",
    "benchmarks.peers.syne_tune_transfer:SyneTuneQuantile",
    "benchmarks.peers.syne_tune_transfer:SyneTuneBoundingBox",
]
"""Other packages, in the same folds, where they are installed (`--recommenders`)."""


@dataclass(frozen=True, slots=True)
class Set:
    """A history to judge on: what `metadb ingest` reads, and how it is parted."""

    source: str
    folder: str
    space: str
    metric: str
    folds: int | None
    budget: int
    seeds: int = 1
    without: tuple[str, ...] = ()


UNDESCRIBED = ("nearest",)
SETS = {
    "openml-pimp random forest": Set(
        "openml-pimp", "openml-pimp", "randomforestclassifier", "accuracy", 10, 20
    ),
    "hp-transfer XGBoost": Set(
        "hp-transfer", "hp-transfer-evaluations", "hp-transfer-xgboost", "error_rate", None, 50,
        without=UNDESCRIBED,
    ),
    "NAS-Bench-201": Set(
        "hp-transfer", "hp-transfer-evaluations", "nas-bench-201", "accuracy", None, 50, 3,
        without=UNDESCRIBED,
    ),
    "OPENML-WEKA-2017": Set("aslib", "aslib", "openml-weka", "accuracy", 15, 20),
    "text-classification": Set(
        "text-classification", "text-classification", "text-classification", "accuracy", 10, 20,
        without=UNDESCRIBED,
    ),
    "TabRepo LightGBM, ROC AUC": Set("tabrepo", "tabrepo", "tabrepo-lightgbm", "roc_auc", 10, 20),
    "OpenML study 1": Set(
        "openml-study", "openml-study-metadata", "openml-weka", "accuracy", 10, 20
    ),
}  # fmt: skip


def stored(one: Set, data: Path, folder: Path) -> Path:
    """The store that holds a set; filled once."""
    store = folder / one.source
    if not store.exists():
        command = [METADB, "ingest", one.source, str(data / one.folder)]
        subprocess.run([*command, "--store", str(store), "--quiet"], check=True)
    return store


def judged(one: Set, data: Path, folder: Path, jobs: int, names: list[str]) -> dict[str, Any]:
    """A line a method: regret and share within 1 % after k, less `auto`, seconds."""
    with Store(stored(one, data, folder)) as store:
        history = store.history(one.space, one.metric)
    families = families_of(",".join(n for n in names if n not in one.without))
    judgement = leave_one_task_out(
        history, families, budget=one.budget, seeds=range(one.seeds), folds=one.folds, jobs=jobs,
        done=folder / "judged",
    )  # fmt: skip
    found = compare(judgement.verdicts, reference="auto" if "auto" in families else None)
    steps = [k for k in STEPS if k in found.tasks]
    lines = {}
    for method in found.methods:
        lines[method.name] = {
            "regret": {str(k): round(method.regret[k].mean, 4) for k in steps},
            "within": {str(k): round(method.within[k], 3) for k in steps},
            "tied": {str(k): method.tied(k) for k in steps},
            "difference": {str(k): [round(v, 4) for v in method.difference[k]] for k in steps},
            "fit_s": round(method.fit_s, 3),
            "suggest_ms": round(1000 * method.suggest_s, 1),
            "covered": method.covered,
        }  # fmt: skip
    return {
        "tasks": len({v.task for v in judgement.verdicts}),
        "dropped": len(judgement.dropped),
        "folds": one.folds,
        "budget": one.budget,
        "space": one.space,
        "metric": one.metric,
        "methods": lines,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench-recommenders"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--recommenders", nargs="*", default=[*NO_COSTS, *PEERS])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results = RESULTS / "recommenders.json"
    sets = json.loads(results.read_text())["sets"] if results.exists() else {}
    for name in arguments.names or SETS:
        print(name, flush=True)
        found = judged(
            SETS[name], arguments.data, arguments.folder, arguments.jobs, arguments.recommenders
        )
        found["methods"] = sets.get(name, {}).get("methods", {}) | found["methods"]
        sets[name] = found
        write("recommenders", {"sets": sets})


if __name__ == "__main__":
    main()
