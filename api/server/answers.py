"""Answers as strict JSON, where NaN and infinity are null."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response

from api.terminal import json_text, plain


class Answer(Response):
    """A JSON document."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The document as bytes."""
        try:
            return orjson.dumps(content, default=plain)
        except TypeError:  # a whole number that 64 bits do not hold
            return json_text(content, indent=None).encode()
