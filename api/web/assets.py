"""The style sheet and scripts of the pages: each at an address that names its content."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import Request, Response

from metadb.errors import NotFound

FOLDER = Path(__file__).parent / "assets"

FILES = {
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
    "page.js": "text/javascript",
    "plots.js": "text/javascript",
    "vendored/htmx.min.js": "text/javascript",
    "vendored/vega.min.js": "text/javascript",
    "vendored/vega-lite.min.js": "text/javascript",
    "vendored/vega-interpreter.js": "text/javascript",
}
"""What is served, and nothing else."""

FOR_GOOD = "public, max-age=31536000, immutable"


def address(name: str) -> str:
    """Where an asset is; another content has another address."""
    return f"/web/assets/{_digest(name)}/{name}"


def asset(request: Request, digest: str, name: str) -> Response:
    """An asset, packed where the browser takes that; a browser keeps it for good."""
    if name not in FILES:
        raise NotFound("there is no such asset")
    headers = {"vary": "accept-encoding"}
    # A page of another version may still ask for its own; then it is not kept.
    headers["cache-control"] = FOR_GOOD if digest == _digest(name) else "no-store"
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    body = _packed(name) if packed else _body(name)
    return Response(body, headers=headers, media_type=FILES[name])


@cache
def _body(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(_body(name), 9, mtime=0)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_body(name)).hexdigest()[:12]
