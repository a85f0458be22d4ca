"""Why a meta-feature of ours and pymfe's differ, each reason with a computation that decides.

A reason is found for one value of one data set. It holds if pymfe's value comes out when what is
said is done, and ours when it is not done (or by a second way to the right value): both to 1e-6.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import metafeatures_exact as exact
from benchmarks.metafeatures_parity import TOLERANCE, Case, difference, feature_of
from metadb.metafeatures.features import summarise
from metadb.protocols import Floats

ROUNDING = 1e-13
"""What so many times smaller than the numbers it came from is, up to rounding, 0."""

Raw = Mapping[str, Any]
"""Feature to its number, or its values over attributes, classes or folds."""


@dataclass(frozen=True)
class Reason:
    """One way in which the two differ.

    Args:
        says: The reason, as the docs have it.
        right: The formula or computation that shows which value is right.
        features: It can hold for these; none: for any.
        holds: Whether it explains this value of this data set.
    """

    says: str
    right: str
    features: tuple[str, ...]
    holds: Callable[[Case, str], bool]


def reason_of(case: Case, name: str) -> str | None:
    """The first reason that explains this value; None if there is none."""
    unknown = case.missing and not isfinite(case.theirs[name])
    of = "relative" if name.endswith(".relative") else feature_of(name)
    for key, reason in REASONS.items():
        if unknown and key != "missing values":
            continue
        if reason.features and of not in reason.features:
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                if reason.holds(case, name):
                    return key
            except (ValueError, TypeError, np.linalg.LinAlgError):  # pymfe could not either
                continue
    return None


def kept(compute: Callable[[Case], Any]) -> Callable[[Case], Any]:
    """Computed once for each case."""

    @wraps(compute)
    def once(case: Case) -> Any:
        if compute.__name__ not in case.kept:
            case.kept[compute.__name__] = compute(case)
        return case.kept[compute.__name__]

    return once


def value(raw: Raw, name: str) -> float:
    """The value of a name among features that may still have to be summarised."""
    feature = feature_of(name)
    if name in raw and np.ndim(raw[name]) == 0:
        return float(raw[name])
    if feature not in raw:
        return np.nan
    return summarise(np.asarray(raw[feature], float))[name.removeprefix(f"{feature}.")]


def same(a: float, b: float, zero: float = 0.0) -> bool:
    """Whether two values agree, as for parity; a difference of at most `zero` is none."""
    if isfinite(a) and isfinite(b) and abs(a - b) <= zero:
        return True
    return difference(a, b) <= TOLERANCE


def both(theirs: Callable[[Case], Raw], ours: Callable[[Case], Raw]) -> Callable[[Case, str], bool]:
    """pymfe's value comes out one way, ours the other way."""

    def holds(case: Case, name: str) -> bool:
        return same(value(theirs(case), name), case.theirs[name], ROUNDING) and same(
            value(ours(case), name), case.ours[name], ROUNDING
        )

    return holds


def numbers(case: Case) -> tuple[Floats, NDArray[Any]]:
    """The attributes as numbers, (n, d), and the classes, (n,)."""
    return case.table.matrix, np.asarray(case.table.y)


# --- of every group ---------------------------------------------------------------------------


SUMS = ("mean", "t_mean", "sd", "var", "cov", "cor", "eigenvalues", "can_cor")
"""Features that can be 0 up to rounding."""


def is_rounding(case: Case, name: str) -> bool:
    """Attribute by attribute the difference is nothing beside the numbers that were added."""
    feature = feature_of(name)
    ours, theirs = (np.asarray(raw[feature], float) for raw in (case.our_raw, case.raw))
    return near(case, feature, ours, theirs) and same(value(case.our_raw, name), case.ours[name])


