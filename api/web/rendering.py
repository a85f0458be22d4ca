"""Templates, and how the pages write numbers, configurations and links."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from api.terminal import config_text, json_text
from api.web.assets import address
from metadb import __version__

TEMPLATES = Path(__file__).parent / "templates"

VIEWS = (
    ("/", "Overview"),
    ("/web/recommend", "Recommend"),
    ("/web/tasks", "Tasks"),
    ("/web/spaces", "Spaces"),
    ("/web/sql", "SQL"),
    ("/web/referee", "Referee"),
)
"""The way through the pages: path to name."""

LONGEST_CELL = 120
"""A cell of a table shows so many characters."""


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page made from a template; everything in it that is not the template's own is escaped."""
    settings = request.app.state.settings
    text = _ENVIRONMENT.get_template(template).render(
        here=request.url.path,
        views=VIEWS,
        version=__version__,
        may_write=settings.secret is not None,
        **values,
    )
    headers = {"vary": "accept-encoding"}
    body = text.encode()
    if "gzip" in request.headers.get("accept-encoding", ""):  # no page holds a secret to guess
        body, headers["content-encoding"] = gzip.compress(body, 6, mtime=0), "gzip"
    # A form of the page itself may say where it comes from; nobody else is told.
    headers["referrer-policy"] = "same-origin"
    return HTMLResponse(body, status_code=status, headers=headers)


def link(path: str, **query: object) -> str:
    """A page's address with its query; what is None is left out."""
    told = {name: str(value) for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(told)}" if told else path


def number(value: float | None, digits: int = 4) -> str:
    """A number as it is read: four digits, thousands parted."""
    if value is None:
        return "–"
    if not isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """A share in percent."""
    if value is None:
        return "–"
    return "< 1 %" if 0 < value < 0.01 else f"{value * 100:.0f} %"


def cell(value: Any) -> str:
    """A value of a table, cut where it is long."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(float(value), 5) if isinstance(value, float) else f"{value:,}"
    if isinstance(value, datetime):
        return moment(value)
    text = json_text(value, indent=None) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def moment(value: datetime | None) -> str:
    """A time of the store, which is UTC."""
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M}"


def plot(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification as it stands in a page: strict JSON values, NaN as null."""
    found: dict[str, Any] = json.loads(json_text(dict(spec), indent=None))
    return found


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "cell": cell,
    "config": config_text,
    "moment": moment,
    "number": number,
    "percent": percent,
    "plot": plot,
}
_ENVIRONMENT.globals |= {"asset": address, "link": link}
