"""Growing a classification tree: the very tree of scikit-learn, several times faster in NumPy.

Scikit-learn sorts every attribute anew in every node; here each attribute comes sorted, and a
node's share of that order is split stably between its children (SPRINT, Shafer et al. 1996), so
that what is left are sums over arrays. Ties between attributes are very frequent in small nodes
and scikit-learn breaks them at random, so its random numbers are drawn here too: same seed, same
tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.table import CELLS
from metadb.protocols import Floats

Singles = NDArray[np.float32]
Places = NDArray[np.int32]

APART = np.float32(1e-7)
"""Values that are not further apart count as one, as in scikit-learn."""

SMALL = 4_000
"""Up to so many cells the exact criterion is computed at once for all attributes of a node."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A binary tree, a parent before its children; -1 for what a leaf does not have.

    Args:
        left: The left child of each node, (nodes,); there `x[feature] <= threshold`.
        right: The right one.
        feature: The attribute a node splits on.
        threshold: Where.
        size: Training instances of each node.
        answer: The most frequent class of each node, the first of several, or its mean target.
        importance: The share of each attribute in the decrease of impurity, (width,); all 0 for
            a tree that is one leaf.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: Floats
    size: NDArray[np.int64]
    answer: NDArray[Any]
    importance: Floats

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """Which nodes are leaves, (nodes,)."""
        return self.left < 0

    def depths(self) -> NDArray[np.int64]:
        """The depth of each node, (nodes,), the root's is 0; level by level, no recursion."""
        depths = np.zeros(len(self.left), np.int64)
        level, depth = np.array([0]), 0
        while len(level):
            depths[level] = depth
            level = level[~self.is_leaf[level]]
            level = np.concatenate([self.left[level], self.right[level]])
            depth += 1
        return depths

    def stump(self, x: Singles) -> NDArray[Any]:
        """What the root alone answers for `x` (width, n), shape (n,)."""
        if self.left[0] < 0:
            return np.full(x.shape[1], self.answer[0])
        goes_left = x[self.feature[0]] <= self.threshold[0]
        answers = np.where(goes_left, self.answer[self.left[0]], self.answer[self.right[0]])
        return np.asarray(answers)


def grow(
    x: Singles, order: Places, y: NDArray[np.int64], *, seed: int, max_depth: int | None = None
) -> Tree:
    """Grow a tree by Gini impurity until every leaf is pure or has no two values to split.

    Args:
        x: The attributes, (d, n).
        order: Training instances in the order of each attribute, (d, m).
        y: Classes as codes 0 .. k - 1, (n,).
        seed: Of the order in which attributes are tried, which decides between equal ones.
        max_depth: How deep a leaf may lie; None: no limit.

    Breiman, Friedman, Olshen & Stone 1984, Classification and Regression Trees; Shafer, Agrawal
    & Mehta 1996, SPRINT.
    """
    d, n = x.shape
    codes = y.astype(np.min_scalar_type(int(y.max(initial=0))))
    n_classes = int(y.max(initial=0)) + 1
    turn = _Turn(d, seed)
    limit = np.inf if max_depth is None else max_depth
    goes_left = np.zeros(n, bool)
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    size: list[int] = []
    counts: list[NDArray[np.int64]] = []
    at_root = np.bincount(y[order[0]], minlength=n_classes)
    stack: list[tuple[Places | None, NDArray[np.int64], int, int, int]]
    stack = [(order, at_root, 0, 0, -1)]
    while stack:
        places, count, depth, n_constant, parent = stack.pop()
        node = len(size)
        if parent >= 0 and left[parent] != node:  # the left child comes right after its parent
            right[parent] = node
        for column in (left, right, feature):
            column.append(-1)
        threshold.append(-1.0)
        m = int(count.sum())
        size.append(m)
        counts.append(count)
        if places is None or depth >= limit or count.max() == m:
            continue
        split, n_constant = _split(x, places, codes, count, turn, n_constant)
        if split is None:
            continue
        f, end = split
        low, high = x[f, places[f, end - 1 : end + 1]].astype(float)
        middle = low / 2 + high / 2
        left[node], feature[node] = node + 1, f
        threshold[node] = low if middle == high else middle
        first = places[f, :end]
        count_left = np.bincount(codes.take(first), minlength=n_classes)
        count_right = count - count_left
        goes_left[first] = True
        goes = goes_left.take(places).ravel()
        goes_left[first] = False
        deeper = depth + 1 < limit
        for child, goes_there in ((count_right, ~goes), (count_left, goes)):
            there = None
            if deeper and child.max() < child.sum():
                there = places.ravel().compress(goes_there).reshape(d, -1)
            stack.append((there, child, depth + 1, n_constant, node))
    return _finished(left, right, feature, threshold, size, np.array(counts), d)


def _finished(
    left: list[int],
    right: list[int],
    feature: list[int],
    threshold: list[float],
    size: list[int],
    counts: NDArray[np.int64],
    d: int,
) -> Tree:
    l, r, f = np.array(left), np.array(right), np.array(feature)  # noqa: E741
    m = np.array(size)
    square = (counts.astype(float) ** 2).sum(axis=1)
    weighted = m * (1.0 - square / (m * m).astype(float))  # the Gini impurity of m instances
    inner = np.flatnonzero(l >= 0)
    decrease = weighted[inner] - weighted[l[inner]] - weighted[r[inner]]
    importance = np.bincount(f[inner], decrease, minlength=d) / m[0]
    if (total := importance.sum()) > 0:
        importance /= total
    return Tree(l, r, f, np.array(threshold), m, counts.argmax(axis=1), importance)