def near(case: Case, feature: str, a: Floats, b: Floats) -> bool:
    """Whether all values of a feature of `SUMS` are equal up to rounding."""
    size = np.abs(case.table.matrix).max(axis=0)  # (d,)
    added: dict[str, Any] = {
        **dict.fromkeys(("mean", "t_mean", "sd"), size),
        "var": size**2,
        "cov": np.outer(size, size)[np.tril_indices(len(size), -1)],
        "eigenvalues": b.max(initial=0.0),
        **dict.fromkeys(("cor", "can_cor"), 1.0),
    }
    if feature in ("cor", "can_cor"):
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    return a.shape == b.shape and bool((np.abs(a - b) <= ROUNDING * added[feature]).all())


# --- information ------------------------------------------------------------------------------


def information(case: Case, epsilon: float) -> Raw:
    """From the same codes as ours."""
    y = np.asarray(case.table.y) if case.table.kind == "classification" else None
    return exact.information([c for c, _ in case.table.discrete()], y, epsilon)


@kept
def with_epsilon(case: Case) -> Raw:
    return information(case, 1e-8)


@kept
def as_counted(case: Case) -> Raw:
    return information(case, 0.0)


# --- statistical ------------------------------------------------------------------------------


@kept
def eigenproblem(case: Case) -> Raw:
    return exact.discriminants(exact.canonical_correlations(*numbers(case)))


@kept
def converged(case: Case) -> Raw:
    return exact.discriminants(exact.converged_correlations(*numbers(case)))


def is_iterative(case: Case, name: str) -> bool:
    """Ours is the eigenproblem's, and so is the CCA's where it goes on."""
    return is_eigenproblem(case, name) and same(value(converged(case), name), case.ours[name])


def is_eigenproblem(case: Case, name: str) -> bool:
    """Ours is the eigenproblem's, pymfe's is not."""
    return same(value(eigenproblem(case), name), case.ours[name])


def is_separated(case: Case, name: str) -> bool:
    """A canonical correlation is 1: 1 - r^2, divided by, is 0, and w_lambda is."""
    r = np.asarray(eigenproblem(case)["can_cor"])
    ours = case.ours[name]
    right = abs(ours) < ROUNDING if name == "w_lambda" else not isfinite(ours)
    return bool(len(r)) and bool(r.max() > 1 - 1e-9) and right


@kept
def flipped_ratio(case: Case) -> Raw:
    return {"sd_ratio": exact.box_ratio(*numbers(case), flipped=True)}


@kept
def straight_ratio(case: Case) -> Raw:
    return {"sd_ratio": exact.box_ratio(*numbers(case), flipped=False)}


def is_singular(case: Case, name: str) -> bool:
    """A class has a covariance without inverse, and ours no value."""
    x, y = numbers(case)
    ranks = [np.linalg.matrix_rank(np.cov(x[y == c], rowvar=False)) for c in np.unique(y)]
    return min(ranks) < x.shape[1] and not isfinite(case.ours[name])


def is_constant_normal(case: Case, name: str) -> bool:
    """pymfe's number is ours and that of the constant columns."""
    constant = int((np.ptp(case.table.matrix[:5000], axis=0) == 0).sum())
    return constant > 0 and same(case.theirs[name] - constant, case.ours[name])


def is_all_pairs(case: Case, name: str) -> bool:
    """The same number of pairs, over the pairs that have a correlation."""
    x = case.table.matrix
    d, varies = x.shape[1], int((np.ptp(x, axis=0) > 0).sum())
    pairs = varies * (varies - 1) / 2
    return same(case.theirs[name] * d * (d - 1) / 2, case.ours[name] * pairs)


def is_threshold(case: Case, name: str) -> bool:
    """Ours counts what is exactly 1/2, pymfe not all of it."""
    x = case.table.matrix
    clear, strong, pairs = exact.strong_pairs(x)
    theirs = case.theirs[name] * x.shape[1] * (x.shape[1] - 1) / 2
    return same(case.ours[name] * pairs, strong) and clear - 1e-6 <= theirs < strong - 1e-6


