"""The routes of the pages, and what every one of them may be asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request

from api.server.session import foreign
from api.server.settings import Settings
from api.web import overview, query, recommend, referee, signing, spaces, tasks
from api.web.assets import asset


def pages(settings: Settings) -> APIRouter:
    """All pages; they are no part of the API, so OpenAPI does not list them."""
    router = APIRouter(include_in_schema=False, max_body_size=settings.body_bytes)
    router.get("/web/assets/{digest}/{name:path}")(asset)
    router.get("/")(overview.show)
    router.get("/web/tasks")(tasks.show_all)
    router.get("/web/task")(tasks.show)
    router.get("/web/spaces")(spaces.show_all)
    router.get("/web/space")(spaces.show)
    router.get("/web/recommend")(recommend.ask)
    own: Any = {"dependencies": [Depends(from_here)]}
    router.post("/web/recommend", max_body_size=settings.upload_bytes, **own)(recommend.answer)
    router.get("/web/sql")(query.show)
    router.get("/web/referee")(referee.show)
    router.get("/web/sign-in")(signing.ask)
    router.post("/web/sign-in", **own)(signing.begin)
    router.post("/web/sign-out", **own)(signing.end)
    return router


def from_here(request: Request) -> None:
    """For forms: a page of another site may not send them in a reader's name.

    Raises:
        HTTPException: 403, where a browser says that it came from elsewhere.
    """
    if foreign(request):
        raise HTTPException(403, "this form was sent by a page of another site; open it here")
