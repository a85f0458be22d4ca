"""Who may ask: by which name the server is called, and with which token."""

from __future__ import annotations

import hmac

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.server.problems import problem
from api.server.session import signed_in
from api.server.settings import Settings

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")

OPEN = ("/web/sign-in", "/web/assets/")
"""Where a browser is asked for the token, and what that page needs: open to all."""


class Access:
    """Turns away what calls the server by a foreign name, or lacks the token where all need it.

    The name matters where only this machine can reach the server: a page of a foreign site could
    otherwise make a browser ask it (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.names = {*OWN_NAMES, settings.host, *settings.hosts}
        self.loopback = settings.loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self.loopback:
            called = Headers(raw=scope["headers"]).get("host", "")
            name = called if called.endswith("]") else called.rsplit(":", 1)[0]
            if name.lower() not in self.names:
                said = problem(
                    400, "this server is not called by that name; METADB_HOSTS lists further ones"
                )
                return await said(scope, receive, send)
        elif not scope["path"].startswith(OPEN):
            try:
                check_token(Request(scope), self.settings)
            except HTTPException as error:
                said = problem(error.status_code, str(error.detail), headers=error.headers)
                return await said(scope, receive, send)
        return await self.app(scope, receive, send)


def check_token(request: Request, settings: Settings) -> None:
    """Let a request pass that bears the token, or the session of a browser that gave it.

    Raises:
        HTTPException: 401, or 403 where the server has no token and so takes no writes.
    """
    secret = settings.secret
    if secret is None:
        raise HTTPException(
            403, "this server takes no writes; start it with METADB_TOKEN set, and send the token"
        )
    if signed_in(request, secret):
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_token(given, secret):
        raise HTTPException(
            401,
            "this needs the server's token; send the header Authorization: Bearer TOKEN",
            {"www-authenticate": "Bearer"},
        )


def is_token(given: str, secret: str) -> bool:
    """Whether this is the server's token; it takes as long whatever is given."""
    return hmac.compare_digest(given.strip().encode(errors="replace"), secret.encode())


def needs_token(request: Request) -> None:
    """For routes that write."""
    check_token(request, request.app.state.settings)
