"""Pulling from OpenML beside the `openml` package and beside a bare client, in the same run.

    python -m benchmarks.openml [--kills 50]      # about 12 minutes

The server is the stand-in of the tests, in a process of its own, made from a seed.

- Parsing: the same 100,000 evaluations in pages of 1,000, asked for once; the package's
  `list_evaluations` gets the kept bytes where it would ask the network, so only its reading is
  timed, as is ours (to Arrow, from JSON and from XML). Then ours from bytes into a store.
  The store's seconds are of a warm process, as the package's are; its memory is that of one run.
- Pulling: 50,000 evaluations with hyperparameters, 20 ms before each answer. The bare client asks
  for the same addresses with one kept-alive connection and throws the bodies away; parsing is our
  own parsing of the same bodies, alone. Each in turn, medians over the repetitions.
- Kills: a pull is killed with SIGKILL at random points (seeded, uniform over an undisturbed one's
  duration) until it was killed so often; each time it ends it must equal the undisturbed one, and
  begins anew. Requests that came twice are counted by the server.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.machine import in_process, peak_mb, write
from ingest.load import load
from ingest.openml.answers import evaluations, setups
from ingest.openml.archive import LEDGER, Archive
from ingest.openml.selection import Selection
from ingest.openml.source import Openml
from metadb.store import Store
from tests.standin.serving import Server
from tests.standin.world import World

MEASURE = "predictive_accuracy"
REPEATS = 5


def bodies(server: Server, form: str, n: int, page: int) -> list[bytes]:
    """The pages of one listing."""
    with httpx.Client(timeout=60) as client:
        return [
            client.get(
                f"{server.url}/api/v1/{form}/evaluation/list/function/{MEASURE}"
                f"/limit/{page}/offset/{offset}"
            ).content
            for offset in range(0, n, page)
        ]


@contextmanager
def from_memory(pages: list[bytes], users: bytes) -> Any:
    """The package's door to the network, answering from kept bytes."""
    import openml._api_calls as calls

    real, waiting = calls._perform_api_call, iter(pages)

    def answer(call: str, *_: Any, **__: Any) -> str:
        return (users if call.startswith("user/list") else next(waiting)).decode()

    calls._perform_api_call = answer
    try:
        yield
    finally:
        calls._perform_api_call = real


