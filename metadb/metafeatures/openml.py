"""OpenML's data qualities said in our names, and how well each of them says it.

`QUALITIES` is the table, one row a name; in short, with {a,b} for several names:

| ours | from OpenML's | agreement | only where |
| --- | --- | --- | --- |
| nr_inst, log_nr_inst | NumberOfInstances | exact | |
| nr_attr, log_nr_attr, attr_to_inst, inst_to_attr | NumberOfFeatures, less the target | exact | |
| nr_cat, nr_num, cat_to_num, num_to_cat | NumberOf{Symbolic,Numeric}Features, less the target | exact | they sum to all |
| nr_missing, pct_missing | NumberOfMissingValues | exact | |
| nr_inst_missing | NumberOfInstancesWithMissingValues | exact | |
| nr_attr_missing | NumberOfMissingValues | exact | it is 0 |
| nr_class, freq_class.mean | NumberOfClasses, 1 / it | exact | no declared class is empty |
| freq_class.{min,max}, imbalance_ratio | MinorityClassSize, MajorityClassSize | exact | the same |
| freq_class.sd | all class sizes, which follow from these | exact | at most 3 classes |
| class_ent_norm | all class sizes, or ClassEntropy / log2 NumberOfClasses | exact | no declared class is empty |
| class_ent | ClassEntropy | exact | |
| attr_ent.{mean,min,quantiles.2,max} | {Mean,Min,Quartile2,Max}AttributeEntropy | exact | nominal, complete |
| mut_inf.{mean,min,quantiles.2,max} | {Mean,Min,Quartile2,Max}MutualInformation | exact | nominal, complete |
| joint_ent.mean | MeanAttributeEntropy + ClassEntropy - MeanMutualInformation | exact | nominal, complete |
| eq_num_attr | EquivalentNumberOfAtts | exact | nominal, complete |
| ns_ratio | MeanNoiseToSignalRatio, once NoiseToSignalRatio | exact | nominal, complete |
| attr_ent.{quantiles.1,quantiles.3} | Quartile{1,3}AttributeEntropy | close | nominal, complete |
| mut_inf.{quantiles.1,quantiles.3} | Quartile{1,3}MutualInformation | close | nominal, complete |
| attr_ent.{mean,min,quantiles.1,quantiles.2} | {Mean,Min,Quartile1,Quartile2}AttributeEntropy | close | else, some nominal |
| mut_inf.{mean,min,quantiles.3,max} | {Mean,Min,Quartile3,Max}MutualInformation | close | else, some nominal |
| joint_ent.mean, eq_num_attr, ns_ratio | as above | close | else, some nominal |
| mean.{mean,min,quantiles.1,quantiles.2,quantiles.3,max} | {Mean,...,Max}MeansOfNumericAtts | close | numeric, coherent |
| sd.{mean,min,quantiles.1,quantiles.2,quantiles.3,max} | {Mean,...,Max}StdDevOfNumericAtts | close | numeric, coherent |
| skewness.{mean,min,quantiles.1,quantiles.2,quantiles.3,max} | {Mean,...,Max}SkewnessOfNumericAtts, G1 made b1 | close | numeric, coherent |
| kurtosis.{mean,min,quantiles.1,quantiles.2,quantiles.3,max} | {Mean,...,Max}KurtosisOfNumericAtts, G2 made b2 | close | numeric, coherent |
| nr_bin | NumberOfBinaryFeatures, less a target of two classes | close | |
| best_node.mean | 1 - DecisionStumpErrRate | close | |
| one_nn.mean | 1 - kNN1NErrRate | close | numeric |
| naive_bayes.mean | 1 - NaiveBayesErrRate | close | numeric |

`exact`: the same number, to 1e-6. `close`: the same idea by another formula or learner, or a number
that cannot be trusted; a row holds the rank correlation with our own value and the median relative
difference, measured on the data sets of ../shared/data whose qualities are recorded there (5 to 13
of them). What has a rank correlation below 0.8 is left out.

What differs, and what is guarded:

- **Attribute statistics.** The formulas agree, but the evaluation engine used to carry the numbers
  of data sets described before into the next: the largest standard deviation of task 31 (credit-g,
  2822.74) is recorded as 5210.10, that of task 29 (credit-a). Of 154 old recordings that can be
  held against newer ones 84 are wrong. `Recording.coherent` finds 74 of these and no right one
  among 269; since ten slip through, none of these is called exact. Ours are over the 0/1 columns of
  categories too, so there must be no nominal attribute.
- Entropies are over nominal attributes only, ours over binned numbers too; and the engine takes a
  missing category for the first one that is declared.
- Quartiles lie at p (d + 1) among d attributes, ours at 1 + p (d - 1); the medians are equal.
- Landmarkers are Weka's in 2 folds, ours scikit-learn's in 10; its naive Bayes counts categories
  where ours has normal densities over 0 and 1 (0.46 where some are nominal), its 1-NN scales the
  attributes (0.71). random_node against RandomTreeDepth1 has 0.54 and elite_nn against
  CfsSubsetEval_kNN1N 0.71: left out. AUC, kappa, J48 and REPTree have no counterpart.
- NumberOfBinaryFeatures counts nominal attributes (the target among them) that *declare* two
  values; our nr_bin counts attributes of any type in which two values occur.
- NumberOfClasses counts declared classes. Where one is empty (anneal: 6 declared, 5 occur),
  MinorityClassSize is 0 and only the entropy of the classes is known. It is 0 for a regression:
  our nr_class is absent, and the attribute statistics, which count the target, are not used.
- String and date attributes are neither symbolic nor numeric for OpenML; in some recordings
  the target is not counted as symbolic either: the sum tells.
- Missing values of the target are counted by OpenML; our rows without target are dropped.
  Supervised tasks have none, which is assumed here.
- The percentages are shares in older recordings and percent in newer ones: not used. Cardinalities,
  NominalAttDistinctValues, AutoCorrelation and Hoeffding* have no counterpart.
- NaN stands for unknown, and so does -1 where nothing is below 0.

The formulas were read in github.com/openml/EvaluationEngine. Vanschoren, van Rijn, Bischl & Torgo
2013, OpenML: Networked Science in Machine Learning; Joanes & Gill 1998, Comparing Measures of
Sample Skewness and Kurtosis.
"""  # noqa: E501

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metadb.metafeatures.simple import spread, with_ratios

