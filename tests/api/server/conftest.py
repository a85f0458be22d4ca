"""A real server on a loopback port, in a thread, over a small store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn

from api.server.app import create_app
from api.server.settings import settings_of
from metadb.store import Store
from tests.conftest import block

TOKEN = "a secret of the tests"


@contextmanager
def served(path: Path, **settings: object) -> Iterator[str]:
    """The address of a server of the store."""
    waiting = {"wait_s": 60.0}  # for a first fit on a machine that runs all tests at once
    app = create_app(settings_of(store=path, port=0, **waiting | settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="on"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()


def fill(path: Path) -> None:
    """Five tasks, eight configurations, two folds."""
    with Store(path) as store:
        store.add(block(0, 5, range(8)))


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that nobody writes to but the tests of recording, which add tasks of their own."""
    path = tmp_path_factory.mktemp("served") / "store"
    fill(path)
    with served(path, token=TOKEN, body_bytes=100_000, upload_bytes=300_000) as url:
        yield url


@pytest.fixture(scope="session")
def http(address: str) -> Iterator[httpx.Client]:
    """Asks without a token."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of an answer that must be a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    for leak in ("Traceback", "/tmp", "site-packages", "select ", "read_parquet", 'File "'):
        assert leak not in answer.text
    return str(told["detail"])
