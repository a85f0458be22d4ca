"""kill -9 in the middle of loads, and many writers and readers at once: nothing lost or doubled.

    python -m benchmarks.crash [--kills 100] [--writers 4]      # about 6 minutes

Crash protocol: a process loads 20 chunks of 2,000 evaluations and its own tasks and configs; it is
killed with SIGKILL after a random time (seeded, uniform over an undisturbed load's duration); after
every kill the store must open and answer; after every tenth the load is run to its end and all
tables are compared, row by row, with an undisturbed load's. Journal protocol: the same with
`Store.record`: every evaluation whose `record` had returned must be there.
Concurrency protocol: writers add overlapping chunks, two readers ask meanwhile; every reader's
answer must be whole chunks, and the end content must be that of one writer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.machine import write
from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS, metric_row
from metadb.records import Rows, Task
from metadb.schema import TABLES
from metadb.store import Load, Store

CHUNKS, CHUNK = 20, 2_000
N_CONFIGS = 100
LOAD = Load("crash:load", "bench")


def chunks() -> Iterator[Rows]:
    """The same load every time: each chunk brings its own tasks, all bring the same configs."""
    configs = [{"x": i, "kind": "a" if i % 2 else "b"} for i in range(N_CONFIGS)]
    ids = [config_id("crash", c) for c in configs]
    n_tasks = CHUNK // N_CONFIGS
    for nth in range(CHUNKS):
        tasks = [f"crash:task/{nth * n_tasks + i}" for i in range(n_tasks)]
        rows = [(t, c) for t in tasks for c in ids]
        yield Rows(
            {
                "metrics": pa.Table.from_pylist([metric_row(METRICS["accuracy"])]),
                "tasks": pa.table({"task": tasks}),
                "configs": pa.table(
                    {
                        "config": ids,
                        "space": ["crash"] * N_CONFIGS,
                        "hyperparameters": [canonical_config(c) for c in configs],
                    }
                ),
                "metafeatures": pa.table(
                    {
                        "task": tasks,
                        "name": ["nr_inst"] * n_tasks,
                        "value": [float(nth)] * n_tasks,
                        "extractor": ["metadb"] * n_tasks,
                    }
                ),
                "evaluations": pa.table(
                    {
                        "task": [t for t, _ in rows],
                        "config": [c for _, c in rows],
                        "metric": ["accuracy"] * len(rows),
                        "value": [(hash((nth, i)) % 1000) / 1000 for i in range(len(rows))],
                    }
                ),
            },
            cursor=str(nth),
        )


def fill(path: Path) -> None:
    """Run the whole load."""
    with Store(path) as store:
        done = None
        for rows in chunks():
            added = store.add(rows, load=LOAD)
            if done is None:
                done = added
            else:
                done.merge(added)
        assert done is not None
        store.finish(LOAD, done, str(CHUNKS - 1))


def content(path: Path) -> dict[str, Any]:
    """Every row of every table, sorted, without the times at which it was written."""
    with Store(path, create=False) as store:
        found = {}
        for name, table in TABLES.items():
            columns = ", ".join(c.name for c in table.columns if c.name != "recorded_at")
            found[name] = store.sql(
                f"select {columns} from {name} order by {table.key}"
            ).table.to_pylist()
        return found


def whole(path: Path) -> dict[str, Any]:
    """What must hold at any moment: every reference resolves, no key twice."""
    with Store(path) as store:
        return next(
            iter(
                store.sql(
                    """
                    select
                        (select count(*) from evaluations) as n,
                        (select count(distinct evaluation) from evaluations) as n_distinct,
                        (select count(*) from evaluations where task not in (select task from tasks)
                           or config not in (select config from configs)
                           or metric not in (select metric from metrics)) as n_dangling
                    """
                )
            )
        )


def _child(what: str, path: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.crash",
        "--child",
        what,
        "--path",
        str(path),
        *more,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONHASHSEED": "0"}
    )


def kill_loads(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill loads at random points; compare with an undisturbed one."""
    rng = random.Random(seed)
    calm = folder / "calm"
    start = time.perf_counter()
    _child("fill", calm).wait()
    duration = time.perf_counter() - start
    expected = content(calm)
    figures = {"kills": 0, "mid_load": 0, "completions": 0, "unreadable": 0, "dangling": 0,
               "doubled": 0, "different": 0}  # fmt: skip
    path = folder / "killed"
    while figures["kills"] < kills:  # a load that was done before its turn does not count
        child = _child("fill", path)
        time.sleep(rng.uniform(0.1, duration))
        child.send_signal(signal.SIGKILL)
        killed = child.wait() == -signal.SIGKILL
        figures["kills"] += killed
        try:
            state = whole(path)
        except Exception as error:
            print(f"kill {figures['kills']}: {error}", file=sys.stderr)
            figures["unreadable"] += 1
            break
        figures["mid_load"] += 0 < state["n"] < CHUNKS * CHUNK
        figures["dangling"] += state["n_dangling"] > 0
        figures["doubled"] += state["n"] != state["n_distinct"]
        # A load that has run to its end starts anew; else every tenth is completed and compared.
        if state["n"] == CHUNKS * CHUNK or figures["kills"] % 10 == 0:
            fill_again = _child("fill", path)
            fill_again.wait()
            figures["completions"] += 1
            figures["different"] += content(path) != expected
            shutil.rmtree(path)
    shutil.rmtree(calm)
    shutil.rmtree(path, ignore_errors=True)
    return figures | {"undisturbed_s": round(duration, 2)}


