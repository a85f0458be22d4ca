"""The decision tree of a table, or of some of its instances, whoever grows it fastest.

Growing trees is most of what model-based meta-features and landmarkers cost. Here every attribute
is sorted once for all trees of a table (`metadb.metafeatures.cart`); scikit-learn grows the same
tree, and does so where it is faster: small tables, many classes, few values.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.cart import Places, Singles, Tree, ends, grow
from metadb.metafeatures.nearest_neighbour import level
from metadb.metafeatures.table import CELLS, Table
from metadb.protocols import Floats

BRANCHES = 10_000
"""Below so many cells most time goes into the nodes, and scikit-learn's are cheaper."""

CLASSES = 3
"""With more classes it is faster too: every class costs a pass here."""

SAME_AS = "1.9."
"""The scikit-learn whose trees `cart` grows to the last bit (tests compare them)."""

LARGE = 4 * CELLS
"""Above so many cells scikit-learn grows the tree: it needs less memory."""

FINE = 2.0**32
"""Into so many steps the range of a target is divided. That is finer than trees see (nodes with a
variance up to 2e-16 are leaves); sums of 2 million targets are exact, so that splits that are
equally good are so in any unit, whatever the order of the terms."""


def singles(table: Table) -> Singles:
    """`Table.matrix` as trees read it, (width, n): in single precision, what is too large for it
    scaled down by a power of two, which changes no order."""

    def compute() -> Singles:
        x = np.array(table.matrix.T, order="C")
        peak = np.abs(x).max(axis=1, initial=0.0)  # (width,)
        for row in np.flatnonzero(peak > 1e38):
            x[row] = np.ldexp(x[row], -int(np.frexp(peak[row])[1]))
        return x.astype(np.float32)

    return table.once("singles", compute)


def ordered(table: Table) -> Places:
    """The instances in the order of each attribute, (width, n)."""
    return table.once(
        "ordered", lambda: np.argsort(singles(table), axis=1, kind="stable").astype(np.int32)
    )


def tree_of(
    table: Table, seed: int, *, within: NDArray[np.bool_] | None = None, depth: int | None = None
) -> Tree:
    """The tree of a table, grown on all instances or those of `within` (n,).

    That of `DecisionTreeClassifier(max_depth=depth, random_state=seed)` on `Table.matrix`,
    whoever grows it: see `_is_ours`; for a regression see `_of_numbers`.
    """
    x, y = singles(table), target(table)
    if not _is_ours(table):
        if within is not None:
            x, y = x[:, within], y[within]
        return _by_sklearn(x, y, table.kind, seed, depth)
    order = ordered(table)
    if within is not None:
        order = order.ravel().compress(within.take(order).ravel()).reshape(len(order), -1)
    return grow(x, order, y, seed=seed, max_depth=depth)


def node_of(table: Table, attribute: int, seed: int, within: NDArray[np.bool_]) -> Tree:
    """The tree with one split, on this attribute, grown on the instances `within` (n,)."""
    x, y = singles(table)[attribute], target(table)
    if table.kind == "regression":
        tree = _by_sklearn(x[None, within], y[within], table.kind, seed, 1)
    else:
        order = table.once(
            ("ordered", attribute), lambda: np.argsort(x, kind="stable").astype(np.int32)
        )
        order = order.compress(within.take(order))[None]
        tree = grow(x[None], order, y, seed=seed, max_depth=1)
    feature = np.where(tree.is_leaf, -1, attribute)
    return replace(tree, feature=feature)


def target(table: Table) -> NDArray[Any]:
    """The classes, or the targets at a scale whose squares are finite."""
    y = np.asarray(table.y)
    return level(y.astype(float)) if table.kind == "regression" else y


def _is_ours(table: Table) -> bool:
    """Whether trees of this table are grown here, by what was measured to be faster.

    They are where scikit-learn's time goes into sorting: few classes, neither a small table nor
    one for which memory counts, and neighbours in the order of an attribute mostly differ. With a
    scikit-learn of another version than the one whose trees are grown here, it grows them all.
    """
    cells = table.width * table.n
    if not _installed().startswith(SAME_AS):
        return False
    if len(table.class_sizes) not in range(2, CLASSES + 1) or not BRANCHES <= cells <= LARGE:
        return False

    def mostly_differ() -> bool:
        rows = np.arange(table.width)
        return bool(ends(singles(table), rows, ordered(table)).mean() > 0.25)

    return table.once("mostly differ", mostly_differ)


