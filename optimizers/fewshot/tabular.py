"""A folder of tables as few-shot tasks: some classes of one table are told apart by its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metadb.datafile import read_data
from metadb.errors import MalformedFile
from metadb.tablefile import READERS, bare_suffix
from optimizers.labelled import Labelled, of_arrays

TABLES = READERS.keys() - {".txt", ".json"}
"""What a table's name ends in; the others may lie beside them for another reason."""

WIDTH = 32
"""So many columns every table is given: shorter ones are filled with zeros, longer ones are cut."""


def is_tables(path: Path) -> bool:
    """Whether a folder holds tables."""
    return path.is_dir() and any(_tables(path))


def read_tables(path: Path) -> Labelled:
    """The classifications among the tables of a folder; the target is the last column.

    Columns are standardised over their table, without a look at its classes, and what is missing is
    their mean; a category is its place among the sorted categories. A table is the group of its
    classes.

    Raises:
        MalformedFile: No table is a classification, or one cannot be read.
    """
    rows, classes, groups = list[np.ndarray](), list[str](), dict[str, str]()
    for file in _tables(path):
        data = read_data(file)
        x, y = data.to_numpy()
        if data.kind != "classification" or y is None:
            continue
        own = [f"{file.stem}/{value}" for value in data.classes]
        groups |= dict.fromkeys(own, file.stem)
        rows.append(_alike(x))
        classes += [own[int(code)] for code in y]
    if not rows:
        raise MalformedFile(f"no table in {path} is a classification by its last column")
    names = sorted(groups)
    return of_arrays(
        np.concatenate(rows), np.asarray(classes), groups=[groups[name] for name in names]
    )


def _tables(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file() and bare_suffix(p) in TABLES)


def _alike(x: np.ndarray) -> np.ndarray:
    """Rows (n, columns) as (n, `WIDTH`)."""
    x = x[:, :WIDTH].astype(float)
    x[~np.isfinite(x)] = np.nan
    there = ~np.isnan(x).all(axis=0)
    x[:, ~there] = 0.0
    mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    scaled = np.nan_to_num((x - mean) / np.where(sd > 0, sd, 1.0))
    return np.pad(scaled, ((0, 0), (0, WIDTH - scaled.shape[1]))).astype(np.float32)
