"""How fast and how large the store is, beside the raw engines in the same run.

    python -m benchmarks.store [--folder DIR]      # about 5 minutes

Protocol: evaluations are synthetic (500 tasks x 10,000 configs, one metric, uniform scores). Every
part runs in a process of its own, so that its peak memory is its own. Times are medians of 5
repetitions, store and raw engine in turn; a ratio is the median over pairs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.machine import in_process, peak_mb, write
from metadb.identity import canonical_config, config_ids
from metadb.metrics import METRICS, metric_row
from metadb.records import Rows
from metadb.store import Load, Store

N_CONFIGS = 10_000
MEMORY = "200MB"
REPEATS = 5

QUERIES = {
    "top-10 configs by mean rank": """
        select config, avg(rank) as mean_rank, count(*) as n_tasks
        from (select config, rank() over (partition by task order by value desc) as rank
              from evaluations where metric = 'accuracy' and status = 'ok')
        group by config order by mean_rank, config limit 10
    """,
    "best per task": """
        select task, max(value) as value, arg_max(config, value) as config
        from evaluations where metric = 'accuracy' and status = 'ok' group by task order by task
    """,
}


def entities(n_tasks: int) -> Rows:
    texts = [canonical_config({"x": i / N_CONFIGS, "kernel": "rbf"}) for i in range(N_CONFIGS)]
    configs = {"config": config_ids("demo", texts), "space": ["demo"] * N_CONFIGS}
    return Rows(
        {
            "metrics": pa.Table.from_pylist([metric_row(METRICS["accuracy"])]),
            "tasks": pa.table({"task": [f"bench:task/{i}" for i in range(n_tasks)]}),
            "configs": pa.table(configs | {"hyperparameters": texts}),
        }
    )


def evaluations(first_task: int, n_tasks: int, *, seed: int = 0) -> pa.Table:
    """All configs on some tasks, as a source would hand them over."""
    ids = pa.array(
        config_ids("demo", entities(1).tables["configs"].column("hyperparameters").to_pylist())
    )
    n = n_tasks * N_CONFIGS
    rng = np.random.default_rng([seed, first_task])
    tasks = pa.array([f"bench:task/{first_task + i}" for i in range(n_tasks)])
    return pa.table(
        {
            "task": tasks.take(pa.array(np.repeat(np.arange(n_tasks), N_CONFIGS))),
            "config": ids.take(pa.array(np.tile(np.arange(N_CONFIGS), n_tasks))),
            "metric": pa.repeat("accuracy", n),
            "value": rng.random(n),
            "cost_s": rng.exponential(3.0, n),
            "seed": pa.repeat(pa.scalar(0, pa.int64()), n),
        }
    )


def _pairs(ours: Callable[[], Any], theirs: Callable[[], Any]) -> dict[str, float]:
    """Run both in turn; medians, and the median of the ratios of neighbours."""
    ours(), theirs()  # warm the file cache
    times: list[tuple[float, float]] = []
    for _ in range(REPEATS):
        pair = []
        for call in (ours, theirs):
            start = time.perf_counter()
            call()
            pair.append(time.perf_counter() - start)
        times.append((pair[0], pair[1]))
    return {
        "store_s": round(median(a for a, _ in times), 4),
        "raw_s": round(median(b for _, b in times), 4),
        "ratio": round(median(a / b for a, b in times), 3),
        "ratios": [round(a / b, 3) for a, b in times],
    }


def fill(folder: Path, n_tasks: int) -> dict[str, Any]:
    """Add n_tasks x 10,000 evaluations in chunks of 500,000, as one load."""
    start = time.perf_counter()
    with Store(folder, memory=MEMORY) as store:
        load = Load("bench:fill", "bench")
        done = store.add(entities(n_tasks), load=load)
        for first in range(0, n_tasks, 50):
            done.merge(
                store.add(
                    Rows({"evaluations": evaluations(first, min(50, n_tasks - first))}), load=load
                )
            )
        store.finish(load, done)
    seconds = time.perf_counter() - start
    n = n_tasks * N_CONFIGS
    return {
        "rows": n,
        "seconds": round(seconds, 2),
        "rows_per_s": round(n / seconds),
        "peak_mb": round(peak_mb()),
    }


def ask(folder: Path) -> dict[str, Any]:
    """The queries through `Store.sql` and through raw DuckDB over the same files and limit."""
    from metadb.snapshot import connect

    store = Store(folder, memory=MEMORY)
    files = store._tables.open("evaluations").file_uris()
    con = connect(MEMORY)
    listed = ", ".join(f"'{f}'" for f in files)
    con.execute(f"create view evaluations as select * from read_parquet([{listed}])")
    figures: dict[str, Any] = {"files": len(files)}
    for name, query in QUERIES.items():
        same = store.sql(query).table.equals(con.sql(query).to_arrow_table())
        pairs = _pairs(lambda q=query: store.sql(q), lambda q=query: con.sql(q).to_arrow_table())
        figures[name] = pairs | {"answers_equal": same}
    return figures


def ask_alone(folder: Path) -> dict[str, Any]:
    """Peak memory of a process that only asks the store."""
    with Store(folder, memory=MEMORY) as store:
        for query in QUERIES.values():
            store.sql(query)
    return {"peak_mb": round(peak_mb())}


def ask_raw_alone(folder: Path) -> dict[str, Any]:
    """Peak memory of a process that only asks raw DuckDB the same, with the same limit."""
    from deltalake import DeltaTable

    from metadb.snapshot import connect

    con = connect(MEMORY)
    listed = ", ".join(
        f"'{f}'" for f in DeltaTable(str(folder / "tables" / "evaluations")).file_uris()
    )
    con.execute(f"create view evaluations as select * from read_parquet([{listed}])")
    for query in QUERIES.values():
        con.sql(query).to_arrow_table()
    return {"peak_mb": round(peak_mb())}


def history(folder: Path) -> dict[str, Any]:
    """A History and its matrix from 1,000,000 evaluations."""
    with Store(folder, memory=MEMORY) as store:
        tasks = [f"bench:task/{i}" for i in range(100)]
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            found = store.history("demo", "accuracy", tasks=tasks)
            found.matrix()
            found.without(found.tasks[0]).matrix()
            times.append(time.perf_counter() - start)
    return {"evaluations": len(found), "seconds": round(median(times), 3)}


def add(folder: Path) -> dict[str, Any]:
    """1,000,000 evaluations of known tasks and configs: bare write, add, add again."""
    from deltalake import write_deltalake

    rows = evaluations(0, 100, seed=1)
    figures: dict[str, Any] = {"rows": rows.num_rows}
    times: dict[str, list[float]] = {"add": [], "add_again": [], "write_deltalake": []}
    for nth in range(REPEATS):
        path = folder / f"store-{nth}"
        store = Store(path, memory=MEMORY)
        store.add(entities(100))
        for name in ("add", "add_again"):
            start = time.perf_counter()
            done = store.add(Rows({"evaluations": rows}))
            times[name].append(time.perf_counter() - start)
            figures[f"{name}_added"] = done.added["evaluations"]
        start = time.perf_counter()
        write_deltalake(str(folder / f"bare-{nth}"), rows)
        times["write_deltalake"].append(time.perf_counter() - start)
        shutil.rmtree(path)
        shutil.rmtree(folder / f"bare-{nth}")
    for name, seconds in times.items():
        figures[f"{name}_s"] = round(median(seconds), 3)
        figures[f"{name}_rows_per_s"] = round(rows.num_rows / median(seconds))
    figures["add_over_bare"] = round(figures["add_s"] / figures["write_deltalake_s"], 2)
    figures["peak_mb"] = round(peak_mb())
    return figures


def load_file(folder: Path) -> dict[str, Any]:
    """10,000,000 rows from one Parquet file through the source `table`, twice."""
    from ingest import source
    from ingest.load import load

    figures: dict[str, Any] = {}
    with Store(folder / "ten", memory=MEMORY) as store:
        for turn in ("first", "again"):
            start = time.perf_counter()
            for loaded in load("table", source("table", [folder / "big"]), store, folder):
                figures[f"{turn}_added"] = loaded.added.added["evaluations"]
            figures[f"{turn}_s"] = round(time.perf_counter() - start, 1)
    figures["rows_per_s"] = round(10_000_000 / figures["first_s"])
    figures["peak_mb"] = round(peak_mb())
    return figures


def make_file(folder: Path) -> dict[str, Any]:
    """The file that `load_file` reads: 1,000 tasks x 10,000 configs."""
    import pyarrow.parquet as pq

    big = folder / "big"
    big.mkdir(parents=True, exist_ok=True)
    texts = pa.array(
        [canonical_config({"x": i / N_CONFIGS, "kernel": "rbf"}) for i in range(N_CONFIGS)]
    )
    schema = pa.schema([("task", pa.string()), ("config", pa.string()), ("accuracy", pa.float64())])
    with pq.ParquetWriter(big / "evaluations.parquet", schema, compression="zstd") as writer:
        for first in range(0, 1000, 50):
            n = 50 * N_CONFIGS
            tasks = pa.array([f"task/{first + i}" for i in range(50)])
            columns = [
                tasks.take(pa.array(np.repeat(np.arange(50), N_CONFIGS))),
                texts.take(pa.array(np.tile(np.arange(N_CONFIGS), 50))),
                pa.array(np.random.default_rng(first).random(n)),
            ]
            writer.write_table(pa.table(columns, schema=schema))
    (big / "metadb.toml").write_text(MAPPING)
    return {"size_mb": round((big / "evaluations.parquet").stat().st_size / 1e6)}


MAPPING = """
origin = "bench"
space = "demo"

[evaluations]
file = "evaluations.parquet"

[evaluations.columns]
task = "task"
config = "config"

[evaluations.metrics]
accuracy = "accuracy"
"""

PARTS = {f.__name__: f for f in (ask, ask_alone, ask_raw_alone, history, add, load_file, make_file)}


def _run(part: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    print(part, flush=True)
    yield part, in_process("benchmarks.store", "--part", part, "--folder", str(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/metadb-bench"))
    parser.add_argument("--part", choices=[*PARTS, "fill"])
    arguments = parser.parse_args()
    folder = arguments.folder
    if arguments.part == "fill":
        print(json.dumps(fill(folder / "five", 500)))
        return
    if arguments.part:
        where = (
            folder / "five"
            if arguments.part in {"ask", "ask_alone", "ask_raw_alone", "history"}
            else folder
        )
        print(json.dumps(PARTS[arguments.part](where)))
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures: dict[str, Any] = {"memory_limit": MEMORY}
    for part in (
        "fill",
        "ask",
        "ask_alone",
        "ask_raw_alone",
        "history",
        "add",
        "make_file",
        "load_file",
    ):
        for name, found in _run(part, folder):
            figures[name] = found
    write("store", figures)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
