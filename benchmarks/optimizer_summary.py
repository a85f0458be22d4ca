"""Cached runs of searches brought to figures: normalised regret, paired differences, pictures.

The measures are those of the protocol in `benchmarks.optimizer_quality`. Intervals: Efron,
Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentiles).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from api.picture import curves
from benchmarks.machine import RESULTS, write
from benchmarks.problems import FAMILIES, problem, small
from benchmarks.runs import EVALUATIONS, Run, read
from metadb.protocols import Floats

STEPS = (10, 20, 30, 50)
"""After so many full evaluations' spending the regret stands in the results."""

RESAMPLES = 10_000

DOCS = RESULTS.parents[1] / "docs"

REFERENCES = "optimizer_reference.json"
"""Beside the cache: the ranges of the problems' losses."""

PAIRS = (
    ("bo", "botorch"), ("bo", "optuna_gp"), ("forest_bo", "smac"),
    ("tpe", "optuna_tpe"), ("tpe", "optuna_tpe_group"),
    ("bohb", "optuna_bohb"), ("bohb", "syne_bohb"),
    ("hyperband", "optuna_hyperband"), ("hyperband", "syne_hyperband"), ("asha", "syne_asha"),
)  # fmt: skip
"""Ours, and the peer that it is to be no worse than."""

PICTURES = {
    "gp": ("bo", "botorch", "optuna_gp", "random"),
    "forest": ("forest_bo", "smac", "random"),
    "tpe": ("tpe", "optuna_tpe", "optuna_tpe_group", "random"),
    "budgets": ("hyperband", "optuna_hyperband", "syne_hyperband", "bohb", "optuna_bohb",
                "syne_bohb"),
}  # fmt: skip

Runs = Mapping[tuple[str, str, int], Run]
Curves = dict[str, dict[str, dict[int, Floats]]]
"""Method, problem, seed to normalised regret after 1..50, (50,)."""


def references(runs: Runs, data: Path, folder: Path) -> dict[str, tuple[float, float]]:
    """Least and largest loss of each problem; those of the random configs are kept in a file."""
    known = folder / REFERENCES
    drawn = json.loads(known.read_text()) if known.exists() else {}
    names = sorted({run.problem for run in runs.values()})
    for name in names:
        if name not in drawn:
            drawn[name] = problem(name, data).reference()
            known.parent.mkdir(parents=True, exist_ok=True)
            known.write_text(json.dumps(drawn, indent=1) + "\n")
    least = {name: float(drawn[name][0]) for name in names}
    for run in runs.values():
        least[run.problem] = min(least[run.problem], float(run.best()[-1]))
    return {name: (least[name], float(drawn[name][1])) for name in names}


def regrets(runs: Runs, reference: Mapping[str, tuple[float, float]]) -> Curves:
    """Normalised regret of the runs that did not fail."""
    found: Curves = defaultdict(lambda: defaultdict(dict))
    for (method, name, seed), run in runs.items():
        if not run.error:
            least, largest = reference[name]
            regret = (run.best() - least) / (largest - least)
            found[method][name][seed] = np.minimum(regret, 1.0)
    return found


def difference(
    ours: Mapping[str, Mapping[int, Floats]],
    peer: Mapping[str, Mapping[int, Floats]],
    names: Sequence[str],
    step: int = EVALUATIONS,
) -> dict[str, Any] | None:
    """Ours less the peer's after so much spending, paired by problem and seed; None without pairs.

    The interval is of the mean over problems of the mean over seeds; seeds are resampled within
    each problem.
    """
    rng = np.random.default_rng(0)
    apart: list[Floats] = []
    for name in names:
        mine, other = ours.get(name, {}), peer.get(name, {})
        both = sorted(set(mine) & set(other))
        if both:
            apart.append(np.array([mine[s][step - 1] - other[s][step - 1] for s in both]))
    if not apart:
        return None
    drawn = [d[rng.integers(len(d), size=(RESAMPLES, len(d)))].mean(axis=1) for d in apart]
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    every = np.concatenate(apart)
    return {
        "difference": round(float(np.mean([d.mean() for d in apart])), 6),
        "low": round(float(low), 6),
        "high": round(float(high), 6),
        "no_worse": bool(low <= 0),
        "problems": len(apart),
        "pairs": len(every),
        "won": int((every < -1e-9).sum()),
        "lost": int((every > 1e-9).sum()),
    }


