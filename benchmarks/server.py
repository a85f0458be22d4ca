"""How many questions `metadb serve` answers, how late, and whether it holds under hostile SQL.

    python -m benchmarks.server [--seconds 10] [--soak 600] [--evaluations 1000000] [--dry]

Protocol: `metadb serve` as a process of its own with its default settings (and a token, and without
the limit to a client's rate, 1,000 requests a second: portfolios go beyond) on a store of 1,000,000
evaluations: 200 configurations at 5 budgets on 1,000 tasks with 14 meta-features each.
8 connections that are kept; each sends its next request when its last is answered, so the server is
never idle. The client runs on the same machine and is not part of the CPU times, which are those of
the server's process and, apart, of the processes that answer SQL. After 1 s of warming up each kind
is asked for `--seconds`.
Recommendations: k = 5 for a task of the caller's own, new meta-features in every question; SQL: top
10 of the leaderboard, a task's configurations by rank, a task's curves, in turn, tasks at random.
Hostile: the same while 4 further clients send statements of the grammar of `hostile_sql` and its
list, one after another; errors are counted of the recommendations.
Soak: recommendations, SQL, lists, pages and one evaluation recorded every 5 s, mixed, for `--soak`
seconds; the server's own memory is read each second, as it goes up and down by a fit: its median
over the second tenth of the time and over the last, the drift between these two, and its peak.
`--seconds 0` runs the soak alone, `--soak 0` the rest; what is not run is kept from the last run.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.asking import Served, Took, ask, get, post
from benchmarks.full_grid import SPACE, draw, fill, task_id
from benchmarks.hostile_sql import Grammar
from benchmarks.machine import RESULTS, write

CONNECTIONS, HOSTILE = 8, 4
RECOMMENDERS = ("portfolio", "nearest", "zero_shot")
UNLIMITED = {"METADB_RATE": "100000", "METADB_BURST": "100000"}
TOKEN = "a token of the benchmark"  # noqa: S105
WARM_S = 1.0
RECORD_S = 5.0
STATEMENTS = (
    "select * from leaderboard where space = 'bench' and metric = 'accuracy' "
    "order by mean_rank limit 10",
    "select config, value, rank from regrets where task = '{}' order by rank limit 50",
    "select config, budget, value from learning_curves where task = '{}' "
    "order by config, point limit 100",
)
LISTED = Path(__file__).parents[1] / "tests" / "api" / "hostile_sql.txt"


def recommendations(*names: str) -> Iterator[bytes]:
    """Questions for these recommenders in turn, each for a task of its own."""
    rng = np.random.default_rng(1)
    for nth, name in enumerate(itertools.cycle(names)):
        task = {"id": f"local:{nth}", "metafeatures": draw(rng)}
        asked = {"space": SPACE, "task": task, "recommender": name, "k": 5}
        yield post("/recommendations", asked)


def statements(n_tasks: int) -> Iterator[bytes]:
    """The three statements in turn."""
    rng = random.Random(1)
    for text in itertools.cycle(STATEMENTS):
        yield post("/sql", {"query": text.format(task_id(rng.randrange(n_tasks)))})


def hostile(seed: int) -> Iterator[bytes]:
    """Statements that no server should answer, and those of the grammar, which it may."""
    rng = random.Random(seed)
    grammar = Grammar(rng, Path(tempfile.gettempdir()) / "bait")
    lines = [line for line in LISTED.read_text().splitlines() if line and line[0] != "#"]

    def statements() -> Iterator[bytes]:
        while True:
            text = rng.choice(lines) if rng.random() < 0.3 else grammar.statement()
            yield post("/sql", {"query": text})

    return statements()  # what takes time here was done before anybody waits


def mixed(n_tasks: int) -> Iterator[bytes]:
    """Everything a server does, the cheap more often than the dear."""
    rng = random.Random(2)
    advice, sql = recommendations(*RECOMMENDERS), statements(n_tasks)
    recorded = time.monotonic()
    for nth in itertools.count():
        task = quote(task_id(rng.randrange(n_tasks)))
        if time.monotonic() - recorded > RECORD_S:
            recorded = time.monotonic()
            yield post("/evaluations", _evaluation(rng, nth), token=TOKEN)
        draw = rng.random()
        if draw < 0.6:
            yield next(advice)
        elif draw < 0.8:
            yield next(sql)
        elif draw < 0.9:
            yield get(f"/evaluations?task={task}&limit=20")
        elif draw < 0.97:
            yield get(f"/metafeatures?task={task}")
        else:
            yield get(rng.choice(["/", f"/web/task?id={task}", "/health", "/openapi.json"]))


def _evaluation(rng: random.Random, nth: int) -> dict[str, Any]:
    return {
        "task": task_id(nth % 7),
        "space": SPACE,
        "config": {"x": (x := rng.randrange(200)), "kind": "a" if x % 2 else "b"},
        "metric": "accuracy",
        "value": rng.random(),
        "run": f"soak/{nth}",
    }


def until(end: float, requests: Iterator[bytes]) -> Callable[[], bytes | None]:
    """The next request, for as long as there is time."""
    return lambda: next(requests) if time.monotonic() < end else None


async def load(
    port: int, seconds: float, requests: Iterator[bytes], against: bool = False
) -> tuple[Took, Took]:
    """Ask through all connections at once; the hostile clients' part apart."""
    took, theirs = Took(), Took()
    enemies = [hostile(nth) for nth in range(HOSTILE)] if against else []
    end = time.monotonic() + seconds
    clients = [ask(port, until(end, requests), took) for _ in range(CONNECTIONS)]
    clients += [ask(port, until(end, enemy), theirs) for enemy in enemies]
    await asyncio.gather(*clients)
    return took, theirs