def is_one_column(case: Case, name: str) -> bool:
    """The eigenvalue of a 1 x 1 matrix is its number."""
    x = case.table.matrix
    if x.shape[1] != 1:
        return False
    return same(value({"eigenvalues": x.var(axis=0, ddof=1)}, name), case.ours[name])


def is_constant_noise(case: Case, name: str) -> bool:
    """pymfe's values without those of constant columns are ours."""
    varies = np.ptp(case.table.matrix, axis=0) > 0
    raw = np.asarray(case.raw[feature_of(name)], float)
    if feature_of(name) == "cor":
        i, j = np.tril_indices(len(varies), -1)
        varies = varies[i] & varies[j]
    left = {feature_of(name): raw[varies]} if len(varies) == len(raw) else {}
    return same(value(left, name), case.ours[name])


# --- landmarking ------------------------------------------------------------------------------


@kept
def folds(case: Case) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(10).split(*numbers(case)))


@kept
def one_nn(case: Case) -> list[tuple[float, float, float]]:
    return [exact.nearest_accuracy(*numbers(case), *fold) for fold in folds(case)]


@kept
def importances(case: Case) -> list[Floats]:
    """Of the attributes in a tree of each fold."""
    from sklearn.tree import DecisionTreeClassifier

    x, y = numbers(case)
    trees = (DecisionTreeClassifier(random_state=0).fit(x[t], y[t]) for t, _ in folds(case))
    return [tree.feature_importances_ for tree in trees]


@kept
def elite_nn(case: Case) -> list[tuple[float, float, float]]:
    """The lowest and the highest on any of the most important attributes, the mean on the last."""
    x, y = numbers(case)
    found = []
    for fold, importance in zip(folds(case), importances(case), strict=True):
        best = np.flatnonzero(importance == importance.max())
        low, mean, high = np.array([exact.nearest_accuracy(x[:, [i]], y, *fold) for i in best]).T
        found.append((low.min(), mean[-1], high.max()))
    return found


@kept
def worst_nodes(case: Case) -> list[list[float]]:
    """On each fold, of one split on each of the least important attributes."""
    return [
        exact.stump_accuracies(*numbers(case), np.flatnonzero(w == w.min()), *fold)
        for fold, w in zip(folds(case), importances(case), strict=True)
    ]


def is_equally_important(case: Case, name: str) -> bool:
    """Several attributes are the least important: on each fold pymfe's accuracy is that of one of
    them; ours is that of the first."""
    found = worst_nodes(case)
    theirs = np.asarray(case.raw["worst_node"], float)
    possible = [
        np.isclose(t, f, rtol=0, atol=ROUNDING).any() for t, f in zip(theirs, found, strict=True)
    ]
    ours = {"worst_node": np.array([accuracies[0] for accuracies in found])}
    tied = max(map(len, found)) > 1
    return tied and all(possible) and same(value(ours, name), case.ours[name])


def is_tie(case: Case, name: str) -> bool:
    """Fold by fold pymfe's accuracy is one that the ties allow, and ours the mean over them."""
    feature = feature_of(name)
    low, mean, high = np.array(one_nn(case) if feature == "one_nn" else elite_nn(case)).T
    theirs = np.asarray(case.raw[feature], float)
    possible = (low - ROUNDING <= theirs) & (theirs <= high + ROUNDING)
    return bool(possible.all()) and same(value({feature: mean}, name), case.ours[name])


def is_rank(case: Case, name: str) -> bool:
    """Both are ranks of values that agree or differ for a reason, what is equal to rounding
    taken as equal in ours."""
    from scipy.stats import rankdata

    learner, summary, _ = name.split(".")
    names = [n for n in case.theirs if n.endswith(f".{summary}.relative")]
    of = [n.removesuffix(".relative") for n in names]
    ours, theirs = ([side[n] for n in of] for side in (case.ours, case.theirs))
    far = [n for n, a, b in zip(of, ours, theirs, strict=True) if not same(a, b, ROUNDING)]
    place = of.index(f"{learner}.{summary}")
    return (
        all(reason_of(case, n) for n in far)
        and rankdata(np.round(ours, 12))[place] == case.ours[name]
        and rankdata(theirs)[place] == case.theirs[name]
    )