SUMMARIES = {
    "Mean": "mean",
    "Min": "min",
    "Quartile1": "quantiles.1",
    "Quartile2": "quantiles.2",
    "Quartile3": "quantiles.3",
    "Max": "max",
}
"""OpenML's word for a summary over attributes to ours."""

STATISTICS = {"Means": "mean", "StdDev": "sd", "Skewness": "skewness", "Kurtosis": "kurtosis"}
"""OpenML's word for a statistic of the numeric attributes to ours."""


@dataclass(frozen=True)
class Recording:
    """The qualities of one data set or task as OpenML recorded them, and what they imply."""

    qualities: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        """A quality that may be below 0.

        Raises:
            KeyError: It is not known.
        """
        value = self.qualities[name]
        if value is None or not math.isfinite(value):
            raise KeyError(name)
        return float(value)

    def amount(self, name: str) -> float:
        """A quality that cannot be below 0, where -1 stands for unknown.

        Raises:
            KeyError: It is not known.
        """
        if self[name] < 0:
            raise KeyError(name)
        return self[name]

    @cached_property
    def simple(self) -> dict[str, float]:
        """The simple meta-features that are known exactly."""
        known = {
            name: float(value)
            for name, value in self.qualities.items()
            if value is not None and math.isfinite(value) and value >= 0
        }
        return with_ratios(_counts(known)) | _classes(known)

    @cached_property
    def classification(self) -> bool:
        """The target has classes."""
        return (self.qualities.get("NumberOfClasses") or 0) > 0

    @cached_property
    def numeric(self) -> bool:
        """All attributes are numeric, the target has classes."""
        return self.classification and self.simple.get("nr_cat") == 0

    @cached_property
    def some_nominal(self) -> bool:
        """Some attributes are nominal, the target has classes."""
        return self.classification and self.simple.get("nr_cat", 0) > 0

    @cached_property
    def nominal(self) -> bool:
        """All attributes are nominal and complete, the target has classes."""
        complete = self.simple.get("nr_missing") == 0
        return self.classification and complete and self.simple.get("nr_num") == 0

    @cached_property
    def coherent(self) -> bool:
        """All attributes are numeric, and their statistics can be those of one data set.

        The mean of d numbers lies between what their smallest, quartiles and largest leave open;
        of n numbers no skewness G1 is beyond sqrt(n) and no kurtosis G2 above n, which they reach
        where one number differs from all others (Joanes, Gill 1998).
        """
        if not self.numeric:
            return False
        try:
            n, d = self["NumberOfInstances"], int(self.simple["nr_num"])
            said = {
                word: [self[f"{summary}{word}OfNumericAtts"] for summary in SUMMARIES]
                for word in STATISTICS
            }
        except KeyError:
            return False
        if n < 1:
            return False
        beyond = max(map(abs, said["Skewness"])) / math.sqrt(n), said["Kurtosis"][-1] / n
        return max(beyond) <= 1 + 1e-9 and all(_possible(d, *values) for values in said.values())


