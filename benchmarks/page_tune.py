"""The section of `docs/benchmarks.md` about `metadb tune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.page_sources import grid


def tuned(found: Mapping[str, Any]) -> str:
    """The best value after so many trials, cold and warm, and how often warm was ahead."""
    lines = []
    for name, each in found["tables"].items():
        for start in ("cold", "warm"):
            title = f"{name}, {each['metric']}" if start == "cold" else ""
            lines.append((title, start, *(f"{v:.4g}" for v in each[start])))
    counts = [
        " / ".join(map(str, column))
        for column in zip(found["ahead"], found["level"], found["behind"], strict=True)
    ]
    lines.append(("warm ahead / level / behind", "", *counts))
    seeds = found["seeds"]
    said = "One seed" if seeds == 1 else f"Means over {seeds} seeds"
    heads = ["table", "start", *(f"after {n}" for n in found["steps"])]
    return (
        f"{grid(heads, lines)}\n\n{said}, so small differences say nothing. A smaller rmse is "
        "better; all others are scores."
    )