def mean(curve: Mapping[str, Mapping[int, Floats]], names: Sequence[str]) -> Floats | None:
    """Mean over seeds, then over problems, (50,); None where a problem was never run."""
    if not names or not all(curve.get(name) for name in names):
        return None
    return np.asarray(np.mean([np.mean(list(curve[n].values()), axis=0) for n in names], axis=0))


def summarise(cache: Path, data: Path) -> None:
    """Write `results/optimizer_quality.json` and its pictures from all cached runs."""
    runs = read(cache)
    reference = references(runs, data, cache.parent)
    found = regrets(runs, reference)
    few = {f: small(f, data) for f in FAMILIES}
    many = {
        f: sorted({n for _, n, _ in runs if n.partition(":")[0] == f}) or few[f]
        for f in ("lcbench", "rbv2_ranger")
    }
    sets = {f"{f} ({len(few[f])})": few[f] for f in FAMILIES}
    sets |= {f"{f} ({len(n)})": n for f, n in many.items() if len(n) > len(few[f])}
    sets |= {name: [name] for name in few["functions"]}
    figures = {
        "evaluations": EVALUATIONS,
        "small": few,
        "made_by": _made_by(runs),
        "regret": {of: _table(found, names) for of, names in sets.items()},
        "pairs": [
            {"ours": ours, "peer": peer, "on": of} | row
            for ours, peer in PAIRS
            for of, names in sets.items()
            if (row := difference(found.get(ours, {}), found.get(peer, {}), names)) is not None
            and row["problems"] == len(names)  # of a part of them the small set says as much
        ],
        "seconds": {m: _seconds(runs, m) for m in sorted(found)},
        "failed": [f"{'/'.join(map(str, r.key))}: {r.error}" for r in runs.values() if r.error],
        "reference": {n: [float(f"{v:.8g}") for v in reference[n]] for n in sorted(reference)},
    }
    drawn = [name for name, methods in PICTURES.items() if _draw(name, methods, found, few)]
    write("optimizer_quality", figures | {"pictures": drawn})


def _made_by(runs: Runs) -> dict[str, list[str]]:
    by = defaultdict(set)
    for run in runs.values():
        by[run.method].add(run.made_by)
    return {method: sorted(by[method]) for method in sorted(by)}


def _table(found: Curves, names: Sequence[str]) -> dict[str, Any]:
    """Each method's mean regret after some steps, and on how many seeds a problem it rests."""
    rows: dict[str, Any] = {}
    for method, curve in found.items():
        line = mean(curve, names)
        if line is not None:
            seeds = sorted({len(curve[name]) for name in names})
            rows[method] = {str(k): float(f"{line[k - 1]:.4g}") for k in STEPS}
            rows[method]["seeds"] = seeds[0] if len(seeds) == 1 else [seeds[0], seeds[-1]]
    return dict(sorted(rows.items(), key=lambda row: float(row[1][str(STEPS[-1])])))


def _seconds(runs: Runs, method: str) -> dict[str, float | None]:
    """Of an ask: the mean, None where all were shortened; of all asks and tells: hours.

    Others computed beside it, so this is no measure of speed: `benchmarks.optimizer_speed` is.
    """
    own = [run for run in runs.values() if run.method == method]
    asks = [s for run in own for s in run.ask_s]
    hours = (sum(asks) + sum(run.tell_s for run in own)) / 3600
    return {"ask": round(float(np.mean(asks)), 4) if asks else None, "hours": round(hours, 3)}


def _draw(
    name: str, methods: Sequence[str], found: Curves, few: Mapping[str, Sequence[str]]
) -> bool:
    """A picture of the mean of the families' means on the small set; False: too few methods."""
    families = [f for f in FAMILIES if name != "budgets" or f != "functions"]
    lines: dict[str, Any] = {}
    for method in methods:
        means = [mean(found.get(method, {}), few[f]) for f in families]
        there = [m for m in means if m is not None]
        if len(there) == len(families):
            lines[method] = list(np.log10(np.maximum(np.mean(there, axis=0), 1e-6)))
    if len(lines) < 2:
        return False
    picture = curves(
        lines,
        title="Regret, mean over " + ", ".join(families),
        x_label="full evaluations spent",
        y_label="log10 of normalised regret",
    )
    (DOCS / f"optimizer_quality_{name}.svg").write_text(picture)
    return True
