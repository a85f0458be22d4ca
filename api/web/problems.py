"""An error on a page: the same words as the API's, as a page that says where to go on."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.rendering import page

log = logging.getLogger("metadb.server")

NO_PAGE = "there is no page at this address"

BROKEN = "the server failed to answer this; its log says why"


def is_page(path: str) -> bool:
    """Whether people, not programs, ask for this path."""
    return path == "/" or path.startswith("/web/")


class Shown:
    """Makes a page of every problem that is answered at a page's address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not is_page(scope["path"]):
            return await self.app(scope, receive, send)
        request = Request(scope)
        started: Message | None = None
        body = b""

        async def shown(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                if kind == "application/problem+json":
                    started = message
                    return
            if started is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                headers = Headers(raw=started["headers"])
                said = str(json.loads(body)["detail"])
                if said == HTTPStatus.NOT_FOUND.phrase:
                    said = NO_PAGE
                answer = _page(request, started["status"], said, after=headers.get("retry-after"))
                await answer(scope, receive, send)

        try:
            await self.app(scope, receive, shown)
        except Exception as error:  # before anything was sent: routes answer whole
            log.error("%s %s", request.method, request.url.path, exc_info=error)
            await _page(request, 500, BROKEN)(scope, receive, send)


def _page(request: Request, status: int, said: str, *, after: str | None = None) -> ASGIApp:
    """A page for a problem; a 401 asks for the token."""
    answer = page(
        request,
        "sign_in.html" if status == 401 else "problem.html",
        status=status,
        title=HTTPStatus(status).phrase,
        said=_sentence(said),
        wrong=False,
    )
    if after is not None:
        answer.headers["retry-after"] = after
    return answer


def _sentence(said: str) -> str:
    """With a capital and a full stop."""
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "?", "!")) else ".")
