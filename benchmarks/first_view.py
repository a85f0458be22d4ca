"""How soon the web page is there: painted, and drawn with all its plots.

    python -m benchmarks.first_view [--rounds 7] [--evaluations 1000000] [--store STORE]

Protocol: `metadb serve` as a process of its own on a store of 1,000,000 evaluations (as in
`benchmarks.server`), a real Chromium without a window on the same machine. Each round opens each
page in a new context, so nothing is in its cache; one round before is not counted, as the server
works out the overview once. Milliseconds since the navigation began: first contentful paint, the
load event, and when the last plot is drawn; median and most of the rounds. Bytes are those of the
page and all it loads, as they are sent (compressed).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.asking import Served
from benchmarks.full_grid import fill, task_id
from benchmarks.machine import write

PAGES = {
    "overview": "/",
    "task": f"/web/task?id={task_id(7)}",
    "recommend": "/web/recommend",
    "sql": "/web/sql",
}
DRAWN = "() => [...document.querySelectorAll('figure.plot')].every(f => f.dataset.drawn)"
TIMES = """() => {
    const view = performance.getEntriesByType('navigation')[0];
    const all = [view, ...performance.getEntriesByType('resource')];
    return {
        paint_ms: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        load_ms: view.loadEventEnd,
        bytes: all.reduce((sum, one) => sum + one.transferSize, 0),
    };
}"""


def viewed(browser: Browser, address: str) -> dict[str, float]:
    """The times of one page that was never opened before."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address, wait_until="load")
    page.wait_for_function(DRAWN, polling=10)
    drawn = page.evaluate("() => performance.now()")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    found: dict[str, float] = page.evaluate(TIMES) | {"drawn_ms": drawn}
    context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="one that was filled before")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no Chromium here (Debian: apt-get install chromium)")
    seen: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        store = asked.store or Path(folder) / "store"
        if not asked.store:
            fill(store, asked.evaluations)
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with Served(store) as served:
            served.wait_ready()
            for turn in range(asked.rounds + 1):
                for name, path in PAGES.items():
                    times = viewed(browser, f"http://127.0.0.1:{served.port}{path}")
                    if turn:
                        seen[name].append(times)
        browser.close()
    found: dict[str, Any] = {"evaluations": asked.evaluations, "rounds": asked.rounds, "pages": {}}
    for name, rounds in seen.items():
        found["pages"][name] = {
            key: {"median": round(median(r[key] for r in rounds)),
                  "most": round(max(r[key] for r in rounds))}
            for key in ("paint_ms", "load_ms", "drawn_ms", "bytes")
        }  # fmt: skip
        print(name, found["pages"][name])
    write("first_view", found)


if __name__ == "__main__":
    main()
