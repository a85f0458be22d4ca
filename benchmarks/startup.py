"""Seconds to import and to say help, as whole processes.

    python -m benchmarks.startup

Protocol: 15 processes each after 2 to warm the file cache; the bare interpreter beside them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import write

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import metadb": [sys.executable, "-c", "import metadb"],
    "import metadb; metadb.Store": [sys.executable, "-c", "import metadb; metadb.Store"],
    "metadb --help": [str(Path(sys.executable).parent / "metadb"), "--help"],
}


def main() -> None:
    figures = {}
    for name, command in COMMANDS.items():
        times = []
        for _ in range(17):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        times = times[2:]
        figures[name] = {
            "median_s": round(median(times), 3),
            "min_s": round(min(times), 3),
            "max_s": round(max(times), 3),
        }
    write("startup", figures)


if __name__ == "__main__":
    main()
