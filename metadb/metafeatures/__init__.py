"""Meta-features: what a data set looks like, as named numbers.

`extract` says it of arrays and data frames, `extract_file` of a data file, however large. What is
computed stands in `METAFEATURES`: group name to group, each in a file of its own, whose table
gives every formula, range and source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

from metadb.datafile import read_data
from metadb.errors import NotFound
from metadb.metafeatures import (
    information,
    landmarking,
    model_based,
    regression,
    relative,
    simple,
    statistical,
    subsampling,
)
from metadb.metafeatures.extraction import EXTRACTOR, VERSION, MetaFeatures, Value, run
from metadb.metafeatures.features import Feature, Found, Group, names_of
from metadb.metafeatures.inputs import table_from, table_of
from metadb.metafeatures.openml import from_qualities
from metadb.metafeatures.table import Table
from metadb.tablefile import TEXTS, bare_suffix

SAMPLE = 10_000
"""Expensive groups look at so many instances of a larger data set, unless told otherwise."""

IN_MEMORY = 25_000_000
"""A CSV or Parquet file of more numbers (8 bytes each as text) is not read as a whole."""

METAFEATURES: dict[str, Group] = {
    "simple": Group(simple.simple, simple.SIMPLE, whole=True),
    "statistical": Group(statistical.statistical, statistical.STATISTICAL),
    "information": Group(information.information, information.INFORMATION),
    "regression": Group(regression.regression, regression.REGRESSION),
    "model_based": Group(model_based.model_based, model_based.MODEL_BASED, sampled=True),
    "landmarking": Group(landmarking.landmarking, landmarking.LANDMARKING, sampled=True),
    "relative": Group(relative.relative, relative.RELATIVE, sampled=True, after="landmarking"),
    "subsampling": Group(subsampling.subsampling, subsampling.SUBSAMPLING, sampled=True),
}
"""Group name to group, cheap ones first; put your own function in: ``METAFEATURES["mine"] = f``."""


def extract(
    X: Any,
    y: Any = None,
    *,
    kind: str | None = None,
    categorical: Sequence[int | str] | None = None,
    groups: Sequence[str] | None = None,
    time_limit_s: float | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> MetaFeatures:
    """The meta-features of a data set.

    Without a time limit all values but those of the expensive groups rest on all instances. With
    one, it ends in time with what it has: cheap groups first, each on growing samples, and what
    was not reached is NaN with the status timeout.

    Args:
        X: NumPy array, SciPy sparse matrix, pandas or polars data frame or Arrow table, (n, d).
        y: The target, (n,), missing ones are left out; None for clustering.
        kind: `classification`, `regression` or `clustering`; default: a target of text, bool or
            few whole numbers makes a classification (the rule of `metadb.datafile.read_data`).
        categorical: Attributes that are categorical besides those of text and bool, by position
            from 0 or by name.
        groups: Names of `METAFEATURES`; default: all.
        time_limit_s: Seconds from the call to the answer.
        sample: Expensive groups look at so many instances at most, fewer where they are wide
            (`extraction.SAMPLE_CELLS` numbers); None: at all.
        seed: Of samples, folds and trees; the same seed gives the same values.

    Raises:
        NotFound: No such group, kind or attribute.
        InvalidRows: X and y do not go together, or hold what has no meta-features.
    """
    started = perf_counter()
    chosen = choose(groups)
    table = table_from(X, y, kind=kind, categorical=categorical)
    return run(table, chosen, time_limit_s=time_limit_s, sample=sample, seed=seed, started=started)


def extract_table(
    table: Table,
    *,
    groups: Sequence[str] | None = None,
    time_limit_s: float | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> MetaFeatures:
    """`extract` for what was read already."""
    started, chosen = perf_counter(), choose(groups)
    return run(table, chosen, time_limit_s=time_limit_s, sample=sample, seed=seed, started=started)


@dataclass(frozen=True, slots=True)
class Read:
    """How a data file was understood, so that a wrong guess is seen."""

    kind: str
    target: str | None
    rows: int
    attributes: int
    categorical: int
    classes: int
    guessed: bool

    def __str__(self) -> str:
        text = f"{self.rows:,} rows, {self.attributes} columns ({self.categorical} categorical)"
        if self.target is not None:
            classes = f", {self.classes} classes" if self.classes else ""
            last = ", the last column" if self.guessed else ""
            text += f", target {self.target}{last} ({self.kind}{classes})"
        return text


def extract_file(
    path: str | Path,
    *,
    target: str | None = None,
    kind: str | None = None,
    header: bool | None = None,
    groups: Sequence[str] | None = None,
    time_limit_s: float | None = None,
    sample: int | None = SAMPLE,
    seed: int = 0,
) -> tuple[Read, MetaFeatures]:
    """How a data file was understood, and its meta-features; see `extract` and `read_data`.

    A CSV, TSV or Parquet file of more than `IN_MEMORY` numbers is read through DuckDB, a few
    attributes at a time, and gives the same values; only the sample of the expensive groups lies
    in memory as a whole. The time limit counts from the call, reading included.

    Raises:
        NotFound: There is no such file, target, group or kind.
        MalformedFile: The file is not what its suffix says, or holds nothing to learn from.
    """
    started = perf_counter()
    chosen = choose(groups)
    with _opened(Path(path), target, kind, header) as table:
        found = run(
            table, chosen, time_limit_s=time_limit_s, sample=sample, seed=seed, started=started
        )
    read = Read(
        table.kind,
        table.target,
        table.n,
        table.d,
        len(table.columns.levels),
        len(table.class_sizes),
        target is None,
    )
    return read, found


@contextmanager
def _opened(
    path: Path, target: str | None, kind: str | None, header: bool | None
) -> Iterator[Table]:
    """A data file as a table, in memory or not."""
    if _is_large(path):
        from metadb.metafeatures.scan import scan_file

        with scan_file(path, target=target, kind=kind, header=header) as table:
            yield table
    else:
        yield table_of(read_data(path, target=target, kind=kind, header=header))


def _is_large(path: Path) -> bool:
    """Whether a file is better not read as a whole."""
    if path.suffix.lower() == ".parquet" and path.is_file():
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            shape = pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            return False  # whose fault it is, its reader says
        return bool(shape.num_rows * shape.num_columns > IN_MEMORY)
    unpacked = 4 if path.suffix.lower() == ".gz" else 1
    text = bare_suffix(path) in TEXTS
    return text and path.is_file() and path.stat().st_size * unpacked > 8 * IN_MEMORY


def group_of(name: str) -> str | None:
    """The group that has a value of this name, or None."""
    return _groups(tuple((group, id(members)) for group, members in METAFEATURES.items())).get(name)


@lru_cache(maxsize=1)
def _groups(registered: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Name to group, for the groups that are registered now."""
    return {
        each: group
        for group, members in choose(None).items()
        for feature, declared in members.features.items()
        for each in names_of(feature, declared)
    }


def choose(groups: Sequence[str] | None) -> dict[str, Group]:
    """The groups of these names, in the order of `METAFEATURES`; None: all.

    Raises:
        NotFound: There is no such group.
    """
    if isinstance(groups, str):
        groups = [groups]
    for name in METAFEATURES if groups is None else groups:
        if name not in METAFEATURES:
            there = ", ".join(METAFEATURES)
            raise NotFound(f"no group of meta-features {name!r}; there are {there}")
    return {
        name: group if isinstance(group, Group) else Group(group)  # a plain function
        for name, group in METAFEATURES.items()
        if groups is None or name in groups
    }


__all__ = [
    "EXTRACTOR",
    "METAFEATURES",
    "SAMPLE",
    "VERSION",
    "Feature",
    "Found",
    "Group",
    "MetaFeatures",
    "Read",
    "Table",
    "Value",
    "choose",
    "extract",
    "extract_file",
    "extract_table",
    "from_qualities",
    "group_of",
    "table_of",
]
