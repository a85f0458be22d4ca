"""The simple meta-features: counts of a data set, their ratios, and how its classes are spread.

With n instances, d attributes (the target is none of them), of which c are categorical and b have
two values, m missing values, and k classes of sizes n_1 .. n_k with shares p_i = n_i / n:

| name | formula | range | source |
| --- | --- | --- | --- |
| nr_inst | n | [1, inf) | Michie et al. 1994 |
| nr_attr | d | [1, inf) | Michie et al. 1994 |
| nr_num | d - c | [0, d] | Engels & Theusinger 1998 |
| nr_cat | c | [0, d] | Engels & Theusinger 1998 |
| nr_bin | b: attributes of any type with two distinct values, missing not counted | [0, d] | Michie et al. 1994 |
| nr_missing | m | [0, nd] | Brazdil et al. 2022 |
| nr_inst_missing | instances with a missing value | [0, n] | Brazdil et al. 2022 |
| nr_attr_missing | attributes with a missing value | [0, d] | Brazdil et al. 2022 |
| pct_missing | 100 m / (nd), percent | [0, 100] | Brazdil et al. 2022 |
| attr_to_inst | d / n | (0, inf) | Kalousis & Theoharis 1999 |
| inst_to_attr | n / d | (0, inf) | Kuba et al. 2002 |
| cat_to_num | c / (d - c) | [0, inf) | Feurer et al. 2014 |
| num_to_cat | (d - c) / c | [0, inf) | Feurer et al. 2014 |
| log_nr_inst | ln n | [0, inf) | Feurer et al. 2014 |
| log_nr_attr | ln d | [0, inf) | Feurer et al. 2014 |
| nr_class | k: classes that occur | [1, inf) | Michie et al. 1994 |
| freq_class.mean | mean of the p_i, which is 1 / k | (0, 1] | Lindner & Studer 1999 |
| freq_class.sd | their standard deviation, ddof 1 | [0, 1) | Lindner & Studer 1999 |
| freq_class.min | min p_i | (0, 1] | Lindner & Studer 1999 |
| freq_class.max | max p_i | (0, 1] | Lindner & Studer 1999 |
| imbalance_ratio | max n_i / min n_i | [1, inf) | Garcia et al. 2008 |
| class_ent_norm | -sum p_i log p_i / log k | [0, 1] | Michie et al. 1994 |

Names and definitions up to `freq_class` are those of pymfe's general group (Alcobaça et al. 2020);
nr_bin is ours where values are missing: pymfe counts NaN as a value. What is undefined is absent:
cat_to_num without numeric, num_to_cat without categorical attributes, freq_class.sd and
class_ent_norm of one class, and everything about classes for a regression or clustering.

Michie, Spiegelhalter & Taylor 1994, Machine Learning, Neural and Statistical Classification
(STATLOG); Engels & Theusinger 1998, Using a Data Metric for Preprocessing Advice; Kalousis &
Theoharis 1999, NOEMON; Lindner & Studer 1999, AST; Kuba et al. 2002, Exploiting Sampling and
Meta-learning for Parameter Setting for Support Vector Machines; García, Fernández & Herrera 2008,
on imbalanced data; Feurer, Springenberg & Hutter 2014, Using Meta-Learning to Initialize Bayesian
Optimization of Hyperparameters; Alcobaça et al. 2020, MFE: Towards Reproducible Meta-feature
Extraction; Brazdil, van Rijn, Soares & Vanschoren 2022, Metalearning.
"""  # noqa: E501

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from metadb.metafeatures.features import CLASSIFICATION, Feature, Found
from metadb.metafeatures.table import CELLS, Table

Counts = Mapping[str, float]

RATIOS: dict[str, Callable[[Counts], float]] = {
    "pct_missing": lambda c: 100 * c["nr_missing"] / (c["nr_inst"] * c["nr_attr"]),
    "attr_to_inst": lambda c: c["nr_attr"] / c["nr_inst"],
    "inst_to_attr": lambda c: c["nr_inst"] / c["nr_attr"],
    "cat_to_num": lambda c: c["nr_cat"] / c["nr_num"],
    "num_to_cat": lambda c: c["nr_num"] / c["nr_cat"],
    "log_nr_inst": lambda c: math.log(c["nr_inst"]),
    "log_nr_attr": lambda c: math.log(c["nr_attr"]),
}
"""What follows from the counts alone."""

