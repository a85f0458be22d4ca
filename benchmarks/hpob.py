"""Made-up files of HPO-B's layout, of two sizes, through the command a user types.

    python -m benchmarks.hpob [--folder DIR]      # about two minutes

Protocol: six search spaces of 2 to 19 variables, 30 or 60 tasks each, 2,000 to 6,000 random rows a
task. Each file is read (parsed only) in a process of its own, then loaded by `metadb ingest hpob`
into a fresh store; seconds and peak memory (largest resident size) count everything. That the peak
of reading does not grow with the file is the point.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import METADB, Measured, measured, write

WIDTHS = {"1": 2, "2": 3, "3": 6, "4": 9, "5": 16, "6": 19}
READ = (
    "import sys; from pathlib import Path; from ingest import source;"
    "one = source('hpob', [sys.argv[1]]);"
    "print(sum(r.tables['evaluations'].num_rows for p in one.fetch(Path()) for r in one.parse(p)))"
)


def make(folder: Path, tasks: int) -> float:
    """Write one file and its descriptors; returns its size in MB."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    described = {s: {"variables_order": [f"v{i}" for i in range(w)]} for s, w in WIDTHS.items()}
    (folder / "meta-dataset-descriptors.json").write_text(json.dumps(described))
    path = folder / "meta-train-dataset.json"
    with path.open("w") as stream:
        for i, (space, width) in enumerate(WIDTHS.items()):
            stream.write(f'{", " if i else "{"}"{space}": ')
            for task in range(tasks):
                n = int(rng.integers(2000, 6000))
                content = {"X": rng.random((n, width)).tolist(), "y": rng.random((n, 1)).tolist()}
                stream.write(f'{", " if task else "{"}"{task + 1}": {json.dumps(content)}')
            stream.write("}")
        stream.write("}")
    return path.stat().st_size / 1e6


def told(run: Measured) -> dict[str, Any]:
    """Seconds and peak memory of a process."""
    return {"seconds": round(run.seconds, 1), "peak_mb": run.peak_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench-hpob"))
    folder = parser.parse_args().folder
    figures = []
    for tasks in (30, 60):
        shutil.rmtree(folder, ignore_errors=True)
        size = make(folder / "data", tasks)
        read = measured([sys.executable, "-c", READ, str(folder / "data")])
        ingest = [METADB, "ingest", "hpob", str(folder / "data"), "--json", "--quiet"]
        load = measured([*ingest, "--store", str(folder / "store")])
        n = int(read.said)
        if json.loads(load.said)["loads"][0]["added"]["evaluations"] != n:
            raise SystemExit("not every evaluation arrived")
        figures.append(
            {"file_mb": round(size), "evaluations": n, "read": told(read), "load": told(load)}
        )
    shutil.rmtree(folder)
    write("hpob", {"files": figures})


if __name__ == "__main__":
    main()
