"""A grammar fuzzer against the door for foreign SQL, its speed, and generations under readers.

    python -m benchmarks.hostile_sql [--statements 20000] [--generations 1000] [--questions 3000]

Fuzzer: statements are drawn (seeded) from a grammar that knows what the door lets through and what
it must not: selects with joins, windows, lambdas, recursive and writing common table expressions,
functions of the allow-list and all others of the engine, tables, files with bait, settings, long
texts and endless series. One process answers, half a second each. After every statement the text a
stranger sees is searched for the secret in the bait, our paths and our environment; after every
hundredth a plain question must be answered; at the end no file of the store, the generations and
the bait may have changed.
Speed: top 10, one task's configs by rank, one task's curves, in turn, by 8 threads; a store of
1,000,000 evaluations. Generations: made one after the other by a process of its own while two
threads ask. Where it ran for less than all that is asked, the figures say how much it was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from api.guarded_process import Limits
from api.guarded_sql import GuardedSql
from benchmarks.full_grid import fill
from benchmarks.machine import write as write_figures
from metadb.errors import LimitReached, MetadbError, QueryRefused
from metadb.gate import allowed_functions
from metadb.generation import newest, write
from metadb.store import Store

BAIT = "correct-horse-battery"
ALIVE = "select count(*) as n from tasks"


class Grammar:
    """Draws statements; the deeper, the simpler."""

    def __init__(self, rng: random.Random, bait: Path) -> None:
        self.rng = rng
        with duckdb.connect() as con:
            every = con.execute(
                "select distinct function_name, function_type from duckdb_functions()"
            )
            there = every.fetchall()
        self.tables_of_engine = [n for n, kind in there if kind.startswith("table")]
        self.others = [
            n for n, _ in there if n.lower() not in allowed_functions() and n.isidentifier()
        ]
        self.allowed = [n for n in sorted(allowed_functions()) if n.isidentifier()]
        self.files = [f"{bait}/secret.csv", f"{bait}/../bait/secret.csv", "/proc/self/environ",
                      f"{bait}/written.csv", "http://127.0.0.1:9/x", "/dev/stdin"]  # fmt: skip
        self.tables = ["tasks", "results", "leaderboard", "evaluations", "space.bench", "regrets"]
        self.tame = False
        self.bad_tables = ["duckdb_settings", "duckdb_tables", "pg_catalog.pg_settings", "df",
                           "information_schema.tables", "system.x", "sqlite_master"]  # fmt: skip
        self.columns = ["task", "config", "loss", "value", "*", "metric", "space"]
        self.settings = ["memory_limit", "lock_configuration", "enable_external_access", "x"]

    def statement(self) -> str:
        """One statement, sometimes two, sometimes damaged."""
        self.tame = self.rng.random() < 0.6  # then most of it may pass, and the engine has to work
        draw = self.rng.random() * (0.72 if self.tame else 1)
        if draw < 0.72:
            text = self.select(3)
        elif draw < 0.86:
            text = self.writing()
        else:
            text = self.other()
        if self.rng.random() < self.bad(0.05):
            text += "; " + self.writing()
        if self.rng.random() < self.bad(0.08):
            at = self.rng.randrange(len(text))
            text = (
                text[:at] + self.rng.choice(["'", '"', ")", "(", "\0", "/*", "$$", ";"]) + text[at:]
            )
        return text

    def bad(self, share: float) -> float:
        """How often to do what is refused."""
        return 0.0 if self.tame else share

    def select(self, depth: int) -> str:
        """A select, perhaps with common table expressions, perhaps a union."""
        pick = self.rng.choice
        parts = []
        if self.rng.random() < 0.3:
            named = pick(
                ["t0", "t1"] if self.tame else ["t0", "duckdb_tables", f'"{pick(self.files)}"']
            )
            inner = self.writing() if self.rng.random() < self.bad(0.35) else self.select(depth - 1)
            parts.append(f"with {pick(['', 'recursive '])}{named} as ({inner})")
        what = ", ".join(self.expression(depth) for _ in range(self.rng.randint(1, 3)))
        parts.append(f"select {what} from {self.source(depth)}")
        if self.rng.random() < 0.3:
            parts.append(f"where {self.expression(depth - 1)} = {self.expression(depth - 1)}")
        if self.rng.random() < 0.15:
            parts.append("group by all")
        if self.rng.random() < 0.1:
            parts.append(f"order by {self.expression(depth - 1)}")
        if self.rng.random() < 0.1 and depth > 0:
            parts.append(f"union all {self.select(depth - 1)}")
        return " ".join(parts)

    def source(self, depth: int) -> str:
        """What may stand behind from."""
        pick, draw = self.rng.choice, self.rng.random()
        if depth <= 0 or draw < 0.4:
            return str(pick(self.tables))
        if draw < 0.5:
            return f"({self.select(depth - 1)}) as s"
        if draw < 0.6:
            how = pick(["join", "cross join", "asof join", ","])
            return f"{self.source(depth - 1)} {how} {self.source(depth - 1)}"
        if draw < 0.68:
            return pick(["range(10)", "unnest([1, 2])", "generate_series(1, 1000000000)"])
        if self.tame:
            return pick(["tasks using sample 3", "(summarize tasks)", "leaderboard"])
        if draw < 0.8:
            return f"{pick(self.tables_of_engine)}('{pick(self.files)}')"
        if draw < 0.87:
            return f"'{pick(self.files)}'"
        if draw < 0.93:
            return str(pick(self.bad_tables))
        return pick(
            ["(describe tasks)", "(summarize tasks)", "(show databases)", "tasks using sample 3"]
        )

    def expression(self, depth: int) -> str:
        """A value."""
        pick, draw = self.rng.choice, self.rng.random()
        if depth <= 0 or draw < 0.35:
            return str(
                pick([*self.columns, "1", "'x'", "null", "1e300", "-1", "[1, 2]", "{'a': 1}"])
            )
        inner = ", ".join(self.expression(depth - 1) for _ in range(self.rng.randint(0, 3)))
        if draw < 0.65 or (self.tame and draw < 0.8):
            return f"{pick(self.allowed)}({inner})"
        if draw < 0.75:
            return f"{pick(self.others)}({inner})"
        if draw < 0.8:
            name = pick(["current_setting", "getenv", "read_text", "getvariable"])
            return f"{name}('{pick(self.files)}')"
        if draw < 0.85:
            series = f"range({pick([3, 1000, 10**8])})"
            return f"list_transform({series}, lambda x: {self.expression(depth - 1)})"
        if draw < 0.9:
            return f"({self.select(depth - 1)} limit 1)"
        if draw < 0.95:
            return f"sum({self.expression(depth - 1)}) over (order by {self.expression(depth - 1)})"
        return f"repeat('x', {pick([3, 10**5, 10**9])})"

    def writing(self) -> str:
        """What would change something."""
        table, file = self.rng.choice(self.tables), self.rng.choice(self.files)
        return str(
            self.rng.choice(
                [
                    f"copy {table} to '{file}'",
                    f"copy (select 1) to '{file}' (format csv, use_tmp_file false)",
                    f"insert into {table} select * from {table} returning *",
                    f"delete from {table} returning *",
                    f"update {table} set task = 'x' returning *",
                    f"drop table {table}",
                    f"create temp table {table} as select 1",
                    f"create or replace view {table} as select 1",
                    f"merge into tasks using {table} using (task) when matched then delete",
                ]
            )
        )

    def other(self) -> str:
        """Settings, files, sessions."""
        file, setting = self.rng.choice(self.files), self.rng.choice(self.settings)
        return str(
            self.rng.choice(
                [
                    f"set {setting} = true",
                    f"reset {setting}",
                    f"pragma {setting} = 1",
                    f"attach '{file}' as a",
                    f"load '{file}'",
                    "install httpfs",
                    f"export database '{file}'",
                    f"import database '{file}'",
                    "begin",
                    "checkpoint",
                    f"explain analyze {self.select(1)}",
                    f"describe {self.select(1)}",
                    f"prepare p as {self.select(1)}",
                    f"call {self.rng.choice(self.tables_of_engine)}('{file}')",
                    f"pivot {self.rng.choice(self.tables)} on task in ('a') using count(*)",
                ]
            )
        )


def fingerprint(place: Path) -> str:
    """A digest of every file's name and content."""
    digest = hashlib.sha256()
    for path in sorted(p for p in place.rglob("*") if p.is_file()):
        digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def fuzz(place: Path, n: int, seed: int, n_tasks: int, limit_s: float) -> dict[str, Any]:
    """Draw and ask, at most so many and for so long; count what came of it."""
    bait = place / "bait"
    bait.mkdir()
    (bait / "secret.csv").write_text(f"a,b\n1,{BAIT}\n")
    before = fingerprint(place)
    grammar = Grammar(random.Random(seed), bait)
    hidden = (BAIT, str(place / "generations"), str(place / "store"), "LD_LIBRARY", "Traceback")
    came: Counter[str] = Counter()
    start = time.monotonic()
    longest, asked_n = 0.0, 0
    with GuardedSql(place / "generations", limits=Limits(seconds=0.5), processes=1) as guarded:
        for nth in range(n):
            sql, asked = grammar.statement(), time.monotonic()
            try:
                answer = guarded.run(sql)
                seen = str(answer.table.slice(0, 50).to_pydict())
                came["answered"] += 1
            except LimitReached as error:
                seen = str(error)
                kinds = ("longer than", "memory than", "ended at")
                came[next(kind for kind in kinds if kind in seen)] += 1
            except QueryRefused as error:
                seen = str(error)
                came["refused"] += 1
            except MetadbError as error:
                seen = str(error)
                came["no answer"] += 1
            longest = max(longest, time.monotonic() - asked)
            if any(text in seen for text in hidden) or ("\n" in seen and "{" not in seen):
                came["leaked"] += 1
                print("leaked:", sql, "->", seen[:300], file=sys.stderr)
            asked_n = nth + 1
            if nth % 100 == 0 and guarded.run(ALIVE).table["n"].to_pylist() != [n_tasks]:
                came["changed"] += 1
            if time.monotonic() - start > limit_s:
                break
    return {
        "statements": asked_n, "wanted": n, "seed": seed, **came, "leaked": came["leaked"],
        "changed": came["changed"] + (fingerprint(place) != before),
        "longest_s": longest, "seconds": time.monotonic() - start,
    }  # fmt: skip


