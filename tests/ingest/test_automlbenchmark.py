"""The AutoML benchmark: each run once, with its budget, and why runs failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import source
from ingest.load import Loaded, load
from metadb.errors import MalformedFile, WrongUsage
from metadb.store import Store

Tiny = Callable[[str], Path]
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "automlbenchmark-2019"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real data only with {REAL}")


def fill(store: Store, *paths: Path, **options: object) -> list[Loaded]:
    bench = source("automlbenchmark", paths, **options)
    return list(load("automlbenchmark", bench, store, store.path / "cache"))


def test_a_run_counts_once_in_whichever_files_it_stands(tiny: Tiny, store: Store) -> None:
    """T1 stands in five files (three of 8 cores), T2 in two; T9 was run on 2 cores."""
    fill(store, tiny("automlbenchmark"))
    found = store.sql(
        "select run, hyperparameters as h, value, budget, budget_unit from evaluations e "
        "join configs using (config) where metric = 'roc_auc' and status = 'ok' order by all"
    )
    weka = '{{"cores":{},"framework":"autoweka","version":"2.6"}}'
    constant = '{{"cores":{},"framework":"constantpredictor","version":"0.19.2"}}'
    assert [tuple(row.values()) for row in found] == [
        ("T1", constant.format(2), 0.5, 1.0, "fraction"),
        ("T1", constant.format(8), 0.5, 1.0, "fraction"),
        ("T2", weka.format(8), 0.625, 3600.0, "s"),
        ("T9", weka.format(2), 0.625, 3600.0, "s"),
    ]


def test_a_failed_run_says_why_under_each_metric_of_its_task(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("automlbenchmark") / "tables" / "1h")
    found = store.sql(
        "select task, fold, metric, status, value, e.cost_s from evaluations e "
        "where status <> 'ok' order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("openml:task/31", 1, "accuracy", "memout", None, 40.0),
        ("openml:task/31", 1, "roc_auc", "memout", None, 40.0),
        ("openml:task/45", 1, "accuracy", "timeout", None, 7200.0),
        ("openml:task/45", 1, "log_loss", "timeout", None, 7200.0),
        ("openml:task/45", 2, "accuracy", "failed", None, None),
        ("openml:task/45", 2, "log_loss", "failed", None, None),
    ]
    assert len(store.sql("select * from configs")) == 2  # what is missing has no own version


def test_tasks_are_described_where_the_list_of_tasks_is_loaded(tiny: Tiny, store: Store) -> None:
    fill(store, tiny("automlbenchmark") / "tables")
    assert store.task("openml:task/45").dataset is None
    fill(store, tiny("automlbenchmark"))
    task = store.task("openml:task/45")
    assert (task.dataset, task.name) == ("openml:dataset/46", "splice")
    assert task.metafeatures == {"nrows": 3190.0, "nfeatures": 61.0, "nclasses": 3.0}


def test_a_file_that_does_not_tell_its_limit_waits_for_it(tiny: Tiny, store: Store) -> None:
    old = tiny("automlbenchmark") / "input" / "results_old.csv"
    with pytest.raises(WrongUsage, match="does not tell its time limit"):
        fill(store, old)
    fill(store, old, hours=4, cores=8)
    assert store.sql("select max(budget) as b from evaluations").column("b") == [14400.0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("openml.org/t/31", "31", "should be like openml.org/t/31"),
        (",splice,autoweka,2", ",shuttle,autoweka,2", "a task is None"),
        ("credit-g,autoweka,0", "credit-g,,0", "needs a framework and a fold"),
        ("credit-g,autoweka,0", "credit-g,autoweka,zero", "is not a CSV file"),
    ],
)
def test_what_is_wrong_is_named(tiny: Tiny, store: Store, old: str, new: str, said: str) -> None:
    file = tiny("automlbenchmark") / "tables" / "1h" / "all_results.csv"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(MalformedFile, match=said):
        fill(store, file)


@real
def test_the_published_tables_and_the_raw_runs_agree(store: Store) -> None:
    """5,460 rows of the tables, of which 440 are runs of another table; all raw 8-core runs known."""
    tables = fill(store, REAL / "tables", REAL / "datasets")
    assert sum(one.load["n_rejected"] for one in tables) == 0
    runs = "select count(distinct (task, config, fold, coalesce(run, ''))) as n from evaluations"
    assert store.sql(runs).column("n") == [5_460 - 440]
    assert store.sql("select count(*) as n from tasks where dataset is not null").column("n") == [
        39
    ]
    raw = fill(store, REAL / "input")
    assert sum(one.load["n_rejected"] for one in raw) == 0
    # 8,342 raw runs less the 348 whose files tell no limit, and the 11 that are missing there
    assert store.sql(runs).column("n") == [8_342 - 348 + 11]
    again = fill(store, REAL / "tables")
    assert sum(one.added.added.get("evaluations", 0) for one in again) == 0
