"""A Vega-Lite specification as a file: the specification, a page that draws it, or the picture."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from metadb.errors import WrongUsage

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>TITLE</title>
<script src="https://cdn.jsdelivr.net/npm/vega@5"></script>
<script src="https://cdn.jsdelivr.net/npm/vega-lite@5"></script>
<script src="https://cdn.jsdelivr.net/npm/vega-embed@6"></script>
<div id="chart"></div>
<script>vegaEmbed("#chart", SPEC, {actions: false, renderer: "svg"})</script>
</html>
"""


def can_draw() -> bool:
    """Whether a picture can be made here (the extra `viz`)."""
    from importlib.util import find_spec

    return find_spec("vl_convert") is not None


def draw(spec: dict[str, Any], path: Path, *, title: str) -> None:
    """Write a specification to a file, whole or not at all.

    Args:
        path: `.json`: the specification alone; `.html`: a page that draws it, with Vega from
            jsdelivr.net, so that its reader needs a network; `.svg`, `.png`: the picture itself
            (needs the extra `viz`).

    Raises:
        WrongUsage: A picture is asked for and vl-convert is not there.
    """
    text = json.dumps(spec, allow_nan=False)
    if path.suffix == ".json":
        content = text.encode()
    elif path.suffix == ".html":
        page = _PAGE.replace("TITLE", escape(title))
        content = page.replace("SPEC", text.replace("<", "\\u003c")).encode()
    else:
        content = _picture(spec, path.suffix)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _picture(spec: dict[str, Any], suffix: str) -> bytes:
    try:
        import vl_convert
    except ImportError:
        raise WrongUsage(
            f"a picture as {suffix} needs vl-convert: pip install 'metadb[viz]'; .json and .html "
            "need nothing"
        ) from None
    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=2))
    return str(vl_convert.vegalite_to_svg(spec)).encode()
