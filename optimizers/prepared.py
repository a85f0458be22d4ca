"""A data file made ready for cross-validation: numbers, class codes, folds and remarks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from metadb.datafile import Data, floats, plain
from metadb.errors import InvalidRows
from optimizers.features import Features

MOST_CLASSES = 500
"""More classes than this are no classification that can be searched by cross-validation."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a search by cross-validation needs of a data file.

    Args:
        x: Features, (n, width), categories as codes, NaN where missing.
        y: Class numbers from 0, or the numeric target, (n,).
        features: How x was made of the table.
        kind: `classification` or `regression`.
        target: The target's name.
        classes: In the order of their numbers; empty for a regression.
        folds: How many the rows allow.
        notes: What was done to the data, a sentence each.
    """

    x: NDArray[np.float64]
    y: NDArray[Any]
    features: Features
    kind: str
    target: str
    classes: tuple[Any, ...]
    folds: int
    notes: tuple[str, ...]


def prepare(data: Data, *, folds: int = 5) -> Prepared:
    """Look at a table as a learner would; `folds` is how many are wanted.

    Rows of classes that have one member only are left out: it cannot be learnt from and tested on.

    Raises:
        InvalidRows: Nothing can be learnt: no two classes, a target that never changes, too few
            rows, too many classes, no usable column.
    """
    notes = list(data.notes)
    y: NDArray[Any]
    if data.dropped:
        notes.append(f"{data.dropped:,} rows without target are left out")
    target = str(data.target)
    if data.kind == "classification":
        table, y, classes = _classes(data, target, notes)
        smallest = int(np.bincount(y).min())
        if smallest < folds:
            notes.append(
                f"{smallest} folds instead of {folds}: the smallest class has {smallest} members"
            )
        folds = min(folds, smallest)
    elif data.kind == "regression":
        table, classes = data.x, ()
        y = floats(plain(data.y), False)
        if len(y) < 4:
            raise InvalidRows(
                f"{len(y)} rows are too few to learn from some and test on others; give 4 or more"
            )
        if np.ptp(y) == 0:
            raise InvalidRows(
                f"the target {target!r} is {y[0]:g} in every row, so there is nothing to learn; "
                "name another"
            )
        folds = min(folds, len(y) // 2)
    else:
        raise InvalidRows("a clustering has no target to be tuned for; name a target")
    features = Features.learn(table)
    notes += features.notes()
    return Prepared(
        features.encode(table), y, features, data.kind, target, classes, folds, tuple(notes)
    )


def _classes(
    data: Data, target: str, notes: list[str]
) -> tuple[pa.Table, NDArray[np.int64], tuple[Any, ...]]:
    """Rows, class numbers and classes, without classes of one member."""
    assert data.y is not None
    labels = plain(data.y).to_pylist()
    members = Counter(labels)
    lonely = sorted(str(c) for c, n in members.items() if n == 1)
    classes = tuple(c for c in data.classes if members[c] > 1)
    if len(classes) > MOST_CLASSES or len(lonely) > len(labels) / 2:
        raise InvalidRows(
            f"the target {target!r} has {len(members):,} classes in {len(labels):,} rows; name one "
            f"with at most {MOST_CLASSES}, or say --kind regression if it is a number"
        )
    if len(members) == 1:
        raise InvalidRows(
            f"the target {target!r} has one class only ({next(iter(members))!r}), so there is "
            "nothing to learn; name another"
        )
    if len(classes) < 2:
        raise InvalidRows(
            f"of the classes of {target!r} fewer than two have two members or more, so none can be "
            "learnt and tested; add rows"
        )
    if lonely:
        named = ", ".join(map(repr, lonely[:3])) + ", ..." * (len(lonely) > 3)
        one = len(lonely) == 1
        notes.append(
            f"{'class' if one else f'{len(lonely)} classes'} {named} "
            f"{'has' if one else 'have'} one member each, left out: it cannot be learnt and tested"
        )
    code = {c: i for i, c in enumerate(classes)}
    y = np.array([code.get(c, -1) for c in labels], np.int64)
    kept = y >= 0
    return (data.x if kept.all() else data.x.filter(pa.array(kept))), y[kept], classes
