"""Labelled inputs for few-shot tasks: read from files, and parted so that no class leaks."""

from __future__ import annotations

import io
import os.path
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from metadb.errors import MalformedFile, NotFound, WrongUsage

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}

LARGEST_PIXELS = 16_000_000
"""A larger picture is refused before it is read."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Inputs with a class each, and the group each class belongs to.

    Args:
        x: Inputs (n, ...): bytes of images (n, channels, height, width), or floats.
        y: The class of each, (n,).
        names: Of the classes.
        groups: Of each class: its alphabet, say; its own name where classes have no groups.
    """

    x: Tensor
    y: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...]

    def only(self, groups: Iterable[str]) -> Labelled:
        """Only the classes of these groups.

        Raises:
            NotFound: No such group.
        """
        wanted = set(groups)
        if unknown := sorted(wanted - set(self.groups)):
            known = ", ".join(dict.fromkeys(self.groups))
            raise NotFound(f"no group of classes {unknown[0]!r}; there are {known}")
        return self._with([c for c, group in enumerate(self.groups) if group in wanted])

    def _with(self, kept: list[int]) -> Labelled:
        number = torch.full((len(self.names),), -1)
        number[kept] = torch.arange(len(kept))
        rows = number[self.y] >= 0
        return Labelled(
            self.x[rows],
            number[self.y[rows]],
            tuple(self.names[c] for c in kept),
            tuple(self.groups[c] for c in kept),
        )

    def parted(self, test: float = 0.4, *, seed: int = 0) -> tuple[Labelled, Labelled]:
        """Classes to train on and others to test on; a group is never on both sides.

        Args:
            test: The share of groups to test on, at least one of them.

        Raises:
            WrongUsage: There is one group alone.
        """
        groups = list(dict.fromkeys(self.groups))
        if len(groups) < 2:
            raise WrongUsage(
                f"all classes are of one group ({groups[0]!r}), which cannot be parted; give the "
                "groups to test on, or data of several"
            )
        if not 0 < test < 1:
            raise WrongUsage(f"the share to test on lies between 0 and 1, not at {test}")
        count = min(len(groups) - 1, max(1, round(test * len(groups))))
        order = np.random.default_rng(seed).permutation(len(groups))
        tested = {groups[i] for i in order[:count]}
        return self.only(g for g in groups if g not in tested), self.only(tested)

    def with_at_least(self, n: int) -> Labelled:
        """Only the classes that have so many examples."""
        enough = torch.bincount(self.y, minlength=len(self.names)) >= n
        return self._with(torch.nonzero(enough)[:, 0].tolist())


def of_arrays(x: np.ndarray, y: np.ndarray, *, groups: Sequence[str] | None = None) -> Labelled:
    """Inputs (n, ...) and their classes (n,), whatever these are called; `groups` one a class.

    Inputs (n, height, width) are images of one channel.

    Raises:
        WrongUsage: Not as many classes as inputs, or inputs that are not finite numbers.
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y) or y.ndim != 1 or not len(y):
        raise WrongUsage(f"{len(x)} inputs and classes of shape {y.shape} do not go together")
    if x.dtype != np.uint8:
        if not np.issubdtype(x.dtype, np.number) and x.dtype != bool:
            raise WrongUsage(f"inputs are numbers, not {x.dtype}")
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise WrongUsage("some inputs are not finite numbers; fill or drop them first")
    x = x[:, None] if x.ndim == 3 else x
    values, number = np.unique(y, return_inverse=True)
    names = tuple(str(v) for v in values)
    return Labelled(
        torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(number), names,
        tuple(groups) if groups is not None else names,
    )  # fmt: skip


def read(path: Path, *, size: int = 28, gray: bool = True, invert: bool | None = None) -> Labelled:
    """Images of a zip or a folder, or arrays `x` and `y` of an `.npz` file.

    Args:
        path: In a zip or folder, an image's class is the name of the folder it lies in, and the
            class's group the folder above (`Greek/character01/0394_01.png`).
        size: Images become squares of so many pixels.
        gray: One channel in place of three.
        invert: Ink becomes 1 where it was 0; None: where most of the first image is white.

    Raises:
        NotFound: No such file.
        MalformedFile: It cannot be read, or holds no images in folders.
    """
    if not path.exists():
        raise NotFound(f"there is no file or folder {path}")
    if path.suffix == ".npz":
        return _read_arrays(path)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES)
        named = [(PurePosixPath(p.relative_to(path).as_posix()), p.read_bytes()) for p in files]
        return _of_images(path, named, size, gray=gray, invert=invert)
    if not zipfile.is_zipfile(path):
        raise MalformedFile(f"{path} is no zip of images, no folder and no .npz file")
    with zipfile.ZipFile(path) as archive:
        members = sorted(
            (m for m in archive.infolist() if PurePosixPath(m.filename).suffix.lower() in PICTURES),
            key=lambda m: m.filename,
        )
        named = [(PurePosixPath(m.filename), archive.read(m)) for m in members]
    return _of_images(path, named, size, gray=gray, invert=invert)


def digits(size: int = 16) -> Labelled:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, enlarged to `size`."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.from_numpy(found.images / 16).float().unsqueeze(1)
    larger = torch.nn.functional.interpolate(images, (size, size), mode="bilinear")
    return of_arrays(larger.numpy(), found.target)


def _read_arrays(path: Path) -> Labelled:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not {"x", "y"} <= set(arrays.files):
                raise MalformedFile(
                    f"{path} holds {', '.join(arrays.files) or 'nothing'}; wanted are x and y"
                )
            return of_arrays(arrays["x"], arrays["y"])
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise MalformedFile(f"{path} cannot be read as arrays: {error}") from error


def _of_images(
    path: Path,
    named: list[tuple[PurePosixPath, bytes]],
    size: int,
    *,
    gray: bool,
    invert: bool | None,
) -> Labelled:
    named = [(name, content) for name, content in named if len(name.parts) > 1]
    if not named:
        raise MalformedFile(f"{path} holds no images in folders named after their classes")
    images = np.stack([_image(path / name, content, size, gray=gray) for name, content in named])
    if invert if invert is not None else images[0].mean() > 127:
        images = 255 - images
    classes = ["/".join(name.parts[:-1]) for name, _ in named]
    names = sorted(set(classes))
    shared = _folder_of_all(names)
    number = {name: i for i, name in enumerate(names)}
    short = tuple(name[shared:] for name in names)
    above = tuple(name.rpartition("/")[0] for name in short)
    return Labelled(
        torch.from_numpy(images), torch.tensor([number[c] for c in classes]), short,
        above if len(set(above)) > 1 else short,
    )  # fmt: skip


def _folder_of_all(names: list[str]) -> int:
    """The length of the path that all classes share, with its slash."""
    parents = {name.rpartition("/")[0] for name in names}
    shared = os.path.commonpath(parents) if "" not in parents else ""
    return len(shared) + 1 if shared else 0


def _image(name: Path, content: bytes, size: int, *, gray: bool) -> np.ndarray:
    """An image as bytes (channels, size, size)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise MalformedFile(f"{name} has {image.width} x {image.height} pixels, too many")
            shown = image.convert("L" if gray else "RGB").resize((size, size), Image.Resampling.BOX)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise MalformedFile(f"{name} cannot be read as an image") from error
    found = np.asarray(shown, np.uint8)
    return found[None] if gray else np.moveaxis(found, 2, 0)
