"""What every source does alike: find its files, and put columns together as rows of the store."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metadb.errors import NotFound
from metadb.metrics import Metric, metric_row
from metadb.protocols import Floats
from metadb.records import Rows
from metadb.schema import TABLES

CHUNK = 250_000
"""Evaluations in one `Rows`."""


def find(
    paths: Sequence[str | Path], pattern: str, what: str, accept: Callable[[Path], bool]
) -> list[Path]:
    """The files given, and those below the folders given that a source can read, each once.

    Args:
        pattern: Of the names below a folder, e.g. `*.arff`.
        what: What is looked for, for the error.
        accept: Whether a file below a folder is one; a file given itself is taken as it is.

    Raises:
        NotFound: A path is not there, or there is nothing to read.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            found.update(dict.fromkeys(p for p in sorted(path.rglob(pattern)) if accept(p)))
        elif path.is_file():
            found[path] = None
        else:
            raise NotFound(f"there is no file or folder {path}; looked for {what}")
    if not found:
        there = ", ".join(map(str, paths)) or "(no path given)"
        raise NotFound(f"nothing to read in {there}; looked for {what}")
    return list(found)


def beginning(path: Path, size: int = 1 << 14) -> str:
    """The first characters of a file, to tell what it is."""
    with path.open("rb") as stream:
        return stream.read(size).decode("utf-8", errors="replace")


def rows(table: str, /, **columns: Any) -> pa.Table:
    """Rows of one table of the store.

    Args:
        columns: Arrays or lists; a plain value is repeated, and None leaves the column out.
    """
    types = {field.name: field.type for field in TABLES[table].arrow}
    given = {name: values for name, values in columns.items() if values is not None}
    plain = (str, bool, int, float)
    n = next((len(values) for values in given.values() if not isinstance(values, plain)), 1)
    arrays = [
        pa.repeat(pa.scalar(values, types[name]), n)
        if isinstance(values, plain)
        else _cast(values, types[name])
        for name, values in given.items()
    ]
    return pa.table(arrays, names=list(given))


def _cast(values: Any, to: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if values.type == to else values.cast(to)
    return pa.array(values, to)


def mapped(
    column: pa.Array | pa.ChunkedArray,
    function: Callable[[Any], Any],
    to: pa.DataType | None = None,
) -> pa.Array:
    """`function` of every value, called once for each distinct one; None is a value too."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    codes = column.dictionary_encode(null_encoding="encode")
    values = [function(value) for value in codes.dictionary.to_pylist()]
    return pa.array(values, to or pa.string()).take(codes.indices)


def as_text(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column of ids as text, also where the file declares them as numbers."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        return mapped(column, _id_text)
    return column.cast(pa.string())


def _id_text(number: float | None) -> str | None:
    return None if number is None else str(int(number) if number % 1 == 0 else number)


def repeats(repetition: pa.ChunkedArray) -> pa.Array | None:
    """Repeat numbers from 0 on; None where all rows are of one repetition, the only one."""
    if len(pc.unique(repetition)) < 2:
        return None
    return mapped(repetition, lambda nth: None if nth is None else int(nth) - 1, pa.int32())


def statuses(runstatus: pa.ChunkedArray) -> pa.Array:
    """The status of a run from ASLib's word for it: crash, other and the like are `failed`."""
    kept = ("ok", "timeout", "memout")
    return mapped(runstatus, lambda status: status if status in kept else "failed")


def distinct(values: Iterable[Hashable]) -> list[Any]:
    """Each value once, in the order of first sight, without None."""
    return [value for value in dict.fromkeys(values) if value is not None]


def metric_rows(metrics: Iterable[Metric]) -> pa.Table:
    """Rows of `metrics`."""
    found = [metric_row(metric) for metric in metrics]
    columns = [field for field in TABLES["metrics"].arrow if field.name != "load"]
    return pa.Table.from_pylist(found, schema=pa.schema(columns))


def metafeature_rows(
    tasks: Sequence[str],
    names: Sequence[str],
    values: Floats,
    extractor: str,
    cost_s: Floats | None = None,
) -> pa.Table:
    """Rows of `metafeatures` from a matrix; NaN is missing and not written.

    Args:
        values: (tasks, names).
        cost_s: Of the same shape; NaN where not known.
    """
    where, which = np.nonzero(~np.isnan(values))
    return rows(
        "metafeatures",
        task=pa.array(tasks, pa.string()).take(pa.array(where)),
        name=pa.array(names, pa.string()).take(pa.array(which)),
        value=values[where, which],
        extractor=extractor,
        cost_s=None if cost_s is None else pa.array(cost_s[where, which], from_pandas=True),
    )


def quality_rows(tasks: Sequence[str], names: Sequence[str], values: Floats) -> pa.Table:
    """OpenML's qualities as meta-features: under their own names, and under ours.

    The second ones have the extractor `openml/derived` where they are what metadb computes itself,
    `openml/close` where they are close to it (`metadb.metafeatures.openml` says how close).
    """
    from metadb.metafeatures.openml import from_qualities

    recorded = [
        {name: float(v) for name, v in zip(names, row, strict=True) if not np.isnan(v)}
        for row in values
    ]
    ours = []
    for extractor, close in (("openml/derived", False), ("openml/close", True)):
        said = [
            (task, name, value)
            for task, qualities in zip(tasks, recorded, strict=True)
            for name, value in from_qualities(qualities, close=close).items()
        ]
        ours.append(
            rows(
                "metafeatures",
                task=[task for task, _, _ in said],
                name=[name for _, name, _ in said],
                value=[value for _, _, value in said],
                extractor=extractor,
            )
        )
    theirs = metafeature_rows(tasks, names, values, "openml")
    return pa.concat_tables([theirs.select(ours[0].column_names), *ours])


def matrix(table: pa.Table, names: Sequence[str]) -> Floats:
    """The number columns of these names side by side, (rows, names), NaN where missing."""
    if not names:
        return np.empty((table.num_rows, 0))
    columns = [pc.cast(table.column(name), pa.float64()) for name in names]
    return np.column_stack([column.to_numpy() for column in columns])


def chunks(tables: Mapping[str, pa.Table]) -> Iterator[Rows]:
    """All tables with the first evaluations, then the other evaluations in pieces of `CHUNK`."""
    evaluations = tables.get("evaluations")
    if evaluations is None:
        yield Rows(tables)
        return
    yield Rows({**tables, "evaluations": evaluations.slice(0, CHUNK)})
    for start in range(CHUNK, evaluations.num_rows, CHUNK):
        yield Rows({"evaluations": evaluations.slice(start, CHUNK)})
