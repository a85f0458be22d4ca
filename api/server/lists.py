"""The routes that list what the store holds, one for each resource, all by one function."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model

from api.server.formats import MEDIA, Format, format_wanted, page_answer
from api.server.resources import RESOURCES, Resource
from api.server.selecting import select
from api.server.wire import Text, Whole

MOST_ROWS = 10_000
"""A page has so many rows at most."""

_TYPES: dict[str, Any] = {"text": Text, "number": FiniteFloat, "whole": Whole, "flag": bool}
_SOME: Any = list
_ONE_OF: Any = Literal


class Counted(BaseModel):
    """How many of the rows have a value."""

    value: str | float | int | None
    n: int


class Listed(BaseModel):
    """One page."""

    rows: list[dict[str, Any]]
    total: int = Field(description="How many rows pass the filters.")
    limit: int
    offset: int
    next: str | None = Field(description="Where the next page is.")
    facets: dict[str, list[Counted]]


def lists() -> APIRouter:
    """The routes of all resources."""
    router = APIRouter(tags=["lists"])
    for resource in RESOURCES.values():
        _add(router, resource)
    return router


def _add(router: APIRouter, resource: Resource) -> None:
    model = question(resource)

    def answer(request: Request, asked: Annotated[model, Query()]) -> Response:  # type: ignore[valid-type]
        told = asked.model_dump()  # type: ignore[attr-defined]
        limit, offset = told.pop("limit"), told.pop("offset")
        facets, said = told.pop("facets", ()), told.pop("format")
        with request.app.state.readers.lent() as store:
            page = select(store, resource, told, limit=limit, offset=offset, facets=facets)
        wanted = format_wanted(said, request.headers.get("accept", ""))
        return page_answer(request, resource, page, wanted, limit=limit, offset=offset)

    router.add_api_route(
        f"/{resource.name}",
        answer,
        summary=resource.doc,
        operation_id=f"list_{resource.name}",
        response_model=Listed,
        responses={200: {"content": {MEDIA["csv"]: {}, MEDIA["arrow"]: {}}}},
    )


def question(resource: Resource) -> type[BaseModel]:
    """What may be asked of a resource, as a model of its query parameters."""
    fields: dict[str, Any] = {
        "limit": (int, Field(100, ge=1, le=MOST_ROWS, description="Rows of a page.")),
        "offset": (int, Field(0, ge=0, lt=2**31, description="Rows before the page.")),
        "format": (Format | None, Field(None, description="Default: as the header Accept says.")),
    }
    if resource.facets:
        counted = _ONE_OF[resource.facets]
        doc = "Columns whose values are to be counted."
        fields["facets"] = (_SOME[counted], Field([], max_length=10, description=doc))
    for name, kind in resource.filters.items():
        doc = "One of these values."
        fields[name] = (_SOME[_TYPES[kind]], Field([], max_length=100, description=doc))
        if kind in ("number", "whole"):
            fields[f"min_{name}"] = (_TYPES[kind] | None, Field(None, description="At least."))
            fields[f"max_{name}"] = (_TYPES[kind] | None, Field(None, description="At most."))
    return create_model(
        f"{resource.name.capitalize()}Question", __config__=ConfigDict(extra="forbid"), **fields
    )
