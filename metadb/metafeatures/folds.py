"""Folds of a cross-validation, over which classes or the sizes of a target are spread evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.table import Table

FOLDS = 10


def folds(table: Table) -> list[NDArray[np.intp]]:
    """The instances of each of ten folds, ascending; nothing is random.

    They are those of scikit-learn's `StratifiedKFold(10)`. Those of a regression are dealt in the
    order of the target, equal ones in that of the data, so that data sorted by the target have
    folds like any others. There are fewer where the largest class (the data) has fewer than ten
    instances, and none where no class has two.
    """
    return table.once("folds", lambda: _folds(table))


def _folds(table: Table) -> list[NDArray[np.intp]]:
    if table.y is None:
        return []
    n_folds = min(FOLDS, table.n)
    if table.kind == "classification":
        n_folds = min(n_folds, int(table.class_sizes.max(initial=0)))
    if n_folds < 2:
        return []
    if table.kind == "classification":
        fold = _stratified(np.asarray(table.y), table.class_sizes, n_folds)
    else:
        fold = np.empty(table.n, np.int64)
        fold[np.argsort(table.y, kind="stable")] = np.arange(table.n) % n_folds
    return [np.flatnonzero(fold == i) for i in range(n_folds)]


def _stratified(y: NDArray[np.int64], sizes: NDArray[np.int64], n_folds: int) -> NDArray[np.int64]:
    """The fold of each instance, (n,).

    The classes are laid in one row, in the order in which they first occur, and its places dealt
    to the folds in turn; a class fills its first fold with its first instances, and so on.
    """
    by_class = np.argsort(y, kind="stable")
    start = np.cumsum(sizes) - sizes  # of each class in `by_class`
    of_first = np.argsort(by_class[start], kind="stable")  # classes as they first occur
    dealt = np.arange(len(y)) % n_folds
    fold = np.empty(len(y), np.int64)
    at = 0
    for label in of_first:
        own = dealt[at : at + sizes[label]]
        fold[by_class[start[label] : start[label] + sizes[label]]] = np.sort(own)
        at += sizes[label]
    return fold