def measure(
    served: Served, seconds: float, requests: Iterator[bytes], *, against: bool = False
) -> dict[str, Any]:
    """Requests a second, how late, and the CPU that each took."""
    while asyncio.run(load(served.port, WARM_S, requests))[0].wrong():
        pass  # the first generation is being made
    before, start = served.cpu_s(), time.monotonic()
    took, theirs = asyncio.run(load(served.port, seconds, requests, against))
    wall, after = time.monotonic() - start, served.cpu_s()
    n = len(took.seconds)
    own, sql = (1000 * (b - a) / n for a, b in zip(before, after, strict=True))
    found: dict[str, Any] = {
        "per_s": round(n / wall, 1),
        **took.latencies(),
        "errors": took.wrong(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    if against:
        found["hostile_statements"] = len(theirs.seconds)
        found["hostile_statuses"] = {str(k): v for k, v in sorted(theirs.statuses.items())}
    else:  # else the CPU is of both
        found |= {"server_cpu_ms": round(own, 2), "sql_cpu_ms": round(sql, 2)}
    print(found, flush=True)
    return found


def soak(served: Served, seconds: float, n_tasks: int) -> dict[str, Any]:
    """Everything mixed for long; server errors and memory."""

    async def watched() -> tuple[Took, list[float]]:
        work = asyncio.create_task(load(served.port, seconds, mixed(n_tasks)))
        sizes = []
        while not work.done():
            sizes.append(served.resident_mb())
            await asyncio.sleep(1)
        return (await work)[0], sizes

    took, sizes = asyncio.run(watched())
    tenth = max(1, len(sizes) // 10)
    begun, ended = median(sizes[tenth : 2 * tenth]), median(sizes[-tenth:])
    return {
        "seconds": seconds,
        "requests": took.statuses.total(),
        "statuses": {str(k): v for k, v in sorted(took.statuses.items())},
        "server_errors": sum(n for code, n in took.statuses.items() if code >= 500 or not code),
        **took.latencies(),
        "memory_mb": [round(begun), round(ended)],
        "memory_peak_mb": round(max(sizes)),
        "drift": round(ended / begun - 1, 3),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _rates(served: Served, seconds: float, n_tasks: int) -> dict[str, Any]:
    """What each kind of question costs, alone and beside hostile SQL."""
    kinds = {name: recommendations(name) for name in RECOMMENDERS}
    kinds["in turn"] = recommendations(*RECOMMENDERS)
    return {
        "recommendations": {
            name: measure(served, seconds, requests) for name, requests in kinds.items()
        },
        "sql": measure(served, seconds, statements(n_tasks)),
        "under_hostile_sql": {
            "recommendations": measure(
                served, 2 * seconds, recommendations(*RECOMMENDERS), against=True
            ),
            "sql": measure(served, 2 * seconds, statements(n_tasks), against=True),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--soak", type=float, default=600)
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="one that was filled before, and is written to")
    parser.add_argument("--dry", action="store_true", help="print the figures, keep no file")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    if (RESULTS / "server.json").exists():
        found = json.loads((RESULTS / "server.json").read_text())
        del found["machine"]  # today's is written
    found |= {"evaluations": asked.evaluations, "connections": CONNECTIONS}
    with tempfile.TemporaryDirectory() as folder:
        store = asked.store or Path(folder) / "store"
        n_tasks = asked.evaluations // 1000 if asked.store else fill(store, asked.evaluations)
        with Served(store, METADB_TOKEN=TOKEN, **UNLIMITED) as served:
            found["ready_s"] = round(served.wait_ready(), 1)
            if asked.seconds:
                found |= _rates(served, asked.seconds, n_tasks)
            if asked.soak:
                found["soak"] = soak(served, asked.soak, n_tasks)
            found["alive"] = served.alive
    if asked.dry:
        print(found)
    else:
        write("server", found)


if __name__ == "__main__":
    main()
