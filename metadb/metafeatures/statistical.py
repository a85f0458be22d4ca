"""The statistical meta-features: how numbers are spread and go with each other and the classes.

They rest on the columns of `Table.encoded`: the numeric attributes and a 0/1 column for each kept
category. Of a column with p present values x, sorted x_1 .. x_p, let m be their mean, m_r the mean
of (x - m)^r, s^2 = p m_2 / (p - 1), and q_1, q_2, q_3 their quartiles (Hyndman & Fan 1996, type 7).
Together, a missing number counts as the mean of its column: S is the covariance (divisor n - 1) of
the w columns over n instances; S_c, n_c that of the instances of class c of k and their number;
T = (n - 1) S, W = sum (n_c - 1) S_c, B = T - W; r_1 >= r_2 .. the canonical correlations between
the columns and the classes, so that r_i^2 are the eigenvalues of T^-1 B.

| name | formula | range | source |
| --- | --- | --- | --- |
| min | x_1 | (-inf, inf) | Engels & Theusinger 1998 |
| max | x_p | (-inf, inf) | Engels & Theusinger 1998 |
| mean | m | (-inf, inf) | Engels & Theusinger 1998 |
| median | q_2 | (-inf, inf) | Engels & Theusinger 1998 |
| t_mean | mean without the int(0.2 p) smallest and as many largest | (-inf, inf) | Engels & Theusinger 1998 |
| range | x_p - x_1 | [0, inf) | Ali & Smith-Miles 2006 |
| g_mean | exp(mean of ln x); 0 with a zero, none with a negative x | [0, inf) | Ali & Smith-Miles 2006 |
| h_mean | p / sum(1 / x); 0 with a zero, none with a negative x | [0, inf) | Ali & Smith-Miles 2006 |
| var | s^2 | [0, inf) | Castiello et al. 2005 |
| sd | s | [0, inf) | Engels & Theusinger 1998 |
| iq_range | q_3 - q_1 | [0, inf) | Ali & Smith-Miles 2006 |
| mad | 1.4826 times the median of abs(x - q_2) | [0, inf) | Ali & Smith 2006 |
| skewness | m_3 / s^3, b_1 of Joanes & Gill 1998 | (-inf, inf) | Michie et al. 1994 |
| kurtosis | m_4 / s^4 - 3, b_2 of Joanes & Gill 1998 | [-2.75, inf), -2.75 where p = 2 | Michie et al. 1994 |
| sparsity | (p / v - 1) / (p - 1), v distinct values; of each attribute, categorical ones too | [0, 1] | Salama et al. 2013 |
| nr_outliers | columns with a value below q_1 - 1.5 (q_3 - q_1) or above q_3 + 1.5 (q_3 - q_1) | [0, w] | Köpf & Iglezakis 2002 |
| nr_norm | columns that pass Shapiro & Wilk's test (Royston 1995) on the first 5,000 instances, p-value > 0.05 | [0, w] | Köpf et al. 2000 |
| gravity | distance of the means of the largest and the smallest class (first of ties) | [0, inf) | Ali & Smith 2006 |
| cov | abs(S_ij), i < j | [0, inf) | Castiello et al. 2005 |
| cor | abs(S_ij) / sqrt(S_ii S_jj), i < j, of columns that vary | [0, 1] | Castiello et al. 2005 |
| nr_cor_attr | share of the values of cor that are 0.5 or more | [0, 1] | Salama et al. 2013 |
| sd_ratio | exp(g sum (n_c - 1) ln(det(W / (n - k)) / det S_c) / (w (n - k))), g = 1 - (2 w^2 + 3 w - 1) / (6 (w + 1) (k - 1)) (sum 1 / (n_c - 1) - 1 / (n - k)), Box 1949 | (0, inf) | Michie et al. 1994 |
| eigenvalues | of S | [0, inf) | Ali & Smith 2006 |
| can_cor | r_i, i = 1 .. nr_disc | [0, 1] | Kalousis 2002 |
| nr_disc | min(rank of T, k - 1) | [0, k - 1] | Lindner & Studer 1999 |
| p_trace | sum r_i^2 = trace(T^-1 B) | [0, k - 1] | Pillai 1955 |
| w_lambda | product of 1 - r_i^2 = det W / det T | [0, 1] | Lindner & Studer 1999 |
| lh_trace | sum r_i^2 / (1 - r_i^2) = trace(W^-1 B) | [0, inf) | Lawley 1938, Hotelling 1951 |
| roy_root | r_1^2 / (1 - r_1^2), the largest eigenvalue of W^-1 B | [0, inf) | Roy 1953 |

The names are those of pymfe (Alcobaça et al. 2020); where its values are others, docs/metafeatures-parity.md
says why. A constant column has no skewness, kurtosis and cor and is not normal.

Michie, Spiegelhalter & Taylor 1994, Machine Learning, Neural and Statistical Classification
(STATLOG); Joanes & Gill 1998, Comparing Measures of Sample Skewness and Kurtosis; Engels &
Theusinger 1998, Using a Data Metric for Preprocessing Advice; Lindner & Studer 1999, AST; Köpf,
Taylor & Keller 2000, Meta-analysis; Köpf & Iglezakis 2002, Combination of Task Description
Strategies; Kalousis 2002, Algorithm Selection via Meta-Learning; Castiello, Castellano & Fanelli
2005, Meta-data; Ali & Smith 2006, On Learning Algorithm Selection for Classification; Ali &
Smith-Miles 2006, A Meta-learning Approach to Automatic Kernel Selection; Salama, Hassanien & Revett
2013, Employment of Neural Network and Rough Set in Meta-learning; Box 1949, A General Distribution
Theory for a Class of Likelihood Criteria; Royston 1995, Remark AS R94; Lawley 1938, A Generalization
of Fisher's z Test; Hotelling 1951, A Generalized T Test and Measure of Multivariate Dispersion; Roy
1953, On a Heuristic Method of Test Construction; Pillai 1955, Some New Test Criteria in
Multivariate Analysis.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.canonical import TOGETHER, together
from metadb.metafeatures.features import Feature, Found
from metadb.metafeatures.normality import shapiro_wilk
from metadb.metafeatures.ordered import count_present, quantiles
from metadb.metafeatures.table import Table
from metadb.protocols import Floats

FIRST = 5000
"""So many instances, the first ones, are tested for normality: p-values hold up to there."""

LEVEL = 0.05
"""A column with a smaller p-value is not normal."""

TO_SD = 1.4826
"""Makes the median absolute deviation of normal numbers their standard deviation."""

EXTREME = 1e60
"""Numbers beyond it, or all below its inverse, are brought near 1 first (exactly, by a power of
2): else their fourth powers would overflow or vanish."""

_NO_COLUMN = "no attribute has a value"
_CONSTANT = "no attribute varies"
_SIGN = "every attribute has negative numbers, or no value"
_OVERFLOW = "there are fewer than 2 values, or numbers too large"

STATISTICAL: dict[str, Feature] = {
    **{name: Feature(_NO_COLUMN, many=True) for name in ("min", "max", "mean", "median", "t_mean")},
    "range": Feature(f"{_NO_COLUMN}, or numbers are too large", many=True),
    **{name: Feature(_SIGN, many=True) for name in ("g_mean", "h_mean")},
    **{name: Feature(_OVERFLOW, many=True) for name in ("var", "sd")},
    **{
        name: Feature(f"{_NO_COLUMN}, or numbers are too large", many=True)
        for name in ("iq_range", "mad")
    },
    **{name: Feature(_CONSTANT, many=True) for name in ("skewness", "kurtosis")},
    "sparsity": Feature("no attribute has 2 values", many=True),
    "nr_outliers": Feature(_NO_COLUMN),
    "nr_norm": Feature("no attribute has 3 values"),
    **TOGETHER,
}
"""Every name of the group, in the order of the table above."""

ALONE = tuple(name for name in STATISTICAL if name not in TOGETHER and name != "nr_norm")
"""What rests on one column alone."""


def statistical(table: Table, seed: int = 0) -> Iterator[Found]:
    """The statistical meta-features of a data set, see the table of this module.

    One pass over the columns, each sorted once, then one to three over the instances, with about
    w^2 operations on each; more than `canonical.WIDEST` columns are not taken together. It holds
    a few times `table.CELLS` numbers and at most three matrices of w^2.
    """
    found = {name: np.full(table.width, np.nan) for name in ALONE}
    p_value = np.full(table.width, np.nan)  # (width,)
    start = 0
    for x in table.encoded():  # (m, n)
        part = slice(start, start + len(x))
        for rows, ordered in _by_count(x):
            for name, values in _column(ordered).items():
                found[name][part][rows] = values
            if table.n <= FIRST:
                p_value[part][rows] = _normal(ordered)
        if table.n > FIRST:
            for rows, ordered in _by_count(x[:, :FIRST]):
                p_value[part][rows] = _normal(ordered)
        start += len(x)
    found["sparsity"] = np.append(
        found["sparsity"][: table.columns.n_numbers],
        [_sparsity(table.n, n_levels) for n_levels in table.columns.levels],
    )
    outlying, tested = found.pop("nr_outliers"), ~np.isnan(p_value)
    yield from found.items()
    yield "nr_outliers", _count(outlying, ~np.isnan(outlying))
    yield "nr_norm", _count(p_value > LEVEL, tested)
    yield from together(table, found["mean"], found["sd"], found["range"])


def _count(true: Floats | NDArray[np.bool_], known: NDArray[np.bool_]) -> float:
    """How many are true; NaN where none is known."""
    return float(true[known].sum()) if known.any() else np.nan


def _by_count(x: Floats) -> Iterator[tuple[slice | NDArray[np.intp], Floats]]:
    """Rows of `x` (m, n) with equally many values: which, and the values sorted, NaN left out."""
    ordered = np.sort(x, axis=1)
    present = count_present(ordered)
    counts = np.unique(present)
    if len(counts) == 1:
        if counts[0]:
            yield slice(None), ordered[:, : counts[0]]
        return
    for count in counts[counts > 0]:
        rows = np.flatnonzero(present == count)
        yield rows, ordered[rows, :count]


def _column(ordered: Floats) -> dict[str, Floats]:
    """What rests on one column alone, of each row of `ordered` (m, p): sorted, nothing missing."""
    m, p = ordered.shape
    low, high = ordered[:, 0], ordered[:, -1]  # (m,)
    top = np.maximum(np.abs(low), np.abs(high))
    extreme = (top > EXTREME) | ((top < 1 / EXTREME) & (top > 0))
    power = np.zeros(m, np.int32)
    distinct = 1 + np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
    if extreme.any():
        power = np.where(extreme, np.frexp(top)[1], 0)
        ordered = np.ldexp(ordered, -power[:, None])
    q = quantiles(ordered, np.full(m, p), np.array([0.25, 0.5, 0.75]))  # (m, 3)
    reach = q[:, 2] - q[:, 0]
    cut = int(0.2 * p)
    z = ordered - q[:, 1, None]  # exact where numbers lie far from 0 and close together
    rest = z.mean(axis=1)
    mad = _middle_distance(z)
    z -= rest[:, None]
    var = np.einsum("mp,mp->m", z, z) / (p - 1) if p > 1 else np.full(m, np.nan)
    square = z * z
    of_degree_1 = {
        "min": ordered[:, 0],
        "max": ordered[:, -1],
        "mean": q[:, 1] + rest,
        "median": q[:, 1],
        "t_mean": ordered[:, cut : p - cut].mean(axis=1),
        "range": ordered[:, -1] - ordered[:, 0],
        "g_mean": _mean_of_positive(ordered, np.log, np.exp),
        "h_mean": _mean_of_positive(ordered, np.reciprocal, np.reciprocal),
        "sd": np.sqrt(var),
        "iq_range": reach,
        "mad": TO_SD * mad,
    }
    if extreme.any():
        of_degree_1 = {name: np.ldexp(values, power) for name, values in of_degree_1.items()}
    return {
        **of_degree_1,
        "var": np.ldexp(var, 2 * power),
        "skewness": np.einsum("mp,mp->m", square, z) / (p * var**1.5),
        "kurtosis": np.einsum("mp,mp->m", square, square) / (p * var**2) - 3,
        "sparsity": _sparsity(p, distinct),
        "nr_outliers": (ordered[:, 0] < q[:, 0] - 1.5 * reach)
        | (ordered[:, -1] > q[:, 2] + 1.5 * reach),
    }


def _middle_distance(z: Floats) -> Floats:
    """The median of abs(z) of each row of `z` (m, p), sorted.

    The k smallest of abs(z) lie side by side in a sorted row, so that the k-th smallest is the
    smallest reach of any k neighbours.
    """
    p = z.shape[1]
    middle = [
        np.maximum(-z[:, : p - k + 1], z[:, k - 1 :]).min(axis=1)
        for k in sorted({(p + 1) // 2, p // 2 + 1})
    ]
    return np.asarray(sum(middle) / len(middle))


def _mean_of_positive(
    ordered: Floats, there: Callable[[Floats], Floats], back: Callable[[Floats], Floats]
) -> Floats:
    """The mean on another scale of each row: 0 with a zero, NaN with a negative number."""
    low = ordered[:, 0]
    positive = low > 0
    means = np.where(low < 0, np.nan, 0.0)  # (m,)
    if positive.any():
        of = ordered if positive.all() else ordered[positive]
        means[positive] = back(there(of).mean(axis=1))
    return means


def _sparsity(p: int, distinct: NDArray[np.int64] | int) -> Floats:
    return (
        np.asarray((p / distinct - 1) / (p - 1)) if p > 1 else np.full(np.shape(distinct), np.nan)
    )


def _normal(ordered: Floats) -> Floats:
    """The p-value of each row, 0 if nothing varies, NaN with fewer than 3 values."""
    if ordered.shape[1] < 3:
        return np.full(len(ordered), np.nan)
    return np.nan_to_num(shapiro_wilk(ordered)[1])