@cache
def _installed() -> str:
    """The version of scikit-learn, looked up once: there is a tree for each fold."""
    return version("scikit-learn")


def _by_sklearn(x: Singles, y: NDArray[Any], kind: str, seed: int, max_depth: int | None) -> Tree:
    from sklearn.tree import DecisionTreeClassifier

    if kind == "regression":
        return _of_numbers(x, y, seed, max_depth)
    # No catch_warnings: it is not for threads, and a time limit may leave this one behind.
    warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
    model = DecisionTreeClassifier(max_depth=max_depth, random_state=seed)
    return from_sklearn(model.fit(x.T, y))


def _of_numbers(x: Singles, y: Floats, seed: int, max_depth: int | None) -> Tree:
    """The tree of `DecisionTreeRegressor`, whatever the unit and the offset of the target.

    What scikit-learn takes for a pure node rests on both: here the target ranges from -1/2 to 1/2.
    """
    from sklearn.tree import DecisionTreeRegressor

    low, span = float(y.min()), float(np.ptp(y)) or 1.0
    z = np.rint((y - low) / span * FINE) / FINE - 0.5
    model = DecisionTreeRegressor(max_depth=max_depth, random_state=seed).fit(x.T, z)
    tree = _pruned(from_sklearn(model), model.tree_.impurity, model.apply(x.T), z)
    return replace(tree, answer=(tree.answer + 0.5) * span + low)


def _pruned(tree: Tree, impurity: Floats, leaf: NDArray[np.intp], y: Floats) -> Tree:
    """The tree without splits of equal targets, whose variance is rounding.

    Args:
        impurity: The variance of each node, (nodes,).
        leaf: In which leaf each target `y` (n,) is, (n,).
    """
    low, high = np.full(len(tree.left), np.inf), np.full(len(tree.left), -np.inf)
    np.minimum.at(low, leaf, y)
    np.maximum.at(high, leaf, y)
    left, right = tree.left.copy(), tree.right.copy()
    some = np.flatnonzero(~tree.is_leaf)
    while len(some):  # from the leaves upwards; what is no leaf yet has no `low` that is `high`
        one, two = left[some], right[some]
        equal = (low[one] == high[one]) & (low[two] == high[two]) & (low[one] == low[two])
        low[some[equal]] = high[some[equal]] = low[one[equal]]
        some = some[equal]
        left[some] = right[some] = -1
        some = np.flatnonzero(left >= 0) if len(some) else some
    if (left == tree.left).all():
        return tree
    inner = left >= 0
    weight = tree.size * np.where(low == high, 0.0, impurity)
    decrease = weight[inner] - weight[left[inner]] - weight[right[inner]]
    importance = np.bincount(tree.feature[inner], decrease, minlength=len(tree.importance))
    kept = np.zeros(len(left), bool)
    kept[0] = kept[left[inner]] = kept[right[inner]] = True
    place = np.append(np.cumsum(kept) - 1, -1)  # of -1 too
    return Tree(
        place[left[kept]],
        place[right[kept]],
        np.where(inner, tree.feature, -1)[kept],
        np.where(inner, tree.threshold, -1.0)[kept],
        tree.size[kept],
        tree.answer[kept],
        importance / (importance.sum() or 1.0),
    )


def from_sklearn(model: Any) -> Tree:
    """A fitted tree of scikit-learn, classifier or regressor."""
    t = model.tree_
    answer = t.value[:, 0, 0]
    if hasattr(model, "classes_"):
        answer = np.asarray(model.classes_)[t.value.argmax(axis=2).ravel()]
    leaf = t.children_left < 0
    return Tree(
        t.children_left.astype(np.intp),
        t.children_right.astype(np.intp),
        np.where(leaf, -1, t.feature).astype(np.intp),
        np.where(leaf, -1.0, t.threshold),
        t.n_node_samples.astype(np.int64),
        answer,
        model.feature_importances_,
    )
