"""The one member of a zip, read in memory: its name decides nothing, and its size is bounded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from metadb.errors import MalformedFile


def only_member(path: Path, size: int) -> bytes:
    """The beginning of the only member of a zip: at most `size` bytes and one more, to tell by.

    Nothing is written anywhere, whatever path the member is named after.

    Raises:
        MalformedFile: It is no zip of one member, or the member cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise MalformedFile(f"{path} holds {len(members)} members; it should hold one")
            with archive.open(members[0]) as stream:
                return stream.read(size + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise MalformedFile(
            f"{path} is not a zip that can be read ({error}); is it cut short, or encrypted?"
        ) from error
