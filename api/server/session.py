"""A browser's session: a sealed cookie in place of a header, which no browser sends by itself."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

COOKIE = "metadb_session"

LIVES_S = 12 * 3600
"""Seconds that a session lasts."""


def sealed(secret: str) -> str:
    """The cookie of a session that begins now: when it ends, sealed with the server's token."""
    until = str(int(time.time()) + LIVES_S)
    return f"{until}.{_seal(secret, until)}"


def signed_in(request: Request, secret: str) -> bool:
    """Whether a request bears the cookie of a session, and a foreign page did not send it."""
    until, _, seal = request.cookies.get(COOKIE, "").partition(".")
    same = hmac.compare_digest(seal.encode(errors="replace"), _seal(secret, until).encode())
    if not same or not until.isdigit() or int(until) < time.time():
        return False
    return request.method in ("GET", "HEAD") or not foreign(request, unknown=True)


def foreign(request: Request, *, unknown: bool = False) -> bool:
    """Whether a browser says that a page of another site sent this.

    Args:
        unknown: The answer where nothing is said, as by a client that is no browser.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc != request.headers.get("host")
    return unknown


def _seal(secret: str, until: str) -> str:
    return hmac.new(secret.encode(), f"metadb session until {until}".encode(), sha256).hexdigest()