Convert = Callable[[Recording], float]


@dataclass(frozen=True, slots=True)
class Quality:
    """How one of our meta-features follows from OpenML's qualities.

    Args:
        ours: Our name.
        theirs: OpenML's names, or the formula.
        convert: Gives the value; a KeyError or a division by 0 says that it is not known.
        agreement: `exact` or `close`.
        only: The property of a `Recording` that must hold.
        correlation: The rank correlation with our own value over the data sets measured.
        difference: The median relative difference from our own value.
    """

    ours: str
    theirs: str
    convert: Convert
    agreement: str = "exact"
    only: str | None = None
    correlation: float = 1.0
    difference: float = 0.0


def from_qualities(qualities: Mapping[str, float], *, close: bool = False) -> dict[str, float]:
    """The meta-features that OpenML's qualities of a task determine, by our names.

    Args:
        qualities: Name to value, as OpenML gives them for a data set or task.
        close: Give those that are only close to ours instead of the exact ones, and of these none
            that is known exactly.
    """
    recording = Recording(qualities)
    found: dict[str, dict[str, float]] = {"exact": {}, "close": {}}
    for quality in QUALITIES:  # the exact ones come first
        if quality.ours in found["exact"]:
            continue
        if quality.only is not None and not getattr(recording, quality.only):
            continue
        try:
            value = float(quality.convert(recording))
        except (KeyError, ZeroDivisionError):
            continue
        found[quality.agreement].setdefault(quality.ours, value)
    return found["close" if close else "exact"]


def _same(name: str) -> Convert:
    return lambda recording: recording.amount(name)


def _simple(name: str) -> Convert:
    return lambda recording: recording.simple[name]


def _accuracy(name: str) -> Convert:
    return lambda recording: 1 - recording.amount(name)


def _statistic(word: str, summary: str) -> Convert:
    """The formula is linear in the statistic, so it holds for its mean and quantiles too."""

    def convert(recording: Recording) -> float:
        value, n = recording[f"{summary}{word}OfNumericAtts"], recording["NumberOfInstances"]
        if word == "Skewness":  # G1 to b1
            return value * (n - 2) / math.sqrt(n * (n - 1)) * math.pow(1 - 1 / n, 1.5)
        if word == "Kurtosis":  # G2 to g2 to b2
            g2 = (value * (n - 2) * (n - 3) / (n - 1) - 6) / (n + 1)
            return (g2 + 3) * (1 - 1 / n) ** 2 - 3
        return value

    return convert


def _joint_entropy(recording: Recording) -> float:
    own = recording.amount("MeanAttributeEntropy") + recording.amount("ClassEntropy")
    return own - recording.amount("MeanMutualInformation")


def _noise_to_signal(recording: Recording) -> float:
    newer = "MeanNoiseToSignalRatio"
    return recording.amount(newer if newer in recording.qualities else "NoiseToSignalRatio")


def _binary(recording: Recording) -> float:
    return recording.amount("NumberOfBinaryFeatures") - (recording["NumberOfClasses"] == 2)


_SIMPLE = {
    "NumberOfInstances": ("nr_inst", "log_nr_inst"),
    "NumberOfFeatures": ("nr_attr", "log_nr_attr"),
    "NumberOfFeatures, NumberOfInstances": ("attr_to_inst", "inst_to_attr"),
    "NumberOfSymbolicFeatures": ("nr_cat",),
    "NumberOfNumericFeatures": ("nr_num",),
    "NumberOfSymbolicFeatures, NumberOfNumericFeatures": ("cat_to_num", "num_to_cat"),
    "NumberOfMissingValues": ("nr_missing", "pct_missing", "nr_attr_missing"),
    "NumberOfInstancesWithMissingValues": ("nr_inst_missing",),
    "NumberOfClasses": ("nr_class", "freq_class.mean"),
    "MinorityClassSize, NumberOfInstances": ("freq_class.min",),
    "MajorityClassSize, NumberOfInstances": ("freq_class.max",),
    "MajorityClassSize, MinorityClassSize": ("imbalance_ratio", "freq_class.sd"),
    "ClassEntropy, NumberOfClasses": ("class_ent_norm",),
}

