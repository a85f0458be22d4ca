"""Numeric columns taken together: covariances, correlations, and how they tell classes apart.

The second half of the statistical group, see the table in `metadb.metafeatures.statistical`. A data
set is read in blocks of instances; what is kept are sums of each class, (w, k), and cross products
of the w columns, (w, w), both of columns that were centred and scaled to length 1 first. With fewer
instances than columns, eigenvalues come from the cross products of the n instances, (n, n).

Canonical correlations are singular values, so that small ones are as exact as large ones: of the
class means in coordinates in which the columns have no correlation and variance 1 (Björck & Golub
1973, Numerical Methods for Computing Angles between Linear Subspaces).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.features import CLASSIFICATION, Feature, Found
from metadb.metafeatures.table import CELLS, Table
from metadb.protocols import Floats

WIDEST = 5000
"""More columns are not taken together: their cross products would not fit."""

MOST = 4 * CELLS
"""With more sums, classes times columns, the columns are not looked at class by class."""

TOLERANCE = 1e-12
"""A direction with a smaller share of the variance than this of the widest one (columns scaled to
variance 1) is no direction: columns repeat or add up to one another."""

ILL = 1e-5
"""With a direction below this share, the columns are turned and their cross products taken again:
what rounding did to small directions is then seen and undone."""

PERFECT = 1e-10
"""Where 1 - r^2 is not above it, the classes are told apart perfectly: r is 1."""

STRONG = 0.5
"""From here on the correlation of two columns counts as strong; see `nr_cor_attr`."""

_WIDE = f"there are more than {WIDEST:,} columns"
_MANY = f"classes times columns are more than {MOST:,}"
_PAIRS = f"there are not 2 columns and 2 instances, numbers are too large, or {_WIDE}"
_VARY = f"no 2 columns vary, or {_WIDE}"
_CLASSES = f"there is one class only, no column varies, {_WIDE}, or {_MANY}"
_SPLIT = f"a combination of columns tells classes apart perfectly; {_CLASSES}"

TOGETHER: dict[str, Feature] = {
    "gravity": Feature(f"there is one class only, no column, or {_MANY}", kinds=CLASSIFICATION),
    "cov": Feature(_PAIRS, many=True),
    "cor": Feature(_VARY, many=True),
    "nr_cor_attr": Feature(_VARY),
    "sd_ratio": Feature(
        "there is one class only, or the covariance of a class has no inverse: it has not more "
        f"instances than columns, or columns that do not vary or add up; or {_WIDE}",
        kinds=CLASSIFICATION,
    ),
    "eigenvalues": Feature(
        f"there is one instance only, no column, numbers are too large, or {_WIDE}", many=True
    ),
    "can_cor": Feature(_CLASSES, many=True, kinds=CLASSIFICATION),
    "nr_disc": Feature(f"there is no column, {_WIDE}, or {_MANY}", kinds=CLASSIFICATION),
    **{name: Feature(_CLASSES, kinds=CLASSIFICATION) for name in ("p_trace", "w_lambda")},
    **{name: Feature(_SPLIT, kinds=CLASSIFICATION) for name in ("lh_trace", "roy_root")},
}
"""Their names, in the order in which `together` finds them."""


_Block = tuple[NDArray[np.intp], NDArray[np.intp], Floats]


@dataclass(frozen=True, slots=True)
class _Centred:
    """A table's instances in blocks, centred and scaled, the instances of a class side by side.

    Args:
        mean, scale: Of each column, (w,); where scale is infinite the column becomes 0.
        classes: Of each instance, (n,); all 0 where there are none.
        sizes: Instances of each class, (k,).
    """

    table: Table
    mean: Floats
    scale: Floats
    classes: NDArray[np.integer]
    sizes: NDArray[np.int64]
    _kept: list[_Block] = field(default_factory=list)

    def blocks(self) -> Iterator[_Block]:
        """Classes that occur in a block, where each starts, and the columns, (w, size)."""
        if self._kept:
            yield self._kept[0]
            return
        fixed = np.isinf(self.scale)
        some_fixed = fixed.any()
        for which, z in self.table.blocks():
            z -= self.mean[:, None]
            z /= self.scale[:, None]
            if some_fixed:
                z[fixed] = 0.0
            there, starts = np.zeros(1, np.intp), np.zeros(1, np.intp)
            if len(self.sizes) > 1:
                classes = self.classes[which]
                sizes = np.bincount(classes)
                there = np.flatnonzero(sizes)
                starts = np.cumsum(sizes[there]) - sizes[there]
                z = np.take(z, np.argsort(classes, kind="stable"), axis=1)
            if z.shape[1] == self.table.n:  # one block only: it is not made again
                self._kept.append((there, starts, z))
            yield there, starts, z

    def scatter(self, turn: Floats | None = None, *, crossed: bool = True) -> tuple[Floats, Floats]:
        """Sums of each class, (r, k), and, if `crossed`, cross products, (r, r), of the w columns
        (None) or of r combinations of them, `turn` (r, w).

        What is left of the mean after rounding is taken off: Chan, Golub & LeVeque 1983,
        Algorithms for Computing the Sample Variance.
        """
        r = len(self.scale) if turn is None else len(turn)
        sums = np.zeros((r, len(self.sizes)))
        products = np.zeros((r, r) if crossed else (0, 0))
        for there, starts, z in self.blocks():
            u = z if turn is None else turn @ z
            sums[:, there] += np.add.reduceat(u, starts, axis=1)
            if crossed:
                products += u @ u.T
        n = self.sizes.sum()
        rest = sums.sum(axis=1) / n  # (r,)
        if crossed:
            products -= np.outer(rest, rest * n)
        sums -= rest[:, None] * self.sizes
        return sums, products


def together(table: Table, mean: Floats, sd: Floats, reach: Floats) -> Iterator[Found]:
    """The features of columns taken together.

    Args:
        mean, sd, reach: Of the present values of each column, (w,); `reach` is their range.
    """
    w, n = table.width, table.n
    if w == 0:
        return
    # a value, and none so large that sums of n overflow
    there = np.abs(mean) + reach < np.finfo(float).max / (4 * n)
    scale = np.where(there & (sd > 0), sd, np.inf)
    classes, sizes = np.zeros(n, np.uint16), np.array([n])
    classified = table.kind == "classification" and len(table.class_sizes) * w <= MOST
    if classified:
        sizes = table.class_sizes
        # small integers are sorted in linear time
        classes = np.asarray(table.y).astype(np.uint16 if len(sizes) < 2**16 else np.int64)
    data = _Centred(table, np.where(there, mean, 0.0), scale, classes, sizes)

    sums, products = data.scatter(crossed=w <= WIDEST)
    if classified:
        yield "gravity", _gravity(data, sums)
    if w > WIDEST:
        return
    length = np.sqrt(np.maximum(0.0, products.diagonal()))
    length[np.isinf(scale)] = 1.0
    products /= length
    products /= length[:, None]  # correlations
    scale = scale * length
    yield from _pairs(products, scale, there, n)
    if classified:
        yield "sd_ratio", _sd_ratio(data, sums)
    of_instances = _of_instances(table, data.mean, scale) if n < w else None
    yield "eigenvalues", _eigenvalues(products, scale, there, n, of_instances)
    if classified:
        if of_instances is None:
            means = _means_of_columns(data, sums, products, length)
        else:
            means = _means_of_instances(data, of_instances[0])
        yield from _discriminants(means)


def _gravity(data: _Centred, sums: Floats) -> float:
    sizes = data.sizes
    if len(sizes) == 1:
        return np.nan
    largest = int(sizes.argmax())
    others = np.delete(np.arange(len(sizes)), largest)
    smallest = int(others[sizes[others].argmin()])
    apart = sums[:, largest] / sizes[largest] - sums[:, smallest] / sizes[smallest]  # (w,)
    apart = apart * np.where(np.isinf(data.scale), 0.0, data.scale)
    top = np.abs(apart).max()
    return float(top * np.linalg.norm(apart / top)) if top > 0 else 0.0


def _pairs(products: Floats, scale: Floats, there: NDArray[np.bool_], n: int) -> Iterator[Found]:
    """cov, cor and nr_cor_attr from correlations, (w, w)."""
    below = np.tri(len(products), k=-1, dtype=bool)
    below &= there
    below &= there[:, None]
    strength = np.minimum(1.0, np.abs(products[below]))  # (pairs,)
    yield "cov", np.abs(_covariance(products, scale, n)[below])
    varies = np.isfinite(scale)
    strength = strength[(varies & varies[:, None])[below]]
    yield "cor", strength
    # what is 1/2 but for rounding counts
    yield "nr_cor_attr", float((strength >= STRONG - 1e-12).mean()) if len(strength) else np.nan


def _covariance(products: Floats, scale: Floats, n: int) -> Floats:
    sd = np.where(np.isinf(scale), 0.0, scale) / np.sqrt(n - 1) if n > 1 else np.nan * scale
    covariance = products * sd
    covariance *= sd[:, None]
    return covariance


def _sd_ratio(data: _Centred, sums: Floats) -> float:
    """Box's M as a ratio of standard deviations; the scale of the columns is no matter."""
    w, sizes, k = len(sums), data.sizes, len(data.sizes)
    if k == 1 or sizes.min() <= w or np.isinf(data.scale).any():
        return np.nan
    means = sums / sizes  # (w, k)
    pooled, log_det = np.zeros((w, w)), np.empty(k)
    held = max(1, MOST // w**2)  # classes that are looked at in one go
    for first in range(0, k, held):
        within = np.zeros((min(held, k - first), w, w))
        rest = np.zeros((len(within), w))  # what rounding left of the means
        for there, starts, z in data.blocks():
            stops = np.append(starts[1:], z.shape[1])
            for c, start, stop in zip(there, starts, stops, strict=True):
                if first <= c < first + held:
                    part = z[:, start:stop] - means[:, c, None]
                    within[c - first] += part @ part.T
                    rest[c - first] += part.sum(axis=1)
        n_c = sizes[first : first + held, None, None]
        within -= rest[:, None] * rest[:, :, None] / n_c
        pooled += within.sum(axis=0)
        log_det[first : first + held] = _log_det(within / (n_c - 1))
    n, nu = sizes.sum(), sizes - 1
    gamma = 1 - (2 * w**2 + 3 * w - 1) / (6 * (w + 1) * (k - 1)) * ((1 / nu).sum() - 1 / (n - k))
    m = gamma * ((n - k) * _log_det(pooled[None] / (n - k))[0] - nu @ log_det)
    return float(np.exp(m / (w * (n - k))))


def _log_det(covariances: Floats) -> Floats:
    """The log of the determinant of each of (k, w, w), (k,); NaN if one is singular."""
    sd = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))  # (k, w)
    nothing = np.full(len(sd), np.nan)
    if not (sd > 0).all():
        return nothing
    try:
        root = np.linalg.cholesky(covariances / (sd[:, None] * sd[:, :, None]))
    except np.linalg.LinAlgError:
        return nothing
    pivots = np.diagonal(root, axis1=1, axis2=2)
    if (pivots**2).min() < TOLERANCE:
        return nothing
    return np.asarray(2 * np.log(pivots * sd).sum(axis=1))


