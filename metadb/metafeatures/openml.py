"""OpenML's data qualities, said in our names, where the formulas agree exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from metadb.metafeatures.simple import spread, with_ratios


def from_qualities(qualities: Mapping[str, float]) -> dict[str, float]:
    """The simple meta-features that OpenML's qualities of a task determine; no others.

    | ours | from OpenML's | only where |
    | --- | --- | --- |
    | nr_inst | NumberOfInstances | |
    | nr_attr | NumberOfFeatures - 1, the target | |
    | nr_cat | NumberOfSymbolicFeatures, - 1 if NumberOfClasses > 0 | symbolic + numeric = all |
    | nr_num | NumberOfNumericFeatures, - 1 if NumberOfClasses = 0 | symbolic + numeric = all |
    | nr_missing | NumberOfMissingValues | |
    | nr_inst_missing | NumberOfInstancesWithMissingValues | |
    | nr_attr_missing | 0 | NumberOfMissingValues = 0 |
    | nr_class, freq_class.mean | NumberOfClasses, 1 / it | MinorityClassSize > 0 |
    | freq_class.max, .min | MajorityClassSize, MinorityClassSize / NumberOfInstances | the same |
    | imbalance_ratio | MajorityClassSize / MinorityClassSize | the same |
    | freq_class.sd, class_ent_norm | all sizes, which follow from these | at most 3 classes |
    | class_ent_norm | ClassEntropy (bits) / log2 NumberOfClasses | else, at least 2 classes |

    and the ratios and logarithms of these. What differs, and is therefore left out or guarded:

    - NumberOfBinaryFeatures counts nominal attributes (the target among them) that *declare* two
      values; our nr_bin counts attributes of any type in which two values occur.
    - NumberOfClasses counts declared classes. Where one is empty (anneal: 6 declared, 5 occur),
      MinorityClassSize is 0 and nothing about classes is known exactly.
    - NumberOfClasses is 0 for regression: our nr_class is absent.
    - String and date attributes are neither symbolic nor numeric for OpenML; in some recordings
      the target is not counted as symbolic either: the sum tells.
    - Missing values of the target are counted by OpenML; our rows without target are dropped.
      Supervised tasks have none, which is assumed here.
    - The percentages are shares in older recordings and percent in newer ones: not used.
    - -1 and NaN stand for unknown.

    Args:
        qualities: Name to value, as OpenML gives them for a data set or task.
    """
    known = {
        name: float(value)
        for name, value in qualities.items()
        if value is not None and math.isfinite(value) and value >= 0
    }
    return with_ratios(_counts(known)) | _classes(known)


def _counts(known: Mapping[str, float]) -> dict[str, float]:
    counts: dict[str, float] = {}
    for ours, theirs in (
        ("nr_inst", "NumberOfInstances"),
        ("nr_missing", "NumberOfMissingValues"),
        ("nr_inst_missing", "NumberOfInstancesWithMissingValues"),
    ):
        if theirs in known:
            counts[ours] = known[theirs]
    if counts.get("nr_missing") == 0:
        counts |= {"nr_inst_missing": 0.0, "nr_attr_missing": 0.0}
    features = known.get("NumberOfFeatures")
    if features is None or features < 2:
        return counts
    counts["nr_attr"] = features - 1
    symbolic, numeric, classes = (
        known.get(f"NumberOf{name}") for name in ("SymbolicFeatures", "NumericFeatures", "Classes")
    )
    if symbolic is not None and numeric is not None and classes is not None:
        nominal_target = classes > 0
        counts_target = symbolic if nominal_target else numeric
        if symbolic + numeric == features and counts_target >= 1:
            counts["nr_cat"] = symbolic - nominal_target
            counts["nr_num"] = numeric - (not nominal_target)
    return counts


def _classes(known: Mapping[str, float]) -> dict[str, float]:
    """What is known of the classes; nothing where one that is declared does not occur."""
    names = ("NumberOfClasses", "MajorityClassSize", "MinorityClassSize", "NumberOfInstances")
    if not all(known.get(name) for name in names):
        return {}
    k, largest, smallest, n = (int(known[name]) for name in names)
    if smallest == 0:  # a size below one is none
        return {}
    if k <= 3:
        sizes = [largest, smallest, n - largest - smallest][:k]
        return spread(np.array(sizes)) if sum(sizes) == n and min(sizes) > 0 else {}
    found = {
        "nr_class": float(k),
        "freq_class.mean": 1 / k,
        "freq_class.min": smallest / n,
        "freq_class.max": largest / n,
        "imbalance_ratio": largest / smallest,
    }
    if "ClassEntropy" in known:
        found["class_ent_norm"] = min(1.0, known["ClassEntropy"] / math.log2(k))
    return found
