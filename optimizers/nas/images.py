"""Images with their classes, parted into those to learn from and those to choose by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from metadb.errors import WrongUsage
from optimizers.labelled import Labelled, digits, of_arrays, read

Images = tuple[Tensor, Tensor]
"""Images (n, channels, height, width) and the number of the class of each, (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Parted:
    """Images of the same classes on both sides, scaled by the mean and spread of those to train on.

    Args:
        train, validation: To learn from, and to choose by.
        names: Of the classes.
    """

    train: Images
    validation: Images
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train[0].shape
        return channels, height, width

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.names)


def read_images(data: str | Path, *, size: int = 28) -> Labelled:
    """The images of a folder, a zip, an .npz file with arrays x and y, or scikit-learn's `digits`.

    Args:
        data: In a folder or zip, an image's class is the name of the folder it lies in.
        size: Images become squares of so many pixels; those of an .npz file stay as they are, and
            digits are 8 x 8 unless more is asked for.

    Raises:
        NotFound: No such file.
        MalformedFile: It cannot be read, or holds no images in folders.
    """
    if str(data) == "digits":
        return digits(max(8, size))
    return read(Path(data), size=size)


def of_images(
    x: np.ndarray | Sequence[np.ndarray], y: np.ndarray | Sequence[object], *,
    size: int | None = None,
) -> Labelled:  # fmt: skip
    """Images as arrays: (n, channels, height, width), or (n, height, width) of one channel.

    Args:
        size: Images become squares of so many pixels; needed where they differ in size.

    Raises:
        WrongUsage: Images that differ in size, in channels, or are no images.
    """
    given = [np.asarray(one) for one in x]
    if not given:
        raise WrongUsage("there are no images")
    given = [one[None] if one.ndim == 2 else one for one in given]
    if bad := [one.shape for one in given if one.ndim != 3]:
        raise WrongUsage(
            f"an image has 2 axes, or 3 with its channels first, and not the shape {bad[0]}"
        )
    if len({one.shape[0] for one in given}) > 1:
        counts = sorted({one.shape[0] for one in given})
        raise WrongUsage(f"the images have {counts[0]} and {counts[1]} channels; make them alike")
    sizes = list(dict.fromkeys(one.shape[1:] for one in given))
    if size is None and len(sizes) > 1:
        (a, b), (c, d) = sizes[:2]
        raise WrongUsage(
            f"images of different sizes ({a} x {b} and {c} x {d} pixels): give size=, to which all "
            "are brought"
        )
    if size is not None:
        given = [_resized(one, size) for one in given]
    return of_arrays(np.stack(given), np.asarray(y))


def parted(labelled: Labelled, *, validation: float = 0.3, seed: int = 0) -> Parted:
    """Part the images of every class in the same shares.

    Args:
        validation: The share to choose by, of each class at least one image.

    Raises:
        WrongUsage: A class of one image, one class alone, or inputs that are no images.
    """
    x, y = labelled.x, labelled.y
    if x.dim() == 3:
        x = x.unsqueeze(1)
    if x.dim() != 4:
        raise WrongUsage(
            f"images have 3 axes (channels, height, width), and not the shape {tuple(x.shape[1:])}"
        )
    if not 0 < validation < 1:
        raise WrongUsage(f"the share to choose by lies between 0 and 1, not at {validation}")
    if len(labelled.names) < 2:
        raise WrongUsage("all images are of one class; there is nothing to tell apart")
    rng, taken = Generator().manual_seed(seed), torch.zeros(len(y), dtype=torch.bool)
    for number, name in enumerate(labelled.names):
        rows = torch.nonzero(y == number).flatten()
        if len(rows) < 2:
            raise WrongUsage(f"the class {name!r} has {len(rows)} image; give each 2 or more")
        count = min(len(rows) - 1, max(1, round(validation * len(rows))))
        taken[rows[torch.randperm(len(rows), generator=rng)[:count]]] = True
    scaled = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    learnt = scaled[~taken]
    spread, mean = torch.std_mean(learnt, (0, 2, 3), keepdim=True)
    scaled = (scaled - mean) / spread.clamp_min(1e-6)
    return Parted((scaled[~taken], y[~taken]), (scaled[taken], y[taken]), labelled.names)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """An image (channels, height, width) as a square, by the mean of what falls on a pixel."""
    t = torch.from_numpy(np.ascontiguousarray(image)).float().unsqueeze(0)
    smaller = min(image.shape[1:]) >= size
    made = (
        torch.nn.functional.adaptive_avg_pool2d(t, size) if smaller
        else torch.nn.functional.interpolate(t, (size, size), mode="bilinear")
    )  # fmt: skip
    found = made[0].numpy()
    return found.round().astype(np.uint8) if image.dtype == np.uint8 else found


__all__ = ["Images", "Parted", "of_images", "parted", "read_images"]
