"""The images of a command as a task of the store."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from metadb.records import Task

if TYPE_CHECKING:
    from optimizers.labelled import Labelled


def content_of(labelled: Labelled, *, validation: float, seed: int) -> str:
    """A short hash of images, classes, and how they are parted."""
    digest = blake2b(labelled.x.numpy().tobytes(), digest_size=8)
    digest.update(labelled.y.numpy().tobytes())
    digest.update("\x1f".join(labelled.names).encode())
    digest.update(f"{validation}/{seed}".encode())
    return digest.hexdigest()


def task_of(labelled: Labelled, name: str, content: str) -> Task:
    """The same images, parted in the same way, are the same task."""
    counts = labelled.y.bincount()
    *_, height, width = labelled.x.shape
    channels = labelled.x.shape[1] if labelled.x.dim() == 4 else 1
    return Task(
        f"images:{content}", kind="classification", name=name,
        metafeatures={
            "nr_class": float(len(labelled.names)), "nr_inst": float(len(labelled.y)),
            "nr_attr": float(channels * height * width), "nr_channels": float(channels),
            "image_height": float(height), "image_width": float(width),
            "least_in_class": float(counts.min()),
        },
    )  # fmt: skip


__all__ = ["content_of", "task_of"]
