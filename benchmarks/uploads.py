"""Damaged data files sent to `metadb serve`: is each refused with a reason, and does it live on?

    python -m benchmarks.uploads [--files 1000] [--dry]

Protocol: of each format (Parquet, Arrow, CSV, JSON, ARFF) `--files` files that are made from a
sound one, seeded: bytes changed, cut off, other magic, sizes and numbers larger than anything, deep
nesting, zeros, other encodings, parts missing or doubled, noise. Each goes to
`/recommendations/file` of a real server on a small store. Counted are answers by status, those that
are neither advice (200: the damage left a file that can be read) nor a 4xx with a reason, those
that name a path, and whether the process is still the one that was started.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.asking import Served
from benchmarks.damaged import FORMATS, damaged
from benchmarks.full_grid import SPACE, fill
from benchmarks.machine import write

PATHS = ("/tmp", "metadb-upload", "site-packages", "Traceback", 'File "', str(Path.home()))


def send(served: Served, format: str, nth: int, http: httpx.Client) -> tuple[int, str | None]:
    """Upload one damaged file; the status, and what is wrong with the answer."""
    body = damaged(format, nth)
    told = {"space": SPACE, "recommender": "portfolio", "k": "1"}
    try:
        answer = http.post(
            f"http://127.0.0.1:{served.port}/recommendations/file",
            data=told,
            files={"file": (f"data.{format}", body)},
        )
    except httpx.TransportError as error:
        return 0, f"no answer: {error}"
    if any(path in answer.text for path in PATHS):
        return answer.status_code, f"names a path: {answer.text[:300]}"
    if answer.status_code == 200:
        return 200, None
    reason = answer.json().get("detail") if "problem" in answer.headers["content-type"] else None
    if not 400 <= answer.status_code < 500 or not reason:
        return answer.status_code, answer.text[:300]
    return answer.status_code, None


def upload(files: int) -> dict[str, Any]:
    """Upload so many files of each format; what came of them."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        fill(store, 5000)
        with Served(store) as served, httpx.Client(timeout=60, trust_env=False) as http:
            served.wait_ready()
            for name in FORMATS:
                statuses: Counter[int] = Counter()
                wrong = []
                for nth in range(files):
                    status, what = send(served, name, nth, http)
                    statuses[status] += 1
                    if what is not None:
                        wrong.append(f"{name} {nth}: {status}, {what}")
                    if not served.alive:
                        raise SystemExit(f"the server died at {name} {nth}")
                found[name] = {"statuses": dict(sorted(statuses.items())), "wrong": wrong}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--dry", action="store_true", help="print the figures, keep no file")
    asked = parser.parse_args()
    found = {"files": asked.files, "formats": upload(asked.files)}
    found["load_average"] = round(os.getloadavg()[0], 1)
    if asked.dry:
        print(found)
    else:
        write("uploads", found)


if __name__ == "__main__":
    main()
