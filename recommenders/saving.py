"""A fitted recommender as a folder, and back, without pickle: nothing in the folder is ever run.

A recommender is a frozen dataclass of arrays, texts, numbers and other such dataclasses. The arrays
go into one safetensors file, long texts (LightGBM's models) into text files, and the structure into
`manifest.json`, which names each file by its SHA-256 and itself carries its own. Only dataclasses
that the code knows are made again; a name in the file is looked up, never imported. A hash tells
damage, not malice: whoever can write to the folder can write another recommender.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from metadb import __version__
from metadb.errors import MalformedFile, MetadbError, NotFound
from recommenders.parts import known_classes
from recommenders.reading import Reader
from recommenders.writing import Writer

FORMAT = 1
"""The number of the folder's format; a larger one is refused."""

MANIFEST = "manifest.json"
_OURS = re.compile(r"[0-9a-f]{16}\.(safetensors|txt)|[0-9a-f]{32}\.part")
_START = b'{\n "format":'


def save(
    recommender: Any,
    folder: str | os.PathLike[str],
    *,
    about: Mapping[str, str] | None = None,
    also: Sequence[type] = (),
) -> None:
    """Write a fitted recommender into a folder, whole or not at all, in place of an older one.

    Files are named by their content and the manifest is put in place last, so a writer that dies
    leaves the old one; who reads waits for who writes. What stands in caches is not written.

    Args:
        folder: Made if it is not there.
        about: What to know later, for example the store's version; `read_about` tells it.
        also: Dataclasses of your own that are to be written; `load` must be told them too.

    Raises:
        MetadbError: It holds what cannot be written without pickle, or the folder something else.
    """
    writer = Writer(known_classes(also))
    root = writer.write(recommender)
    if not (isinstance(root, dict) and "object" in root):
        raise MetadbError(f"{type(recommender).__name__} is no fitted recommender; give one")
    files = writer.files()
    manifest = {
        "format": FORMAT,
        "metadb": __version__,
        "about": {str(key): str(value) for key, value in (about or {}).items()},
        "files": {name: sha256(body).hexdigest() for name, body in sorted(files.items())},
        "arrays": writer.shapes,
        "objects": writer.objects,
        "root": root,
    }
    target = Path(folder)
    with _alone(target) as there:
        before = set(there)
        for name, body in files.items():
            _replace(target / name, body)
        _replace(target / MANIFEST, _sealed(manifest))
        for name in before - set(files):
            (target / name).unlink(missing_ok=True)


def load(folder: str | os.PathLike[str], *, also: Sequence[type] = ()) -> Any:
    """The recommender that `save` wrote; it gives the same advice.

    Raises:
        NotFound: There is none.
        MalformedFile: A byte has changed, a file is missing, or the manifest says what cannot be.
    """
    source = Path(folder)
    manifest, files = _whole(source)
    try:
        made = Reader(known_classes(also), files, manifest["arrays"])
        if "object" not in manifest["root"]:
            raise MalformedFile("it describes no recommender")
        return made.read(manifest["objects"], manifest["root"])
    except MalformedFile as error:
        raise MalformedFile(f"{source / MANIFEST}: {error}") from error
    except Exception as error:  # whatever a manifest that nobody here wrote makes a class raise
        why = str(error).partition("\n")[0][:200]
        raise MalformedFile(
            f"{source / MANIFEST} describes no recommender ({type(error).__name__}: {why})"
        ) from error


def read_about(folder: str | os.PathLike[str]) -> dict[str, str]:
    """What was said about the recommender when it was saved.

    Raises:
        NotFound: There is none.
        MalformedFile: The manifest is damaged.
    """
    return dict(_manifest(Path(folder))["about"])


def _whole(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the files that it names, of one moment."""
    with _locked(folder, fcntl.LOCK_SH):
        manifest = _manifest(folder)
        named = manifest["files"].items()
        return manifest, {name: _verified(folder, name, digest) for name, digest in named}


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as bytes, with the hash of what it says."""
    text = json.dumps(manifest, indent=1, ensure_ascii=True, allow_nan=False)
    seal = sha256(text.encode()).hexdigest()
    return json.dumps({**manifest, "sha256": seal}, indent=1, allow_nan=False).encode() + b"\n"


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, every byte of it as it was written."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no saved recommender in {folder}") from error
    try:
        manifest = json.loads(raw)
        manifest.pop("sha256", None)
        intact = _sealed(manifest) == raw
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise MalformedFile(f"{path} is damaged; save the recommender again") from error
    if not intact:
        raise MalformedFile(f"{path} is damaged: it is not as it was written; save it again")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise MalformedFile(
            f"{path} has format {manifest.get('format')!r} and this metadb reads up to {FORMAT}; "
            "install a newer metadb, or fit the recommender again"
        )
    shape = {"about": dict, "files": dict, "arrays": dict, "objects": list, "root": dict}
    for name, kind in shape.items():
        if not isinstance(manifest.get(name), kind):
            raise MalformedFile(f"{path} has no {name}; save the recommender again")
    return dict(manifest)


def _verified(folder: Path, name: str, digest: object) -> bytes:
    """The content of one of the folder's own files, if it has that hash."""
    if not _OURS.fullmatch(name):
        raise MalformedFile(f"{folder / MANIFEST} names {name!r}, which is no file of its folder")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise MalformedFile(f"{path} is missing; save the recommender again")
    body = path.read_bytes()
    if sha256(body).hexdigest() != digest:
        raise MalformedFile(f"{path} is damaged: its SHA-256 is not that of the manifest")
    return body


@contextmanager
def _alone(folder: Path) -> Iterator[list[str]]:
    """Hold off other writers of the folder; yields the names of the files of ours in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise MetadbError(f"{folder} is a file; name a folder for the recommender") from error
    with _locked(folder, fcntl.LOCK_EX):
        names = sorted(path.name for path in folder.iterdir())
        manifest = folder / MANIFEST
        if manifest.exists():
            strange = [] if manifest.read_bytes().startswith(_START) else [MANIFEST]
        else:
            strange = [name for name in names if not _OURS.fullmatch(name)]
        if strange:
            raise MetadbError(
                f"{folder} holds {strange[0]!r} and no saved recommender; name an empty or new "
                "folder"
            )
        yield [name for name in names if _OURS.fullmatch(name)]


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold an advisory lock on the folder; the system frees it when the process dies."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no saved recommender in {folder}") from error
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, body: bytes) -> None:
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
