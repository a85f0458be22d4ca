"""The one loading loop: fetch, parse, add; the same for every source.

A source of files brings one load a file or folder. A source that pulls from a server brings one
load that is gone on with each time: what it brings is added in batches, each together with the
place where the source stood, so that after a kill the store and the source agree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.batch import Batch
from metadb.errors import MetadbError
from metadb.store import Added, Load, Store

if TYPE_CHECKING:
    from ingest import Described, Pulling

UNANSWERED = "not answered:"
"""How a rejection begins that says what a server would not give."""


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
    if getattr(source, "pull", None):
        yield _pull(name, source, store, cache, heard)  # type: ignore[arg-type]
        return
    for path in source.fetch(cache):
        about = source.about(path)
        digest = _with_options(content_hash(path, about.files), source)
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
    batch, cursor = Batch(store, this), None
    try:
        for rows in source.parse(path):
            batch.take(rows)
            cursor = rows.cursor or cursor
            if heard is not None:
                share = rows.share
                heard(path.name, batch.n_rows, round(batch.n_rows / share) if share else None)
        batch.add()
    except MetadbError:
        if batch.done.read and not _complete(store, this.id):
            store.forget(this.id)
        raise
    return Loaded(store.finish(this, batch.done, cursor), batch.done)


def _pull(
    name: str,
    source: Pulling,
    store: Store,
    cache: Path,
    heard: Callable[[str, int, int | None], None] | None,
) -> Loaded:
    """One load of all that a server brings, from where it stood on."""
    about = source.about(cache)
    this = Load(
        source.pull, name, path=source.server, licence=about.licence, citation=about.citation
    )
    before = _rejections(store, this.id)
    batch = Batch(store, this)
    try:
        for path in source.fetch(cache, store.cursor(this.id)):
            for rows in source.parse(path):
                batch.take(rows)
            if heard is not None:
                heard(this.id, batch.n_rows, None)
    finally:  # also where it is stopped: what came is kept
        batch.add()
    done = batch.done
    for what, why in source.missing.items():
        done.rejections.add(f"{UNANSWERED} {what}", 1, why)
    for reason, told in before.items():
        if reason not in done.rejections.counts and not reason.startswith(UNANSWERED):
            done.rejections.add(reason, told["count"], told["example"])
    loaded = Loaded(store.finish(this, done, store.cursor(this.id)), done)
    source.finish(cache)
    return loaded


def _rejections(store: Store, load: str) -> dict[str, Any]:
    """What earlier rounds of a pull turned away."""
    found = store.sql("select rejections from loads where load = ?", [load]).column("rejections")
    return dict(json.loads(found[-1] or "{}")) if found else {}


def _complete(store: Store, load: str) -> bool:
    status = store.sql("select status from loads where load = ?", [load]).column("status")
    return "complete" in status


def _with_options(digest: str, source: Described) -> str:
    """The same file read as something else, for example as another task, is another load."""
    if not is_dataclass(source):
        return digest
    given = [
        (f.name, repr(value))
        for f in fields(source)
        if f.init and f.default is not MISSING and (value := getattr(source, f.name)) != f.default
    ]
    return hashlib.sha256(f"{digest}{sorted(given)}".encode()).hexdigest() if given else digest


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
