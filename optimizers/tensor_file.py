"""Files that hold named tensors and nothing else, known by their hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from metadb.errors import MalformedFile, NotFound

ABOUT = "about"
"""Where a file's own description stands in its header."""


def packed(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Named tensors with a description, as the content of a safetensors file."""
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    return bytes(save(plain, metadata={ABOUT: json.dumps(dict(about), sort_keys=True)}))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Write named tensors with a description, whole or not at all; returns the file's SHA-256."""
    content = packed(tensors, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    return sha256(content).hexdigest()


def read_tensors(
    path: Path, *, expected_sha256: str | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and its description.

    Args:
        expected_sha256: What the file's SHA-256 has to be.

    Raises:
        NotFound: No such file.
        MalformedFile: It is no file of tensors, or not the file that was expected.
    """
    if not path.is_file():
        raise NotFound(f"there is no weights file {path}")
    if expected_sha256 is not None:
        found = sha256(path.read_bytes()).hexdigest()
        if found != expected_sha256:
            raise MalformedFile(
                f"{path} is not the file that was trained: its SHA-256 is {found[:12]}..., and "
                f"{expected_sha256[:12]}... was recorded; fetch it anew or train again"
            )
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise MalformedFile(f"{path} cannot be read as safetensors: {error}") from error
