"""Meta-features: seconds beside pymfe, a file larger than it should be, and the time limit.

    python -m benchmarks.metafeatures [--only speed] [--data iris ...] [--again]    # 15 minutes

Protocol: every measurement is a process of its own with one thread (checked with threadpoolctl),
after one run of both on 60 instances, so that no import is counted. What was measured is kept in
`benchmarks/results/metafeatures.json` as it comes, and is not measured again without `--again`.

- Speed: ours (`extract(X, y, kind="classification", groups=...)`) and pymfe as its users call it
  (`MFE(groups, summary=["mean", "sd", "min", "max"], random_state=0).fit(X, y).extract()`, warnings
  suppressed) in turn, both from NumPy arrays, 7 times each, fewer where a run of pymfe takes long:
  3 times from 5 s on, once from 60 s on. Ours says 7 summaries of each feature, pymfe 4: its
  quantiles have no value with NumPy 2. *Values*: simple, statistical and information beside
  general, statistical and info-theory. *Models*: model_based and landmarking at the same definition
  (all instances, the same 10 folds). *Default*: all five groups, ours with its default sample of
  10,000 instances for the expensive ones. Data: scikit-learn's, and `make_classification(n, d,
  n_informative=d // 2, n_redundant=0, n_classes=3, random_state=0)`. A ratio is pymfe's seconds
  over ours, the median over pairs; the sum over data sets is of medians.
- Out of core: 1,000,000 instances of 50 standard normal attributes (seed 0, one in 1,000 missing)
  and a target of 3 classes, a Parquet file with row groups of 100,000; simple and statistical
  through `scan_file` in a process of its own, its seconds and its largest resident size, the
  interpreter's start included in both. DuckDB takes as many threads as it likes here.
- Time limit: all groups with a limit, each in a fresh process in which nothing but NumPy was used
  before, so that imports count; seconds over the limit, and what was reached. Standard normal
  attributes, 3 classes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import RESULTS, in_process, measured, peak_mb, write

MODULE = "benchmarks.metafeatures"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

PAIRS = {
    "values": (
        ("simple", "statistical", "information"),
        ("general", "statistical", "info-theory"),
    ),
    "models": (("model_based", "landmarking"), ("model-based", "landmarking")),
    "default": (
        ("simple", "statistical", "information", "model_based", "landmarking"),
        ("general", "statistical", "info-theory", "model-based", "landmarking"),
    ),
}
"""Our groups and pymfe's."""

MADE = {"10,000x50": (10_000, 50), "50,000x20": (50_000, 20)}
DATA = ("iris", "wine", "breast_cancer", "digits", *MADE)

LIMITS_S = (0.5, 1.0, 2.0, 5.0)
SHAPES = ((50_000, 20), (10_000, 500), (1_000, 5_000), (500_000, 50))

Arrays = tuple[NDArray[np.float64], NDArray[np.int64]]


def load(name: str) -> Arrays:
    """The attributes (n, d) and classes (n,) of one data set."""
    from sklearn import datasets

    if name not in MADE:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return x, y
    n, d = MADE[name]
    x, y = datasets.make_classification(
        n, d, n_informative=d // 2, n_redundant=0, n_classes=3, random_state=0
    )
    return x, y


def ours(x: NDArray[np.float64], y: NDArray[np.int64], pair: str) -> int:
    """Our side of a pair; how many values it found."""
    from metadb.metafeatures import SAMPLE, extract

    sample = SAMPLE if pair == "default" else None
    found = extract(x, y, kind="classification", groups=PAIRS[pair][0], sample=sample)
    if failed := {v.reason for v in found.by_name.values() if v.status == "failed"}:
        raise SystemExit(f"what failed cannot be timed: {failed}")
    return len(found.known())


