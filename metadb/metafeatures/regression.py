"""The meta-features of a regression: its target, and what attributes and a line tell of it.

With n instances, the target y of mean m and standard deviation s (n - 1 below the root), and the
columns x_1 .. x_w of the encoded attributes (`Table.encoded`: numbers, and 0 and 1 for each
category); |r| is an absolute correlation of Pearson, |rho| of Spearman (ties have the mean of their
ranks), both over the instances in which the column is not missing:

| name | formula | range | source |
| --- | --- | --- | --- |
| target_skewness | b_1 = sum (y - m)^3 / (n s^3) | (-inf, inf) | Joanes & Gill 1998 |
| target_kurtosis | b_2 = sum (y - m)^4 / (n s^4) - 3 | [-2.75, inf), -2.75 where n = 2 | Joanes & Gill 1998 |
| target_cv | s / abs(m), none where abs(m) <= 1e-12 s | [0, 1e12) | Soares & Brazdil 2000 |
| target_outliers | share of y more than 1.5 interquartile ranges outside the quartiles | [0, 1) | Tukey 1977 |
| target_distinct | distinct values of y / n | (0, 1] | ours |
| target_zero | share of y that is 0 | [0, 1] | ours |
| target_ent | H(y'), y' the target in `int(n ** (1/3))` bins of equal frequency | [0, log n], bits | as class_ent |
| target_mut_inf | I(x', y') of each attribute as categories x' with y' | [0, H(y')], bits | as mut_inf |
| target_cor | abs(r) of each column with y | [0, 1] | Soares & Brazdil 2000 |
| target_rank_cor | abs(rho) of each column with y | [0, 1] | Lorena et al. 2018 |
| reg_c1 | C1: max target_rank_cor | [0, 1] | Lorena et al. 2018 |
| reg_c2 | C2: mean target_rank_cor | [0, 1] | Lorena et al. 2018 |
| reg_s2 | S2: mean distance, in columns scaled to [0, 1], of instances next to each other in the order of y (equal ones as in the data) | [0, sqrt w] | Lorena et al. 2018 |
| linear_r2 | R2 = 1 - sum e^2 / sum (y - m)^2, e the residuals of least squares on the columns | [0, 1] | Soares & Brazdil 2000 |
| linear_r2_adj | 1 - (1 - R2) (n - 1) / (n - p - 1), p the columns of whose variance others leave more than 1e-12 | (-inf, 1] | Theil 1961 |
| reg_l1 | L1: mean abs(e), of y scaled to [0, 1] | [0, 1/2] | Lorena et al. 2018 |
| reg_l2 | L2: mean e^2, of y scaled to [0, 1] | [0, 1/4] | Lorena et al. 2018 |

Left out of Lorena et al.: C3 and C4 (the order of removals), S1 (with equal distances there are
several trees), L3 and S4 (random), T2 (`inst_to_attr`); S3 is what the landmark `r2_one_nn` tells.

Joanes & Gill 1998, Comparing Measures of Sample Skewness and Kurtosis; Soares & Brazdil 2000,
Zoomed Ranking; Tukey 1977, Exploratory Data Analysis; Theil 1961, Economic Forecasts and Policy;
Lorena, Maciel, de Miranda, Costa & Prudêncio 2018, Data Complexity Meta-features for Regression
Problems.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from metadb.metafeatures.contingency import Coded, Joint, batches, entropy
from metadb.metafeatures.correlation import Scaled, correlations, ranks
from metadb.metafeatures.features import REGRESSION as KIND
from metadb.metafeatures.features import Feature, Found
from metadb.metafeatures.ordered import bins, quantiles
from metadb.metafeatures.table import CELLS, Table
from metadb.protocols import Floats

WIDEST = 5_000
"""A line is fitted to at most so many columns (200 MB of cross products)."""

DEPENDENT = 1e-12
"""A column counts as a combination of others if they explain all but this share of its variance:
cross products are rounded to about 1e-15."""

ILL = 1e-6
"""With a column of which others leave less than this share, the line is fitted to its residuals
once more."""

NOTHING = 1e-12
"""A mean that is so much smaller than the standard deviation is 0 but for rounding."""

CONSTANT = "the target is constant"
UNTOLD = "no column varies, or the target is constant"
NO_LINE = f"there is no attribute, more than {WIDEST:,} columns, or the target is constant"

REGRESSION: dict[str, Feature] = {
    "target_skewness": Feature(CONSTANT, kinds=KIND),
    "target_kurtosis": Feature(CONSTANT, kinds=KIND),
    "target_cv": Feature(
        "the mean of the target is 0, or 0 but for rounding, or there is one instance", kinds=KIND
    ),
    "target_outliers": Feature(kinds=KIND),
    "target_distinct": Feature(kinds=KIND),
    "target_zero": Feature(kinds=KIND),
    "target_ent": Feature(kinds=KIND),
    "target_mut_inf": Feature("there is no attribute", many=True, kinds=KIND),
    "target_cor": Feature(UNTOLD, many=True, kinds=KIND),
    "target_rank_cor": Feature(UNTOLD, many=True, kinds=KIND),
    "reg_c1": Feature(UNTOLD, kinds=KIND),
    "reg_c2": Feature(UNTOLD, kinds=KIND),
    "reg_s2": Feature("there is no attribute, or one instance", kinds=KIND),
    "linear_r2": Feature(NO_LINE, kinds=KIND),
    "linear_r2_adj": Feature(f"{NO_LINE}, or as many columns as instances", kinds=KIND),
    "reg_l1": Feature(NO_LINE, kinds=KIND),
    "reg_l2": Feature(NO_LINE, kinds=KIND),
}
"""Every name of the group, in the order of the table above."""


def regression(table: Table, seed: int = 0) -> Iterator[Found]:
    """The meta-features of a regression, see the table of this module.

    It costs five passes over the data, one of which sorts; nothing if the target is infinite
    somewhere.
    """
    if table.kind != "regression" or not np.isfinite(np.asarray(table.y)).all():
        return
    y = np.asarray(table.y, float)  # (n,)
    scaled = Scaled.rows(y[None])
    ordered = np.sort(y)
    yield from _target(ordered, scaled)
    coded: Coded = next(bins(y[None], ordered[None], int(table.n ** (1 / 3)), closer=0.0))
    yield "target_ent", entropy(np.bincount(coded[0]))
    told = [Joint.counted(batch, coded).information() for batch in batches(table.discrete())]
    yield "target_mut_inf", np.concatenate([np.empty(0), *told])
    columns = _Columns.read(table, y)
    yield "target_cor", columns.cor
    yield "target_rank_cor", columns.rank_cor
    known = columns.rank_cor[~np.isnan(columns.rank_cor)]
    yield "reg_c1", float(known.max()) if len(known) else np.nan
    yield "reg_c2", float(known.mean()) if len(known) else np.nan
    yield "reg_s2", float(columns.step.mean()) if table.width and table.n > 1 else np.nan
    if 0 < table.width <= WIDEST and scaled.length[0] > 0:
        yield from _line(table, columns, scaled.x[0])


def _target(ordered: Floats, scaled: Scaled) -> Iterator[Found]:
    """What the target alone tells: sorted, (n,), and scaled, (1, n)."""
    n = len(ordered)
    s = scaled.length[0] / np.sqrt(n - 1) if n > 1 else np.nan
    z = scaled.x[0] / (s or np.nan)  # (n,)
    yield "target_skewness", float((z * z * z).mean())
    yield "target_kurtosis", float(((z * z) ** 2).mean()) - 3
    with np.errstate(over="ignore"):  # all but constant: s / m is 0 then
        m = abs(scaled.low[0] / scaled.span[0] + scaled.mean[0])
    yield "target_cv", s / m if m > NOTHING * s else np.nan
    q1, q3 = quantiles(ordered[None], np.array([n]), np.array([0.25, 0.75]))[0]
    fence = 1.5 * (q3 - q1)
    outside = (ordered < q1 - fence) | (ordered > q3 + fence)
    yield "target_outliers", float(outside.mean())
    yield "target_distinct", (1 + np.count_nonzero(np.diff(ordered))) / n
    yield "target_zero", np.count_nonzero(ordered == 0) / n


@dataclass(frozen=True, slots=True)
class _Columns:
    """What one pass over the encoded columns finds.

    Args:
        low, span, mean, length: Of each column, (width,), see `Scaled`.
        cor, rank_cor: |r| and |rho| of each column with the target, (width,).
        step: The distance of each instance from the next in the order of the target, (n - 1,).
    """

    low: Floats
    span: Floats
    mean: Floats
    length: Floats
    cor: Floats
    rank_cor: Floats
    step: Floats

    @classmethod
    def read(cls, table: Table, y: Floats) -> _Columns:
        """Read them, and sort the numeric ones."""
        target, target_ranks = Scaled.rows(y[None]), Scaled.rows(ranks(y[None]))
        order = np.argsort(y, kind="stable")
        squares = np.zeros(max(0, table.n - 1))
        found = [np.empty((6, 0))]
        seen = 0
        for x in _pieces(table.encoded()):  # (m, n)
            scaled = Scaled.rows(x)
            cor = scaled.correlation(target)
            if seen < table.columns.n_numbers:
                complete = ~np.isnan(x).any(axis=1)
                rank_cor = np.full(len(x), np.nan)
                if complete.any():
                    ranked = Scaled.rows(ranks(x[complete]))
                    rank_cor[complete] = ranked.correlation(target_ranks)
                for row in np.flatnonzero(~complete):
                    there = ~np.isnan(x[row])
                    cor[row], rank_cor[row] = correlations(x[row, there], y[there])
            else:  # two values have two ranks: as they stand
                rank_cor = scaled.correlation(target_ranks)
            found.append(
                np.stack([scaled.low, scaled.span, scaled.mean, scaled.length, cor, rank_cor])
            )
            steps = np.diff(scaled.x[:, order], axis=1)
            squares += np.einsum("ij,ij->j", steps, steps)
            seen += len(x)
        low, span, mean, length, cor, rank_cor = np.concatenate(found, axis=1)
        return cls(low, span, mean, length, cor, rank_cor, np.sqrt(squares))


def _pieces(blocks: Iterable[Floats]) -> Iterator[Floats]:
    """The blocks, (m, n), in smaller ones: sorting takes several times their memory."""
    for x in blocks:
        m = max(1, CELLS // 16 // max(1, x.shape[1]))
        for start in range(0, len(x), m):
            yield x[start : start + m]


def _line(table: Table, columns: _Columns, y: Floats) -> Iterator[Found]:
    """How well least squares on all columns fit the target (n,), scaled: two passes, or three.

    The normal equations of columns of length 1, by Cholesky with pivots: it leaves out columns
    that are combinations of others. The residuals are then taken from the data, and where columns
    are nearly combinations of others, what was rounded in the slopes from the residuals (Björck
    1967, Iterative Refinement of Linear Least Squares Solutions).
    """
    from scipy.linalg import lapack, solve_triangular

    def blocks() -> Iterator[tuple[slice, Floats]]:
        varies = columns.length > 0
        length = np.where(varies, columns.length, 1.0)
        for which, rows in table.blocks():  # (width, size)
            rows -= columns.low[:, None]
            rows /= columns.span[:, None]
            rows -= columns.mean[:, None]
            rows /= length[:, None]
            rows[~varies] = 0.0
            yield which, rows

    cross = np.zeros((table.width, table.width))
    with_y = np.zeros(table.width)
    for which, z in blocks():
        cross += z @ z.T
        with_y += z @ y[which]
    # of a symmetric matrix the transpose is the Fortran array that LAPACK overwrites
    root, pivots, rank, _ = lapack.dpstrf(cross.T, tol=DEPENDENT, overwrite_a=1)
    used = pivots[:rank] - 1
    root = root[:rank, :rank]
    residual = y.copy()
    ill = rank > 0 and root[-1, -1] ** 2 < ILL  # pivots fall
    for _ in range(2 if ill else 1):
        slopes = np.zeros(table.width)
        slopes[used] = solve_triangular(root, solve_triangular(root, with_y[used], trans="T"))
        with_y[:] = 0.0
        for which, z in blocks():
            residual[which] -= slopes @ z
            with_y += z @ residual[which]
    residual -= residual.mean()
    unexplained = min(1.0, float(residual @ residual) / float(y @ y))
    yield "linear_r2", 1 - unexplained
    free = table.n - rank - 1
    yield "linear_r2_adj", 1 - unexplained * (table.n - 1) / free if free > 0 else np.nan
    yield "reg_l1", float(np.abs(residual).mean())
    yield "reg_l2", float((residual**2).mean())
