"""Folds of a cross-validation in the order of the data, the classes spread evenly over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.table import Table

FOLDS = 10


def folds(table: Table) -> list[NDArray[np.intp]]:
    """The instances of each of ten folds, in the order of the data; nothing is shuffled.

    They are those of scikit-learn's `StratifiedKFold(10)`, for a regression of `KFold(10)`. There
    are fewer where the largest class (the data) has fewer than ten instances, and none where no
    class has two.
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
    if table.kind != "classification":
        return np.array_split(np.arange(table.n), n_folds)
    fold = _stratified(np.asarray(table.y), table.class_sizes, n_folds)
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