def pymfe(x: NDArray[np.float64], y: NDArray[np.int64], pair: str) -> int:
    """The other side."""
    from pymfe.mfe import MFE

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        mfe = MFE(groups=list(PAIRS[pair][1]), summary=["mean", "sd", "min", "max"], random_state=0)
        mfe.fit(x, y, suppress_warnings=True)
        _, values = mfe.extract(suppress_warnings=True)
    return int(np.isfinite(np.asarray(values, float)).sum())


def assert_one_thread() -> None:
    """Stop if any pool of threads in this process is larger than one."""
    from threadpoolctl import threadpool_info

    many = [pool for pool in threadpool_info() if pool["num_threads"] != 1]
    if many:
        raise SystemExit(f"more than one thread: {many}")


def pair_s(name: str, pair: str) -> dict[str, Any]:
    """Seconds of both in turn; how often is decided by pymfe's first run."""
    x, y = load("iris")
    some = slice(None, None, 150 // 60 + 1)
    for side in (ours, pymfe):
        side(x[some], y[some], pair)
    assert_one_thread()
    x, y = load(name)
    taken: dict[str, list[float]] = {"ours": [], "pymfe": []}
    values: dict[str, int] = {}
    repeats = 1
    while len(taken["ours"]) < repeats:
        for side in (ours, pymfe):
            gc.collect()
            start = time.perf_counter()
            values[side.__name__] = side(x, y, pair)
            taken[side.__name__].append(time.perf_counter() - start)
        first = taken["pymfe"][0]
        repeats = 1 if first >= 60 else 3 if first >= 5 else 7
    ratios = [b / a for a, b in zip(taken["ours"], taken["pymfe"], strict=True)]
    return {
        "shape": list(x.shape),
        "repeats": repeats,
        "values": values,
        "ours_s": float(f"{median(taken['ours']):.4g}"),
        "pymfe_s": float(f"{median(taken['pymfe']):.4g}"),
        "ratio": round(median(ratios), 1),
        "ratio_range": [round(min(ratios), 1), round(max(ratios), 1)],
    }


def total(speed: dict[str, dict[str, Any]], pair: str) -> dict[str, Any]:
    """The sum over the data sets that were measured."""
    found = [by_pair[pair] for by_pair in speed.values() if pair in by_pair]
    ours_s, pymfe_s = (sum(one[key] for one in found) for key in ("ours_s", "pymfe_s"))
    return {
        "data": len(found),
        "ours_s": float(f"{ours_s:.4g}"),
        "pymfe_s": float(f"{pymfe_s:.4g}"),
        "ratio": round(pymfe_s / ours_s, 1),
    }


def write_parquet(path: Path, n: int, d: int) -> None:
    """The file of the out-of-core figure."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, step = np.random.default_rng(0), 100_000
    names = [f"x{i}" for i in range(1, d + 1)]
    schema = pa.schema([*((name, pa.float64()) for name in names), ("class", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, step):
            x = rng.standard_normal((d, min(step, n - start)))
            x[rng.random(x.shape) < 0.001] = np.nan
            classes = np.array(["a", "b", "c"])[rng.integers(0, 3, x.shape[1])]
            columns = [*(pa.array(row, from_pandas=True) for row in x), pa.array(classes)]
            writer.write_table(pa.table(columns, schema=schema))


def scan(path: Path) -> dict[str, Any]:
    """In a process of its own: simple and statistical of a file, and what they took."""
    from metadb.metafeatures import extract_table
    from metadb.metafeatures.scan import scan_file

    start = time.perf_counter()
    with scan_file(path, target="class", kind="classification") as table:
        found = extract_table(table, groups=["simple", "statistical"])
    return {
        "s": round(time.perf_counter() - start, 2),
        "peak_mb": round(peak_mb()),
        "values": len(found.known()),
        "without": dict(Counter(v.status for v in found.by_name.values() if v.status != "ok")),
        "by_group_s": {name: round(cost, 2) for name, cost in costs(found).items()},
    }


def costs(found: Any) -> dict[str, float]:
    """Seconds by group."""
    by_group: Counter[str] = Counter()
    for value in found.by_name.values():
        by_group[value.group] += value.cost_s
    return dict(by_group)


def out_of_core(n: int, d: int = 50) -> dict[str, Any]:
    """A file made for it, looked at in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.parquet"
        write_parquet(path, n, d)
        size_mb = path.stat().st_size / 1e6
        one = measured([sys.executable, "-m", MODULE, "--child", "scan", "--name", str(path)])
    said: dict[str, Any] = json.loads(one.said.splitlines()[-1])
    process_s = round(one.seconds, 2)
    return {"shape": [n, d], "file_mb": round(size_mb), "process_s": process_s} | said


def limited(n: int, d: int, limit_s: float) -> dict[str, Any]:
    """In a process of its own: everything that can be known within the limit."""
    from metadb.metafeatures import extract

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.integers(0, 3, n)
    start = time.perf_counter()
    found = extract(x, y, kind="classification", time_limit_s=limit_s)
    wall_s = time.perf_counter() - start
    reached: dict[str, dict[str, int]] = {}
    for value in found.by_name.values():
        group = reached.setdefault(
            value.group, {"instances": 0, "ok": 0, "failed": 0, "timeout": 0, "undefined": 0}
        )
        group["instances"] = max(group["instances"], value.instances)
        group[value.status] += 1
    return {
        "shape": [n, d],
        "limit_s": limit_s,
        "wall_s": round(wall_s, 3),
        "over": round(wall_s / limit_s, 2),
        "reached": reached,
    }


def child(what: str, name: str) -> dict[str, Any]:
    if what == "pair":
        return pair_s(*name.split("/"))
    if what == "scan":
        return scan(Path(name))
    n, d, limit = name.split("/")
    return limited(int(n), int(d), float(limit))


def kept() -> dict[str, Any]:
    """What was measured so far."""
    path = RESULTS / "metafeatures.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    found.pop("machine", None)
    return {"pymfe": version("pymfe")} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["speed", "out_of_core", "limits"])
    parser.add_argument("--data", nargs="*", choices=DATA, default=DATA)
    parser.add_argument("--pairs", nargs="*", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--again", action="store_true", help="measure what was measured before")
    parser.add_argument("--dry", action="store_true", help="print the figures, keep nothing")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the file, out of core")
    parser.add_argument("--child", choices=["pair", "scan", "limit"])
    parser.add_argument("--name")
    a = parser.parse_args()
    os.environ.update(ONE_THREAD)  # for the processes that are started
    if a.child:
        print(json.dumps(child(a.child, a.name)))
        return
    found = kept()

    def keep(key: str, *place: str, figures: Any) -> None:
        level = found.setdefault(key, {})
        for step in place[:-1]:
            level = level.setdefault(step, {})
        level[place[-1]] = figures
        print(key, *place, json.dumps(figures), file=sys.stderr, flush=True)
        if not a.dry:
            write("metafeatures", found)

    if a.only in (None, "speed"):
        for pair in a.pairs:
            for name in a.data if pair != "default" else [n for n in a.data if n == "50,000x20"]:
                if a.again or pair not in found.get("speed", {}).get(name, {}):
                    figures = in_process(MODULE, "--child", "pair", "--name", f"{name}/{pair}")
                    keep("speed", name, pair, figures=figures)
            if any(pair in by_pair for by_pair in found.get("speed", {}).values()):
                keep("total", pair, figures=total(found["speed"], pair))
    if a.only in (None, "out_of_core") and (a.again or "out_of_core" not in found):
        keep("out_of_core", str(a.rows), figures=out_of_core(a.rows))
    if a.only in (None, "limits"):
        for n, d in SHAPES:
            for limit_s in LIMITS_S:
                place = (f"{n:,}x{d:,}", f"{limit_s:g}")
                if a.again or place[1] not in found.get("limits", {}).get(place[0], {}):
                    arguments = ("--child", "limit", "--name", f"{n}/{d}/{limit_s}")
                    keep("limits", *place, figures=in_process(MODULE, *arguments))


if __name__ == "__main__":
    main()
