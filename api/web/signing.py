"""Signing in: a browser gives the server's token once, and gets a session for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from api.server.access import is_token
from api.server.session import COOKIE, LIVES_S, sealed
from api.web.rendering import page


def ask(request: Request) -> Response:
    """The form."""
    return page(request, "sign_in.html", wrong=False)


def begin(request: Request, token: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Begin a session where the token is right."""
    secret = request.app.state.settings.secret
    if secret is None or not is_token(token, secret):
        return page(request, "sign_in.html", status=401, wrong=True)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        COOKIE,
        sealed(secret),
        max_age=LIVES_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def end(request: Request) -> Response:
    """End the session."""
    answer = RedirectResponse("/web/sign-in", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
