"""How the server does, for Prometheus: requests by route and status, and their seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The bounds of the histogram of seconds."""


class Counted:
    """Counts what passes; a route is named as it was declared, so no client can add names."""

    def __init__(self, app: ASGIApp, registry: Any) -> None:
        from prometheus_client import Histogram

        self.app = app
        self.seconds = Histogram(
            "metadb_request_seconds",
            "Seconds until a request was answered.",
            ("method", "route", "status"),
            buckets=BOUNDS_S,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status, start = 500, time.perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            taken_s = time.perf_counter() - start
            self.seconds.labels(method, route, str(status)).observe(taken_s)


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def metrics(registry: Any) -> Callable[[], Response]:
    """The route that tells what was counted."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    def tell() -> Response:
        """Say how many requests there were, and how long they took, as Prometheus reads it."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return tell
