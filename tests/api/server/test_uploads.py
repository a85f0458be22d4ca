"""Damaged files of every format, sent to a server that is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from benchmarks.asking import Served
from benchmarks.damaged import FORMATS
from benchmarks.full_grid import fill
from benchmarks.uploads import send

FILES = 20
"""`python -m benchmarks.uploads` sends 1,000 of each format."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = tmp_path_factory.mktemp("uploads") / "store"
    fill(store, 3000)
    with Served(store, METADB_AHEAD='["portfolio"]') as server:
        server.wait_ready()
        yield server


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_is_read_or_refused_with_a_reason(format, served):
    with httpx.Client(timeout=60, trust_env=False) as http:
        for nth in range(FILES):
            status, wrong = send(served, format, nth, http)
            assert wrong is None, (nth, status, wrong)
    assert served.alive