SHARES: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "nr_class": lambda p: p.size,
    "freq_class.mean": lambda p: 1 / p.size,
    "freq_class.sd": lambda p: float(p.std(ddof=1)) if p.size > 1 else math.nan,
    "freq_class.min": lambda p: float(p.min()),
    "freq_class.max": lambda p: float(p.max()),
    "imbalance_ratio": lambda p: float(p.max() / p.min()),
    "class_ent_norm": lambda p: min(1.0, -float(p @ np.log(p)) / math.log(p.size)),
}
"""What follows from the shares of the classes, all above 0."""

COUNTS = (
    *("nr_inst", "nr_attr", "nr_num", "nr_cat", "nr_bin"),
    *("nr_missing", "nr_inst_missing", "nr_attr_missing"),
)

SIMPLE: dict[str, Feature] = {
    **{name: Feature() for name in (*COUNTS, *RATIOS)},
    "cat_to_num": Feature("there is no numeric attribute"),
    "num_to_cat": Feature("there is no categorical attribute"),
    **{name: Feature(kinds=CLASSIFICATION) for name in SHARES},
    "freq_class.sd": Feature("there is one class only", kinds=CLASSIFICATION),
    "class_ent_norm": Feature("there is one class only", kinds=CLASSIFICATION),
}
"""Every name of the group, in the order of the table above."""


def simple(table: Table, seed: int = 0) -> Iterator[Found]:
    """The simple meta-features of a data set, see the table of this module.

    It costs two passes over the numbers: about 5 ms for a million values.
    """
    counts: dict[str, float] = {
        "nr_inst": table.n,
        "nr_attr": table.d,
        "nr_num": table.columns.n_numbers,
        "nr_cat": len(table.columns.levels),
    }
    known = with_ratios(counts)
    yield from known.items()
    if len(table.class_sizes):
        yield from spread(table.class_sizes).items()
    by_attribute, n_instances_missing = table.missing
    counts["nr_missing"] = int(by_attribute.sum())
    counts["nr_inst_missing"] = n_instances_missing
    counts["nr_attr_missing"] = int((by_attribute > 0).sum())
    yield from ((name, v) for name, v in with_ratios(counts).items() if name not in known)
    yield "nr_bin", _binary(table)


def with_ratios(counts: Counts) -> dict[str, float]:
    """The counts and what follows from them; what they do not define is absent."""
    found = {name: float(value) for name, value in counts.items()}
    for name, formula in RATIOS.items():
        try:
            found[name] = float(formula(counts))
        except (KeyError, ZeroDivisionError, ValueError):  # unknown, n / 0, log 0
            continue
    return found


def spread(sizes: NDArray[np.integer]) -> dict[str, float]:
    """What follows from the sizes of the classes; all must be above 0."""
    shares = sizes / sizes.sum()  # (classes,)
    found: dict[str, float] = {}
    for name, formula in SHARES.items():
        try:
            found[name] = float(formula(shares))
        except ZeroDivisionError:  # one class has no entropy to be normalised
            continue
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _binary(table: Table) -> int:
    """Attributes in which two values occur, missing not counted."""
    columns, missing = table.columns, table.missing[0]
    binary = sum(
        n_levels - (missing[columns.n_numbers + position] > 0) == 2
        for position, n_levels in enumerate(columns.levels)
    )
    m = max(1, CELLS // table.n)
    for start in range(0, columns.n_numbers, m):
        x = columns.numbers(start, min(start + m, columns.n_numbers))  # (m, n)
        with np.errstate(invalid="ignore"):
            low, high = np.fmin.reduce(x, axis=1), np.fmax.reduce(x, axis=1)
        two = (x == low[:, None]) | (x == high[:, None])
        n_two = two.sum(axis=1) + missing[start : start + len(x)]
        binary += int(((low < high) & (n_two == table.n)).sum())
    return int(binary)
