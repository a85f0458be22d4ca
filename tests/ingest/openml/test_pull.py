"""Pulls from a stand-in server: complete, resumable, incremental, and clear about every fault."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.load import Loaded, load
from ingest.openml.archive import LEDGER
from ingest.openml.client import Client
from ingest.openml.selection import Selection
from ingest.openml.source import Openml
from metadb.errors import DiskFull, MetadbError, NotFound, Unreachable, WrongUsage
from metadb.store import Store
from tests.standin.serving import Server
from tests.standin.world import World

SUITE = "standin-suite"
ORIGIN = "here"
N_RUNS = 5000


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with Server(World(seed=0, runs=N_RUNS)) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    shared.set(latency_s=0.0, page_limit=1000, inline_setups=True)
    shared.clear()
    yield shared
    shared.clear()


@pytest.fixture
def growing() -> Iterator[Server]:
    """A server of its own, for what changes it."""
    with Server(World(seed=1, runs=3000)) as server:
        yield server


def pull(
    server: Server,
    store: Store,
    *,
    patient: bool = False,
    jobs: int = 1,
    relist: bool = False,
    **selected: Any,
) -> Loaded:
    selection = Selection(**({"suite": SUITE} | selected))
    client = Client(server.url, read_s=30.0 if patient else 1.0, wait_s=0.01)
    source = Openml(
        (), selection=selection, server=server.url, origin=ORIGIN, client=client, jobs=jobs,
        relist=relist,
    )  # fmt: skip
    (loaded,) = load("openml", source, store, store.path / "cache")
    return loaded


def truth(world: World, measure: str = "predictive_accuracy") -> dict[str, tuple[str, float, int]]:
    """Run to task, value and setup, as the suite's tasks have it."""
    tasks = suite_tasks(world)
    return {
        f"{row['run']}" + ("" if row["engine"] == 1 else f"@{row['engine']}"): (
            f"{ORIGIN}:task/{row['task']}",
            row["value"],
            row["setup"],
        )
        for row in world.evaluations(measure, engine=None).to_pylist()
        if row["task"] in tasks and row["value"] is not None
    }


def suite_tasks(world: World) -> set[int]:
    return set(next(s for s in world.studies if s.alias == SUITE).members)


def held(store: Store, metric: str = "accuracy") -> dict[str, tuple[str, float]]:
    found = store.sql(
        "select run, task, value from evaluations where metric = ? and fold is null", [metric]
    )
    return {row["run"]: (row["task"], row["value"]) for row in found}


def n_pages(server: Server) -> int:
    return sum("evaluation/" in request["path"] for request in server.requests())


# -- what a pull brings --------------------------------------------------------------------------


def test_a_pull_is_complete_and_a_second_one_adds_nothing(server: Server, store: Store) -> None:
    loaded = pull(server, store)
    right = truth(server.world)
    assert held(store) == {run: (task, value) for run, (task, value, _) in right.items()}
    assert loaded.load["n_rejected"] == 0
    assert loaded.load["status"] == "complete"
    server.clear()
    again = pull(server, store)
    assert sum(again.added.added.values()) == 0
    assert len(server.requests()) <= 3  # the suite, a task's state, and whether there is more
    assert again.load["n_added"] == loaded.load["n_added"]


def test_hyperparameters_are_the_typed_values_of_the_setups(server: Server, store: Store) -> None:
    pull(server, store)
    found = store.sql(
        "select run, hyperparameters, seed from evaluations join configs using (config)"
    )
    idle = {"n_jobs", "verbose", "pre_dispatch", "openml.kind", "openml.normal.kind"}
    seeds = {"random_state", "openml.seed"}
    right = truth(server.world)
    n = 0
    for row in found:
        told = server.world.hyperparameters(right[row["run"]][2])
        config = json.loads(row["hyperparameters"])
        for name, value in told.items():
            last = name.rpartition("__")[2]
            if last in idle | seeds:
                assert name not in config
            elif not isinstance(value, dict | list):
                assert config[name] == ("None" if value is None else value)
                n += 1
        wanted = [v for k, v in told.items() if k.rpartition("__")[2] in seeds and v is not None]
        assert row["seed"] == (wanted[0] if wanted else None)
    assert n > 10_000


