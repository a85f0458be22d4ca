"""Answers as strict JSON, where NaN and infinity are null."""

from __future__ import annotations

import json
from typing import Any

import orjson
from fastapi import Response

from api.terminal import json_text, plain


class Written:
    """A part of a document that stands in many answers, as text already."""

    __slots__ = ("text",)

    def __init__(self, part: Any) -> None:
        self.text = orjson.dumps(part, default=plain)


class Answer(Response):
    """A JSON document."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The document as bytes."""
        try:
            return orjson.dumps(content, default=_placed)
        except TypeError:  # a whole number that 64 bits do not hold
            return json_text(content, indent=None, default=_read).encode()


def _placed(value: Any) -> Any:
    return orjson.Fragment(value.text) if isinstance(value, Written) else plain(value)


def _read(value: Any) -> Any:
    return json.loads(value.text) if isinstance(value, Written) else plain(value)
