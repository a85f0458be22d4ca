"""Laws of the one loop: every gap has a reason, the time limit holds, one group costs no other."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest

from metadb.errors import InvalidRows, NotFound
from metadb.metafeatures import (
    METAFEATURES,
    Feature,
    Found,
    Group,
    Table,
    extract,
    extract_table,
    group_of,
)
from metadb.metafeatures.extraction import LEAST, SAMPLE_CELLS, run
from metadb.metafeatures.features import SUMMARIES, summarise
from metadb.metafeatures.table import Arrays

RNG = np.random.default_rng(0)


def numbers(n: int, d: int, k: int = 2) -> Table:
    rng = np.random.default_rng(n + d)
    y = np.arange(n) % k
    return Table(
        Arrays(rng.normal(size=(d, n)), np.empty((0, n), np.int32)),
        "classification",
        rng.permutation(y),
    )


def ran(groups: dict[str, Group], table: Table, limit_s: float | None = None) -> object:
    return run(
        table, groups, time_limit_s=limit_s, sample=None, seed=0, started=time.perf_counter()
    )


def slow(cost_s: float, name: str = "slow") -> Group:
    """A group that takes so long for each instance."""

    def compute(table: Table, seed: int) -> Iterator[Found]:
        time.sleep(cost_s * table.n)
        yield name, float(table.n)

    return Group(compute, {name: Feature()})


def test_the_same_seed_gives_the_same_values() -> None:
    table = numbers(400, 5)
    one, two = (extract_table(table, seed=7, sample=100) for _ in range(2))
    assert one.known() == two.known()
    assert len(one.known()) > 15


def test_every_value_or_a_reason() -> None:
    for table in (numbers(60, 3), numbers(60, 3, k=1), numbers(3, 1), numbers(1, 1, k=1)):
        found = extract_table(table)
        for name, value in found.by_name.items():
            assert math.isfinite(found[name]) == (value.status == "ok"), name
            assert (value.reason is None) == (value.status == "ok"), name
            assert value.status in ("ok", "undefined"), (name, value.reason)
            assert value.cost_s >= 0


def test_names_are_of_one_group_only() -> None:
    found = extract_table(numbers(80, 4))
    assert len(found) > 15
    for name, value in found.by_name.items():
        assert group_of(name) == value.group
    assert group_of("no such name") is None


def test_with_a_time_limit_the_largest_sample_in_time_stands() -> None:
    table = numbers(100_000, 2)
    began = time.perf_counter()
    found = ran({"slow": slow(2e-4)}, table, limit_s=1.0)
    assert time.perf_counter() - began < 5  # all of it takes 20
    rests_on = found.by_name["slow"].instances
    assert 1000 <= rests_on < 5000  # 250 and 1,000 take .25 s together
    assert found["slow"] == rests_on
    assert f"slow rests on {rests_on:,} of 100,000 instances" in found.notes[0]
    assert "as many as 1 s allowed" in found.notes[0]


def test_what_is_not_reached_says_so() -> None:
    found = ran({"slow": slow(1.0), "more": slow(1.0, "more")}, numbers(10, 2), limit_s=1e-6)
    assert {v.status for v in found.by_name.values()} == {"timeout"}
    assert found.by_name["slow"].reason == "the time limit of 1e-06 s came first"
    assert math.isnan(found["slow"])
    assert found.known() == {}


def test_counts_are_never_those_of_a_sample() -> None:
    table = numbers(100_000, 3)
    found = extract_table(table, groups=["simple"], time_limit_s=5.0)
    assert (found["nr_inst"], found.instances) == (100_000, 100_000)
    assert not found.notes


def test_one_group_that_fails_costs_the_others_nothing() -> None:
    def broken(table: Table, seed: int) -> Iterator[Found]:
        yield "first", 1.0
        raise ValueError("no such thing")

    def full(table: Table, seed: int) -> Iterator[Found]:
        raise MemoryError
        yield "much", 1.0

    features = {"first": Feature(), "second": Feature(many=True)}
    found = ran(
        {
            "broken": Group(broken, features),
            "full": Group(full, {"much": Feature()}),
            "simple": METAFEATURES["simple"],
        },
        numbers(50, 2),
    )
    assert found["first"] == 1.0
    assert found.by_name["second.mean"].status == "failed"
    assert found.by_name["second.mean"].reason == "ValueError: no such thing"
    assert found.by_name["much"].status == "memout"
    assert found["nr_inst"] == 50


def test_ones_own_group_that_fails_says_so() -> None:
    def broken(table: Table, seed: int) -> Iterator[Found]:
        raise ValueError("no such thing")
        yield "never", 1.0

    for limit_s in (None, 5.0):
        found = ran({"mine": Group(broken)}, numbers(50, 2), limit_s)
        assert found.by_name["mine"].reason == "ValueError: no such thing"
        assert found.by_name["mine"].status == "failed"


def test_a_dict_will_do_but_no_name_twice() -> None:
    found = ran({"mine": Group(lambda table, seed: {"n": 2.0})}, numbers(5, 1))
    assert found["n"] == 2.0
    with pytest.raises(InvalidRows, match="group 'mine' says 'nr_inst', which is a value of"):
        ran(
            {"simple": METAFEATURES["simple"], "mine": Group(lambda table, seed: {"nr_inst": 1.0})},
            numbers(5, 1),
        )
    silent = ran({"mine": Group(slow(1.0).compute)}, numbers(10, 2), limit_s=1e-3)
    assert silent.by_name["mine"].status == "timeout"


def test_what_was_hurried_is_not_kept() -> None:
    table = numbers(100_000, 2)
    found = ran({"slow": slow(2e-4), "simple": METAFEATURES["simple"]}, table, limit_s=1.0)
    assert found.by_name["slow"].hurried
    kept = found.rows("a:b").column("name").to_pylist()
    assert "slow" not in kept
    assert "nr_inst" in kept


def test_the_users_warnings_are_left_alone() -> None:
    import warnings

    before = list(warnings.filters)
    threads = [
        Thread(target=lambda: extract(RNG.random((300, 3)), np.arange(300) % 2)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ran({"slow": slow(1e-3)}, numbers(2_000, 2), limit_s=0.3)
    assert [f for f in warnings.filters if f not in before and f[2] is Warning and not f[1]] == []


def test_ones_own_group_is_a_function_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def ink(table: Table, seed: int) -> Iterator[Found]:
        yield "ink", float(table.matrix.sum())
        yield "row_ink", table.matrix.sum(axis=1)

    monkeypatch.setitem(METAFEATURES, "pixels", ink)  # a plain function will do
    x = RNG.random((20, 4))
    found = extract(x, np.arange(20) % 2, groups=["pixels"])
    assert found["ink"] == pytest.approx(x.sum())
    assert found["row_ink.max"] == pytest.approx(x.sum(axis=1).max())
    assert set(found) == {"ink", *(f"row_ink.{s}" for s in SUMMARIES)}
    mine = ink.__module__.partition(".")[0]
    assert set(found.rows("a:b").column("extractor").to_pylist()) == {mine}


def test_the_default_sample_follows_its_rule() -> None:
    seen: list[int] = []

    def look(table: Table, seed: int) -> Iterator[Found]:
        seen.append(table.n)
        yield "n", float(table.n)

    group = {"look": Group(look, {"n": Feature()}, sampled=True)}
    for n, d in ((300, 2), (30_000, 2), (12_000, 400), (2_000, 8_000)):
        run(numbers(n, d), group, time_limit_s=None, sample=10_000, seed=0, started=0.0)
        assert seen[-1] == min(n, 10_000, max(LEAST, SAMPLE_CELLS // d))
    run(numbers(30_000, 2), group, time_limit_s=None, sample=None, seed=0, started=0.0)
    assert seen[-1] == 30_000


def test_rows_are_those_of_the_stores_table() -> None:
    found = extract_table(numbers(30, 2))
    rows = found.rows("a:b").to_pylist()
    assert {row["name"]: row["value"] for row in rows if row["status"] == "ok"} == found.known()
    assert all((row["value"] is None) == (row["status"] != "ok") for row in rows)
    assert {(row["task"], row["extractor"]) for row in rows} == {("a:b", "metadb")}
    assert sum(row["cost_s"] for row in rows) <= found.cost_s


@pytest.mark.parametrize(
    "values", [[3.0, 1.0, 2.0, 10.0, -4.0], [1.0, np.nan, 2.0], [5.0], [np.nan]]
)
def test_summaries_are_numpys(values: list[float]) -> None:
    there = np.array([v for v in values if not np.isnan(v)])
    found = summarise(np.array(values))
    assert tuple(found) == SUMMARIES
    if not len(there):
        assert all(map(math.isnan, found.values()))
        return
    q1, q2, q3 = np.quantile(there, [0.25, 0.5, 0.75])
    sd = there.std(ddof=1) if len(there) > 1 else np.nan
    expected = (there.mean(), sd, there.min(), q1, q2, q3, there.max())
    assert list(found.values()) == pytest.approx(expected, nan_ok=True)


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(NotFound, match="no group of meta-features 'deep'; there are simple"):
        extract(np.zeros((3, 1)), [0, 1, 0], groups=["deep"])
    with pytest.raises(InvalidRows, match="the time limit is 0 s; give more than 0"):
        extract(np.zeros((3, 1)), [0, 1, 0], time_limit_s=0)
    with pytest.raises(InvalidRows, match="the sample is 0 instances"):
        extract(np.zeros((3, 1)), [0, 1, 0], sample=0)
    with pytest.raises(InvalidRows, match="the seed is -1; give a whole number"):
        extract(np.zeros((3, 1)), [0, 1, 0], seed=-1)
    assert not extract(np.zeros((3, 1)), [0, 1, 0], groups=[])
    assert (
        extract(np.zeros((3, 1)), [0, 1, 0], groups=["simple"], time_limit_s=np.inf)["nr_inst"] == 3
    )


def test_the_import_is_light() -> None:
    code = (
        "import sys, metadb.metafeatures; "
        "print([m for m in ('pandas', 'sklearn', 'scipy', 'polars', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
