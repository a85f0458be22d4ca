"""Meta-features by a second way: plain, slow and in float64, to say which of two values is right.

`x` holds the attributes as numbers, (n, d), `y` the codes of the classes, (n,).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadb.protocols import Floats

Codes = NDArray[Any]

BY_COLUMN = (
    *("min", "max", "mean", "median", "t_mean", "range", "g_mean", "h_mean", "var", "sd"),
    *("iq_range", "mad", "skewness", "kurtosis"),
)
"""Of pymfe's statistical features those with one value for each column."""


def information(codes: Sequence[Codes], y: Codes | None, epsilon: float) -> dict[str, Any]:
    """What contingency tables tell; `epsilon` is added to each cell, as pymfe does with 1e-8."""
    d = len(codes)
    chosen = np.arange(d)
    if d > 12:
        chosen = np.random.RandomState(0).choice(chosen, size=12, replace=False)
    pairs = [(codes[a], codes[b]) for a, b in permutations(chosen.tolist(), 2)]
    conc = np.array([concentration(joint(*pair, epsilon), epsilon) for pair in pairs])
    attr_ent = np.array([entropy(np.bincount(c) / len(c)) for c in codes])
    if y is None:
        return {"attr_ent": attr_ent, "attr_conc": conc}
    class_ent = entropy(np.bincount(y) / len(y))
    tables = [joint(y, c, epsilon) for c in codes]
    joint_ent = np.array([entropy(p) for p in tables])
    mut_inf = attr_ent + class_ent - joint_ent
    return {
        "class_ent": class_ent,
        "attr_ent": attr_ent,
        "attr_conc": conc,
        "joint_ent": joint_ent,
        "mut_inf": mut_inf,
        "class_conc": np.array([concentration(p.T, epsilon) for p in tables]),
        "eq_num_attr": d * class_ent / mut_inf.sum(),
        "ns_ratio": (attr_ent.sum() - mut_inf.sum()) / mut_inf.sum(),
    }


def by_column(numbers: Sequence[Floats], codes: Sequence[Codes], dummies: Floats) -> dict[str, Any]:
    """pymfe's own features of one column at a time: `numbers` are the present ones of each numeric
    attribute, `codes` the categorical attributes, `dummies` (n, m) their columns of 0 and 1."""
    from pymfe.statistical import MFEStatistical

    columns = [x[:, None] for x in (*numbers, *dummies.T)]
    found: dict[str, Any] = {
        name: np.array([getattr(MFEStatistical, f"ft_{name}")(N=x).item() for x in columns])
        for name in BY_COLUMN
    }
    found["nr_outliers"] = sum(MFEStatistical.ft_nr_outliers(N=x) for x in columns)
    attributes = [x[:, None] for x in (*numbers, *codes)]
    found["sparsity"] = np.array([MFEStatistical.ft_sparsity(X=x).item() for x in attributes])
    return found


def joint(a: Codes, b: Codes, epsilon: float) -> Floats:
    """Shares of the pairs of two columns, `epsilon` more in every cell."""
    k = int(b.max()) + 1
    counts = np.bincount(a * np.int64(k) + b, minlength=(int(a.max()) + 1) * k)
    return counts.reshape(-1, k) / len(a) + epsilon


def entropy(p: Floats) -> float:
    """In bits."""
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def concentration(p: Floats, epsilon: float) -> float:
    """Goodman & Kruskal's tau of the rows given the columns; 0 / 0 of a single row as counted."""
    if len(p) == 1 and epsilon == 0:
        return np.nan
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    there = columns > 0
    expected = float((rows**2).sum())
    found = float((p[:, there] ** 2 / columns[there]).sum())
    return (found - expected) / (1 - expected)


def discriminants(correlations: Floats) -> dict[str, Any]:
    """What follows from the canonical correlations."""
    squares = np.asarray(correlations, float) ** 2
    if not len(squares):
        return {"can_cor": squares, "nr_disc": 0.0}
    eigenvalues = squares / (1 - squares)
    return {
        "can_cor": np.sqrt(squares),
        "nr_disc": float(len(squares)),
        "p_trace": squares.sum(),
        "lh_trace": eigenvalues.sum(),
        "roy_root": eigenvalues.max(),
        "w_lambda": float(np.exp(-np.log1p(eigenvalues).sum())),
    }


