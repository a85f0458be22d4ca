"""The section of `docs/benchmarks.md` about `metadb tune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.page_sources import grid


def tuned(found: Mapping[str, Any]) -> str:
    """The best value after so many trials, cold and warm, and how far warm leads."""
    lines = []
    for name, each in found["tables"].items():
        for start in ("cold", "warm"):
            title = f"{name}, {each['metric']}" if start == "cold" else ""
            lines.append((title, start, *(f"{v:.4g}" for v in each[start])))
    heads = ["after so many trials", "", *map(str, found["steps"])]
    counts = [
        " / ".join(map(str, column))
        for column in zip(found["ahead"], found["level"], found["behind"], strict=True)
    ]
    leads = [
        (name, f"{each['error']:.2f}", *_leads(each["lead"]))
        for name, each in found["tables"].items()
    ]
    leads += [("all", "", *_leads(found["lead"])), ("ahead / level / behind", "", *counts)]
    return (
        f"{grid(heads, lines)}\n\nMeans over {found['seeds']} seeds. A smaller rmse is better; all "
        "others are scores. How far warm leads (below 0: is behind), where 1 is from the median of "
        "the cold search's trials to the best found, and the half width of an interval of 95 %; "
        "beside it, in the same unit, the standard error of the best value over its folds:\n\n"
        f"{grid(['lead after so many trials', 'error', *map(str, found['steps'])], leads)}"
    )


def _leads(lead: Mapping[str, Any]) -> list[str]:
    return [f"{m:+.2f} ± {h:.2f}" for m, h in zip(lead["mean"], lead["half"], strict=True)]