# --- missing values ---------------------------------------------------------------------------


@kept
def by_column(case: Case) -> Raw:
    """pymfe's features of each attribute's present values."""
    table, columns = case.table, case.table.columns
    numbers = [x[~np.isnan(x)] for x in columns.numbers(0, columns.n_numbers)]
    codes = [columns.codes(i) for i in range(len(columns.levels))]
    some = [x for x in numbers if len(x)]
    gaps = table.missing[0][columns.n_numbers :] > 0  # the last category of these is none
    present = [c[c < k - g] for c, k, g in zip(codes, columns.levels, gaps, strict=True)]
    found = exact.by_column(some, codes, table.matrix[:, columns.n_numbers :])
    return found | {"nr_bin": sum(len(np.unique(x)) == 2 for x in (*numbers, *present))}


def is_missing(case: Case, name: str) -> bool:
    """Ours is as its rules for missing values say, and the completed data hold no surprise."""
    if not case.missing or case.whole is None:
        return False
    feature, ours = feature_of(name), case.ours[name]
    for right in (by_column, as_counted):
        if feature in right(case):
            return same(value(right(case), name), ours, ROUNDING)
    whole = case.whole
    if not same(whole.ours[name], whole.theirs[name]) and reason_of(whole, name) is None:
        return False
    return same(whole.ours[name], ours) or (feature in SUMS and is_filled(case, name))


def is_filled(case: Case, name: str) -> bool:
    """Ours is as for the completed data up to rounding, attributes without any value left out."""
    assert case.whole is not None
    if not same(value(case.our_raw, name), case.ours[name]):
        return False
    feature, table = feature_of(name), case.table
    ours = np.asarray(case.our_raw[feature], float)
    filled = np.asarray(case.whole.our_raw[feature], float)
    there = np.ones(table.width, bool)
    there[: table.columns.n_numbers] = table.missing[0][: table.columns.n_numbers] < table.n
    if feature == "eigenvalues":
        filled = np.sort(filled[np.argsort(-np.abs(filled))][: there.sum()])
    elif feature == "cov":
        i, j = np.tril_indices(len(there), -1)
        filled = filled[there[i] & there[j]]
        if not there.all():  # then the numbers that were added are not at hand pair by pair
            return bool(np.allclose(ours, filled, rtol=TOLERANCE, atol=1e-15))
    return near(case, feature, ours, filled)


CANONICAL = ("can_cor", "lh_trace", "nr_disc", "p_trace", "roy_root", "w_lambda")

