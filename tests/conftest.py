"""What the tests of all rooms share: small stores, made of rows that can be told beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings

from metadb.identity import canonical_config, config_id
from metadb.metrics import METRICS, metric_row
from metadb.records import Rows
from metadb.schema import TABLES
from metadb.store import Store

settings.register_profile(
    "metadb",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("metadb")

SPACE = "svm"


SLOW = Path(__file__).parent / "slow.txt"
"""Tests of seconds each: processes killed and resumed, whole searches, real releases."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what slow.txt names")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first: the docs' commands, so that no worker waits for another at the end."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")
    if config.getoption("--quick"):
        slow = set(SLOW.read_text().split())
        named = [not slow.isdisjoint((i.nodeid, i.nodeid.partition("[")[0])) for i in items]
        config.hook.pytest_deselected(items=[i for i, n in zip(items, named, strict=True) if n])
        items[:] = [i for i, n in zip(items, named, strict=True) if not n]


def config(i: int) -> dict[str, Any]:
    return {"C": i / 4, "kernel": "rbf" if i % 2 else "linear"}


def entities(
    tasks: Sequence[str], configs: Sequence[dict[str, Any]], space: str = SPACE
) -> dict[str, pa.Table]:
    """Metrics, tasks and configs, for evaluations to refer to."""
    return {
        "metrics": pa.Table.from_pylist([metric_row(METRICS[m]) for m in ("accuracy", "log_loss")]),
        "tasks": pa.table({"task": pa.array(tasks, pa.string())}),
        "configs": pa.table(
            {
                "config": pa.array([config_id(space, c) for c in configs], pa.string()),
                "space": pa.array([space] * len(configs), pa.string()),
                "hyperparameters": pa.array([canonical_config(c) for c in configs], pa.string()),
            }
        ),
    }


def evaluation(task: str, i: int, value: float | None = None, **more: Any) -> dict[str, Any]:
    """One evaluation of config `i`, by default of a value that task and config decide."""
    if value is None and more.get("status", "ok") == "ok":
        value = (sum(map(ord, task)) * 7 + i * 13) % 64 / 64
    row = {"task": task, "config": config_id(SPACE, config(i)), "metric": "accuracy"}
    return row | {"value": value} | more


def rows_of(evaluations: Sequence[dict[str, Any]], **more: Any) -> Rows:
    """Evaluations with all that they refer to."""
    tasks = sorted({e["task"] for e in evaluations if e["task"]})
    names = sorted({name for e in evaluations for name in e})
    schema = pa.schema([(n, TABLES["evaluations"].arrow.field(n).type) for n in names])
    table = pa.Table.from_pylist(
        [dict.fromkeys(names) | {"value": None} | e for e in evaluations], schema=schema
    )
    return Rows(entities(tasks, [config(i) for i in range(12)]) | {"evaluations": table}, **more)


def block(
    first_task: int, n_tasks: int = 2, configs: Sequence[int] = range(4), **more: Any
) -> Rows:
    """Some tasks with every one of some configs, each in two folds."""
    return rows_of(
        [
            evaluation(f"toy:task/{first_task + t}", i, fold=fold)
            for t in range(n_tasks)
            for i in configs
            for fold in range(2)
        ],
        **more,
    )


def content(store: Store, *, without: Sequence[str] = ("loads",)) -> dict[str, Any]:
    """Every row of every table, sorted, without times."""
    found = {}
    for name, table in TABLES.items():
        if name not in without:
            columns = ", ".join(c.name for c in table.columns if c.name != "recorded_at")
            query = f"select {columns} from {name} order by {table.key}"
            found[name] = store.sql(query).table.to_pylist()
    return found


def facts(store: Store) -> list[dict[str, Any]]:
    """The evaluations without who brought them."""
    query = "select * exclude (load) from evaluations order by evaluation"
    return store.sql(query).table.to_pylist()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Every device that there is."""
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no GPU here")
    return str(request.param)
