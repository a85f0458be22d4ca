"""The section of `docs/benchmarks.md` about meta-features, and `docs/metafeatures-parity.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.metafeatures import PAIRS
from benchmarks.metafeatures_reasons import REASONS
from benchmarks.page_sources import grid

Figures = Mapping[str, Any]

ASKED = {"values": ">= 10 in sum", "models": ">= 3 in sum", "default": ">= 20"}


def metafeatures(found: Figures) -> str:
    """Speed beside pymfe, the file out of core, the time limit: a table each."""
    parts = [speed(found["speed"], found["total"])]
    if "out_of_core" in found:
        parts.append(out_of_core(found["out_of_core"]))
    if "limits" in found:
        parts.append(limits(found["limits"]))
    return "\n\n".join(parts)


def speed(found: Figures, totals: Figures) -> str:
    """A row for each data set and pair, and the sums."""
    lines = []
    for pair in PAIRS:
        measured = {name: by_pair[pair] for name, by_pair in found.items() if pair in by_pair}
        asked = ASKED[pair] if len(measured) == 1 else ""
        for name, one in measured.items():
            (low, high), n = one["ratio_range"], one["repeats"]
            ratio = f"{one['ratio']} ({low} to {high}, {n} pairs)" if n > 1 else f"{one['ratio']}"
            lines.append((pair, name, *map(seconds, (one["ours_s"], one["pymfe_s"])), ratio, asked))
        if len(measured) > 1:
            one = totals[pair]
            sums = map(seconds, (one["ours_s"], one["pymfe_s"]))
            lines.append((pair, "**sum**", *sums, f"**{one['ratio']}**", ASKED[pair]))
    return grid(["what", "data", "ours, s", "pymfe, s", "pymfe / ours", "asked for"], lines)


def seconds(value: float) -> str:
    """Three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def out_of_core(found: Figures) -> str:
    """The large file."""
    lines = [
        (
            f"{one['shape'][0]:,} x {one['shape'][1]} Parquet ({one['file_mb']} MB): simple and "
            "statistical",
            f"{one['process_s']} s, {one['peak_mb']} MB, {one['values']} values",
            "<= 60 s, <= 1,000 MB",
        )
        for one in found.values()
    ]
    return grid(["what", "measured", "asked for"], lines)


def limits(found: Figures) -> str:
    """Wall seconds under each limit, and of how many instances each group's values are."""
    lines = []
    for shape, by_limit in found.items():
        for limit, one in by_limit.items():
            reached = ", ".join(f"{group} {whole(n)}" for group, n in one["reached"].items())
            lines.append((shape, limit, f"{one['wall_s']:.2f} ({one['over']:.2f})", reached))
    heads = ["data", "limit, s", "taken, s (of the limit)", "instances each group reached"]
    return grid(heads, lines)


def whole(reached: Figures) -> str:
    """How many instances a group's values rest on, and how many values were not reached."""
    if not reached["ok"]:
        return "none"
    late = reached["timeout"] + reached["failed"]
    return f"{reached['instances']:,}" + (f" ({late} values late)" if late else "")


def parity_page(found: Figures, protocol: str, ran_on: str) -> str:
    """`docs/metafeatures-parity.md`."""
    features = found["features"]
    full = counts(features, "compared", "agree")
    gaps = counts(features, "compared_missing", "agree_missing")
    unexplained = sum(len(row["unexplained"]) for row in features.values())
    explained = full[0] + gaps[0] - full[1] - gaps[1] - unexplained
    notes = [f"pymfe ended with an error: {error}." for error in found["pymfe_failed"]]
    if found["pymfe_only"]:
        names = ", ".join(f"`{name}`" for name in found["pymfe_only"])
        notes.append(f"Of pymfe's features in these groups ours has no {names}.")
    parts = [
        "# Meta-features beside pymfe's",
        "Printed by `python -m benchmarks.page` from `benchmarks/results/metafeatures_parity.json` "
        f"(`python -m benchmarks.metafeatures_parity`), measured on {ran_on}.",
        f"All {len(features)} features that both have, on {len(found['data'])} data sets. Of "
        f"{full[0]:,} values of data without missing values {full[1]:,} agree with pymfe "
        f"{found['pymfe']} to {found['tolerance']:g} relative, and {gaps[1]:,} of {gaps[0]:,} "
        f"where values are missing. {explained:,} differ for a reason below, which a computation "
        f"confirmed for each of them; {unexplained:,} are unexplained.",
        "## Every feature",
        by_feature(features),
        "Differences are relative to the larger value; *one alone*: one of the two has no value.",
        *notes,
        "## Why they differ",
        by_reason(features),
        *unexplained_parts(features),
        "## How it was measured",
        protocol,
        f"Data sets: {', '.join(found['data'])}.",
    ]
    return "\n\n".join(parts) + "\n"


def counts(features: Figures, compared: str, agree: str) -> tuple[int, int]:
    """Values compared, and those that agree, of all features."""
    return sum(r[compared] for r in features.values()), sum(r[agree] for r in features.values())


def by_feature(features: Figures) -> str:
    """A row for each feature."""
    lines = []
    for name, row in features.items():
        reasons = [f"{key} {found['values']:,}" for key, found in row["reasons"].items()]
        if row["unexplained"]:
            reasons.append(f"**unexplained {len(row['unexplained'])}**")
        largest = max((found["largest"] for found in row["reasons"].values()), default=0.0)
        lines.append(
            (
                f"`{name}`",
                row["group"],
                row["compared"],
                row["agree"],
                row["compared_missing"],
                row["agree_missing"],
                f"{largest:.1g}" if largest else "",
                "; ".join(reasons),
            )
        )
    heads = ["feature", "group", "values", "agree", "values, data with gaps", "agree"]
    return grid([*heads, "largest difference", "differ"], lines)


def by_reason(features: Figures) -> str:
    """A row for each reason that occurred."""
    lines = []
    for key, reason in REASONS.items():
        rows = {n: row["reasons"][key] for n, row in features.items() if key in row["reasons"]}
        if not rows:
            continue
        values, alone = (sum(int(r[k]) for r in rows.values()) for k in ("values", "one_sided"))
        named = ", ".join(f"`{n}`" for n in rows) if len(rows) <= 8 else f"{len(rows)} features"
        far = max(r["largest_absolute"] for r in rows.values())
        shown = f"{far:.1g}" if far else ""
        lines.append((key, named, values, alone, shown, reason.says, reason.right))
    heads = ["reason", "features", "values", "one alone", "largest, absolute", "why"]
    return grid([*heads, "what shows which is right"], lines)


def unexplained_parts(features: Figures) -> list[str]:
    """What no reason holds for, value by value."""
    lines = [
        (f"`{one['name']}`", one["data"], shown(one["ours"]), shown(one["pymfe"]))
        for row in features.values()
        for one in row["unexplained"]
    ]
    if not lines:
        return []
    return ["## Unexplained", grid(["value", "data", "ours", "pymfe"], lines)]


def shown(value: float | None) -> str:
    """A value, or that there is none."""
    return "none" if value is None else f"{value:.9g}"
