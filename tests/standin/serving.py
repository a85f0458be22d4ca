"""The stand-in in a process of its own, so that a client's time is the client's alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import Request as Ask
from urllib.request import urlopen

import uvicorn
from fastapi import Request

from tests.standin.app import Site, make_app
from tests.standin.faults import Faults
from tests.standin.world import World

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Logged:
    """ASGI that notes every request: method, path, status, started, seconds, client, bytes."""

    app: Any
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand on, and note."""
        if scope["type"] != "http" or scope["path"].startswith("/_control"):
            await self.app(scope, receive, send)
            return
        agents = [value for name, value in scope["headers"] if name == b"user-agent"]
        line = {
            "method": scope["method"],
            "path": scope["path"],
            "key": b"api_key=" in scope["query_string"],
            "agent": agents[0].decode() if agents else "",
            "started": time.time(),
            "client": ":".join(map(str, scope["client"])),
            "status": None,
            "bytes": 0,
        }
        self.lines.append(line)

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
            line["bytes"] += len(message.get("body", b""))
            await send(message)

        cpu = time.process_time()
        try:
            await self.app(scope, receive, note)
        finally:
            line["seconds"] = time.time() - line["started"]
            line["cpu_s"] = time.process_time() - cpu
            line["fault"] = scope.get("fault")


def serve(site: Site, listener: socket.socket) -> None:
    """Serve a site until the process ends."""
    app = make_app(site)
    server = uvicorn.Server(uvicorn.Config("", log_level="error", lifespan="off", http="h11"))

    def abort(client: tuple[str, int]) -> None:
        for connection in list(server.server_state.connections):
            if getattr(connection, "client", None) == client:
                connection.transport.abort()

    faults = Faults(app, site.listings, abort)
    logged = Logged(faults)
    routes = list(app.router.routes)
    app.router.routes.clear()

    @app.post("/_control/{what}")
    async def control(what: str, request: Request) -> dict[str, Any]:
        asked = await request.json()
        if what == "fault":
            faults.add(**asked)
        elif what == "grow":
            site.world.grow(asked["runs"])
        elif what == "delete":
            site.world.delete(asked["run"])
        elif what == "set":
            for name, value in asked.items():
                setattr(site, name, value)
            site.listings.page_limit = site.page_limit
        elif what == "clear":
            faults.active.clear()
            logged.lines.clear()
        return {"requests": logged.lines if what == "requests" else []}

    app.router.routes.extend(routes)  # those of control come first: the last one takes any path
    server.config.app = logged
    asyncio.run(server.serve(sockets=[listener]))


def listener(port: int = 0) -> socket.socket:
    """A socket on the loopback."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


@dataclass
class Server:
    """A stand-in for the time of a `with` block.

    Args:
        world: What is served. `grow` and `delete` of the server change it alike, so that it stays
            the truth to compare with; what clients publish is in the server's process alone.
        page_limit: Most rows in one answer: 1,000, or 10,000 for clients that ask for as many.
        latency_s: How long every answer takes longer.
        inline_setups: Whether `evaluation/setup/list` is there.
        evaluate_uploads: Whether published predictions are scored at once.
    """

    world: World = field(default_factory=World)
    page_limit: int = 1000
    latency_s: float = 0.0
    inline_setups: bool = True
    evaluate_uploads: bool = True
    url: str = ""
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        """Start the process and wait until it listens."""
        names = ("page_limit", "latency_s", "inline_setups", "evaluate_uploads")
        asked = {"world": self.world.recipe(), "site": {n: getattr(self, n) for n in names}}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.standin", "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the stand-in did not start; its error stands above")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    @property
    def api_key(self) -> str:
        """A key that is somebody's."""
        return self.world.people[0].api_key

    def _control(self, what: str, **asked: Any) -> Any:
        ask = Ask(f"{self.url}/_control/{what}", json.dumps(asked).encode(), method="POST")
        ask.add_header("content-type", "application/json")
        with urlopen(ask, timeout=60) as response:
            return json.loads(response.read())

    def requests(self) -> list[dict[str, Any]]:
        """Every request since the start or the last `clear`, in order of arrival."""
        found: list[dict[str, Any]] = self._control("requests")["requests"]
        return found

    def fault(self, kind: str, **options: Any) -> None:
        """Set a fault: match=regex of the path, times=1 (None: for ever), after=0, and its own."""
        self._control("fault", kind=kind, **options)

    def clear(self) -> None:
        """No more faults, and an empty log."""
        self._control("clear")

    def grow(self, runs: int) -> None:
        """Add runs, here and there."""
        self._control("grow", runs=runs)
        self.world.grow(runs)

    def delete(self, run: int) -> None:
        """Remove a run, here and there."""
        self._control("delete", run=run)
        self.world.delete(run)

    def set(self, **settings: Any) -> None:
        """Change page_limit, latency_s, inline_setups or evaluate_uploads."""
        self._control("set", **settings)
        for name, value in settings.items():
            setattr(self, name, value)


def end_with_parent() -> None:
    """End this process when whoever started it is gone."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
