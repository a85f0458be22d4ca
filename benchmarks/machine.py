"""What a benchmark ran on, and where its results go."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
METADB = str(Path(sys.executable).parent / "metadb")
"""The command a user types."""


def machine() -> dict[str, Any]:
    """Processor, cores, memory, Python and the versions that matter; no names of hosts."""
    cpu = platform.processor() or "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if "model name" in line
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("duckdb", "deltalake", "pyarrow", "numpy", "scikit-learn", "lightgbm")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "date": datetime.now(UTC).date().isoformat(),
    }


def write(name: str, figures: dict[str, Any]) -> None:
    """Write `results/<name>.json` and print it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine()} | figures, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def rows_so_far(cache: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a study in its cache; in a fresh checkout it goes on where its results end."""
    written = RESULTS / f"{name}.json"
    if not cache.exists() and written.exists():
        rows = json.loads(written.read_text())["rows"]
        cache.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return [json.loads(line) for line in cache.read_text().splitlines()] if cache.exists() else []


def in_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module arguments` in a process of its own; its last line is JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process of its own said, its seconds and its peak memory, the start included."""

    said: bytes
    seconds: float
    peak_mb: int


def measured(command: Sequence[str], *, done: Sequence[int] = (0,)) -> Measured:
    """Run a command to its end; an exit code that is not among `done` ends the benchmark."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        said = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode not in done:
        what = f"{' '.join(command)} ended with {process.returncode}"
        raise SystemExit(f"{what}: {said.decode(errors='replace')}")
    return Measured(said, seconds, round(usage.ru_maxrss * 1024 / 1e6))


def size_mb(folder: Path) -> float:
    """Size of all files below a folder, in MB."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def peak_mb() -> float:
    """Largest resident size of this process so far, in MB.

    Not of getrusage where it can be helped: that begins with the size of the process it was
    started from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
