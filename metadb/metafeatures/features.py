"""What a group of meta-features is, and how many values are said in a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from metadb.metafeatures.table import Table
from metadb.protocols import Floats

SUMMARIES = ("mean", "sd", "min", "quantiles.1", "quantiles.2", "quantiles.3", "max")
"""What is said of a feature with a value for each attribute, class or fold: `name.mean`, ..."""

CLASSIFICATION, REGRESSION = ("classification",), ("regression",)


@dataclass(frozen=True, slots=True)
class Feature:
    """One meta-feature of a group.

    Args:
        undefined: Why it has no value where it has none, after "undefined: ".
        many: It has a value for each attribute, class or fold, and is summarised.
        kinds: The kinds of task that have it.
    """

    undefined: str = "the formula has no value for these data"
    many: bool = False
    kinds: tuple[str, ...] = ("classification", "regression", "clustering")


Found = tuple[str, float | Floats]
"""A feature's name and its value, or its values over attributes, classes or folds; NaN where one
is undefined."""


Compute = Callable[[Table, int], Iterable[Found] | Mapping[str, float | Floats]]
"""What a group is made of: a function of a table and a seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Meta-features that are computed together.

    Args:
        compute: Yields (name, value) of each feature as soon as it is known (or gives a dict),
            cheap ones first: what comes after the time limit is not waited for.
        features: Its features by name; what `compute` yields beside them is taken as it is.
        sampled: It is expensive: of a large data set it looks at a sample, unless told otherwise.
        whole: It says nothing of a sample (counts), so a time limit never makes it look at one.
        after: It goes on from what that group has found, and so looks at the same sample.
    """

    compute: Compute
    features: Mapping[str, Feature] = field(default_factory=dict)
    sampled: bool = False
    whole: bool = False
    after: str | None = None

    @property
    def extractor(self) -> str:
        """Who computes it: the package that its function is of."""
        return self.compute.__module__.partition(".")[0]


def names_of(feature: str, declared: Feature) -> list[str]:
    """The names of a feature's values: its own, or one for each summary."""
    return [f"{feature}.{s}" for s in SUMMARIES] if declared.many else [feature]


def summarise(values: Floats) -> dict[str, float]:
    """The summaries of values that are there (not NaN); all NaN where there is none.

    sd has n - 1 below the root and is NaN for one value; the quantiles are interpolated linearly
    (Hyndman, Fan 1996, type 7). Values may be infinite: then mean and sd are NaN or infinite.
    """
    values = np.sort(np.asarray(values, float).ravel())
    values = values[: int((~np.isnan(values)).sum())]
    n = len(values)
    if n == 0:
        return dict.fromkeys(SUMMARIES, np.nan)
    place = np.array([0.25, 0.5, 0.75]) * (n - 1)
    below = place.astype(int)
    low, high = values[below], values[np.minimum(below + 1, n - 1)]
    with np.errstate(invalid="ignore"):
        q = np.where(high == low, low, low + (high - low) * (place - below))
        mean = float(values.mean())
        sd = float(np.sqrt(((values - mean) ** 2).sum() / (n - 1))) if n > 1 else np.nan
    return dict(
        zip(SUMMARIES, (mean, sd, float(values[0]), *map(float, q), float(values[-1])), strict=True)
    )