def canonical_correlations(x: Floats, y: Codes) -> Floats:
    """The roots of `B v = r^2 T v`, as an eigenproblem over an orthonormal basis of the columns."""
    x = x - x.mean(axis=0)
    length = np.sqrt((x**2).sum(axis=0))
    u, s, _ = np.linalg.svd(x[:, length > 0] / length[length > 0], full_matrices=False)
    u = u[:, s > s.max(initial=0) * 1e-9]
    sizes = np.bincount(y)
    means = np.array([u[y == c].mean(axis=0) for c in range(len(sizes))])  # (k, rank)
    squares = np.linalg.eigvalsh((means * sizes[:, None]).T @ means)[::-1]
    squares = squares[: min(len(sizes) - 1, u.shape[1])]
    return np.sqrt(np.minimum(squares[squares > 1e-12], 1.0))


def converged_correlations(x: Floats, y: Codes) -> Floats:
    """scikit-learn's CCA as pymfe calls it, but iterated until it has converged."""
    from sklearn.cross_decomposition import CCA

    one_hot = (y[:, None] == np.arange(1, y.max() + 1)).astype(float)
    cca = CCA(min(one_hot.shape[1], x.shape[1]), max_iter=20_000, tol=1e-15).fit(x, one_hot)
    a, b = cca.transform(x, one_hot)
    return np.array([np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(a.shape[1])])


def box_ratio(x: Floats, y: Codes, *, flipped: bool) -> float:
    """exp(Box's M / (d (n - k))); `flipped`: the order of classes and of rows turned round."""
    n, d = x.shape
    sizes = np.bincount(y)
    k = len(sizes)
    covariances = np.array([np.atleast_2d(np.cov(x[y == c], rowvar=False)) for c in range(k)])
    if flipped:
        covariances = covariances[::-1, ::-1]
    freedom = sizes - 1.0
    pooled = np.tensordot(freedom, covariances, 1) / (n - k)
    gamma = 1 - (2 * d**2 + 3 * d - 1) / (6 * (d + 1) * (k - 1)) * (
        (1 / freedom).sum() - 1 / (n - k)
    )
    sign, log_pooled = np.linalg.slogdet(pooled)
    signs, logs = np.linalg.slogdet(covariances)
    if sign <= 0 or (signs <= 0).any():
        return np.nan
    return float(np.exp(gamma * ((n - k) * log_pooled - freedom @ logs) / (d * (n - k))))


def strong_pairs(x: Floats) -> tuple[int, int, int]:
    """Pairs of columns with |r| >= 1/2: those clearly above it, and with those at it; of how many.

    At it: |r| is 1/2 to rounding, and, of columns of 0 and 1, in whole numbers.
    """
    n = len(x)
    x = x[:, np.ptp(x, axis=0) > 0]
    r = np.abs(np.corrcoef(x, rowvar=False))
    i, j = np.tril_indices(x.shape[1], -1)
    clear = exact = int((r[i, j] > 0.5 + 1e-12).sum())
    for a, b in zip(*(c[np.abs(r[i, j] - 0.5) <= 1e-12] for c in (i, j)), strict=True):
        pair = x[:, [a, b]]
        if np.isin(pair, (0, 1)).all():
            n_a, n_b, n_ab = (int(c.sum()) for c in (*pair.T, pair.prod(axis=1)))
            exact += 4 * (n * n_ab - n_a * n_b) ** 2 >= n_a * (n - n_a) * n_b * (n - n_b)
    return clear, exact, len(i)


def nearest_accuracy(
    x: Floats, y: Codes, train: NDArray[np.intp], test: NDArray[np.intp]
) -> tuple[float, float, float]:
    """Accuracy of the nearest neighbour: the lowest that its ties (to rounding) allow, the mean
    over them, the highest."""
    low, mean, high = 0, 0.0, 0
    for start in range(0, len(test), 200):
        some = test[start : start + 200]
        squares = np.zeros((len(some), len(train)))
        for a, b in zip(x[some].T, x[train].T, strict=True):
            squares += (a[:, None] - b) ** 2
        near = squares <= squares.min(axis=1, keepdims=True) * (1 + 1e-12)
        right = y[train] == y[some][:, None]
        high += int((near & right).any(axis=1).sum())
        low += int((~(near & ~right).any(axis=1)).sum())
        mean += float(((near & right).sum(axis=1) / near.sum(axis=1)).sum())
    return low / len(test), mean / len(test), high / len(test)


def stump_accuracies(
    x: Floats,
    y: Codes,
    attributes: NDArray[np.intp],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
) -> list[float]:
    """Accuracy of one split on each of these attributes."""
    from sklearn.tree import DecisionTreeClassifier

    found = []
    for i in attributes:
        stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x[train][:, [i]], y[train])
        found.append(float(stump.score(x[test][:, [i]], y[test])))
    return found
