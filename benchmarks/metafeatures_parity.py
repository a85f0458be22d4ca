"""Meta-features beside pymfe's, value by value, and why they differ where they do.

    python -m benchmarks.metafeatures_parity --data ../shared/data/tabular      # about a minute

Protocol:

The data sets are the 24 of the shared folder `tabular`, as `read_data` reads them (the target is
the last column, in `horse-colic` column 24), and scikit-learn's iris, wine, breast_cancer, digits,
diabetes and linnerud. pymfe gets the same columns in the same order
(`transform_cat="gray"`, the categorical positions, `random_state=0`) and, for a regression, no
target, as it knows classes only. Both look at all instances, with seed 0. Data with missing values
are compared twice: as they are, and completed (a number by the mean of its attribute, a category by
the category `~`, the last of all) for both. pymfe's values over attributes, classes and folds are
said in a few by its own `nanmean`, `nansd`, `nanmin` and `nanmax`; its quantiles have no value with
NumPy 2, so `np.nanquantile` takes their place.

Two values agree if they differ by at most 1e-6 of the larger one; a value beside none at all
differs. For every difference the stated reasons are tried, each by a computation of its own (see
`benchmarks.metafeatures_reasons`): what none of them reproduces is unexplained.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.machine import write
from metadb.datafile import Data, floats, plain, read_data
from metadb.metafeatures import METAFEATURES, MetaFeatures, extract_table, table_of
from metadb.metafeatures.features import SUMMARIES
from metadb.metafeatures.table import Table

GROUPS = {
    "simple": "general",
    "statistical": "statistical",
    "information": "info-theory",
    "model_based": "model-based",
    "landmarking": "landmarking",
    "relative": "relative",
}
"""Our groups and pymfe's names for them."""

TARGETS = {"horse-colic": "24"}
"""Where the target is not the last column."""

TOLERANCE = 1e-6

LAST = "~"
"""What a missing category is completed by: as the last one, it changes no code of the others."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass
class Case:
    """One data set as both extractors get it, and what both make of it.

    Args:
        name: Of the data set.
        data: As it was read.
        completed: No value is missing, as missing ones were filled in.
        whole: These data completed, where values are missing.
        kept: What reasons computed.
        failed: Our name of each group with which pymfe ended, and its error.
    """

    name: str
    data: Data
    completed: bool = False
    whole: Case | None = field(default=None, repr=False)
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> bool:
        """Whether a value is missing."""
        return any(column.null_count for column in self.data.x.columns)

    @cached_property
    def table(self) -> Table:
        """As our groups see it."""
        return table_of(self.data)

    @cached_property
    def ours(self) -> MetaFeatures:
        """Our values by name; NaN where one is undefined."""
        return extract_table(self.table, groups=groups(), sample=None, seed=0)

    @cached_property
    def our_raw(self) -> dict[str, Any]:
        """Our features before they are summarised."""
        found: dict[str, Any] = {}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for name in groups():
                found |= dict(METAFEATURES[name].compute(self.table, 0))
        return found

    @cached_property
    def raw(self) -> dict[str, Any]:
        """pymfe's features before they are summarised: a number or an array each."""
        found: dict[str, Any] = {}
        for name in groups():  # one by one: where one fails, the others are still compared
            try:
                found |= pymfe_raw(*self.matrix, GROUPS[name], list(self.data.categorical))
            except (RecursionError, ValueError, TypeError) as error:
                self.failed[name] = f"{type(error).__name__}: {error}"
        return found

    @cached_property
    def matrix(self) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
        """The attributes as pymfe takes them, (n, d), and the classes, (n,)."""
        x = np.empty((self.data.x.num_rows, self.data.x.num_columns), object)
        for i, column in enumerate(self.data.x.columns):
            column = plain(column.combine_chunks())
            is_category = i in self.data.categorical
            x[:, i] = column.cast(pa.string()).to_pylist() if is_category else floats(column, False)
        if not self.data.categorical:
            x = x.astype(float)
        if self.data.kind != "classification":
            return x, None
        return x, floats(self.data.y, True).astype(np.int64)

    @cached_property
    def theirs(self) -> dict[str, float]:
        """pymfe's values by our names."""
        return {
            name: value
            for feature, raw in self.raw.items()
            for name, value in said(feature, raw).items()
        }


def groups() -> list[str]:
    """Our groups that pymfe has too."""
    return [name for name in METAFEATURES if name in GROUPS]


