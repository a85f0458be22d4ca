"""The sections of the docs about optimisers: quality, warm starts, priors, speed, GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.dots import dots
from benchmarks.page_sources import grid

Figures = Mapping[str, Any]


def quality(found: Figures) -> str:
    """Ours and their peers in pairs, then each set's regrets, then pictures."""
    heads = ["ours", "peer", "on", "difference (95 %)", "no worse", "pairs", "won / lost"]
    pairs = [
        [
            f"`{p['ours']}`", f"`{p['peer']}`", p["on"], _interval(p),
            "yes" if p["no_worse"] else "**no**", p["pairs"], f"{p['won']} / {p['lost']}",
        ]
        for p in found["pairs"]
    ]  # fmt: skip
    parts = [
        "Regret of ours less the peer's after 50 evaluations' spending, both of the range of the "
        "problem's losses; negative: ours is better.",
        grid(heads, pairs),
    ]
    for of, rows in found["regret"].items():
        steps = [k for k in next(iter(rows.values()), {}) if k != "seeds"]
        lines = [
            [f"`{m}`", *(row[k] for k in steps), _seeds(row["seeds"])] for m, row in rows.items()
        ]
        parts.append(f"**{of}**\n\n" + grid(["method", *(f"n={k}" for k in steps), "seeds"], lines))
    for name in found["pictures"]:
        parts.append(f"![Regret by full evaluations spent](optimizer_quality_{name}.svg)")
    by = "; ".join(f"`{m}`: {', '.join(v)}" for m, v in found["made_by"].items())
    parts.append(f"Made by {by}.")
    if found["failed"]:
        parts.append("Failed and left out: " + "; ".join(found["failed"]) + ".")
    return "\n\n".join(parts)


def _seeds(seeds: int | list[int]) -> str:
    return str(seeds) if isinstance(seeds, int) else f"{seeds[0]} to {seeds[1]}"


def _interval(row: Figures) -> str:
    return f"{row['difference']:+.4f} ({row['low']:+.4f}, {row['high']:+.4f})"


def warm(found: Figures) -> str:
    """Regrets cold and warm, and warm after a third against cold at the end."""
    third = str(found["third"])
    parts = []
    for family in ("lcbench", "rbv2_ranger"):
        lines = []
        for method, row in found[family].items():
            apart = row["third_against_cold"]
            verdict = "" if apart is None else ("yes" if apart["no_worse"] else "**no**")
            lines.append([
                f"`{method}`", *(row[k] for k in ("1", "5", third, "50")),
                "" if apart is None else _interval(apart), verdict, row["tasks"], row["seeds"],
            ])  # fmt: skip
        heads = ["method", "n=1", "n=5", f"n={third}", "n=50", f"n={third} less cold n=50",
                 "no worse", "tasks", "seeds"]  # fmt: skip
        parts.append(f"**{family}**\n\n{grid(heads, lines)}")
    parts.append("![Regret, cold and warm](warm_search.svg)")
    return "\n\n".join(parts)


def prior(found: Figures) -> str:
    """Searches that begin in the region of similar tasks, beside cold ones."""
    tables = []
    for scenario in ("lcbench", "rbv2_ranger_v2"):
        figures = found[scenario]
        misled = figures["tpe misled"]
        lines = [
            (f"`{name}`", one["cold_17"], one["cold_50"], one["prior_17"], _interval(one["less"]))
            for name, one in figures.items()
            if isinstance(one, dict) and one is not misled
        ]
        heads = ["search", "cold, 17", "cold, 50", "prior, 17", "prior 17 less cold 50"]
        tables.append(
            f"{scenario}, {figures['tasks']} tasks, {found['seeds']} seeds:\n\n{grid(heads, lines)}"
            f"\n\nTPE misled: {misled['misled_17']} after 17, {misled['misled_50']} after 50, "
            f"less cold 50: {_interval(misled['less'])}."
        )
    tables.append("![Regret with the prior less without](prior.svg)")
    return "\n\n".join(tables)


def prior_picture(found: Figures) -> str:
    """The differences with their intervals; and those of the misled search."""
    names = {"lcbench": "lcbench", "rbv2_ranger_v2": "rbv2_ranger"}
    rows: dict[str, dict[str, list[float]]] = {}
    for scenario, series in names.items():
        for name, one in found[scenario].items():
            if isinstance(one, dict):
                less = one["less"]
                row = f"{name}, 50 of both" if "misled" in name else name
                rows.setdefault(row, {})[series] = [less[k] for k in ("difference", "low", "high")]
    return dots(
        rows,
        title="Regret of 17 evaluations with a prior less that of 50 without",
        x_label="difference of normalised regret and its 95 % interval; left: the prior is better",
        level=0.0,
    )


def speed(found: Figures) -> str:
    """Mean and longest seconds of an ask, and our share of the peers' means."""
    steps = list(next(iter(found["seconds"].values())))
    lines = [
        [f"`{m}`", *(f"{row[n]['mean_s']:.4f} ({row[n]['longest_s']:.3f})" for n in steps)]
        for m, row in found["seconds"].items()
    ]
    shares = [[of, *(row[n] for n in steps)] for of, row in found["share"].items()]
    heads = [f"n={n}" for n in steps]
    peers = ", ".join(f"{name} {v}" for name, v in found["peers"].items())
    return "\n\n".join([
        "Seconds of an ask with its tell, the mean of 50 (the longest):",
        grid(["method", *heads], lines),
        "Ours as a share of the peer's mean:",
        grid(["ours / peer", *heads], shares),
        "![Seconds of each ask](optimizer_speed.svg)",
        f"With {peers}.",
    ])  # fmt: skip


def gpu(found: Figures) -> str:
    """Seconds on both devices, where there are both."""
    cuda, fold = found.get("cuda", {}), found.get("times_as_fast", {})
    lines = [
        [name.removesuffix("_s").replace("_", " "), s, cuda.get(name, ""), fold.get(name, "")]
        for name, s in found["cpu"].items()
    ]
    return grid(["seconds", "CPU, 2 threads", found["gpu"], "times as fast"], lines)


def searched(found: Figures, running: Figures) -> list[tuple[str, str, str]]:
    """The rows of the README: seconds of an ask beside the peers', and what `run` adds."""

    def means(method: str) -> str:
        return " / ".join(f"{row['mean_s']:.3f}" for row in found["seconds"][method].values())

    share = found["share"]["forest_bo / smac"].values()
    ray = running["ray"]
    return [
        (
            "mean seconds of an ask with 50 / 200 / 500 results, 8 hyperparameters: `bo` (Optuna's "
            "GPSampler; BoTorch)",
            f"{means('bo')} ({means('optuna_gp')}; {means('botorch')})",
            "<= 0.1 / 0.25 / 0.8 s",
        ),
        ("the same: `tpe` (Optuna's TPE)", f"{means('tpe')} ({means('optuna_tpe')})", "<= Optuna"),
        (
            "the same: `forest_bo`, its share of SMAC3's",
            f"{means('forest_bo')}, {' / '.join(f'{s:.3f}' for s in share)}",
            "<= 0.2",
        ),
        (
            "`run` in this process, a trial with random search's ask and tell",
            f"{running['here_cpu_ms']['random']} ms",
            "<= 2 ms",
        ),
        (
            f"{ray['trials']:,} trivial trials on Ray, `run` / Ray's own tasks",
            f"{ray['ratio']} ({ray['s']['run']} s / {ray['s']['tasks']} s)",
            "<= 1.2",
        ),
    ]
