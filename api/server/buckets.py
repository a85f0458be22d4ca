"""How many requests a client may make: a bucket of tokens each, filled at a steady rate."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from starlette.types import ASGIApp, Receive, Scope, Send

from api.server.problems import problem

MOST_CLIENTS = 10_000
"""So many clients are remembered, those that asked last."""


class Buckets:
    """A bucket a client: `burst` tokens at most, `rate` more a second."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when counted

    def take(self, client: str) -> float:
        """Take one token; 0, or the seconds to wait where there is none."""
        now = time.monotonic()
        tokens, since = self._left.pop(client, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - since) * self.rate)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self.rate
        self._left[client] = (tokens - 1 if wait_s == 0 else tokens), now
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait_s


class Limited:
    """Answers 429 to a client whose bucket is empty."""

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self.app, self.buckets = app, buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        client = scope.get("client")  # host and port
        wait_s = self.buckets.take(client[0] if client else "")
        if wait_s == 0:
            return await self.app(scope, receive, send)
        after = {"retry-after": str(math.ceil(wait_s))}
        said = problem(429, f"too many requests; ask again in {wait_s:.1f} s", headers=after)
        return await said(scope, receive, send)
