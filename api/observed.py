"""What was run already, from a user's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from metadb.errors import InvalidRows, MalformedFile, NotFound
from metadb.metrics import Metric, as_loss, check_score
from metadb.records import STATUSES, Evaluation, Trial


def read_observed(path: Path, metric: Metric) -> list[Evaluation]:
    """Evaluations from a file: a JSON list, or a JSON object a line.

    Each is `{"config": {...}, "value": 0.93}` in the metric's own direction, or has
    `"status": "failed"` in place of a value; `"cost_s"` may be there.

    Raises:
        MalformedFile: It reads differently; the entry is named.
    """
    entries = _entries(path)
    told = []
    for nth, entry in enumerate(entries, 1):
        config = entry.get("config") if isinstance(entry, dict) else None
        if not isinstance(config, dict):
            raise MalformedFile(
                f"{path}, entry {nth}: no config; each entry reads "
                '{"config": {...}, "value": 0.9}'
            )
        value, status = entry.get("value"), entry.get("status", "ok")
        if status not in STATUSES:
            raise MalformedFile(
                f"{path}, entry {nth}: status {status!r}; there are {', '.join(STATUSES)}"
            )
        if status == "ok" and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise MalformedFile(
                f'{path}, entry {nth}: its value is {value!r}; give a number, or "status": "failed"'
            )
        try:
            check_score(metric, value, status)
        except InvalidRows as error:
            raise MalformedFile(f"{path}, entry {nth}: {error}") from error
        loss = float(as_loss(float(value), metric)) if status == "ok" else None
        told.append(Evaluation(Trial(config, id=nth), loss, entry.get("cost_s"), status))
    return told


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"no file {path} with observed evaluations") from error
    except UnicodeDecodeError as error:
        raise MalformedFile(
            f"{path} is not text; give a JSON list or a JSON object a line"
        ) from error
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise MalformedFile(
                f"{path} is neither a JSON list nor a JSON object a line ({error})"
            ) from error
    return found if isinstance(found, list) else [found]