def timed(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def parsing(n: int) -> dict[str, Any]:
    """Rows per second of reading one listing, ours and the package's."""
    import openml

    page = 1_000
    with Server(World(seed=0, runs=round(n * 1.25)), page_limit=page) as server:
        xml, js = bodies(server, "xml", n, page), bodies(server, "json", n, page)
        people = ",".join(str(person.id) for person in server.world.people)
        users = httpx.get(f"{server.url}/api/v1/xml/user/list/user_id/{people}").content
    rows = sum(evaluations(body).num_rows for body in xml)
    assert rows == sum(evaluations(body).num_rows for body in js) == n, rows

    def package() -> None:
        with from_memory(xml, users):
            for offset in range(0, n, page):  # a page a call: it ends early at two engines' scores
                found = openml.evaluations.list_evaluations(
                    MEASURE, offset=offset, size=page, output_format="dataframe"
                )
                assert len(found) > 0.9 * page

    times: dict[str, list[float]] = {"package": [], "json": [], "xml": []}
    for _ in range(REPEATS):
        times["package"].append(timed(package))
        times["json"].append(timed(lambda: [evaluations(body) for body in js]))
        times["xml"].append(timed(lambda: [evaluations(body) for body in xml]))
    ratios = {
        form: [p / t for p, t in zip(times["package"], times[form], strict=True)]
        for form in ("json", "xml")
    }
    return {
        "rows": n,
        "openml": openml.__version__,
        "rows_per_s": {name: round(n / median(t)) for name, t in times.items()},
        "ratio": {form: round(median(r), 1) for form, r in ratios.items()},
        "ratio_range": {f: [round(min(r), 1), round(max(r), 1)] for f, r in ratios.items()},
    }


def into_store(folder: Path, n: int) -> dict[str, Any]:
    """Kept answers of `n` evaluations into a new store: parsed, checked, keyed, written."""
    with Server(World(seed=0, runs=round(n * 1.35))) as server, Store(folder / "first") as store:
        pull(server.url, store)
    (kept,) = (ledger.parent for ledger in (folder / "first").rglob(LEDGER))
    once = in_process("benchmarks.openml", "--child", "replay", "--folder", str(kept))
    again = ("--child", "replay", "--folder", str(kept), "--times", str(1 + REPEATS))
    warm = in_process("benchmarks.openml", *again)
    shutil.rmtree(folder / "first")
    return warm | {"peak_mb": once["peak_mb"], "s_with_first_imports": once["s"]}


def replay(kept: Path, times: int) -> dict[str, Any]:
    """A store built from kept answers, in this process; of several times, not the first."""
    path, seconds = Path("/tmp/metadb-openml-replay"), []
    for _ in range(times):
        shutil.rmtree(path, ignore_errors=True)
        start = time.perf_counter()
        with Store(path) as store:
            (loaded,) = load("openml", Openml([kept]), store, path / "cache")
        seconds.append(time.perf_counter() - start)
    shutil.rmtree(path)
    rows = loaded.added.added["evaluations"]
    took = median(seconds[1:] or seconds)
    return {
        "rows": rows,
        "s": round(took, 2),
        "rows_per_s": round(rows / took),
        "peak_mb": round(peak_mb()),
    }


def pull(url: str, store: Store, **selected: Any) -> Any:
    """One pull of all the stand-in's suite, or of what is selected."""
    chosen = {"suite": "standin-suite"} | selected
    source = Openml((), selection=Selection(**chosen), server=url, origin="standin")
    (loaded,) = load("openml", source, store, store.path / "cache")
    return loaded


def pulling(folder: Path, n: int, latency_s: float) -> dict[str, Any]:
    """A whole pull beside a bare client plus parsing alone."""
    times: dict[str, list[float]] = {"pull": [], "bare": [], "parse": []}
    with Server(World(seed=0, tasks=60, runs=round(n * 1.24)), latency_s=latency_s) as server:
        for nth in range(REPEATS):
            path = folder / f"pull-{nth}"
            server.clear()
            with Store(path) as store:
                times["pull"].append(timed(partial(pull, server.url, store)))
                (row,) = store.sql("select count(*) as n from evaluations")
                (hyper,) = store.sql(
                    "select count(*) as n from evaluations join configs using (config)"
                )
            log = server.requests()
            paths = [request["path"] for request in log]
            times["bare"].append(timed(partial(bare, server.url, paths)))
            (ledger,) = path.rglob(LEDGER)
            times["parse"].append(parse(ledger.parent))
            shutil.rmtree(path)
    kinds: dict[str, int] = {}
    for request in log:
        kind = "/".join(request["path"].split("/")[4:6])
        kinds[kind] = kinds.get(kind, 0) + 1
    both = [b + p for b, p in zip(times["bare"], times["parse"], strict=True)]
    ratios = [p / b for p, b in zip(times["pull"], both, strict=True)]
    return {
        "evaluations": row["n"],
        "with_hyperparameters": hyper["n"],
        "latency_s": latency_s,
        "requests": len(log),
        "requests_by_kind": kinds,
        "least_pages": -(-row["n"] // 1000),
        "pull_s": round(median(times["pull"]), 2),
        "bare_s": round(median(times["bare"]), 2),
        "parse_s": round(median(times["parse"]), 2),
        "ratio": round(median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def bare(url: str, paths: list[str]) -> None:
    """The same addresses, one after the other, the answers thrown away."""
    with httpx.Client(timeout=60, headers={"accept-encoding": "gzip"}) as client:
        for path in paths:
            client.get(url + path)


def parse(kept: Path) -> float:
    """Seconds of parsing the kept pages and setups alone."""
    with Archive(kept) as archive:
        pages = [archive.body(a) for k in ("evaluations", "inline") for a in archive.of_kind(k)]
        told = [archive.body(a) for k in ("setups", "inline") for a in archive.of_kind(k)]
    return timed(lambda: ([evaluations(b) for b in pages], [setups(b) for b in told]))


def killed(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill pulls; compare each that ends with an undisturbed one; count what was asked twice."""
    rng = random.Random(seed)
    with Server(World(seed=0, runs=20_000), latency_s=0.02) as server:
        calm, path = folder / "calm", folder / "killed"
        start = time.perf_counter()
        assert child(server.url, calm).wait() == 0
        duration = time.perf_counter() - start
        n_calm = len(server.requests())
        expected = content(calm)
        figures = {"kills": 0, "completions": 0, "different": 0, "asked_twice": 0, "failed": 0}
        server.clear()
        while figures["kills"] < kills or path.exists():
            process = child(server.url, path)
            if figures["kills"] < kills:
                time.sleep(rng.uniform(0.3, duration))
                process.send_signal(signal.SIGKILL)
            code = process.wait()
            figures["kills"] += code == -signal.SIGKILL
            figures["failed"] += code not in (0, -signal.SIGKILL)
            if over(path):
                asked = [request["path"] for request in server.requests()]
                figures["asked_twice"] += len(asked) - len(set(asked))
                figures["completions"] += 1
                figures["different"] += content(path) != expected
                shutil.rmtree(path)
                server.clear()
    return figures | {"undisturbed_s": round(duration, 2), "requests_undisturbed": n_calm}


def over(path: Path) -> bool:
    """Whether a pull got to its end: the next one would ask what is new."""
    return any(ledger.read_text().endswith('"over":true}\n') for ledger in path.rglob(LEDGER))


def child(url: str, path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.openml", "--child", "pull"]
    return subprocess.Popen([*command, "--folder", str(path), "--url", url], env=os.environ)


def content(path: Path) -> dict[str, list[Any]]:
    """Every key of every table that a pull fills, with the values."""
    queries = {
        "evaluations": "select evaluation, value, status from evaluations order by 1",
        "configs": "select config, hyperparameters, space from configs order by 1",
        "tasks": "select task, dataset, name from tasks order by 1",
        "metafeatures": "select metafeature, value from metafeatures order by 1",
        "flows": "select flow, name from flows order by 1",
        "loads": "select load, status, n_added, n_rejected from loads order by 1",
    }
    with Store(path, create=False) as store:
        return {name: store.sql(query).table.to_pylist() for name, query in queries.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--evaluations", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-openml"))
    parser.add_argument("--child", choices=["pull", "replay"])
    parser.add_argument("--url")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", choices=["parsing", "into_store", "pulling", "killed"])
    a = parser.parse_args()
    if a.child == "pull":
        with Store(a.folder) as store:
            pull(a.url, store)
        return
    if a.child == "replay":
        print(json.dumps(replay(a.folder, a.times)))
        return
    shutil.rmtree(a.folder, ignore_errors=True)
    a.folder.mkdir(parents=True)
    parts = {
        "parsing": lambda: parsing(a.rows),
        "into_store": lambda: into_store(a.folder, a.rows),
        "pulling": lambda: pulling(a.folder, a.evaluations, 0.02),
        "killed": lambda: killed(a.folder, a.kills, a.seed),
    }
    if a.only:
        print(json.dumps(parts[a.only](), indent=1))
    else:
        figures = {name: part() for name, part in parts.items()}
        speed = figures["into_store"]["rows_per_s"] / figures["parsing"]["rows_per_s"]["package"]
        figures["into_store"]["ratio"] = round(speed, 1)
        write("openml", {"seed": a.seed, "repeats": REPEATS} | figures)
    shutil.rmtree(a.folder)


if __name__ == "__main__":
    main()
