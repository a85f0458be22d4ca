"""The sections of the docs about recommenders: quality, no harm, speed, importances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.page_sources import grid
from recommenders import RECOMMENDERS

Figures = Mapping[str, Any]
STEPS = ("1", "2", "3", "5", "10", "20", "50")
PEERS = Path(__file__).parent / "peers" / "figures.json"


def quality(found: Figures) -> str:
    """A table a set: our methods, the smallest regret after 10 first, then the peers' rows."""
    peers = json.loads(PEERS.read_text())["rows"]
    parts = []
    for name, one in found["sets"].items():
        steps = [k for k in STEPS if k in next(iter(one["methods"].values()))["regret"]]
        folds = f"{one['folds']} folds" if one["folds"] else "a fit for each task"
        at = "10" if "10" in steps else steps[-1]
        lines = [
            [_named(m), *(_cell(row, k) for k in steps), row["fit_s"], row["suggest_ms"]]
            for m, row in sorted(one["methods"].items(), key=lambda item: item[1]["regret"][at])
        ]
        for peer in peers:
            if (peer["space"], peer["metric"]) == (one["space"], one["metric"]):
                cells = (_short(peer["regret"][k]) if k in peer["regret"] else "" for k in steps)
                lines.append([f"{peer['name']} (peer, published)", *cells, "", ""])
        heads = ["method", *(f"k={k}" for k in steps), "fit s", "suggest ms"]
        parts.append(f"**{name}**, {one['tasks']} tasks, {folds}\n\n{grid(heads, lines)}")
    said = (
        "Mean normalised regret after k configurations. Beside a figure: `=` tied with `auto`, `+` "
        "better, `-` worse (95 % interval of the difference). Seconds on a machine that was busy. "
        "`peer, here`: another package, by our referee in the same folds. `peer, published`: "
        "measured elsewhere on the same files by the same protocol; its seeds and the draws of its "
        "candidates are not ours."
    )
    return "\n\n".join([said, *parts])


def _named(method: str) -> str:
    return f"`{method}`" if method in RECOMMENDERS else f"{method} (peer, here)"


def _cell(row: Figures, k: str) -> str:
    text = _short(row["regret"][k])
    _, low, high = row["difference"][k]
    if (low, high) == (0.0, 0.0):
        return text
    sign = "=" if row["tied"][k] else "+" if high < 0 else "-"
    return text + sign


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def means(found: Figures) -> str:
    """The means over the four sets that have peers in all, `auto`, members and the best peer."""
    four = [
        one for name, one in found["sets"].items()
        if name in ("openml-pimp random forest", "hp-transfer XGBoost", "NAS-Bench-201",
                    "OPENML-WEKA-2017")
    ]  # fmt: skip
    steps = ("1", "5", "10", "20")
    methods = [m for m in four[0]["methods"] if all(m in one["methods"] for one in four)]
    lines = []
    for m in methods:
        mean = [sum(one["methods"][m]["regret"][k] for one in four) / len(four) for k in steps]
        lines.append((mean[2], [_named(m), *map(_short, mean)]))
    best = "PCA prior + EI (peer, published; the best with a row in all four)"
    peer = [best, ".072", ".029", ".017", ".009"]
    rows = [line for _, line in sorted(lines)]
    return grid(["mean over the four sets with peers", *(f"k={k}" for k in steps)], [*rows, peer])


def no_harm(found: Figures) -> str:
    """`auto` against the search without transfer where the past is spoilt."""
    lines = []
    for name, row in found["rows"].items():
        for k in ("20", "50"):
            if k in row["auto"]:
                ratio = "" if row["auto / cold"][k] is None else row["auto / cold"][k]
                _, low, high = row["difference"][k]
                lines.append(
                    [name, k, row["auto"][k], row["cold"][k], ratio, f"{low:+.3f} to {high:+.3f}"]
                )
    return grid(["past", "k", "`auto`", "`cold`", "ratio", "difference, 95 %"], lines)


def speed(found: Figures) -> str:
    """Seconds to fit and milliseconds to advise."""
    rows = found["rows"]
    large = [
        [f"`{n}`", r["fit_s"], r["ms_nothing"], r["ms_20"], r["first_ms_nothing"]]
        for n, r in rows.items()
        if "fit_s" in r
    ]
    transfer = [
        [f"`{n}`", *(r[f"{t} tasks"]["suggest_s"] for t in (20, 40, 80))]
        for n, r in rows.items()
        if "20 tasks" in r
    ]
    return "\n\n".join(
        [
            "1,000 tasks x 1,000 configurations:",
            grid(
                ["method", "fit s", "advice of 10, ms", "with 20 observed, ms", "first call, ms"],
                large,
            ),
            "Past tasks of 100 results that share none, a suggestion among 500, seconds:",
            grid(["method", "20 tasks", "40 tasks", "80 tasks"], transfer),
        ]
    )


def importances(found: Figures) -> str:
    """Ours beside the published ones."""
    lines = []
    for name in ("randomforestclassifier", "adaboostclassifier"):
        for how, row in found.get(name, {}).items():
            if isinstance(row, dict) and "spearman_within_a_task" in row:
                lines.append(
                    [f"{name}, {how}", row["tasks"], row["spearman_within_a_task"]["mean"],
                     row["absolute_difference"]["median"], row["absolute_difference"]["mean"],
                     row["same_first"]]
                )  # fmt: skip
    heads = ["", "tasks", "Spearman, mean", "difference, median", "mean", "same first"]
    return grid(heads, lines)
