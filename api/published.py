"""Figures of others, from a user's file, to stand beside our own, each with its source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from metadb.errors import MalformedFile, NotFound


@dataclass(frozen=True, slots=True)
class Row:
    """Mean normalised regret of a method after k configurations, as its source gives it."""

    name: str
    source: str
    regret: Mapping[int, float]


def read_rows(path: Path, *, space: str, metric: str) -> list[Row]:
    """The rows of a file that are about this space and metric.

    `{"rows": [{"name": "TPE", "source": "...", "regret": {"1": 0.35, "10": 0.12}}, ...]}`; a row
    with a `space` or a `metric` is about that one only.

    Raises:
        NotFound: There is no such file.
        MalformedFile: It is no JSON of that shape.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"there is no {path}") from None
    except (ValueError, RecursionError) as error:
        raise MalformedFile(f"{path} is no JSON: {error}") from None
    except IsADirectoryError:
        raise NotFound(f"{path} is a folder; name a JSON file") from None
    listed = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise MalformedFile(f'{path} has no list of rows; right is {{"rows": [...]}}')
    about = {"space": space, "metric": metric}
    return [
        _row(row, f"row {nth} of {path}")
        for nth, row in enumerate(listed, 1)
        if not isinstance(row, dict) or all(row.get(k, v) == v for k, v in about.items())
    ]


def _row(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise MalformedFile(f"{where} is no object with name, source and regret")
    for field in ("name", "source"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise MalformedFile(f"{where} has no {field}; give it as text")
    regret = row.get("regret")
    if not isinstance(regret, dict) or not regret:
        raise MalformedFile(f'{where} has no regret; right is for example {{"1": 0.35, "10": 0.1}}')
    found = {}
    for k, value in regret.items():
        if not k.isascii() or not k.isdigit() or int(k) < 1:
            raise MalformedFile(
                f"{where} has a regret after {k!r}; give a number of configurations"
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not isfinite(value) or not 0 <= value <= 1:
            raise MalformedFile(f"{where} has the regret {value!r} after {k}; right is 0 to 1")
        found[int(k)] = float(value)
    return Row(row["name"], row["source"], dict(sorted(found.items())))
