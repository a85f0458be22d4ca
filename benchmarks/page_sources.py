"""The sections of `docs/benchmarks.md` about sources: releases of benchmarks, YAHPO Gym, OpenML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]


def grid(heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A table; numbers with commas at the thousands."""
    rows = [heads, ["---"] * len(heads), *([shown(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def releases(found: Figures) -> str:
    """What every source makes of its release, and what all make of one store."""
    heads = {
        "evaluations": "evaluations",
        "configs": "configurations",
        "tasks": "tasks",
        "metafeatures": "meta-features",
        "rejected": "turned away",
        "seconds": "seconds",
        "again_added": "added again",
        "again_seconds": "seconds again",
        "peak_mb": "peak MB",
    }
    whole = found["all"]
    lines = [[f"`{line['source']}`", *(line[head] for head in heads)] for line in found["sources"]]
    lines.append([whole["source"], *(whole.get(head, "") for head in heads)])
    return grid(["source", *heads.values()], lines)


def lcdb(found: Figures) -> str:
    """The largest release: seconds, memory, size, and one question."""
    first, again, target = found["first"], found["again"], found["target"]
    curve = found["mean curve"]
    lines = [
        (
            f"{found['files']} files ({found['files_mb']} MB) into a fresh store",
            f"{first['evaluations']:,} evaluations in {first['seconds']} s "
            f"({found['rows_per_s']:,} rows/s), {first['peak_mb']} MB",
            f"<= {target['seconds']} s, <= {target['peak_mb']:,} MB",
        ),
        (
            "the same again",
            f"{again['evaluations']} added, {again['seconds']} s, {again['peak_mb']} MB",
            "0 added",
        ),
        ("the store on disk", f"{found['store_mb']} MB", ""),
        ("the mean curve over all data sets and learners", f"{curve['seconds']} s", ""),
    ]
    return grid(["what", "measured", "asked for"], lines)


def hpob(found: Figures) -> str:
    """Files of two sizes: memory of reading must not grow with the file."""
    lines = [
        (
            f"{one['file_mb']} MB",
            one["evaluations"],
            f"{one['read']['seconds']} s, {one['read']['peak_mb']} MB",
            f"{one['load']['seconds']} s, {one['load']['peak_mb']} MB",
        )
        for one in found["files"]
    ]
    return grid(["file", "evaluations", "reading", "reading and writing"], lines)


def yahpo(found: Figures) -> str:
    """Speed of the surrogates, then search with and without a warm start."""
    speed = grid(
        ["scenario", "evaluations a second, 10,000 in a batch", "one at a time"],
        [(f"`{name}`", *one.values()) for name, one in found["speed"].items()],
    )
    start = found["warm_start"]
    lines = [
        (step.removeprefix("after_"), one["cold"], one["warm"], one["tasks_where_warm_is_better"])
        for step, one in start.items()
        if step.startswith("after_")
    ]
    heads = ["trials", "mean best loss, cold", "warm", f"tasks of {start['tasks']} where warm wins"]
    return f"{speed}\n\n{grid(heads, lines)}"


def openml(found: Figures) -> str:
    """Pulling and parsing beside the openml package and a bare client; kills."""
    parsing, store, pull = found["parsing"], found["into_store"], found["pulling"]
    kills, speed = found["killed"], parsing["rows_per_s"]
    lines = [
        (
            f"reading {parsing['rows']:,} evaluations, rows/s: ours from JSON, from XML, "
            f"the package openml {parsing['openml']}",
            f"{speed['json']:,}, {speed['xml']:,}, {speed['package']:,}: "
            f"{parsing['ratio']['json']} and {parsing['ratio']['xml']} times the package",
        ),
        (
            f"{store['rows']:,} kept evaluations into a fresh store: parsed, checked, written",
            f"{store['rows_per_s']:,} rows/s ({store['ratio']} times the package's reading "
            f"alone), {store['peak_mb']} MB",
        ),
        (
            f"pulling {pull['evaluations']:,} evaluations, {round(pull['latency_s'] * 1000)} ms "
            f"before each of {pull['requests']:,} answers",
            f"{pull['pull_s']} s; a bare client {pull['bare_s']} s and parsing alone "
            f"{pull['parse_s']} s: ratio {pull['ratio']}",
        ),
        (
            f"{kills['kills']} kill -9 at random points of a pull",
            f"{kills['different']} of {kills['completions']} completed pulls differ, "
            f"{kills['asked_twice']} answers asked for twice, {kills['failed']} failed",
        ),
    ]
    return grid(["what", "measured"], lines)


SECTIONS = {
    "shared": ("Sources", releases),
    "lcdb": ("LCDB 1.1", lcdb),
    "hpob": ("HPO-B", hpob),
    "yahpo": ("YAHPO Gym", yahpo),
    "openml": ("OpenML", openml),
}
"""Result file to its section's title and table, in the order of the page."""
