"""All learning curves of LCDB 1.1 into a fresh store, through the command a user types.

    python -m benchmarks.lcdb [--data DIR] [--folder DIR]      # about a minute

Protocol: `metadb ingest lcdb` over the release's 177 data sets, three times into a fresh store and
once again into the last one; each is a process of its own, whose seconds and peak memory (largest
resident size) count everything, the interpreter's start included. Then one question of SQL.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import METADB, measured, size_mb, write

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lcdb11"
REPEATS = 3

MEAN_CURVE = """
    select budget, avg(value) as error_rate, count(*) as n
    from learning_curves where metric = 'error_rate' group by budget order by budget
"""


def ingest(data: Path, store: Path) -> dict[str, Any]:
    """One load in a process of its own: rows, seconds, peak memory."""
    command = [METADB, "ingest", "lcdb", str(data), "--store", str(store), "--json", "--quiet"]
    run = measured(command)
    (load,) = json.loads(run.said)["loads"]
    return {
        "evaluations": load["added"].get("evaluations", 0),
        "rejected": load["n_rejected"],
        "seconds": round(run.seconds, 2),
        "peak_mb": run.peak_mb,
    }


def question(store: Path) -> dict[str, Any]:
    """The mean curve over all data sets and learners, in a process of its own."""
    command = [METADB, "sql", MEAN_CURVE, "--store", str(store), "--format", "json"]
    run = measured(command)
    return {"points": len(json.loads(run.said)), "seconds": round(run.seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench-lcdb"))
    arguments = parser.parse_args()
    store = arguments.folder / "store"
    runs = []
    for _ in range(REPEATS):
        shutil.rmtree(arguments.folder, ignore_errors=True)
        arguments.folder.mkdir(parents=True)
        runs.append(ingest(arguments.data, store))
    seconds = median(run["seconds"] for run in runs)
    figures = {
        "files": len(list((arguments.data / "er").glob("*.json"))),
        "files_mb": round(size_mb(arguments.data), 1),
        "first": runs[0] | {"seconds": seconds, "peak_mb": max(run["peak_mb"] for run in runs)},
        "first_runs_s": [run["seconds"] for run in runs],
        "rows_per_s": round(runs[0]["evaluations"] / seconds),
        "again": ingest(arguments.data, store),
        "store_mb": round(size_mb(store), 1),
        "mean curve": question(store),
        "target": {"seconds": 20, "peak_mb": 1000},
    }
    write("lcdb", figures)
    shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
