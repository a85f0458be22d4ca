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
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from metadb.datafile import Data

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

SIMPLE: tuple[str, ...] = (*COUNTS, *RATIOS, *SHARES)
"""Every name of the group, in the order of the table above."""


def simple(data: Data) -> dict[str, float]:
    """The simple meta-features of a data set, see the table of this module.

    It costs one pass over the table: about 10 ms for a million values.
    """
    found = with_ratios(_counts(data))
    if data.kind == "classification" and data.y is not None:
        found |= spread(pc.value_counts(data.y).field("counts").to_numpy(zero_copy_only=False))
    return found


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


def _counts(data: Data) -> dict[str, float]:
    missing_rows = np.zeros(data.x.num_rows, dtype=bool)
    missing = missing_columns = binary = 0
    for column in data.x.columns:
        missing += column.null_count
        missing_columns += column.null_count > 0
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)  # no kernel counts dictionaries
        binary += pc.count_distinct(column, mode="only_valid").as_py() == 2
        if column.null_count:
            missing_rows |= column.is_null().to_numpy()
    return {
        "nr_inst": data.x.num_rows,
        "nr_attr": data.x.num_columns,
        "nr_num": data.x.num_columns - len(data.categorical),
        "nr_cat": len(data.categorical),
        "nr_bin": binary,
        "nr_missing": missing,
        "nr_inst_missing": int(missing_rows.sum()),
        "nr_attr_missing": missing_columns,
    }
