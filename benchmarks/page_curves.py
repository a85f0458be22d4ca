"""The section of `docs/benchmarks.md` about learning curves, and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.dots import dots
from benchmarks.page_sources import grid

Figures = Mapping[str, Any]

NAMES = {
    "lcdb_error": "LCDB 1.1, validation error",
    "lcbench_accuracy": "lcbench, accuracy",
    "lcbench_cross_entropy": "lcbench, cross-entropy",
    "nb301_accuracy": "NAS-Bench-301, accuracy",
}


def extrapolated(found: Figures) -> str:
    """Errors of the end by set and by what was seen, the paper's own method, stopping."""
    lines = []
    for of, rows in found["extrapolation"].items():
        for seen, row in rows.items():
            mean, median = row["mean_error"], row["median_error"]
            low, high = row["mean_error_less_last_value"]
            lines.append([
                NAMES[of], row["curves"], seen.replace(" of the budget", ""),
                *(f"{mean[m]} ({median[m]})" for m in ("families", "last_value", "pow3_alone")),
                f"{low:+} to {high:+}", row["inside_80"], row["median_ms"],
            ])  # fmt: skip
    heads = ["curves", "n", "seen", "11 families", "last value", "power law",
             "families less last value", "in the interval", "ms"]  # fmt: skip
    return "\n\n".join([
        "Mean (median) absolute error of the loss at the largest budget, the interval of 95 % of "
        "the mean difference, the share of ends in the predicted interval of 80 %:",
        grid(heads, lines),
        "![Mean error beside that of the last value](curves.svg)",
        *(_beside(found["beside_mcmc"]) if "beside_mcmc" in found else ()),
        "Epochs until a search reaches what 50 configs of another seed reached, with stopping and "
        "without:",
        _stopped(found["stopping"]),
    ])  # fmt: skip


def _beside(found: Figures) -> list[str]:
    lines = [
        [NAMES[of], rows["curves"], *(
            f"{rows[m]['error']} ({rows[m]['median_error']})"
            for m in ("families", "mcmc", "last_value")
        ), rows["families"]["inside"], rows["mcmc"]["inside"], rows["families"]["seconds"],
         rows["mcmc"]["seconds"]]
        for of, rows in found.items()
    ]  # fmt: skip
    heads = ["curves", "n", "11 families", "MCMC", "last value", "in the interval", "MCMC's",
             "s", "MCMC's s"]  # fmt: skip
    return ["Beside the paper's own MCMC, from half of the budget:", grid(heads, lines)]


def _stopped(found: Figures) -> str:
    lines = []
    for name, row in found.items():
        ratio, low, high = row["geometric_mean_of_ratios"]
        epochs, reached = row["mean_epochs"], row["reached"]
        lines.append([
            f"`{name}`", row["tasks"], row["seeds"], f"{ratio} ({low} to {high})",
            f"{epochs['with']:,} / {epochs['without']:,}",
            f"{reached['with']} / {reached['without']}",
        ])  # fmt: skip
    heads = ["search inside", "tasks", "seeds", "geometric mean of the ratios (95 %)",
             "mean epochs, with / without", "reached, with / without"]  # fmt: skip
    return grid(heads, lines)


def picture(found: Figures) -> str:
    """The mean error of the families and of the power law, as a share of the last value's."""
    rows = {}
    for of, by_seen in found["extrapolation"].items():
        for share in ("25%", "50%"):
            row = by_seen[f"{share} of the budget, all points"]["mean_error"]
            last = row["last_value"]
            rows[f"{NAMES[of]}, {share}"] = {
                "11 families": [row["families"] / last],
                "power law alone": [row["pow3_alone"] / last],
            }
    return dots(
        rows,
        title="The end of a learning curve from a quarter and a half of it",
        x_label="mean absolute error, that of the last value seen being 1",
        level=1.0,
    )
