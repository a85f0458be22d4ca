"""A real server over a small store with everything that a page shows: curves, meta-features, loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from metadb.records import Rows
from metadb.store import Load, Store
from tests.api.server.conftest import served
from tests.conftest import evaluation, rows_of

TOKEN = "a secret of the tests"
TASKS = [f"toy:task/{t}" for t in range(6)]
HOSTILE = "toy:<script>alert(1)</script>"


def fill(path: Path) -> None:
    """Seven tasks, one with a hostile name; nine configurations at three budgets; meta-features."""
    measured = [
        evaluation(task, i, round(0.5 + 0.04 * ((i * 7 + t) % 9) + 0.05 * budget, 3), budget=budget)
        for t, task in enumerate([*TASKS, HOSTILE])
        for i in range(9)
        for budget in (0.25, 0.5, 1.0)
    ]
    known = [
        {"task": task, "name": name, "value": value, "status": "ok", "extractor": "metadb"}
        for t, task in enumerate([*TASKS, HOSTILE])
        for name, value in (("nr_inst", 100.0 * (t + 1)), ("nr_attr", 4.0 + t), ("nr_class", 2.0))
    ]
    rows = rows_of(measured)
    tables = dict(rows.tables) | {"metafeatures": pa.Table.from_pylist(known)}
    with Store(path) as store:
        load = Load("toy", "toy", path="<b>toy</b>.csv", licence="CC0")
        store.start(load)
        store.finish(load, store.add(Rows(tables), load=load))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "store"
    fill(path)
    return path


@pytest.fixture(scope="session")
def address(filled: Path) -> Iterator[str]:
    with served(filled, token=TOKEN, upload_bytes=300_000, ahead=()) as url:
        yield url


@pytest.fixture(scope="session")
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def csv(n: int = 60) -> bytes:
    lines = [f"{(i * 37) % 11},{(i * 13) % 7},{['no', 'yes'][i % 2]}" for i in range(n)]
    return "\n".join(["a,b,y", *lines]).encode()
