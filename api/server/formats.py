"""The formats of a list: JSON, CSV, an Arrow stream; by `format=` or else by what is accepted."""

from __future__ import annotations

import io
import json
from typing import Any, Literal
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Request, Response

from api.server.answers import Answer
from api.server.resources import Resource
from api.server.selecting import Page
from api.writing import encode
from metadb.result import Result

Format = Literal["json", "csv", "arrow"]

MEDIA: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}

RISKY = "^[=+\\-@\t\r\n]"
"""How a cell begins that a spreadsheet would take for a formula."""


def format_wanted(format: Format | None, accept: str) -> Format:
    """The format asked for; else the first accepted one that there is; else JSON."""
    if format is not None:
        return format
    accepted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return next((name for a in accepted for name, media in MEDIA.items() if a == media), "json")


def page_answer(
    request: Request, resource: Resource, page: Page, format: Format, *, limit: int, offset: int
) -> Response:
    """A page in a format; the header `link` leads to the next one."""
    headers = {"x-total-count": str(page.total)}
    following = None
    if offset + limit < page.total:
        others = [(k, v) for k, v in request.query_params.multi_items() if k != "offset"]
        following = f"{request.url.path}?{urlencode([*others, ('offset', offset + limit)])}"
        headers["link"] = f'<{following}>; rel="next"'
    if format == "json":
        body = {
            "rows": _rows(resource, page.rows),
            "total": page.total,
            "limit": limit,
            "offset": offset,
            "next": following,
            "facets": page.facets,
        }
        return Answer(body, headers=headers)
    found = Result(harmless(page.rows.table)) if format == "csv" else page.rows
    file = io.BytesIO()
    encode(found, format, file)
    return Response(file.getvalue(), headers=headers, media_type=MEDIA[format])


def harmless(table: pa.Table) -> pa.Table:
    """The table with an apostrophe before each text that a spreadsheet would run."""
    for place, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            risky = pc.match_substring_regex(column, RISKY)
            quoted = pc.binary_join_element_wise("'", column, "")
            table = table.set_column(
                place, table.column_names[place], pc.if_else(risky, quoted, column)
            )
    return table


def _rows(resource: Resource, rows: Result) -> list[dict[str, Any]]:
    found = list(rows)
    for name, kind in resource.columns.items():
        if kind == "json":
            for row in found:
                row[name] = None if row[name] is None else json.loads(row[name])
    return found
