"""A running stand-in for each file of tests, and a client that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.standin.serving import Server
from tests.standin.world import World


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(World(seed=1)) as running:
        yield running


@pytest.fixture
def ask(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1/", timeout=20) as client:
        yield client
    server.clear()
