"""The route that answers SQL of others: POST /sql."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from api.server.answers import Answer
from api.server.formats import MEDIA, Format, format_wanted, harmless
from api.server.problems import problem
from api.server.settings import Settings
from api.server.wire import Integer, Strict
from api.writing import encode, rows_of
from metadb.errors import QueryRefused
from metadb.gate import LONGEST
from metadb.result import Result


class Statement(Strict):
    """One select statement over the tables and views."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] = Field(
        examples=["select * from leaderboard order by mean_rank"]
    )
    limit: Annotated[Integer, Field(ge=0, lt=2**31)] | None = Field(
        None, description="So many rows at most; never more than the server lets through."
    )


class Answered(BaseModel):
    """What a statement answered."""

    columns: list[str]
    rows: list[dict[str, Any]]
    truncated: bool = Field(description="Whether there were more rows, or bytes, than shown.")
    seconds: float
    generation: int = Field(description="The generation of the store that was asked.")


def sql(
    request: Request, told: Statement, format: Annotated[Format | None, Query()] = None
) -> Response:
    """Answer one select statement from the newest generation of the store (docs/sql.md)."""
    try:
        answer = request.app.state.generations.guarded().run(told.query, limit=told.limit)
    except QueryRefused as error:
        return problem(422, str(error))
    result = Result(answer.table)
    wanted = format_wanted(format, request.headers.get("accept", ""))
    if wanted == "json":
        return Answer(
            {
                "columns": result.columns,
                "rows": rows_of(result),
                "truncated": answer.truncated,
                "seconds": round(answer.seconds, 6),
                "generation": answer.generation,
            }
        )
    file = io.BytesIO()
    encode(Result(harmless(answer.table)) if wanted == "csv" else result, wanted, file)
    headers = {
        "x-truncated": str(answer.truncated).lower(),
        "x-generation": str(answer.generation),
    }
    return Response(file.getvalue(), headers=headers, media_type=MEDIA[wanted])


def statements(settings: Settings) -> APIRouter:
    """The route of SQL."""
    router = APIRouter(tags=["sql"], max_body_size=settings.body_bytes)
    router.add_api_route(
        "/sql",
        sql,
        methods=["POST"],
        operation_id="sql",
        response_model=Answered,
        responses={200: {"content": {MEDIA["csv"]: {}, MEDIA["arrow"]: {}}}},
    )
    return router