_INFORMATION: dict[str, tuple[str, Convert]] = {
    **{
        f"{ours}.{summary}": (f"{word}{said}", _same(f"{word}{said}"))
        for said, ours in (("AttributeEntropy", "attr_ent"), ("MutualInformation", "mut_inf"))
        for word, summary in SUMMARIES.items()
    },
    "joint_ent.mean": (
        "MeanAttributeEntropy + ClassEntropy - MeanMutualInformation",
        _joint_entropy,
    ),
    "eq_num_attr": ("EquivalentNumberOfAtts", _same("EquivalentNumberOfAtts")),
    "ns_ratio": ("MeanNoiseToSignalRatio", _noise_to_signal),
}

_QUARTILES = {
    "attr_ent.quantiles.1": (1.0, 0.021),
    "attr_ent.quantiles.3": (1.0, 0.0062),
    "mut_inf.quantiles.1": (1.0, 0.29),
    "mut_inf.quantiles.3": (1.0, 0.16),
}
"""Of nominal, complete attributes: rank correlation and difference; all others are exact."""

_SOME_NOMINAL = {
    "attr_ent.mean": (0.9, 0.33),
    "attr_ent.min": (0.89, 0.0),
    "attr_ent.quantiles.1": (0.9, 0.18),
    "attr_ent.quantiles.2": (0.8, 0.24),
    "mut_inf.mean": (1.0, 0.39),
    "mut_inf.min": (0.89, 0.16),
    "mut_inf.quantiles.3": (0.9, 0.33),
    "mut_inf.max": (0.8, 0.06),
    "joint_ent.mean": (0.9, 0.19),
    "eq_num_attr": (0.9, 0.63),
    "ns_ratio": (1.0, 0.29),
}
"""Where numbers or missing values are beside them: rank correlation and difference."""

_STATISTICS = {
    "mean": {"quantiles.1": (1.0, 0.11), "quantiles.3": (1.0, 0.028)},
    "sd": {"quantiles.1": (1.0, 0.047), "quantiles.3": (1.0, 0.08)},
    "skewness": {"quantiles.1": (1.0, 0.043), "quantiles.3": (1.0, 0.041)},
    "kurtosis": {"quantiles.1": (1.0, 0.066), "quantiles.3": (1.0, 0.51)},
}
"""Of numeric attributes: rank correlation and difference where these are not 1 and 0 to 1e-6."""


def _qualities() -> Iterator[Quality]:
    for theirs, names in _SIMPLE.items():
        for ours in names:
            yield Quality(ours, theirs, _simple(ours))
    yield Quality("class_ent", "ClassEntropy", _same("ClassEntropy"), "exact", "classification")
    for ours, (theirs, convert) in _INFORMATION.items():
        if ours not in _QUARTILES:
            yield Quality(ours, theirs, convert, "exact", "nominal")
    for ours, measured in _QUARTILES.items():
        yield Quality(ours, *_INFORMATION[ours], "close", "nominal", *measured)
    for ours, measured in _SOME_NOMINAL.items():
        yield Quality(ours, *_INFORMATION[ours], "close", "some_nominal", *measured)
    for word, statistic in STATISTICS.items():
        for said, summary in SUMMARIES.items():
            measured = _STATISTICS[statistic].get(summary, (1.0, 0.0))
            theirs, convert = f"{said}{word}OfNumericAtts", _statistic(word, said)
            ours = f"{statistic}.{summary}"
            yield Quality(ours, theirs, convert, "close", "coherent", *measured)
    yield Quality("nr_bin", "NumberOfBinaryFeatures", _binary, "close", "classification")
    for ours, learner, only, difference in (
        ("best_node.mean", "DecisionStump", "classification", 0.016),
        ("one_nn.mean", "kNN1N", "numeric", 0.044),
        ("naive_bayes.mean", "NaiveBayes", "numeric", 0.0094),
    ):
        convert = _accuracy(f"{learner}ErrRate")
        yield Quality(ours, f"1 - {learner}ErrRate", convert, "close", only, 1.0, difference)


QUALITIES = tuple(_qualities())
"""Every row, the exact ones first."""


def _possible(
    d: int, mean: float, low: float, q1: float, q2: float, q3: float, high: float
) -> bool:
    """Whether d numbers can have this mean, smallest, quartiles (at p (d + 1)) and largest."""
    place = np.arange(1, d + 1)  # (d,)
    ends = [min(max(int(share * (d + 1)), 1), d) for share in (0.25, 0.5, 0.75)]
    which = np.searchsorted(ends, place)  # 0: up to the first quartile, ..., 3: above the third
    least, most = np.array([low, q1, q2, q3])[which], np.array([q1, q2, q3, high])[which]
    least[-1], most[0] = high, low
    slack = 1e-6 * (abs(low) + abs(high))
    return bool(least.mean() - slack <= mean <= most.mean() + slack)


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
