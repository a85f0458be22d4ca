"""kill -9 in the middle, and many at once; `benchmarks/crash.py` is the long form of this."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time

import pytest

from metadb.records import Task
from metadb.store import Load, Store
from tests.conftest import SPACE, block, config, content, evaluation, rows_of

LOAD = Load("crash", "test")
N_CHUNKS, CHUNK = 5, 32
SPAWN = multiprocessing.get_context("spawn")
WHOLE = """
select
    count(*) as n, count(distinct evaluation) as n_distinct,
    count(*) filter (where task not in (select task from tasks)
        or config not in (select config from configs)
        or metric not in (select metric from metrics)) as n_dangling
from evaluations
"""


def chunk(nth: int):
    """Each chunk brings its own tasks; all bring the same configs."""
    return rows_of(
        [
            evaluation(f"toy:task/{nth * 2 + t}", i, fold=fold)
            for t in range(2) for i in range(8) for fold in range(2)
        ],
        cursor=str(nth),
    )  # fmt: skip


def fill(path) -> None:
    with Store(path) as store:
        done = None
        for nth in range(N_CHUNKS):
            added = store.add(chunk(nth), load=LOAD)
            done = added if done is None else (done.merge(added), done)[1]
        store.finish(LOAD, done, str(N_CHUNKS - 1))


def write(path, nth: int) -> None:
    mine = [n for n in range(N_CHUNKS) if n % 4 in {nth, (nth + 1) % 4}]
    random.Random(nth).shuffle(mine)
    with Store(path) as store:
        for n in mine:
            store.add(chunk(n), load=LOAD)


def read(path, stop, said) -> None:
    wrong, n_reads = [], 0
    with Store(path, create=False) as store:
        while not stop.is_set() or not n_reads:
            (seen,) = store.sql(WHOLE)
            n_reads += 1
            if seen["n"] % CHUNK or seen["n"] != seen["n_distinct"] or seen["n_dangling"]:
                wrong.append(seen)
    said.put((n_reads, wrong))


def record(path, pipe) -> None:
    with Store(path) as store:
        for i in range(10**9):
            run = store.record(
                Task(f"toy:task/{i % 3}"), config(i % 5), space=SPACE, metric="accuracy", value=0.5
            )
            os.write(pipe.fileno(), f"{run}\n".encode())


def start(target, *arguments):
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    return process


def test_four_writers_and_two_readers_lose_double_and_dangle_nothing(path, tmp_path):
    Store(path).close()
    stop, said = SPAWN.Event(), SPAWN.Queue()
    readers = [start(read, path, stop, said) for _ in range(2)]
    writers = [start(write, path, nth) for nth in range(4)]
    for writer in writers:
        writer.join(60)
    stop.set()
    told = [said.get(timeout=30) for _ in readers]
    for process in (*readers, *writers):
        process.join(30)
        assert process.exitcode == 0
    assert all(n_reads > 0 and not wrong for n_reads, wrong in told)
    fill(tmp_path / "one")
    with Store(path) as many, Store(tmp_path / "one") as one:
        assert content(many) == content(one)


def test_a_load_killed_anywhere_is_completed_as_if_undisturbed(path, tmp_path):
    begun = time.perf_counter()
    process = start(fill, tmp_path / "calm")
    process.join(60)
    duration = time.perf_counter() - begun
    rng, mid_load = random.Random(0), 0
    for nth in range(5):
        process = start(fill, path)
        while not (path / "metadb.json").exists() and process.is_alive():
            time.sleep(0.005)  # past the imports
        time.sleep(rng.uniform(0, duration / 2) if nth else 0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        if not (path / "metadb.json").exists():
            continue
        with Store(path) as store:
            (seen,) = store.sql(WHOLE)
            assert seen["n"] % CHUNK == 0
            assert seen["n"] == seen["n_distinct"]
            assert seen["n_dangling"] == 0
            mid_load += seen["n"] < N_CHUNKS * CHUNK
    assert mid_load
    fill(path)
    with Store(path) as killed, Store(tmp_path / "calm") as calm:
        assert content(killed) == content(calm)
        counts = "select load, status, n_read, n_added, n_known, n_rejected from loads"
        assert list(killed.sql(counts)) == list(calm.sql(counts))


@pytest.mark.parametrize("wait_s", [0.0, 1.2])
def test_what_was_recorded_before_a_kill_is_there_once(path, wait_s):
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = start(record, path, theirs)
    theirs.close()
    with open(ours.fileno(), "rb", closefd=False) as heard:
        said = [heard.readline()]
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            said.append(heard.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        said += heard.readlines()
    runs = [line.decode().strip() for line in said if line.endswith(b"\n")]
    with Store(path) as store:
        found = store.sql("select run from evaluations").column("run")
        assert len(found) == len(set(found))
        assert set(runs) <= set(found)
        assert len(found) <= len(runs) + 1  # the last one was perhaps not said any more
        (seen,) = store.sql(WHOLE)
        assert seen["n_dangling"] == 0


def test_adding_waits_for_who_takes_back_and_nothing_comes_to_dangle(path):
    """While one load is taken back again and again, another one refers to what it brought."""
    with Store(path) as store:
        store.add(chunk(0), load=LOAD)
    process = start(_refer, path)
    with Store(path) as store:
        for _ in range(2):
            store.forget(LOAD.id)
            (seen,) = store.sql(WHOLE)
            assert seen["n_dangling"] == 0
            store.add(chunk(0), load=LOAD)
        process.join(60)
        assert process.exitcode == 0
        (seen,) = store.sql(WHOLE)
        assert seen["n_dangling"] == 0
        assert seen["n"] == seen["n_distinct"]


def _refer(path) -> None:
    facts = {"evaluations": block(0).tables["evaluations"]}
    with Store(path) as store:
        from metadb.records import Rows

        for nth in range(3):
            store.add(Rows(facts), load=Load(f"refers-{nth}", "test"))
            store.forget(f"refers-{nth}")