def speed(place: Path, questions: int, n_tasks: int) -> dict[str, Any]:
    """How many of three plain questions a second are answered to 8 threads, and how late."""
    asked = [
        "select * from leaderboard where space = 'bench' and metric = 'accuracy' "
        "order by mean_rank limit 10",
        "select config, value, rank from regrets where task = 'bench:task/{}' "
        "order by rank limit 50",
        "select config, budget, value from learning_curves where task = 'bench:task/{}' "
        "order by config, point limit 100",
    ]
    rng = random.Random(0)
    turns = [asked[i % 3].format(rng.randrange(n_tasks)) for i in range(questions)]
    took: list[float] = []
    with GuardedSql(place / "generations", processes=2, wait_s=60) as guarded:
        for _ in range(20):
            guarded.run(turns[0])

        def client(nth: int) -> None:
            for sql in turns[nth::8]:
                start = time.perf_counter()
                guarded.run(sql)
                took.append(time.perf_counter() - start)

        threads = [threading.Thread(target=client, args=(nth,)) for nth in range(8)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return {
        "questions": questions, "per_s": questions / seconds,
        "p50_ms": 1000 * float(p50), "p99_ms": 1000 * float(p99),
    }  # fmt: skip


def generations(place: Path, n: int, n_tasks: int) -> dict[str, Any]:
    """Make generations in a process of its own while two threads ask; count what fails."""
    folder = place / "moving"
    with Store(place / "store") as store:
        write(store.snapshot, folder)
    command = [sys.executable, "-m", "benchmarks.hostile_sql", "--make", str(place), str(n)]
    start = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    reads, errors, seen = [0], [0], set()

    def ask(guarded: GuardedSql) -> None:
        while process.poll() is None:
            try:
                answer = guarded.run(ALIVE)
                errors[0] += answer.table["n"].to_pylist() != [n_tasks]
                seen.add(answer.generation)
            except MetadbError as error:
                print(error, file=sys.stderr)
                errors[0] += 1
            reads[0] += 1

    with GuardedSql(folder, processes=2) as guarded:
        threads = [threading.Thread(target=ask, args=(guarded,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {
        "generations": newest(folder).number - 1, "reads": reads[0], "errors": errors[0],
        "generations_seen": len(seen), "seconds": time.monotonic() - start,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--statements", type=int, default=20_000)
    parser.add_argument("--generations", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=3000)
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    parser.add_argument("--fuzz-s", type=float, default=36_000, help="stop the fuzzer after these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="print the figures, keep no file")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        place = Path(asked.make[0])
        with Store(place / "store") as store:
            for _ in range(int(asked.make[1])):
                write(store.snapshot, place / "moving")
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "large"
        n_tasks = fill(place / "store", asked.evaluations)
        with Store(place / "store") as store:
            start = time.monotonic()
            made = write(store.snapshot, place / "generations")
            found["writing"] = {
                "evaluations": asked.evaluations, "seconds": time.monotonic() - start,
                "size_mb": made.path.stat().st_size / 1e6,
            }  # fmt: skip
        found["speed"] = speed(place, asked.questions, n_tasks)
        place = Path(folder) / "small"
        n_tasks = fill(place / "store", 3000)
        with Store(place / "store") as store:
            write(store.snapshot, place / "generations")
        found["fuzzer"] = fuzz(place, asked.statements, asked.seed, n_tasks, asked.fuzz_s)
        found["generations"] = generations(place, asked.generations, n_tasks)
    if asked.dry:
        print(found)
    else:
        write_figures("hostile_sql", found)


if __name__ == "__main__":
    main()