def pymfe_raw(
    x: NDArray[Any], y: NDArray[np.int64] | None, group: str, categorical: Sequence[int]
) -> dict[str, Any]:
    """One group of pymfe's features, not summarised; of `relative` the ranks."""
    from pymfe.mfe import MFE

    if y is None and group in ("model-based", "landmarking", "relative"):
        return {}
    ranks = group == "relative"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        mfe = MFE(
            groups=["landmarking", "relative"] if ranks else [group],
            summary=["mean", "sd"] if ranks else None,
            random_state=0,
        )
        mfe.fit(x, y, cat_cols=categorical, transform_cat="gray", suppress_warnings=True)
        names, values = mfe.extract(suppress_warnings=True)
    found = dict(zip(names, values, strict=True))
    return {n: v for n, v in found.items() if n.endswith(".relative")} if ranks else found


def said(feature: str, raw: Any) -> dict[str, float]:
    """One of pymfe's features by our names: itself, or its summaries."""
    from pymfe._summary import SUMMARY_METHODS

    if np.ndim(raw) == 0:
        return {feature: float(raw)}
    values = np.asarray(raw, float)
    values = values[~np.isnan(values)]
    if not len(values):
        return {f"{feature}.{summary}": np.nan for summary in SUMMARIES}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = {s: float(SUMMARY_METHODS[f"nan{s}"](values)) for s in ("mean", "sd", "min", "max")}
        for i in (1, 2, 3):
            found[f"quantiles.{i}"] = float(np.nanquantile(values, i / 4))
    return {f"{feature}.{summary}": found[summary] for summary in SUMMARIES}


def completed(data: Data) -> Data:
    """The data with every missing number the mean of its attribute, every category `~`."""
    x = data.x
    for i, column in enumerate(x.columns):
        if column.null_count:
            whole = plain(column.combine_chunks())
            if i in data.categorical:
                whole = whole.cast(pa.string()).fill_null(LAST)
            else:
                numbers = floats(whole, False)
                there = numbers[np.isfinite(numbers)]
                mean = there.mean() if len(there) else 0.0
                whole = pa.array(np.where(np.isfinite(numbers), numbers, mean))
            x = x.set_column(i, x.column_names[i], whole)
    return Data(x, data.y, data.target, data.kind, data.categorical, data.dropped)


def cases(folder: Path, only: Sequence[str] = ()) -> Iterator[Case]:
    """All data sets; of one with missing values the completed one first."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".arff", ".csv")):
        name = path.stem
        if only and name not in only:
            continue
        data = read_data(path, target=TARGETS.get(name))
        whole = None
        if any(column.null_count for column in data.x.columns):
            whole = Case(name, completed(data), completed=True)
            yield whole
        yield Case(name, data, whole=whole)
    yield from (case for case in sklearn_cases() if not only or case.name in only)


def sklearn_cases() -> Iterator[Case]:
    """scikit-learn's data sets."""
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        kind = "regression" if name in ("diabetes", "linnerud") else "classification"
        y = y[:, 0] if np.ndim(y) == 2 else y
        columns = {f"column_{i}": np.ascontiguousarray(c) for i, c in enumerate(x.T, 1)}
        yield Case(f"sklearn {name}", Data(pa.table(columns), pa.array(y), "target", kind))


@dataclass
class Tally:
    """What the comparison of one feature found, over data sets and summaries.

    Args:
        group: Our group it belongs to.
        compared: Values of data in which nothing is missing.
        agree: Of these, how many agree.
        compared_missing: Values of data with missing values, as they are.
        agree_missing: Of these, how many agree.
        undefined: Neither of the two has a value.
        reasons: Why the others differ: how many values, and how far they are apart.
        unexplained: Those for which no reason holds.
    """

    group: str
    compared: int = 0
    agree: int = 0
    compared_missing: int = 0
    agree_missing: int = 0
    undefined: int = 0
    reasons: dict[str, dict[str, float]] = field(default_factory=dict)
    unexplained: list[dict[str, Any]] = field(default_factory=list)

    def count(self, agrees: bool, missing: bool) -> None:
        """One more value that at least one of the two has."""
        self.compared += not missing
        self.agree += agrees and not missing
        self.compared_missing += missing
        self.agree_missing += agrees and missing

    def explain(self, reason: str, far: float, apart: float) -> None:
        """Count one difference, relative and absolute; an infinite one: only one has a value."""
        nothing = {"values": 0, "one_sided": 0, "largest": 0.0, "largest_absolute": 0.0}
        found = self.reasons.setdefault(reason, nothing)
        found["values"] += 1
        if isfinite(far):
            found["largest"] = max(found["largest"], float(f"{far:.2g}"))
            found["largest_absolute"] = max(found["largest_absolute"], float(f"{apart:.2g}"))
        else:
            found["one_sided"] += 1

    def row(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "group": self.group,
            "compared": self.compared,
            "agree": self.agree,
            "compared_missing": self.compared_missing,
            "agree_missing": self.agree_missing,
            "undefined_in_both": self.undefined,
            "reasons": dict(sorted(self.reasons.items(), key=lambda r: -r[1]["values"])),
            "unexplained": self.unexplained,
        }