def test_one_setting_in_two_versions_is_one_configuration(server: Server, store: Store) -> None:
    pull(server, store)
    (row,) = store.sql(
        "select count(*) as n from (select config from evaluations group by config "
        "having count(distinct flow) > 1)"
    )
    assert row["n"] > 0
    families = store.sql("select family, count(*) as n from flows group by 1 having n > 1")
    spaces = {row["space"] for row in store.sql("select distinct space from configs")}
    assert {row["family"] for row in families} <= spaces


def test_tasks_and_qualities_are_those_of_the_server(server: Server, store: Store) -> None:
    pull(server, store)
    tasks = {row["task"] for row in store.tasks()}
    assert tasks == {f"{ORIGIN}:task/{n}" for n in suite_tasks(server.world)}
    by_dataset = {row["dataset"]: row["task"] for row in server.world.task_table().to_pylist()}
    wanted = {
        (f"{ORIGIN}:task/{by_dataset[row['dataset']]}", row["name"]): row["value"]
        for row in server.world.quality_table().to_pylist()
        if by_dataset.get(row["dataset"]) in suite_tasks(server.world)
    }
    found = {
        (row["task"], row["name"]): row["value"]
        for row in store.sql("select * from metafeatures where extractor = 'openml'")
    }
    assert found == pytest.approx(wanted)


def test_folds_are_those_of_the_server(server: Server, store: Store) -> None:
    pull(server, store, per_fold=True, max_runs=400)
    runs = {run.split("@")[0] for run in held(store)}
    rows = server.world.evaluations("predictive_accuracy", engine=1).to_pylist()
    wanted = {str(row["run"]): row["folds"] for row in rows if str(row["run"]) in runs}
    found: dict[str, list[float]] = {}
    for row in store.sql(
        "select run, value from evaluations where fold is not null and run not like '%@%' "
        "and metric = 'accuracy' order by run, repeat, fold"
    ):
        found.setdefault(row["run"], []).append(row["value"])
    assert len(found) > 300
    assert {run: pytest.approx(folds) for run, folds in wanted.items() if folds} == found


def test_searches_and_learning_curves_become_curves(server: Server, store: Store) -> None:
    pull(server, store, suite=None, tasks=tuple(server.world.task_list[i].id for i in (0, -1)),
         traces=True, max_runs=300)  # fmt: skip
    found = {
        row["budget_unit"]: row
        for row in store.sql(
            "select budget_unit, count(*) as n, count(distinct budget) as k, max(budget) as most "
            "from evaluations where fold is not null group by 1"
        )
    }
    assert found["iterations"]["k"] > 1
    assert found["instances"]["k"] > 1
    (best,) = store.sql(
        "select bool_and(value >= before) as rises from (select value, lag(value) over "
        "(partition by task, config, run, repeat, fold order by budget) as before "
        "from evaluations where budget_unit = 'iterations') where before is not null"
    )
    assert best["rises"]


@pytest.mark.parametrize("inline", [True, False])
def test_a_server_without_the_inline_form_gives_the_same_store(
    server: Server, store: Store, inline: bool
) -> None:
    server.set(inline_setups=inline)
    pull(server, store, suite=None, tasks=(3, 8))
    rows = sorted(
        tuple(r.values()) for r in store.sql("select run, config, value from evaluations")
    )
    assert len(rows) == sum(t in ("here:task/3", "here:task/8") for t, _ in held(store).values())
    assert rows


def test_several_at_once_bring_the_same(server: Server, tmp_path: Path) -> None:
    found = []
    for jobs in (1, 4):
        with Store(tmp_path / str(jobs)) as store:
            source = Openml(
                (), selection=Selection(tasks=(3, 8, 15), metrics=MEASURES),
                server=server.url, origin=ORIGIN, jobs=jobs,
            )  # fmt: skip
            list(load("openml", source, store, store.path / "cache"))
            keys = store.sql("select evaluation, value from evaluations order by all")
            found.append([tuple(row.values()) for row in keys])
    assert found[0] == found[1]
    assert len(found[0]) > 1000


MEASURES = ("predictive_accuracy", "area_under_roc_curve", "kappa")


