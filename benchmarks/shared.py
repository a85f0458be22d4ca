"""Every folder of real evaluations in `../shared/data` into the store, each by its own source.

    make shared        # or python -m benchmarks.shared [--data DIR]; some three minutes

Protocol: each source reads its folder into a fresh store of its own, and a second time into the
same store, which must add nothing; then all of them fill one store, where what two sources say
counts once. Every load is `metadb ingest` in a process of its own, whose seconds and peak memory
(largest resident size) count everything, the interpreter's start included; each is of one run. What
two releases say differently (some of OpenML's qualities) is turned away the second time. YAHPO Gym
brings tasks and spaces only. The other folders hold no evaluations: single answers of OpenML's
server, SQL statements, images, and data sets to learn from.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import METADB, measured, size_mb, write

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SOURCES = {
    "aslib": "aslib",
    "openml-study": "openml-study-metadata",
    "openml-pimp": "openml-pimp",
    "tabrepo": "tabrepo",
    "text-classification": "text-classification",
    "lcdb": "lcdb11",
    "lcdb-history": "lcdb-history",
    "autosklearn": "autosklearn-metadata",
    "hp-transfer": "hp-transfer-evaluations",
    "hpob": "hpob-partial",
    "automlbenchmark": "automlbenchmark-2019",
    "yahpo": "yahpo",
}
"""Source to the folder it reads."""

COUNTED = ("evaluations", "configs", "tasks", "metafeatures")
DONE = (0, 3)  # 3: done, though rows were turned away
COLUMNS = {
    "source": "source",
    **{table: table for table in COUNTED},
    "rejected": "turned away",
    "seconds": "seconds",
    "again_added": "added again",
    "again_seconds": "seconds again",
    "peak_mb": "peak MB",
}
"""Figure to the head of its column."""


def ingest(source: str, data: Path, store: Path) -> dict[str, Any]:
    """One command in a process of its own: rows turned away, seconds, peak memory."""
    command = [METADB, "ingest", source, str(data), "--store", str(store), "--json", "--quiet"]
    run = measured(command, done=DONE)
    return {
        "rejected": sum(load["n_rejected"] for load in json.loads(run.said)["loads"]),
        "seconds": round(run.seconds, 1),
        "peak_mb": run.peak_mb,
    }


def rows(store: Path) -> dict[str, int]:
    """How many rows each table of a store has."""
    command = [METADB, "status", "--store", str(store), "--json"]
    done = subprocess.run(command, check=True, capture_output=True)
    counts: dict[str, int] = json.loads(done.stdout)["rows"]
    return counts


def twice(source: str, data: Path, store: Path) -> dict[str, Any]:
    """A source into a fresh store, and again."""
    first = ingest(source, data, store)
    there = rows(store)
    second = ingest(source, data, store)
    return {
        "source": source,
        **{table: there[table] for table in COUNTED},
        **first,
        "again_added": sum(rows(store).values()) - sum(there.values()),
        "again_seconds": second["seconds"],
    }


def together(found: dict[str, Path], store: Path) -> dict[str, Any]:
    """All sources into one store, one after the other."""
    runs = [ingest(source, data, store) for source, data in found.items()]
    there = rows(store)
    return {
        "source": "all in one store",
        **{table: there[table] for table in COUNTED},
        "rejected": sum(run["rejected"] for run in runs),
        "seconds": round(sum(run["seconds"] for run in runs), 1),
        "peak_mb": max(run["peak_mb"] for run in runs),
        "store_mb": round(size_mb(store)),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """The figures as a table of text."""
    cells = [list(COLUMNS.values())]
    cells += [[text(line.get(name, "")) for name in COLUMNS] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        )
        for line in cells
    )


def text(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench-shared"))
    arguments = parser.parse_args()
    data: Path = arguments.data
    if not data.is_dir():
        raise SystemExit(
            f"there is no folder {data}, which holds the real data that come beside the "
            "repository, not in it; name it with --data"
        )
    found = {source: data / name for source, name in SOURCES.items() if (data / name).is_dir()}
    for source in SOURCES.keys() - found.keys():
        print(f"{data} has no folder {SOURCES[source]}, so {source} is left out", file=sys.stderr)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    lines = []
    for source, folder in found.items():
        print(f"{source} ...", file=sys.stderr, flush=True)
        lines.append(twice(source, folder, arguments.folder / source))
    whole = together(found, arguments.folder / "all")
    print(table([*lines, whole]))
    write("shared", {"sources": lines, "all": whole})
    shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
