"""The one member of a zip, read in memory: its name decides nothing, and its size is bounded."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path

from metadb.errors import MalformedFile


def only_member(path: Path, size: int) -> bytes:
    """The only member of a zip; nothing is written anywhere, whatever path it is named after.

    Raises:
        MalformedFile: It is no zip of one member, or unpacks to more than `size` bytes.
    """
    content = beginning_of_member(path, size + 1)
    if len(content) > size:
        raise MalformedFile(f"{path} unpacks to more than {size:,} bytes, which is refused")
    return content


def beginning_of_member(path: Path, size: int) -> bytes:
    """The first `size` bytes of the only member of a zip.

    Raises:
        MalformedFile: It is no zip of one member, or the member cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise MalformedFile(f"{path} holds {len(members)} members; it should hold one")
            with archive.open(members[0]) as stream:
                return stream.read(size)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise MalformedFile(
            f"{path} is not a zip that can be read ({error}); is it cut short, or encrypted?"
        ) from error
