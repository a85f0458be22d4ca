"""Foreign SQL through real processes: nothing leaks, nothing changes, the next question is answered."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from api.guarded_process import ENVIRONMENT, Limits
from api.guarded_sql import GuardedSql
from metadb.errors import Busy, LimitReached, MetadbError, NotFound, QueryRefused
from metadb.generation import newest, write
from metadb.store import Store
from tests.conftest import block

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "data" / "hostile_sql" / "hostile_sql.txt"
SECRET = "correct-horse-battery"
ALIVE = "select count(*) as n from tasks"


def statements(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with bait, a store and a generation of it."""
    place = tmp_path_factory.mktemp("guarded")
    with Store(place / "store") as store:
        store.add(block(1, 3))
        write(store.snapshot, place / "generations")
    (place / "bait").mkdir()
    (place / "bait" / "secret.csv").write_text(f"a,b\n1,{SECRET}\n")
    return place


@pytest.fixture(scope="module")
def guarded(place):
    # Killed after a second: what runs longer is as hostile as what runs for ever.
    with GuardedSql(place / "generations", limits=Limits(seconds=1.0), processes=1) as guarded:
        yield guarded


def fingerprint(place: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def outcome(guarded: GuardedSql, sql: str) -> str:
    """All that a stranger gets to see of a statement."""
    try:
        answer = guarded.run(sql)
    except QueryRefused as error:
        said = str(error)
        assert "\n" not in said
        assert "Traceback" not in said
        assert len(said) < 500
        return said
    assert answer.table.num_rows <= guarded.limits.rows
    assert answer.table.nbytes <= guarded.limits.size_bytes
    return str(answer.table.to_pydict())


def harmless(said: str, place: Path) -> bool:
    return not any(hidden in said for hidden in (SECRET, "PATH=", str(place / "generations")))


def test_an_answer_is_arrow_with_what_is_to_be_said_of_it(guarded):
    answer = guarded.run("select task, 1.5 as x from tasks order by task")
    assert isinstance(answer.table, pa.Table)
    assert answer.table.to_pylist()[0] == {"task": "toy:task/1", "x": answer.table["x"][0].as_py()}
    assert (answer.truncated, answer.generation) == (False, newest(guarded.folder).number)
    assert 0 < answer.seconds < 60


def test_every_analytical_query_is_answered(guarded, place):
    with Store(place / "store") as store:
        for sql in statements(HERE / "legitimate_sql.txt"):
            answer = guarded.run(sql)
            if "sample" not in sql and not sql.startswith(("show", "describe")):
                assert answer.table.schema == store.sql(sql).table.schema, sql


def test_own_hostile_statements_do_nothing(guarded, place):
    before = fingerprint(place)
    for sql in statements(HERE / "hostile_sql.txt"):
        with pytest.raises(QueryRefused) as refused:
            guarded.run(sql.replace("FOLDER", str(place / "bait")))
        assert harmless(str(refused.value), place), sql
    assert fingerprint(place) == before
    assert guarded.run(ALIVE).table["n"].to_pylist() == [3]


def generated() -> dict[str, str]:
    """The statements that the corpus names by a recipe."""
    n = range(1, 40)
    return {
        "nested parens 900": "SELECT " + "(" * 900 + "1" + ")" * 900,
        "20000 chained + 1": "SELECT 1" + "+1" * 20_000,
        "5000 nested SELECT": "SELECT * FROM (" * 5000 + "SELECT 1" + ")" * 5000,
        "3000 NOT": "SELECT " + "NOT " * 3000 + "true",
        "1800 UNION ALL": " UNION ALL ".join(["SELECT 1"] * 1000),
        "40-way CTE doubling": "WITH c0 AS (SELECT 1 x), "
        + ", ".join(f"c{i} AS (SELECT a.x FROM c{i - 1} a, c{i - 1} b)" for i in n)
        + " SELECT count(*) FROM c39",
        "billion laughs": "WITH c0 AS (SELECT * FROM range(10)), "
        + ", ".join(f"c{i} AS (SELECT a.* FROM c{i - 1} a, c0 b)" for i in range(1, 12))
        + " SELECT count(*) FROM c11",
        "list type nest 1000": "SELECT " + "[" * 1000 + "1" + "]" * 1000,
        "cast nested struct type": "SELECT NULL::" + "STRUCT(a " * 1000 + "INT" + ")" * 1000,
        "900 nested CASE": "SELECT " + "CASE WHEN true THEN " * 800 + "1" + " END" * 800,
        "NUL byte": "SELECT 1\x00; DROP TABLE tasks",
        "lone surrogate": "SELECT '\ud800'",
        "unicode semicolon": "SELECT 1\u037e DROP TABLE tasks",
        "2400 columns": "SELECT " + ",".join(f"{i} c{i}" for i in range(1700)),
        "deep LATERAL 300": "SELECT * FROM (SELECT 1 a) t0"
        + "".join(f", LATERAL (SELECT t{i}.a) t{i + 1}(a)" for i in range(300)),
        "correlated nest 200": "SELECT " + "(SELECT " * 200 + "1" + ")" * 200,
        "empty": "",
        "nothing but a note": "-- nothing",
    }


@pytest.mark.parametrize("sql", generated().values(), ids=generated())
def test_statements_made_to_break_a_parser_do_nothing(guarded, place, sql):
    outcome(guarded, sql)
    assert guarded.run(ALIVE).table["n"].to_pylist() == [3]


def test_the_whole_corpus_does_nothing(guarded, place):
    if not SHARED.exists():
        pytest.skip(f"the corpus of hostile SQL is not here: {SHARED}")
    sqls = [line.split(" --> ")[0] for line in statements(SHARED) if not line.startswith("GEN ")]
    assert len(sqls) > 140
    before = fingerprint(place)
    for sql in sqls:
        sql = sql.replace("/srv/bait", str(place / "bait"))
        sql = re.sub(r"\brun\b", "evaluations", sql).replace("score", "value")
        assert harmless(outcome(guarded, sql), place), sql
        assert guarded.run(ALIVE).table["n"].to_pylist() == [3], sql
    assert fingerprint(place) == before


def test_an_answer_is_cut_at_rows_and_at_bytes(guarded):
    many = guarded.run("select range as n from range(1000000000)")
    assert (many.table.num_rows, many.truncated) == (1000, True)
    few = guarded.run("select range as n from range(20)", limit=7)
    assert (few.table["n"].to_pylist(), few.truncated) == (list(range(7)), True)
    just = guarded.run("select range as n from range(7)", limit=7)
    assert (just.table.num_rows, just.truncated) == (7, False)
    wide = guarded.run("select repeat('x', 100000) as text from range(100)")
    assert wide.truncated
    assert 5 <= wide.table.num_rows <= 10
    assert wide.table.nbytes <= guarded.limits.size_bytes
    assert guarded.run(ALIVE, limit=0).table.num_rows == 0
    assert guarded.run("select range from range(4096)", limit=5000).truncated


def test_time_and_memory_end_and_the_next_statement_is_answered(guarded):
    start = time.monotonic()
    with pytest.raises(LimitReached, match="longer than 1 s"):
        guarded.run("select levenshtein(repeat('a', 200000), repeat('b', 200000))")
    assert time.monotonic() - start < 20
    with pytest.raises(LimitReached, match="memory"):
        guarded.run("select list_sort(range(500000000))")
    assert guarded.run(ALIVE).table.num_rows == 1


def address_space(pid: int) -> tuple[int, int]:
    """Bytes that a process has, and that it may have."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE"), resource.prlimit(pid, resource.RLIMIT_AS)[0]


def test_a_statement_has_the_memory_that_the_limits_say(guarded):
    for spent in (ALIVE, "select list(range) from range(1000000000)", ALIVE):
        outcome(guarded, spent)
        assert guarded.run(ALIVE).table.num_rows == 1
        taken, most = address_space(guarded._free.queue[0].pid)
        assert most - taken > 0.9 * guarded.limits.memory_bytes, spent


def test_a_failing_statement_says_why_in_one_sentence(guarded):
    with pytest.raises(QueryRefused, match=r"Referenced column \"nope\" not found"):
        guarded.run("select nope from tasks")
    with pytest.raises(QueryRefused, match="syntax error"):
        guarded.run("selec 1")
    with pytest.raises(QueryRefused, match="20,000 characters"):
        guarded.run("select 1 -- " + "x" * 20_000)
    with pytest.raises(QueryRefused, match="0 or more"):
        guarded.run("select 1", limit=-1)
    with pytest.raises(QueryRefused, match="lists its values"):
        guarded.run("pivot results on metric using avg(loss)")


def test_a_process_that_died_is_replaced_without_a_failed_request(guarded):
    pid = guarded._free.queue[0].pid
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # dead, and left for its owner to find
    assert guarded.run(ALIVE).table.num_rows == 1
    assert guarded._free.queue[0].pid != pid


def test_a_process_has_no_environment_and_no_rights_left(guarded):
    guarded.run(ALIVE)
    process = Path(f"/proc/{guarded._free.queue[0].pid}")
    said = [line for line in (process / "environ").read_text().split("\0") if line]
    assert set(said) <= {f"{name}={value}" for name, value in ENVIRONMENT.items()}
    limits = {line[:26].strip(): line[26:].split()[1] for line in (process / "limits").open()}
    assert (limits["Max file size"], limits["Max processes"], limits["Max core file size"]) == (
        ("0",) * 3
    )
    assert int(limits["Max address space"]) < 8e9
    opened = [os.readlink(path) for path in (process / "fd").iterdir()]
    files = [name for name in opened if name.startswith("/") and name != os.devnull]
    assert all(name.endswith(".duckdb") for name in files)


def test_nobody_waits_for_ever(place):
    with GuardedSql(place / "generations", processes=1, wait_s=0.1) as guarded:
        guarded.run("select 1")
        forever = "select count(*) from range(10000000000) where hash(range) = 1"
        slow = threading.Thread(target=outcome, args=(guarded, forever))
        slow.start()
        time.sleep(0.3)
        with pytest.raises(Busy, match="try again"):
            guarded.run("select 1")
        slow.join()
        assert guarded.run("select 1").table.num_rows == 1
    with pytest.raises(MetadbError, match="closed"):
        guarded.run("select 1")


def test_without_a_generation_there_is_no_door(tmp_path):
    with pytest.raises(NotFound, match="metadb snapshot"):
        GuardedSql(tmp_path)


WRITING = """
import sys
from pathlib import Path
from metadb.generation import write
from metadb.store import Store
with Store(sys.argv[1]) as store:
    for _ in range(int(sys.argv[3])):
        write(store.snapshot, Path(sys.argv[2]), keep=1)
"""


def test_a_generation_that_cannot_be_opened_is_said_and_the_next_one_is_answered_from(tmp_path):
    with Store(tmp_path / "store") as store:
        store.add(block(1, 3))
        write(store.snapshot, tmp_path / "made")
        with GuardedSql(tmp_path / "made", limits=Limits(), processes=1) as door:
            assert door.run("select count(*) as n from tasks").generation == 1
            made = write(store.snapshot, tmp_path / "made")
            made.path.write_bytes(b"no database")
            with pytest.raises(MetadbError, match="the newest generation cannot be opened"):
                door.run("select count(*) as n from tasks")
            write(store.snapshot, tmp_path / "made")
            assert door.run("select count(*) as n from tasks").generation == 3


def test_readers_move_to_new_generations_without_an_error(place):
    """A shortened run; benchmarks/hostile_sql.py does 1,000 generations."""
    folder = place / "moving"
    with Store(place / "store") as store:
        write(store.snapshot, folder)
    command = [sys.executable, "-c", WRITING, str(place / "store"), str(folder), "8"]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    seen: set[int] = set()
    with GuardedSql(folder, processes=2) as guarded:
        guarded.run(ALIVE)
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None:
            answer = guarded.run(ALIVE)
            assert answer.table["n"].to_pylist() == [3]
            seen.add(answer.generation)
        assert process.returncode == 0
        assert guarded.run(ALIVE).generation == 9
    assert len(seen) > 3
