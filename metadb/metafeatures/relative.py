"""Relative landmarks: how much better one simple learner does than another.

With the mean score of each landmarker over its folds (`metadb.metafeatures.landmarking`):

| name | formula | range | source |
| --- | --- | --- | --- |
| relative.{a}.{b} | a.mean - b.mean, for each pair of landmarkers, a before b in the alphabet | [-1, 1] | Fürnkranz & Petrak 2001 |
| {a}.mean.relative | the rank of a.mean among the landmarkers, the lowest is 1, equal ones share | [1, 7] | Fürnkranz & Petrak 2001 |
| {a}.sd.relative | the rank of a.sd (over the folds, ddof 1), likewise | [1, 7] | Fürnkranz & Petrak 2001 |

{a} and {b} stand for best_node, elite_nn, linear_discr, naive_bayes, one_nn, random_node and
worst_node; for a regression, where the differences have no lower end and ranks end at 6, for
r2_best_node, r2_elite_nn, r2_linear, r2_one_nn, r2_random_node and r2_worst_node. The ranks and
their names are those of pymfe's relative group (Alcobaça et al. 2020), which ranks every summary;
a landmarker without a value has no rank here and is not counted.

Fürnkranz & Petrak 2001, An Evaluation of Landmarking Variants; Alcobaça et al. 2020, MFE: Towards
Reproducible Meta-feature Extraction.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metadb.metafeatures.features import Feature, Found, summarise
from metadb.metafeatures.landmarking import LANDMARKERS, landmark
from metadb.metafeatures.table import Table
from metadb.protocols import Floats

RANKED = ("mean", "sd")
"""The summaries whose ranks are given."""


def _declared(kind: str) -> dict[str, Feature]:
    why = "a landmarker has no value"
    names = sorted(LANDMARKERS[kind])
    pairs = [_pair(a, b) for a in names for b in names if a < b]
    ranks = [f"{a}.{summary}.relative" for summary in RANKED for a in names]
    return {name: Feature(why, kinds=(kind,)) for name in (*pairs, *ranks)}


def _pair(a: str, b: str) -> str:
    return f"relative.{min(a, b)}.{max(a, b)}"


RELATIVE: dict[str, Feature] = {**_declared("classification"), **_declared("regression")}
"""Every name of the group."""


def relative(table: Table, seed: int = 0) -> Iterator[Found]:
    """The relative landmarks of a data set, see the table of this module.

    They cost the landmarks, and nothing where those of the same table are known already; each
    difference comes as soon as its two landmarkers are there.
    """
    said: dict[str, dict[str, float]] = {}
    for b in LANDMARKERS.get(table.kind, {}):
        said[b] = summarise(landmark(table, b, seed))
        for a in said:
            if a != b:
                first, second = sorted((a, b))
                yield _pair(a, b), said[first]["mean"] - said[second]["mean"]
    names = list(said)
    for summary in RANKED if names else ():
        ranks = rank(np.array([said[name][summary] for name in names]))
        for name, place in zip(names, ranks, strict=True):
            yield f"{name}.{summary}.relative", float(place)


def rank(values: Floats) -> Floats:
    """The rank of each value (n,), 1 for the lowest; equal ones share their mean, NaN has none.

    Equal to 12 digits, that is: how a sum was rounded is no order.
    """
    values = np.round(values, 12)
    lower = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    ranks: Floats = np.where(np.isnan(values), np.nan, lower + (equal + 1) / 2)
    return ranks
