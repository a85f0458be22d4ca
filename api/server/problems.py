"""Every error as RFC 9457 has it: application/problem+json, without trace, path or SQL of ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from errno import EACCES, EPERM, EROFS
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.server.answers import Answer
from api.server.headers import HEADERS
from metadb.errors import (
    Busy,
    DiskFull,
    InvalidConfig,
    InvalidMetric,
    InvalidRows,
    InvalidSpace,
    MalformedFile,
    MetadbError,
    NotFound,
    WrongUsage,
)

STATUS: dict[type[MetadbError], int] = {
    NotFound: 404,
    MalformedFile: 422,
    InvalidRows: 422,
    InvalidConfig: 422,
    InvalidSpace: 422,
    InvalidMetric: 422,
    WrongUsage: 422,
    Busy: 503,
    DiskFull: 507,
}
"""What of a caller's mistake or the server's state is said by which status; the rest is a 500."""

log = logging.getLogger("metadb.server")


class Fault(BaseModel):
    """One thing that was wrong in a request."""

    where: str
    what: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)
}
"""For OpenAPI: what any route may answer."""
for _response in RESPONSES.values():
    _schema = _response["content"]["application/problem+json"]["schema"]
    _schema["properties"]["errors"] = {
        "type": "array",
        "items": Fault.model_json_schema(),
    }
    _schema.pop("$defs", None)


def problem(
    status: int,
    detail: str,
    *,
    errors: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer that says what went wrong."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    return Answer(
        said.model_dump(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


class Translated:
    """Makes a problem of an error that was answered in plain text before any route: too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        instead: Answer | None = None

        async def translated(message: Message) -> None:
            nonlocal instead
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400:
                    kind = Headers(raw=message["headers"]).get("content-type", "")
                    if kind.startswith("text/plain"):
                        instead = problem(status, HTTPStatus(status).phrase)
            if instead is None:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                await instead(scope, receive, send)

        await self.app(scope, receive, translated)


def handle_problems(app: FastAPI, folder: str) -> None:
    """Let every error of the app be answered as a problem.

    Args:
        folder: The store's folder, which no answer names.
    """

    async def refused(request: Request, error: Exception) -> Answer:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if "Allow" in headers:  # names the methods of one route, where several share the path
            headers["Allow"] = (
                ", ".join(sorted(_methods(app, request.url.path))) or headers["Allow"]
            )
        return problem(error.status_code, str(error.detail), headers=headers)

    async def invalid(request: Request, error: Exception) -> Answer:
        assert isinstance(error, RequestValidationError)
        faults = [
            Fault(where=".".join(map(_shown, e["loc"])), what=_shown(e["msg"]))
            for e in error.errors()[:20]
        ]
        status = 400 if any(e["type"] == "json_invalid" for e in error.errors()) else 422
        first = faults[0]
        return problem(status, f"{first.where}: {first.what}", errors=faults)

    async def diagnosed(request: Request, error: Exception) -> Answer:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
        if status == 500:
            return await broken(request, error)
        said = _shown(str(error)).replace(folder, "the store")
        return problem(status, said, headers={"retry-after": "2"} if status == 503 else None)

    async def unwritable(request: Request, error: Exception) -> Answer:
        if isinstance(error, OSError) and error.errno in {EACCES, EPERM, EROFS}:
            return problem(403, "the store may not be written to by this server")
        return await broken(request, error)

    async def broken(request: Request, error: Exception) -> Answer:
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return problem(500, "the server failed to answer this; its log says why", headers=HEADERS)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(MetadbError, diagnosed)
    app.add_exception_handler(OSError, unwritable)
    app.add_exception_handler(Exception, broken)


def _shown(said: object) -> str:
    """Text that any encoder takes, and not more of it than is read."""
    return str(said).encode(errors="replace").decode()[:1000]


def _methods(app: FastAPI, path: str) -> set[str]:
    """What a path may be asked with, as OpenAPI documents it."""
    documented: dict[str, dict[str, Any]] = app.openapi()["paths"]
    return {
        method.upper()
        for template, methods in documented.items()
        if compile_path(template)[0].fullmatch(path)
        for method in methods
    }