def _of_instances(table: Table, mean: Floats, scale: Floats) -> tuple[Floats, Floats, float]:
    """Cross products of the instances, (n, n): of columns divided by `scale`, and of columns as
    they are but for one factor, which comes third."""
    n = table.n
    size = np.where(np.isinf(scale), 0.0, scale)
    top = max(float(size.max()), np.finfo(float).tiny)
    even, plain = np.zeros((n, n)), np.zeros((n, n))
    start = 0
    for x in table.encoded():  # (m, n)
        part = slice(start, start + len(x))
        z = (x - mean[part, None]) / scale[part, None]
        z[np.isnan(z)] = 0.0  # missing: the mean
        z[size[part] == 0] = 0.0
        even += z.T @ z
        z *= (size[part] / top)[:, None]
        plain += z.T @ z
        start += len(x)
    for products in (even, plain):  # what rounding left of the mean
        products -= products.mean(axis=0)
        products -= products.mean(axis=1, keepdims=True)
    return even, plain, top


def _eigenvalues(
    products: Floats,
    scale: Floats,
    there: NDArray[np.bool_],
    n: int,
    of_instances: tuple[Floats, Floats, float] | None,
) -> Floats:
    """The eigenvalues of the covariance of columns that have values, ascending."""
    if n == 1:
        return np.full(int(there.sum()), np.nan)
    if of_instances is not None:
        _, plain, top = of_instances
        found = np.linalg.eigvalsh(plain) * (top / np.sqrt(n - 1)) ** 2
        kept = min(n, int(there.sum()))  # all others are 0
        found = np.append(np.zeros(int(there.sum()) - kept), found[n - kept :])
    else:
        covariance = _covariance(products, scale, n)
        # wide columns first: the elimination then leaves small eigenvalues what they are
        wide = np.flatnonzero(there)
        wide = wide[np.argsort(-covariance.diagonal()[wide], kind="stable")]
        covariance = covariance[np.ix_(wide, wide)]
        if not np.isfinite(covariance).all():
            return np.full(len(covariance), np.nan)
        found = np.linalg.eigvalsh(covariance)
    return np.asarray(np.maximum(0.0, found))