def test_a_listing_that_is_too_long_is_asked_for_in_halves(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.openml.listing.MAX_OFFSET", 1200)
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()
    offsets = [
        int(r["path"].rpartition("/")[2]) for r in server.requests() if "/offset/" in r["path"]
    ]
    assert max(offsets) <= 1200


def test_only_runs_from_a_date_on_and_at_most_so_many(server: Server, store: Store) -> None:
    rows = server.world.evaluations("predictive_accuracy", engine=1).to_pylist()
    dates = sorted(str(row["upload_time"])[:10] for row in rows)
    since = dates[len(dates) // 2]
    pull(server, store, since=since)
    right = truth(server.world)
    new = {str(row["run"]) for row in rows if str(row["upload_time"])[:10] >= since}
    assert held(store).keys() == {run for run in right if run.split("@")[0] in new}
    pull(server, store, max_runs=7)
    assert store.sql("select count(*) as n from loads").column("n") == [2]


# -- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(12, 24))
def test_broken_off_at_any_answer_and_run_again_it_is_as_if_undisturbed(
    n: int, server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.openml.archive import Archive

    keep = Archive.keep

    def broken(self: Archive, *args: Any, **told: Any) -> Any:
        if len(self.answers) >= n:
            raise DiskFull("no room")
        return keep(self, *args, **told)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "keep", broken)
        with contextlib.suppress(DiskFull):
            pull(server, store, metrics=("predictive_accuracy", "kappa"))
    loaded = pull(server, store, metrics=("predictive_accuracy", "kappa"))
    assert loaded.load["n_rejected"] == 0
    assert held(store).keys() == truth(server.world).keys()
    assert held(store, "kappa").keys() == truth(server.world, "kappa").keys()
    asked = [request["path"] for request in server.requests()]
    assert len(asked) - len(set(asked)) <= 1


def test_new_runs_come_and_nothing_else(growing: Server, store: Store) -> None:
    pull(growing, store)
    before = held(store)
    growing.grow(200)
    growing.clear()
    added = pull(growing, store).added.added["evaluations"]
    right = truth(growing.world)
    assert held(store).keys() == right.keys()
    assert added == len(right) - len(before) > 0


def test_a_store_can_be_built_anew_without_the_network(
    server: Server, store: Store, tmp_path: Path
) -> None:
    pull(server, store, suite=None, tasks=(3,), per_fold=True)
    server.clear()
    with Store(tmp_path / "again") as again:
        source = Openml([store.path / "cache"])
        (loaded,) = load("openml", source, again, again.path / "cache")
        for table, key in (("evaluations", "evaluation"), ("configs", "config"),
                           ("metafeatures", "metafeature")):  # fmt: skip
            keys = [
                s.sql(f"select {key} from {table} order by 1").column(key) for s in (store, again)
            ]
            assert keys[0] == keys[1]
    assert server.requests() == []
    assert loaded.load["n_added"] == store.sql("select n_added from loads").column("n_added")[0]


KILL = """
import sys, os
from pathlib import Path
from ingest.load import load
from ingest.openml.selection import Selection
from ingest.openml.source import Openml
from metadb.store import Store
store = Store(Path(sys.argv[2]))
source = Openml((), selection=Selection(suite="standin-suite"), server=sys.argv[1], origin="here")
list(load("openml", source, store, store.path / "cache"))
store.close()
"""


def test_killed_anywhere_and_run_again_it_is_as_if_undisturbed(
    server: Server, store: Store, tmp_path: Path
) -> None:
    pull(server, store)
    server.clear()
    server.set(latency_s=0.05)
    command = [sys.executable, "-c", KILL, server.url, str(tmp_path / "killed")]
    kills = 0
    for wait in (0.9, 1.1, 1.3, 1.5, 1.7, None):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if wait is not None:
            time.sleep(wait)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate(timeout=60)
        ledgers = list((tmp_path / "killed").rglob(LEDGER))
        if ledgers and ledgers[0].read_text().endswith('"over":true}\n'):
            break  # killed when all was done: the next pull would ask what is new
    else:
        raise AssertionError(said)
    assert kills >= 2
    with Store(tmp_path / "killed") as killed:
        for table, key in (("evaluations", "evaluation"), ("configs", "config"), ("tasks", "task")):
            keys = [
                s.sql(f"select {key} from {table} order by 1").column(key) for s in (store, killed)
            ]
            assert keys[0] == keys[1]
        assert killed.sql("select status from loads").column("status") == ["complete"]
    asked = [request["path"] for request in server.requests()]
    twice = [path for path, n in Counter(asked).items() if n > 1]
    assert len(asked) - len(set(asked)) <= kills, twice  # the request in flight at each kill


def test_with_several_at_once_no_page_overtakes_its_setups(store: Store) -> None:
    with Server(World(seed=3, runs=4000), latency_s=0.05, inline_setups=False) as server:
        flows = tuple(server.world.flow_book.by_id)
        loaded = pull(server, store, suite=None, flows=flows, metrics=MEASURES, jobs=4)
        assert loaded.load["n_rejected"] == 0
        for measure, metric in zip(MEASURES, ("accuracy", "roc_auc", "kappa"), strict=True):
            values = server.world.evaluations(measure, engine=None).column("value")
            assert len(held(store, metric)) == len(values) - values.null_count


def test_more_setups_than_fit_into_one_answer(store: Store) -> None:
    with Server(World(seed=3, runs=4000, setups=5000), inline_setups=False) as server:
        loaded = pull(server, store)
        assert loaded.load["n_rejected"] == 0
        assert held(store).keys() == truth(server.world).keys()


@pytest.mark.parametrize("inline", [True, False])
def test_where_most_setups_are_new_they_come_with_the_evaluations(
    store: Store, *, inline: bool
) -> None:
    with Server(World(seed=3, runs=6000, setups=6000), inline_setups=inline) as server:
        pull(server, store)
        assert held(store).keys() == truth(server.world).keys()
        asked = [request["path"] for request in server.requests()]
        n_pages = sum("/limit/1000/" in path and "evaluation/" in path for path in asked)
        n_setups = sum("/setup/list/setup/" in path for path in asked)
        if inline:
            assert any("evaluation/setup/list" in path for path in asked)
            assert n_setups <= 1 < n_pages
        else:
            assert n_setups > 1


def test_with_several_at_once_an_error_is_the_error(server: Server, store: Store) -> None:
    server.set(latency_s=0.05)
    server.fault("key", match="function/kappa", times=None)
    with pytest.raises(Unreachable, match="API key"):
        pull(server, store, metrics=("predictive_accuracy", "kappa"), jobs=2)
    server.clear()
    pull(server, store, metrics=("predictive_accuracy", "kappa"), jobs=2)
    assert held(store).keys() == truth(server.world).keys()
    assert held(store, "kappa").keys() == truth(server.world, "kappa").keys()


def test_an_order_that_changes_with_every_page_is_seen_through_or_said(
    server: Server, store: Store
) -> None:
    server.fault("reshuffle", match="limit/1000/offset", times=None)
    loaded = pull(server, store)
    missing = truth(server.world).keys() - held(store).keys()
    said = json.loads(loaded.load["rejections"])
    assert not missing or any("not answered" in reason for reason in said)
    server.clear()
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()


def test_setups_that_did_not_come_are_asked_for_again(server: Server, store: Store) -> None:
    server.set(inline_setups=False)
    server.fault("status", match="setup/list", times=None, status=500)
    with pytest.raises(Unreachable):
        pull(server, store)
    server.clear()
    server.fault("code", match="setup/list", times=1, code=674)
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()


def test_one_setup_that_did_not_come_comes_the_next_time(server: Server, store: Store) -> None:
    server.set(inline_setups=False)
    setup = truth(server.world)[max(truth(server.world))][2]
    server.fault(
        "status", match=rf"setup/list/setup/([0-9,]*,)?{setup}(,|/)", times=None, status=500
    )
    loaded = pull(server, store)
    assert loaded.load["n_rejected"] > 0
    assert held(store).keys() < truth(server.world).keys()
    server.clear()
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()


def test_deleted_runs_hide_no_others_from_a_new_listing(growing: Server, store: Store) -> None:
    pull(growing, store)
    runs = sorted(int(run) for run in held(store) if "@" not in run)[:40]
    for run in runs:
        growing.delete(run)
    growing.grow(60)
    pull(growing, store, relist=True)
    assert truth(growing.world).keys() <= held(store).keys()


def test_more_may_be_asked_for_than_there_is(growing: Server, store: Store) -> None:
    pull(growing, store, max_runs=100_000)
    growing.grow(100)
    pull(growing, store, max_runs=100_000)
    assert held(store).keys() == truth(growing.world).keys()


def test_nothing_the_first_time_is_no_answer_for_ever(server: Server, store: Store) -> None:
    server.fault("code", match="evaluation/", times=None, code=542)
    with pytest.raises(NotFound, match="no evaluations"):
        pull(server, store)
    server.clear()
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()


def test_an_answer_that_was_removed_is_asked_for_again(
    server: Server, store: Store, tmp_path: Path
) -> None:
    pull(server, store)
    for path in (store.path / "cache").rglob("*-evaluations-*.zst"):
        path.unlink()
    with Store(tmp_path / "other") as other:
        (store.path / "cache").rename(other.path / "cache")
        pull(server, other)
        assert held(other).keys() == truth(server.world).keys()


# -- faults --------------------------------------------------------------------------------------

PASSING: dict[str, tuple[Any, ...]] = {
    "429 with seconds": ("status", {"status": 429, "retry_after": 0}),
    "429 with a date": ("status", {"status": 429, "retry_after": 0, "http_date": True}),
    "500": ("status", {"status": 500}),
    "502": ("status", {"status": 502}),
    "503": ("status", {"status": 503}),
    "504": ("status", {"status": 504}),
    "code 107": ("code", {"code": 107}),
    "stall": ("stall", {"seconds": 3}),
    "cut body": ("cut", {}),
    "dropped connection": ("drop", {}),
    "empty body": ("empty", {}),
    "duplicate row": ("duplicate", {}),
    "overlapping pages": ("overlap", {"rows": 40}),
    "order changes between pages": ("reshuffle", {}),
    "truncated": ("truncate", {}),
    "gzip bomb": ("bomb", {"megabytes": 60}),
    "deeply nested XML": ("deep", {}),
    "XML with entities": ("entities", {}),
    "XML with an external entity": ("external", {}),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_leaves_a_complete_store(
    fault: str, server: Server, store: Store
) -> None:
    kind, options = PASSING[fault]
    server.fault(kind, match="evaluation/(setup/)?list", times=1, after=1, **options)
    loaded = pull(server, store)
    assert held(store).keys() == truth(server.world).keys()
    assert loaded.load["status"] == "complete"
    deadline = time.monotonic() + 10  # a stalled request is in the log once it has ended
    while not any(request.get("fault") for request in server.requests()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


LASTING: dict[str, tuple[Any, ...]] = {
    "429 for ever": ("status", {"status": 429, "retry_after": 0}),
    "503 for ever": ("status", {"status": 503}),
    "code 107 for ever": ("code", {"code": 107}),
    "always cut": ("cut", {}),
    "always dropped": ("drop", {}),
    "no OpenML": ("html", {}),
    "refused key": ("key", {}),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_stays_is_a_named_stop_to_go_on_from(
    fault: str, server: Server, store: Store
) -> None:
    kind, options = LASTING[fault]
    server.fault(kind, match="evaluation/(setup/)?list", times=None, after=2, **options)
    with pytest.raises(Unreachable, match=r"again|later|server|key"):
        pull(server, store)
    server.clear()
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()
    asked = [request["path"] for request in server.requests()]
    assert not [path for path in asked if "data/qualities/2" in path]  # kept before the stop


def test_a_row_that_the_server_never_gives_is_reported_and_the_rest_comes(
    server: Server, store: Store
) -> None:
    # every page that holds row 1,234 fails
    for size in (1000, 500, 250, 125, 62, 63, 31, 32, 16, 15, 8, 7, 4, 3, 2, 1):
        for start in range(1000, 2000):
            if start <= 1234 < start + size and (start - 1000) % 1 == 0:
                server.fault(
                    "status", match=f"limit/{size}/offset/{start}$", times=None, status=500
                )
    loaded = pull(server, store)
    right = truth(server.world)
    assert len(right) - len(held(store)) == 1
    (reason,) = json.loads(loaded.load["rejections"])
    assert reason.startswith("not answered")
    assert "limit/1/offset/1234" in reason
    server.clear()
    loaded = pull(server, store, relist=True)
    assert held(store).keys() == right.keys()
    assert not json.loads(loaded.load["rejections"])


def test_a_full_disk_is_a_named_stop_to_go_on_from(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.openml.archive import Archive

    keep, n = Archive.keep, 0

    def full(self: Archive, *args: Any, **told: Any) -> Any:
        nonlocal n
        n += 1
        if n == 12:
            raise DiskFull("the disk is full")
        return keep(self, *args, **told)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "keep", full)
        with pytest.raises(DiskFull):
            pull(server, store)
    pull(server, store)
    assert held(store).keys() == truth(server.world).keys()


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selected", "error", "says"),
    [
        ({"suite": "no-such-suite"}, NotFound, "no suite or study 'no-such-suite'"),
        ({"suite": None, "tasks": (999_999,)}, NotFound, "no task 999999"),
        ({"suite": None, "flow_family": "sklearn.RandomForest"}, NotFound, "did you mean"),
        ({"flows": (999_999,)}, NotFound, "has no evaluations of what was asked for"),
        ({"suite": None}, WrongUsage, "say what to pull"),
        ({"metrics": ("accuracyy",)}, WrongUsage, "no measure 'accuracyy'"),
        ({"since": "yesterday"}, WrongUsage, "2026-01-31"),
        ({"max_runs": 0}, WrongUsage, "at least 1"),
        ({"suite": "../etc"}, WrongUsage, "no name of a suite"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    selected: dict[str, Any], error: type[MetadbError], says: str, server: Server, store: Store
) -> None:
    with pytest.raises(error, match=says):
        pull(server, store, **selected)


def test_a_server_that_is_not_there_or_no_address(store: Store) -> None:
    client = Client("http://127.0.0.1:9", wait_s=0.01)
    with pytest.raises(Unreachable, match="cannot be reached"):
        list(load("openml", Openml((), selection=Selection(tasks=(3,)), server="http://127.0.0.1:9",
                                   client=client), store, store.path / "cache"))  # fmt: skip
    with pytest.raises(WrongUsage, match="no address"):
        Openml((), selection=Selection(tasks=(3,)), server="openml.org")


def test_a_refused_key_is_not_told(server: Server, store: Store) -> None:
    server.fault("key", match="study", times=None)
    client = Client(server.url, api_key="c0ffee" * 5, wait_s=0.01)
    source = Openml((), selection=Selection(suite=SUITE), server=server.url, client=client)
    with pytest.raises(Unreachable, match="API key") as error:
        list(load("openml", source, store, store.path / "cache"))
    assert "c0ffee" not in str(error.value) + repr(client) + repr(source)
    for path in store.path.rglob("*"):
        assert not path.is_file() or b"c0ffee" not in path.read_bytes()


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def said(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "api.cli", "ingest", "openml", *words]
        command += ["--store", str(tmp_path / "store")]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)

    return run


def test_the_command_pulls_and_says_so(
    server: Server, said: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    told = said("--tasks", "3,8", "--server", server.url, "--dry-run", "--json")
    forecast = json.loads(told.stdout)
    server.clear()
    done = said("--tasks", "3,8", "--server", server.url, "--json")
    (loaded,) = json.loads(done.stdout)["loads"]
    assert done.returncode == 0
    n = loaded["added"]["evaluations"]
    assert forecast["rows"]["at_least"] <= n <= forecast["rows"]["at_most"]
    assert len(server.requests()) <= forecast["requests"]["at_most"]
    assert len({request["agent"] for request in server.requests()}) == 1
    assert all("metadb/" in request["agent"] for request in server.requests())


def test_the_command_refuses_what_does_not_fit(
    said: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for words, says in (
        ((), "say what to pull"),
        (("--suite", "a", "--study", "1"), "either --suite or --study"),
        (("--tasks", "3,x"), "'x' is no number of tasks"),
        (("--tasks", "3", "--jobs", "9"), "from 1 to 4"),
        (("--tasks", "3", "--metric", "x"), "takes no --task, --metric"),
    ):
        done = said(*words)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
