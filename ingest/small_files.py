"""Small JSON and CSV files, read whole; what is not as it should be is said in one sentence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from metadb.errors import MalformedFile, NotFound

MAX_BYTES = 1 << 26
"""A larger file is refused: as Python objects it takes about ten times its size."""


def read_json(path: Path, size: int | None = None) -> Any:
    """What a JSON file holds.

    Args:
        size: Bytes that it may have; default `MAX_BYTES`.

    Raises:
        NotFound: There is no such file.
        MalformedFile: It is no JSON, nests too deeply, or is too large.
    """
    try:
        return json.loads(_text(path, size))
    except (ValueError, RecursionError) as error:
        raise MalformedFile(
            f"{path} is not a JSON file ({str(error)[:80]}); is it cut short?"
        ) from error


def read_object(path: Path, what: str, size: int | None = None) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        what: Of what, for the error.
        size: Bytes that it may have; default `MAX_BYTES`.

    Raises:
        NotFound: There is no such file.
        MalformedFile: It holds something else, or is too large.
    """
    content = read_json(path, size)
    if not isinstance(content, dict):
        raise MalformedFile(f"{path} must hold a JSON object {what}")
    return content


def read_records(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """The lines of a CSV file by column name; a byte-order mark before the header is no part of it.

    Raises:
        NotFound: There is no such file.
        MalformedFile: It lacks a column that is needed, a line has too few or too many cells, or it
            is larger than `MAX_BYTES`.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        lacks = [name for name in needed if name not in (reader.fieldnames or ())]
        if lacks:
            raise MalformedFile(
                f"{path} has no column {lacks[0]!r}; it needs {', '.join(needed)}: is it the right "
                "file, and comma-separated?"
            )
        records: list[dict[str, str]] = []
        for record in reader:
            if None in record or None in record.values():
                raise MalformedFile(
                    f"{path}, line {reader.line_num}: too few or too many cells, since the header "
                    f"names {len(reader.fieldnames or ())}; is it cut short?"
                )
            records.append(record)
    except csv.Error as error:
        raise MalformedFile(f"{path}, line {reader.line_num}: not CSV ({error})") from error
    return records


def number(text: str, where: str) -> float:
    """A cell's number; an empty cell is NaN.

    Raises:
        MalformedFile: It is something else; the text begins with `where`.
    """
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError as error:
        raise MalformedFile(f"{where}: {text[:60]!r} stands where a number should") from error


def _text(path: Path, size: int | None = None) -> str:
    size = MAX_BYTES if size is None else size
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    if path.stat().st_size > size:
        raise MalformedFile(f"{path} is larger than {size:,} bytes; it should be a small file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedFile(f"{path} is not text in UTF-8 ({error.reason})") from error