def record(path: Path) -> None:
    """Record for ever; say the run id of each evaluation once `record` has returned."""
    with Store(path) as store:
        for i in range(1_000_000):
            run = store.record(
                Task("crash:recorded"),
                {"x": i % 50},
                space="recorded",
                metric="accuracy",
                value=0.5,
            )
            print(run, flush=True)


def kill_recorders(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill processes that record; everything they said was recorded must be there, once."""
    rng = random.Random(seed)
    path = folder / "recorded"
    said: list[str] = []
    for _ in range(kills):
        child = _child("record", path)
        assert child.stdout is not None
        said.append(child.stdout.readline().decode().strip())  # it is past its start
        time.sleep(rng.uniform(0.0, 2.5))
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read().decode().split("\n")[:-1]
        child.wait()
    with Store(path) as store:
        runs = store.sql("select run from evaluations").column("run")
    figures = {
        "kills": kills,
        "said": len(said),
        "lost": len(set(said) - set(runs)),
        "doubled": len(runs) - len(set(runs)),
    }
    shutil.rmtree(path)
    return figures


def write_part(path: Path, nth: int, writers: int) -> None:
    """Writer `nth` adds its share of the chunks and its neighbour's, in an order of its own."""
    mine = [r for i, r in enumerate(chunks()) if i % writers in {nth, (nth + 1) % writers}]
    random.Random(nth).shuffle(mine)
    with Store(path) as store:
        for rows in mine:
            store.add(rows, load=LOAD)


def read_on(path: Path, seconds: float) -> None:
    """Ask again and again; say how often, the slowest answer, and what was wrong."""
    end, times, wrong = time.perf_counter() + seconds, [], 0
    with Store(path) as store:
        while time.perf_counter() < end:
            start = time.perf_counter()
            row = next(iter(store.sql(
                "select count(*) as n, count(distinct evaluation) as d, "
                "(select count(*) from evaluations "
                "where task not in (select task from tasks)) as dangling from evaluations"
            )))  # fmt: skip
            times.append(time.perf_counter() - start)
            wrong += row["n"] % CHUNK != 0 or row["n"] != row["d"] or row["dangling"] > 0
    print(json.dumps({"reads": len(times), "slowest_s": round(max(times), 3), "wrong": wrong}))


def at_once(folder: Path, writers: int, seconds: float = 10.0) -> dict[str, Any]:
    """Writers with overlapping chunks and two readers beside them."""
    path, one = folder / "many", folder / "one"
    fill(one)
    Store(path).close()
    readers = [_child("read", path, "--seconds", str(seconds)) for _ in range(2)]
    crew = [
        _child("write", path, "--nth", str(n), "--writers", str(writers)) for n in range(writers)
    ]
    failed = sum(w.wait() != 0 for w in crew)
    said = []
    for reader in readers:
        out = reader.communicate()[0]
        said.append(json.loads(out) if reader.returncode == 0 else {"failed": True})
    with Store(path) as store:  # the load is closed once, so that its row is the same
        from metadb.store import Added

        done = Added()
        done.count("evaluations", read=CHUNKS * CHUNK)
        done.count("metafeatures", read=CHUNKS * CHUNK // N_CONFIGS)
        store.finish(LOAD, done, str(CHUNKS - 1))
    same = {name: rows == content(one)[name] for name, rows in content(path).items()}
    shutil.rmtree(path)
    shutil.rmtree(one)
    return {
        "writers": writers,
        "failed_writers": failed,
        "readers": said,
        "tables_equal": all(same.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-crash"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--child", choices=["fill", "record", "write", "read"])
    parser.add_argument("--path", type=Path)
    parser.add_argument("--nth", type=int)
    a = parser.parse_args()
    if a.child:
        {
            "fill": lambda: fill(a.path),
            "record": lambda: record(a.path),
            "write": lambda: write_part(a.path, a.nth, a.writers),
            "read": lambda: read_on(a.path, a.seconds),
        }[a.child]()
        return
    shutil.rmtree(a.folder, ignore_errors=True)
    a.folder.mkdir(parents=True)
    write(
        "crash",
        {
            "seed": a.seed,
            "kill_loads": kill_loads(a.folder, a.kills, a.seed),
            "kill_recorders": kill_recorders(a.folder, max(1, a.kills // 5), a.seed),
            "at_once": at_once(a.folder, a.writers),
        },
    )
    shutil.rmtree(a.folder)


if __name__ == "__main__":
    main()