def difference(a: float, b: float) -> float:
    """Relative to the larger one; 0 where both are undefined, infinite where one is."""
    if not (isfinite(a) and isfinite(b)):
        return 0.0 if isfinite(a) == isfinite(b) else float("inf")
    return abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0


def compare(all_cases: Iterator[Case]) -> dict[str, Any]:
    """Every value both have a name for, tallied by feature."""
    from benchmarks.metafeatures_reasons import reason_of

    tallies: dict[str, Tally] = {}
    names: list[str] = []
    pymfe_only: set[str] = set()
    pymfe_failed: list[str] = []
    for case in all_cases:
        names.append(case.name + (" (completed)" if case.completed else ""))
        print(names[-1], file=sys.stderr, flush=True)
        theirs_by_name = case.theirs
        pymfe_failed += [f"{names[-1]}: {group}: {e}" for group, e in case.failed.items()]
        pymfe_only |= {feature_of(name) for name in theirs_by_name.keys() - case.ours.keys()}
        for name in sorted(case.ours.keys() & theirs_by_name.keys()):
            feature = feature_of(name)
            tally = tallies.setdefault(feature, Tally(group_of(name)))
            ours, theirs = case.ours[name], theirs_by_name[name]
            if not isfinite(ours) and not isfinite(theirs):
                tally.undefined += 1
                continue
            far = difference(ours, theirs)
            tally.count(far <= TOLERANCE, case.missing)
            if far <= TOLERANCE:
                continue
            failed = case.ours.by_name[name].status == "failed"
            reason = None if failed else reason_of(case, name)
            if reason is None:
                tally.unexplained.append(
                    {"data": names[-1], "name": name, "ours": text(ours), "pymfe": text(theirs)}
                )
            else:
                tally.explain(reason, far, abs(ours - theirs))
    order = {feature: place for place, feature in enumerate(_features())}
    return {
        "pymfe": version("pymfe"),
        "tolerance": TOLERANCE,
        "data": names,
        "pymfe_failed": pymfe_failed,
        "pymfe_only": sorted(pymfe_only - tallies.keys()),
        "features": {f: tallies[f].row() for f in sorted(tallies, key=lambda f: order.get(f, 999))},
    }


def text(value: float) -> float | None:
    """A value as JSON has it."""
    return float(f"{value:.12g}") if isfinite(value) else None


def feature_of(name: str) -> str:
    """The feature a value belongs to: its name without the summary."""
    stem, _, last = name.partition(".")
    return stem if last in SUMMARIES else name


def group_of(name: str) -> str:
    """The group of a value."""
    feature = feature_of(name)
    return next(g for g in groups() if {feature, name} & METAFEATURES[g].features.keys())


def _features() -> list[str]:
    features = [feature_of(f) for name in groups() for f in METAFEATURES[name].features]
    return list(dict.fromkeys(features))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--only", nargs="*", default=[], help="data sets; prints, writes nothing")
    a = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):  # to be set before NumPy comes
        arguments = [sys.executable, "-m", "benchmarks.metafeatures_parity", *sys.argv[1:]]
        os.execve(sys.executable, arguments, os.environ | ONE_THREAD)  # noqa: S606
    found = compare(cases(a.data, a.only))
    if not a.only:
        write("metafeatures_parity", found)
        return
    print("pymfe only", found["pymfe_only"])
    for feature, row in found["features"].items():
        print(feature, {k: v for k, v in row.items() if k != "unexplained"})
        for one in row["unexplained"]:
            print("   unexplained", one)


if __name__ == "__main__":
    main()
