"""The one loading loop: fetch, parse, add; the same for every source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadb.errors import MetadbError
from metadb.store import Added, Load, Store

if TYPE_CHECKING:
    from ingest import Described


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one fetched path: its row of `loads` and the counts per table."""

    load: dict[str, Any]
    added: Added


def load(
    name: str,
    source: Described,
    store: Store,
    cache: Path,
    *,
    heard: Callable[[str, int, int | None], None] | None = None,
) -> Iterator[Loaded]:
    """Fetch, parse, add, one load for each path; run it again and nothing changes.

    A file that turns out to be malformed half-way is taken back whole before the error is raised;
    the paths before it stay.

    Args:
        name: The source's name in `SOURCES`.
        cache: Where a source that uses the network keeps what it brought.
        heard: Called after each batch with the path, the rows read so far, and how many there will
            be, where the source can tell.
    """
    for path in source.fetch(cache):
        about = source.about(path)
        digest = content_hash(path, about.files)
        this = Load(
            id=f"{name}:{_slug(path.resolve().name)}@{digest[:12]}",
            source=name,
            path=str(path),
            file_hash=digest,
            licence=about.licence,
            citation=about.citation,
        )
        yield _load_one(source, path, this, store, heard)


def _load_one(
    source: Described,
    path: Path,
    this: Load,
    store: Store,
    heard: Callable[[str, int, int | None], None] | None,
) -> Loaded:
    done, n_rows, cursor, begun = Added(), 0, None, False
    try:
        for rows in source.parse(path):
            begun = True
            done.merge(store.add(rows, load=this))
            cursor = rows.cursor or cursor
            n_rows += sum(table.num_rows for table in rows.tables.values())
            if heard is not None:
                heard(path.name, n_rows, round(n_rows / rows.share) if rows.share else None)
    except MetadbError:
        if begun and not _complete(store, this.id):
            store.forget(this.id)
        raise
    return Loaded(store.finish(this, done, cursor), done)


def _complete(store: Store, load: str) -> bool:
    status = store.sql("select status from loads where load = ?", [load]).column("status")
    return "complete" in status


def content_hash(path: Path, files: Sequence[Path] = ()) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files, or of these files."""
    digest = hashlib.sha256()
    folder = path if path.is_dir() else path.parent
    if not files:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file != path:
            digest.update(str(file.relative_to(folder)).encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:64]
