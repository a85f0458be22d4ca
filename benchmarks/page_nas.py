"""The section of `docs/benchmarks.md` about searches of architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.page_sources import grid

STEPS = ("5", "10", "25", "50", "100")
ELSEWHERE = (
    "Syne Tune's quantiles, as the task of this study gave them: .003 and .001. By mean rank on "
    "the two others the best cell of {places}."
)


def searched(found: Mapping[str, Any]) -> str:
    """Regret of each search, alone and taught by other data sets, and how long suggestions take."""
    parts = []
    for name, rows in found["cold"].items():
        lines = []
        for method, row in sorted(rows.items(), key=lambda item: item[1]["100"]):
            pair = found["against_random"][name].get(method)
            less = " ".join(difference(pair)) if pair else ""
            last = f"{found['accuracy'][name][method]:.2f}" if name in found["accuracy"] else ""
            best = f"{row['found_the_best']:.0%}"
            lines.append((f"`{method}`", *(number(row[k]) for k in STEPS), less, best, last))
        heads = ["regret after", *STEPS, "at the end, less `random`", "found the best", "accuracy"]
        optimum = found["accuracy"].get(name, {}).get("optimum")
        title = f"{name}{'' if optimum is None else f', best accuracy {optimum}'}, {seeds(rows)}:"
        parts.append(f"{title}\n\n{grid(heads, lines)}")
    lines = [
        (f"`{method}`", *difference(pair))
        for method, pair in found["against_random"]["the three"].items()
    ]
    parts.append(
        "Less `random` after 100 evaluations, mean of the three tables:\n\n"
        f"{grid(['search', 'difference', 'interval of 95 %'], lines)}"
    )
    parts.append("![Regret after n evaluations](nas.svg)")
    tables = [name for name in found["taught"] if name != "the three"]
    lines = [
        (f"`{method}`", *(f"{number(found['taught'][name][method][k])}" for name in tables
                          for k in ("5", "10")), *(number(mean[k]) for k in ("5", "10")))
        for method, mean in sorted(found["taught"]["the three"].items(), key=lambda m: m[1]["10"])
    ]  # fmt: skip
    heads = ["taught by the two others"]
    heads += [f"{name}, {k}" for name in (*tables, "mean") for k in ("5", "10")]
    places = ", ".join(f"{name} is number {k}" for name, k in found["best_elsewhere"].items())
    said = ELSEWHERE.format(places=places)
    parts.append(f"Regret after 5 and 10 evaluations. {said}\n\n{grid(heads, lines)}")
    if "speed" in found:
        parts.append(swift(found["speed"]))
    return "\n\n".join(parts)


def swift(found: Mapping[str, Any]) -> str:
    """CPU seconds of suggestions."""
    lines = []
    for space, rows in found.items():
        for method, row in rows.items():
            if "thousand_s" in row:
                lines.append((space, f"`{method}`", f"{row['thousand_s']} s", "", ""))
            else:
                one, refit = f"{row['suggestion_s']} s", f"{row['refit_s']} s"
                lines.append((space, f"`{method}`", "", one, refit))
    return grid(["space", "search", "1,000 suggestions, CPU", "one, 500 told", "refit"], lines)


def difference(pair: Mapping[str, Any]) -> tuple[str, str]:
    """A mean difference and its interval."""
    return f"{pair['difference']:+.4f}", f"[{pair['low']:+.4f}, {pair['high']:+.4f}]"


def number(value: float) -> str:
    """Four decimals, or 0."""
    return "0" if value == 0 else f"{value:.4f}"


def seeds(rows: Mapping[str, Any]) -> str:
    """How many seeds stand behind the rows."""
    n = sorted({row["seeds"] for row in rows.values()})
    return f"{n[0]} seeds" if len(n) == 1 else f"{n[0]} to {n[-1]} seeds"


def shared(found: Mapping[str, Any]) -> str:
    """Cells found by shared weights beside random ones."""
    lines = [
        (
            f"`{r['method']}`", r["data"], str(r["seeds"]), f"{r['found']:.3f}",
            f"{r['same_size']:.3f}", _less(r["over_same_size"]), f"{r['any_size']:.3f}",
            _less(r["over_any_size"]), f"{r['search_s']:.0f}",
        )
        for r in sorted(found["summary"], key=lambda r: (r["data"], -r["over_same_size"][0]))
    ]  # fmt: skip
    heads = [
        "search", "data", "seeds", "its cell's accuracy", "random cells of its size", "difference",
        "random cells of any size", "difference", "CPU s a search",
    ]  # fmt: skip
    return grid(heads, lines)


def _less(value: Sequence[float]) -> str:
    half = "" if value[1] is None else f" +- {value[1]:.3f}"  # without all seeds there is none
    return f"{value[0]:+.3f}{half}"
