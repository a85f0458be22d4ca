"""`metadb tune` on five tables of `../shared/data/tabular`: warm from a store of other tasks, cold.

    python -m benchmarks.tune --seeds 3      # about an hour on 2 cores; run it again to resume

Cold: an empty store, so the default of each learner comes first, then the optimiser. Warm: a store
that holds `data/sample` and the cold searches of the other tables under the same seed (of the table
itself nothing), so the defaults and what `auto` advises come first in turn. Both by the command
line, with the same folds, seed and number of trials. How far a search is from the best that either
of the two found is told in units of how far the median of the cold search's trials is from it; the
interval is Student's t over seeds, for all tables over the tables' means. The tables, their metrics
and all numbers were named before the first run. What is done with the past was chosen on other
tables: `data/sample` with whole data sets left out, glass, hepatitis, bodyfat, pbc and sensory.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from api.cli import main as command
from benchmarks.machine import write
from metadb.metrics import METRICS
from metadb.protocols import Floats
from metadb.records import Rows
from metadb.schema import TABLES, WRITE_ORDER
from metadb.store import Store

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
DATA = ROOT.parent / "shared" / "data" / "tabular"
WORK = Path(__file__).parent / ".work" / "tune"

JUDGED = {
    "credit.g": ("classification", "accuracy"),
    "vehicle": ("classification", "accuracy"),
    "sick": ("classification", "balanced_accuracy"),
    "soybean": ("classification", "accuracy"),
    "autompg": ("regression", "rmse"),
}
PAST = dict.fromkeys(("bodyfat", "cpu", "pbc", "sensory"), ("regression", "rmse"))
"""Searched cold too, so that the store holds numbers to be predicted besides autompg."""

TRIALS, FOLDS = 20, 3
STEPS = (1, 3, 5, 10, 20)


def tuned(name: str, store: Path, out: Path, seed: int) -> dict[str, Any]:
    """What `metadb tune` finds, or found before."""
    kind, metric = (JUDGED | PAST)[name]
    answer = out / "leaderboard.json"
    if not answer.exists():
        words = ["tune", str(DATA / kind / f"{name}.arff"), "--metric", metric]
        words += ["--trials", str(TRIALS), "--folds", str(FOLDS), "--seed", str(seed)]
        code = command([*words, "--store", str(store), "--out", str(out), "--quiet"])
        if code != 0:
            raise SystemExit(f"metadb {' '.join(words)} ended with {code}")
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def pour(source: Path, into: Store) -> None:
    """Everything that one store knows, into another."""
    with Store(source) as store:
        tables = {
            name: store.sql(f"select * exclude (load) from {name}").table
            for name in WRITE_ORDER
            if name not in ("loads", "sightings", "recommendations")
            and any(column.name == "load" for column in TABLES[name].columns)
        }
    into.add(Rows({name: table for name, table in tables.items() if table.num_rows}))


def warm_store(name: str, folder: Path, work: Path) -> Path:
    """The sample and what the cold searches of the other tables found."""
    path = folder / "store"
    if not (folder / "filled").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command(["ingest", "table", str(SAMPLE), "--store", str(path), "--quiet"])
        with Store(path) as store:
            for other in (*JUDGED, *PAST):
                if other != name:
                    pour(work / f"{other}-cold" / "store", store)
        (folder / "filled").touch()
    return path


def best_so_far(found: dict[str, Any]) -> list[float]:
    """The best value after each of `STEPS` trials; NaN where there was none yet."""
    value = {place["trial"]: place["value"] for place in found["places"]}
    better = np.fmin if METRICS[found["metric"]].lower_is_better else np.fmax
    line = better.accumulate([value.get(trial, np.nan) for trial in range(TRIALS)])
    return [float(line[n - 1]) for n in STEPS]


def scale_of(cold: dict[str, Any], warm: dict[str, Any]) -> dict[str, float]:
    """The best value of both searches, the median of the cold one, and the error of the best.

    The error is the standard error over folds, as if these were independent.
    """
    places = sorted([cold["places"][0], warm["places"][0]], key=lambda p: p["value"])
    best = places[0 if METRICS[cold["metric"]].lower_is_better else -1]
    return {
        "best": best["value"],
        "median": float(np.median([place["value"] for place in cold["places"]])),
        "error": best["sd"] / FOLDS**0.5,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="2 or more")
    parser.add_argument("--work", type=Path, default=WORK)
    arguments = parser.parse_args()
    tables: dict[str, Any] = {
        n: {"metric": m, "cold": [], "warm": [], "scale": []} for n, (_, m) in JUDGED.items()
    }
    for seed in range(arguments.seeds):
        work = arguments.work / str(seed)
        cold = {
            name: tuned(
                name, work / f"{name}-cold" / "store", work / f"{name}-cold" / "model", seed
            )
            for name in (*JUDGED, *PAST)
        }
        for name in JUDGED:
            folder = work / f"{name}-warm"
            warm = tuned(name, warm_store(name, folder, work), folder / "model", seed)
            tables[name]["cold"].append(best_so_far(cold[name]))
            tables[name]["warm"].append(best_so_far(warm))
            tables[name]["scale"].append(scale_of(cold[name], warm))
            print(seed, name, tables[name]["cold"][-1], tables[name]["warm"][-1], flush=True)
    write("tune", figures(tables, arguments.seeds))


def figures(tables: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Means over seeds, how far warm leads with an interval, and how often it was ahead."""
    found: dict[str, Any] = {
        "seeds": seeds, "trials": TRIALS, "folds": FOLDS, "steps": list(STEPS), "tables": {},
    }  # fmt: skip
    count = np.zeros((3, len(STEPS)), int)  # ahead, level, behind
    leads = []
    for name, each in tables.items():
        cold, warm = np.array(each["cold"]), np.array(each["warm"])  # (seeds, steps)
        sign = -1.0 if METRICS[each["metric"]].lower_is_better else 1.0
        ahead = np.sign(np.round(sign * (warm - cold), 9))
        count += np.array([(ahead > 0).sum(0), (ahead == 0).sum(0), (ahead < 0).sum(0)])
        unit = np.array([abs(s["best"] - s["median"]) for s in each["scale"]])  # (seeds,)
        error = np.array([s["error"] for s in each["scale"]]) / unit
        lead = sign * (warm - cold) / unit[:, None]  # (seeds, steps)
        leads.append(lead.mean(axis=0))
        found["tables"][name] = {
            "metric": each["metric"],
            "cold": [round(float(v), 5) for v in cold.mean(axis=0)],
            "warm": [round(float(v), 5) for v in warm.mean(axis=0)],
            "lead": interval(lead),
            "error": round(float(error.mean()), 3),
        }
    found["lead"] = interval(np.array(leads))
    for row, word in zip(count, ("ahead", "level", "behind"), strict=True):
        found[word] = row.tolist()
    return found


def interval(lead: Floats) -> dict[str, list[float]]:
    """The mean over rows and half the width of its interval of 95 %, (rows, steps)."""
    from scipy.stats import t as student

    n = len(lead)
    half = student.ppf(0.975, n - 1) * lead.std(axis=0, ddof=1) / n**0.5
    return {
        "mean": [round(float(v), 3) for v in lead.mean(axis=0)],
        "half": [round(float(v), 3) for v in half],
    }


if __name__ == "__main__":
    main()