def _means_of_columns(data: _Centred, sums: Floats, products: Floats, length: Floats) -> Floats:
    """Class means, each times the root of its size, in coordinates with scatter 1, (rank, k).

    Args:
        sums: Of each class over the columns of `data`, (w, k).
        products: Of those columns divided by their `length`, (w,): correlations.
    """
    value, vector = np.linalg.eigh(products)
    kept = value > TOLERANCE * value.max(initial=0.5)  # the largest is at least 1, or all are 0
    turn = vector[:, kept].T / np.sqrt(value[kept])[:, None] / length  # (rank, w)
    if kept.any() and value[kept][0] < ILL * value[-1]:
        sums, products = data.scatter(turn)
        value, vector = np.linalg.eigh(products)
        kept = value > TOLERANCE * value.max(initial=0.5)  # rounding may leave one below 0
        turn = vector[:, kept].T / np.sqrt(value[kept])[:, None]
    return np.asarray(turn @ (sums / np.sqrt(data.sizes)))


def _means_of_instances(data: _Centred, products: Floats) -> Floats:
    """The same from the cross products of the instances, (n, n)."""
    value, vector = np.linalg.eigh(products)
    vector = vector[:, value > TOLERANCE * value.max(initial=0.5)]  # (n, rank)
    order = np.argsort(data.classes, kind="stable")
    sums = np.add.reduceat(vector[order], np.cumsum(data.sizes) - data.sizes, axis=0)  # (k, rank)
    return np.asarray(sums.T / np.sqrt(data.sizes))


def _discriminants(means: Floats) -> Iterator[Found]:
    """Canonical correlations and what rests on them, from `means` (rank, k)."""
    rank, k = means.shape
    n_disc = min(rank, k - 1)
    r = np.empty(0)
    if n_disc:
        r = np.asarray(np.linalg.svd(means, compute_uv=False)[:n_disc], np.float64)
    left = 1 - r**2
    r[left <= PERFECT], left[left <= PERFECT] = 1.0, 0.0
    yield "can_cor", r
    yield "nr_disc", n_disc
    if n_disc == 0:
        return
    yield "p_trace", float((r**2).sum())
    yield "w_lambda", float(left.prod())
    yield "lh_trace", float((r**2 / left).sum())
    yield "roy_root", float(r[0] ** 2 / left[0])