def _split(
    x: Singles,
    places: Places,
    codes: NDArray[Any],
    count: NDArray[np.int64],
    turn: _Turn,
    n_constant: int,
) -> tuple[tuple[int, int] | None, int]:
    """The best attribute and how many instances go to the left; the constant attributes so far."""
    rows = np.arange(len(x))
    low, high = x[rows, places[:, 0]], x[rows, places[:, -1]]
    tried, n_constant = turn.next((high <= low + APART).tolist(), n_constant)
    if not tried:
        return None, n_constant
    near = np.array(tried)  # in the order in which they are tried
    if places.size > SMALL:
        near = near[_promising(x, places, codes, count)[near]]
    best, found = -np.inf, None
    step = max(1, CELLS // places.shape[1])
    for start in range(0, len(near), step):
        some = near[start : start + step]
        there = places[some]
        value = _criterion(codes.take(there[:, :-1]), count)
        value[~ends(x, some, there)] = -np.inf
        end = value.argmax(axis=1)
        top = value[np.arange(len(some)), end]
        first = int(top.argmax())
        if top[first] > best:
            best, found = float(top[first]), (int(some[first]), int(end[first]) + 1)
    return found, n_constant


def ends(x: Singles, rows: NDArray[np.intp], places: Places) -> NDArray[np.bool_]:
    """After which places a split may lie, (rows, m - 1): the next value is a larger one."""
    value = x.ravel().take(places + (rows * x.shape[1])[:, None])
    larger: NDArray[np.bool_] = value[:, 1:] > value[:, :-1] + APART
    return larger


def _criterion(labels: NDArray[Any], count: NDArray[np.int64]) -> Floats:
    """The negative impurity after a split at each place, (rows, m - 1), rounded as scikit-learn
    rounds it: what is equal there must be equal here."""
    m = int(count.sum())
    n_left = np.arange(1.0, m)
    n_right = m - n_left
    square_left = square_right = np.zeros(1)
    for label in np.flatnonzero(count):
        within = np.cumsum((labels == label).view(np.uint8), axis=1, dtype=np.int32)
        of_left = within.astype(float)
        of_right = count[label] - of_left
        square_left = square_left + of_left * of_left
        square_right = square_right + of_right * of_right
    gini_left = 1.0 - square_left / (n_left * n_left)
    gini_right = 1.0 - square_right / (n_right * n_right)
    value: Floats = -n_right * gini_right - n_left * gini_left
    return value


def _promising(
    x: Singles, places: Places, codes: NDArray[Any], count: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which attributes may have the best split, (d,): within rounding of it.

    Up to what all places share, the criterion is ``m sum_c (l_c - p n_c / m)^2 / (p (m - p))``
    with l_c of the n_c instances of class c among the first p of m: four cheap passes.
    """
    d, m = places.shape
    p = np.arange(1.0, m)
    present = np.flatnonzero(count)
    scale = m / (p * (m - p))
    if len(present) == 2:  # both classes have the same square
        present, scale = present[1:], 2 * scale
    peak = np.empty(d)
    step = max(1, 100_000 // m)  # so that the numbers at work stay in the cache
    for start in range(0, d, step):
        rows = np.arange(start, min(d, start + step))
        there = places[start : start + step]
        labels = codes.take(there[:, :-1])
        value = np.zeros(1)
        for label in present:
            within = np.cumsum((labels == label).view(np.uint8), axis=1, dtype=np.int32)
            excess = within - p * (count[label] / m)
            excess *= excess
            value = value + excess if label != present[0] else excess
        value *= scale
        here = np.arange(len(rows))
        end = value.argmax(axis=1)
        below, above = x[rows, there[here, end]], x[rows, there[here, end + 1]]
        within_value = np.flatnonzero(above <= below + APART)  # no split can lie there
        if len(within_value):
            some = value[within_value]
            some[~ends(x, rows[within_value], there[within_value])] = -np.inf
            value[within_value] = some
            end = value.argmax(axis=1)
        peak[rows] = value[here, end]
    near: NDArray[np.bool_] = peak >= peak.max() - 1e-12 * m
    return near


class _Turn:
    """In which order scikit-learn tries the attributes of a node.

    It draws them one by one without replacement (Fisher, Yates 1938) with the generator of
    Marsaglia 2003, "Xorshift RNGs", and keeps those it has found constant in front, since they
    stay so in all nodes below.
    """

    def __init__(self, d: int, seed: int) -> None:
        self.state = int(np.random.RandomState(seed).randint(0, 0x7FFFFFFF))
        self.features = list(range(d))
        self.constants = [0] * d

    def next(self, constant: list[bool], n_known: int) -> tuple[list[int], int]:
        """The attributes in the order of a node, without the constant ones, and how many those
        are; `n_known` of them are so in its parent."""
        features, state = self.features, self.state
        tried: list[int] = []
        n_drawn, n_constant, end = 0, n_known, len(features)
        while end > n_constant:
            state = state or 1
            state ^= (state << 13) & 0xFFFFFFFF
            state ^= state >> 17
            state ^= (state << 5) & 0xFFFFFFFF
            n_found = n_constant - n_known
            at = n_drawn + (state & 0x7FFFFFFF) % (end - n_found - n_drawn)
            if at < n_known:
                features[n_drawn], features[at] = features[at], features[n_drawn]
                n_drawn += 1
                continue
            at += n_found
            feature = features[at]
            if constant[feature]:
                features[at], features[n_constant] = features[n_constant], feature
                n_constant += 1
                continue
            end -= 1
            features[at], features[end] = features[end], feature
            tried.append(feature)
        self.state = state
        features[:n_known] = self.constants[:n_known]
        self.constants[n_known:n_constant] = features[n_known:n_constant]
        return tried, n_constant