REASONS: dict[str, Reason] = {
    "rounding": Reason(
        "the value is 0, or one of far larger numbers that cancel, up to rounding",
        "for each attribute or pair the difference is at most 1e-13 of what was added: its largest "
        "number, the square or product of such, the largest eigenvalue, or 1 (of correlations)",
        SUMS,
        is_rounding,
    ),
    "epsilon": Reason(
        "pymfe adds 1e-8 to every cell of the contingency tables, empty ones too (of a constant "
        "attribute that makes a concentration of 1/2 out of 0 / 0)",
        "`H = -sum p log2 p` and Goodman & Kruskal's tau of the cells as counted; with 1e-8 in "
        "each they are pymfe's values",
        ("joint_ent", "mut_inf", "eq_num_attr", "ns_ratio", "class_conc", "attr_conc"),
        both(with_epsilon, as_counted),
    ),
    "separation": Reason(
        "a canonical correlation is 1, the classes are separated, and `r^2 / (1 - r^2)` infinite",
        "the eigenproblem has a root above 1 - 1e-9: ours has no value, and 0 for w_lambda",
        ("lh_trace", "roy_root", "w_lambda"),
        is_separated,
    ),
    "iteration": Reason(
        "pymfe's canonical correlations come from an iteration (scikit-learn's CCA) that stops at "
        "a tolerance of 1e-6 or after 500 steps",
        "the roots of `B v = r^2 T v`, and the same CCA with a tolerance of 1e-15",
        CANONICAL,
        is_iterative,
    ),
    "eigenproblem": Reason(
        "scikit-learn's CCA, also when it is iterated on, does not come to the canonical "
        "correlations (columns that depend on others), finds a correlation that is none, or fails",
        "the roots of `B v = r^2 T v` over an orthonormal basis of the attributes",
        CANONICAL,
        is_eigenproblem,
    ),
    "flip": Reason(
        "pymfe turns the order of the classes and of the rows of their covariances round: weights "
        "meet the wrong class, and an odd floor(d / 2) turns the signs of the determinants, whose "
        "logarithm then has no value",
        "Box's M by `slogdet` in the order of the classes; turned round it is pymfe's value",
        ("sd_ratio",),
        both(flipped_ratio, straight_ratio),
    ),
    "singular": Reason(
        "the covariance of a class has no inverse: its determinant is rounding",
        "its rank is below d: log det is minus infinity, ours has no value",
        ("sd_ratio",),
        is_singular,
    ),
    "constant is normal": Reason(
        "SciPy's Shapiro-Wilk test gives a constant column p = 1",
        "pymfe's number less the constant columns; the test statistic is 0 / 0 there",
        ("nr_norm",),
        is_constant_normal,
    ),
    "all pairs": Reason(
        "pymfe divides by all pairs of columns, those of constant ones too",
        "the same number of pairs over those that have a correlation",
        ("nr_cor_attr",),
        is_all_pairs,
    ),
    "threshold": Reason(
        "a correlation is 1/2 exactly, and pymfe's, rounded, is below it",
        "`4 (n n_ab - n_a n_b)^2 >= n_a (n - n_a) n_b (n - n_b)` in whole numbers",
        ("nr_cor_attr",),
        is_threshold,
    ),
    "one column": Reason(
        "the covariance of one column is a number to NumPy, and pymfe asks for its rows",
        "the eigenvalue of a 1 x 1 matrix is its number: the variance",
        ("eigenvalues",),
        is_one_column,
    ),
    "constant columns": Reason(
        "the mean of a constant column is rounded, and what is left is taken for spread",
        "pymfe's values without the constant columns",
        ("cor", "skewness", "kurtosis"),
        is_constant_noise,
    ),
    "ties": Reason(
        "several nearest neighbours are equally near: pymfe's search takes whichever it meets "
        "first, ours the mean over them, what is expected of one drawn at random",
        "all distances: in every fold ours is the mean over the ties, and pymfe's accuracy lies "
        "between the lowest and the highest they allow (of elite_nn on any of the attributes that "
        "are the most important; ours takes the last one)",
        ("one_nn", "elite_nn"),
        is_tie,
    ),
    "equally important": Reason(
        "several attributes are the least important (a tree does without them): pymfe takes what "
        "an unstable sort puts first, which rests on the processor, ours the first column",
        "one split on each of them: in every fold ours is the accuracy of the first one, and "
        "pymfe's that of one of them, between the lowest and the highest",
        ("worst_node",),
        is_equally_important,
    ),
    "ranks": Reason(
        "a landmarker differs for a reason above, or two are equal and pymfe's are not, rounded",
        "the ranks of the values of each, equal if they are to 12 digits",
        ("relative",),
        is_rank,
    ),
    "missing values": Reason(
        "pymfe has no rule for missing values: an attribute that misses one has no value, features "
        "over several attributes have none, and NaN counts as a value or as the last bin",
        "a feature of one attribute: pymfe's of its present values alone; of categories: the cells "
        "as counted, missing a category; of all together: ours is as for the completed data, where "
        "the two agree or differ for a reason above",
        (),
        is_missing,
    ),
}
"""Key to reason, the narrow ones first."""
