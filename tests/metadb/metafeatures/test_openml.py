"""Laws of OpenML's qualities in our names: the exact ones are our values, the close ones say how."""

from __future__ import annotations

import csv
import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadb.arff import read_arff
from metadb.datafile import read_data
from metadb.metafeatures import METAFEATURES, extract_table, from_qualities, table_of
from metadb.metafeatures import openml as module
from metadb.metafeatures.features import summarise
from metadb.metafeatures.openml import QUALITIES, Quality, Recording
from metadb.metafeatures.simple import SIMPLE
from metadb.metafeatures.table import Arrays, Table

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"no real data in {SHARED}")

SAME = {  # OpenML task id -> the file with its data
    "3": "kr.vs.kp",
    "15": "breast.w",
    "21": "car",
    "29": "credit.a",
    "31": "credit.g",
    "37": "diabetes",
    "41": "soybean",
    "53": "vehicle",
    "3021": "sick",
}
NEWER = {"31": "credit.g", "38": "sick", "54": "vehicle", "40691": "winequality-red"}  # data set id
CLASSES = {name for name, feature in SIMPLE.items() if feature.kinds == ("classification",)}


@cache
def recorded() -> dict[str, dict[str, float]]:
    """The qualities of 100 tasks as they were recorded."""
    found: dict[str, dict[str, float]] = json.loads(
        (SHARED / "openml-pimp" / "task_qualities.json").read_text()
    )
    return found


@cache
def anneal() -> dict[str, float]:
    path = SHARED / "openml-study-metadata" / "study_14_metafeatures.arff"
    row = next(row for row in read_arff(path).table.to_pylist() if row["openml_data_id"] == "2")
    return {name: value for name, value in row.items() if not isinstance(value, str)}


@cache
def pairs() -> dict[str, tuple[Table, dict[str, float]]]:
    """Data sets with what OpenML recorded of them, where it did twice the newer value."""
    from sklearn.datasets import load_breast_cancer

    found = {name: (data(name), recorded()[task]) for task, name in SAME.items()}
    with (SHARED / "lcdb-history" / "datasets.csv").open() as lines:
        for row in csv.DictReader(lines):
            if (name := NEWER.get(row.pop("openmlid"))) is not None:
                del row["Name"]
                older = found[name][1] if name in found else {}
                found[name] = data(name), older | {q: float(v) for q, v in row.items() if v}
    x, y = load_breast_cancer(return_X_y=True)
    table = Table(Arrays(x.T.copy(), np.empty((0, len(x)), np.int32)), "classification", y)
    found["wdbc"] = table, recorded()["9946"]
    path = SHARED / "openml-recorded" / "test" / "download" / "dataset_4.arff"
    found["balance-scale"] = table_of(read_data(path)), recorded()["11"]
    found["anneal.orig"] = data("anneal.orig"), anneal()
    return found


@cache
def data(name: str) -> Table:
    if name == "winequality-red":
        path = SHARED / "tabular" / "csv-no-header" / f"{name}.csv"
        return table_of(read_data(path, kind="classification"))
    return table_of(read_data(SHARED / "tabular" / "classification" / f"{name}.arff"))


def entropy(*codes: Any) -> float:
    """Of the joint values, in bits."""
    _, sizes = np.unique(np.stack(codes), axis=1, return_counts=True)
    return -float(sum(n / sizes.sum() * math.log2(n / sizes.sum()) for n in sizes))


def plain(table: Table) -> dict[str, float]:
    """Our values by the plainest reading of the formulas."""
    assert table.y is not None
    many: dict[str, list[float]] = {name: [] for name in ("attr_ent", "mut_inf", "joint_ent")}
    for codes, _ in table.discrete():
        many["attr_ent"].append(entropy(codes))
        many["joint_ent"].append(entropy(codes, table.y))
        many["mut_inf"].append(many["attr_ent"][-1] + entropy(table.y) - many["joint_ent"][-1])
    for column in table.columns.numbers(0, table.columns.n_numbers):
        x = column[~np.isnan(column)]
        if len(x) == 0:
            continue
        sd = x.std(ddof=1)
        centred = x - x.mean()
        values = (x.mean(), sd, (centred**3).mean() / sd**3, (centred**4).mean() / sd**4 - 3)
        for name, value in zip(("mean", "sd", "skewness", "kurtosis"), values, strict=True):
            many.setdefault(name, []).append(float(value))
    mutual, own = sum(many["mut_inf"]), sum(many["attr_ent"])
    return {
        **extract_table(table, groups=["simple"]).known(),
        **{
            f"{name}.{summary}": value
            for name, values in many.items()
            for summary, value in summarise(np.array(values)).items()
        },
        "class_ent": entropy(table.y),
        "eq_num_attr": entropy(table.y) * len(many["mut_inf"]) / mutual if mutual else math.nan,
        "ns_ratio": (own - mutual) / mutual if mutual else math.nan,
    }


def documented() -> list[tuple[str, str]]:
    """Name and agreement of each row of the module's table, {a,b} taken apart."""
    found = []
    for line in (module.__doc__ or "").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[3] in ("exact", "close"):
            for name in re.split(r", (?![^{]*})", cells[1]):
                parts = [part.split(",") for part in re.split(r"[{}]", name)]
                found += [("".join(chosen), cells[3]) for chosen in product(*parts)]
    return found


def test_the_table_in_words_is_the_table() -> None:
    assert sorted(documented()) == sorted((q.ours, q.agreement) for q in QUALITIES)
    exact = [q.agreement == "exact" for q in QUALITIES]
    assert exact == sorted(exact, reverse=True)
    assert all(q.agreement == "close" or q.correlation == 1 for q in QUALITIES)
    assert all(q.correlation >= 0.8 for q in QUALITIES)


def test_the_names_are_ours() -> None:
    declared = set()
    for group in METAFEATURES.values():
        for name, feature in group.features.items():
            declared |= {f"{name}.{s}" for s in summarise(np.ones(1))} if feature.many else {name}
    first = {name.split(".")[0] for name in declared}
    assert {q.ours for q in QUALITIES if q.ours.split(".")[0] in first} <= declared


@needs_shared
@pytest.mark.parametrize("task", SAME)
def test_what_is_exact_is_what_we_compute(task: str) -> None:
    ours, theirs = plain(data(SAME[task])), from_qualities(recorded()[task])
    assert theirs == pytest.approx({name: ours[name] for name in theirs}, rel=1e-6, abs=1e-12)
    missing = set(extract_table(data(SAME[task]), groups=["simple"]).known()) - set(theirs)
    assert missing <= {"nr_bin", "nr_attr_missing", "freq_class.sd"}
    assert ("attr_ent.mean" in theirs) == (task in ("3", "21"))


def measured(ours: Callable[[Table], Mapping[str, float]]) -> list[tuple[Quality, Any, Any]]:
    """Each close row with our values and those it says, over the data sets for which it holds."""
    found: dict[int, list[tuple[float, float]]] = {}
    for table, qualities in pairs().values():
        own, recording = ours(table), Recording(qualities)
        exact = from_qualities(qualities)
        for place, quality in enumerate(QUALITIES):
            if quality.agreement == "exact" or quality.ours in exact or quality.ours not in own:
                continue
            if quality.only == "some_nominal" and recording.nominal:
                continue  # an earlier row says it
            if quality.only is None or getattr(recording, quality.only):
                with suppress(KeyError):
                    values = own[quality.ours], quality.convert(recording)
                    found.setdefault(place, []).append(values)
    return [(QUALITIES[place], *np.array(values).T) for place, values in found.items()]


def holds(quality: Quality, own: Any, said: Any) -> None:
    from scipy.stats import spearmanr

    difference = np.median(np.abs(said - own) / np.maximum(np.abs(own), 1e-12))
    assert difference == pytest.approx(quality.difference, abs=0.006, rel=0.03), quality.ours
    if len(own) > 2 and len(set(own)) > 1:
        assert spearmanr(own, said)[0] >= quality.correlation - 0.011, quality.ours


@needs_shared
def test_what_is_close_is_as_close_as_it_says() -> None:
    rows = measured(plain)
    assert len(rows) == sum(q.agreement == "close" for q in QUALITIES) - 3
    for row in rows:
        holds(*row)


def landmarks(table: Table) -> dict[str, float]:
    from pymfe.mfe import MFE

    names = ["best_node", "one_nn", "naive_bayes"]
    mfe = MFE(groups=["landmarking"], features=names, summary=["mean"], random_state=0)
    with warnings.catch_warnings(action="ignore"):
        mfe.fit(table.matrix, table.y, transform_cat=None, cat_cols=[], check_bool=False)
        return dict(zip(*mfe.extract(suppress_warnings=True), strict=True))


@needs_shared
def test_landmarkers_are_as_close_as_they_say() -> None:
    pytest.importorskip("pymfe", reason="pymfe 0.4.4 computes the landmarkers to compare with")
    rows = measured(landmarks)
    assert {quality.ours for quality, _, _ in rows} == {
        "best_node.mean",
        "one_nn.mean",
        "naive_bayes.mean",
    }
    for row in rows:
        holds(*row)


@needs_shared
def test_statistics_that_mix_data_sets_are_dropped() -> None:
    """The largest standard deviation recorded for tasks 31 and 37 is that of other tasks."""
    for task in ("31", "37", "53"):
        assert not any(
            name.startswith("sd.") for name in from_qualities(recorded()[task], close=True)
        )
    assert recorded()["31"]["MaxStdDevOfNumericAtts"] == recorded()["29"]["MaxStdDevOfNumericAtts"]
    ours = plain(data("breast.w"))
    said = from_qualities(recorded()["15"], close=True)
    for name in ("mean.mean", "sd.max", "sd.quantiles.2", "skewness.min", "kurtosis.mean"):
        assert said[name] == pytest.approx(ours[name], rel=2e-3)


def openmls(x: np.ndarray[Any, Any], n_classes: int) -> dict[str, float]:
    """What OpenML records of numeric attributes, (n, d)."""
    from scipy.stats import kurtosis, skew

    found = {
        "NumberOfInstances": len(x),
        "NumberOfFeatures": x.shape[1] + 1,
        "NumberOfClasses": n_classes,
        "NumberOfNumericFeatures": x.shape[1],
        "NumberOfSymbolicFeatures": 1,
    }
    for word, values in (
        ("Means", x.mean(axis=0)),
        ("StdDev", x.std(axis=0, ddof=1)),
        ("Skewness", skew(x, bias=False)),
        ("Kurtosis", kurtosis(x, bias=False)),
    ):
        for summary, value in (
            ("Mean", values.mean()),
            ("Min", values.min()),
            ("Max", values.max()),
            *((f"Quartile{i}", np.quantile(values, i / 4, method="weibull")) for i in (1, 2, 3)),
        ):
            found[f"{summary}{word}OfNumericAtts"] = value
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("seed", range(30))
def test_numeric_attributes_are_coherent_and_said_by_our_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(5, 60)), int(rng.integers(1, 40))
    x = np.exp(rng.normal(size=(n, d)) * rng.exponential(size=d)) * 10 ** rng.normal(size=d)
    if seed % 3 == 0:
        x[:, 0] = np.arange(n) == 0  # one differs from all others: the bounds are reached
    said = from_qualities(openmls(x, 2), close=True)
    y = np.arange(n) % 2
    ours = plain(Table(Arrays(x.T, np.empty((0, n), np.int32)), "classification", y))
    names = [
        f"{name}.{s}"
        for name in ("mean", "sd", "skewness", "kurtosis")
        for s in ("mean", "min", "max", "quantiles.2")
    ]
    assert {name: said[name] for name in names} == pytest.approx(
        {name: ours[name] for name in names}, rel=1e-9, abs=1e-9
    )


def test_attributes_of_two_data_sets_are_not_coherent() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 60)) * 10.0 ** np.repeat([0, 4], [40, 20])
    mixed = openmls(x, 2) | {"NumberOfNumericFeatures": 5.0, "NumberOfFeatures": 6.0}
    assert Recording(openmls(x, 2)).coherent
    assert not Recording(mixed).coherent
    assert from_qualities(mixed, close=True) == {}


@needs_shared
def test_a_declared_class_without_instances_leaves_the_classes_unknown() -> None:
    """OpenML says 6 classes of data set 2 (anneal), where 5 occur; only their entropy is known."""
    qualities = anneal()
    ours = plain(data("anneal.orig"))
    theirs = from_qualities(qualities)
    assert qualities["NumberOfClasses"] == 6
    assert ours["nr_class"] == 5
    assert not set(theirs) & CLASSES
    assert theirs == pytest.approx({name: ours[name] for name in theirs}, rel=1e-6)
    assert "class_ent" in theirs


@needs_shared
def test_all_recorded_qualities_give_finite_values_in_range() -> None:
    for qualities in recorded().values():
        found, close = from_qualities(qualities), from_qualities(qualities, close=True)
        assert not set(found) & set(close)
        assert set(found) | set(close) <= {q.ours for q in QUALITIES}
        assert all(math.isfinite(value) for value in (found | close).values())
        assert all(value >= 0 for value in found.values())
        assert found["nr_attr"] == found["nr_num"] + found["nr_cat"]
        assert found.get("class_ent_norm", 0) <= 1


def test_qualities_of_a_regression() -> None:
    qualities = {
        "NumberOfInstances": 100.0,
        "NumberOfFeatures": 5.0,
        "NumberOfClasses": 0.0,
        "NumberOfNumericFeatures": 3.0,
        "NumberOfSymbolicFeatures": 2.0,
        "NumberOfBinaryFeatures": 1.0,
        "MajorityClassSize": -1.0,
        "MinorityClassSize": math.nan,
        "NumberOfMissingValues": 0.0,
        "ClassEntropy": 0.0,
    }
    found = from_qualities(qualities)
    assert (found["nr_attr"], found["nr_num"], found["nr_cat"]) == (4, 2, 2)
    assert (found["nr_attr_missing"], found["pct_missing"]) == (0, 0)
    assert not set(found) & {*CLASSES, "class_ent"}
    assert from_qualities(qualities, close=True) == {}


def test_qualities_that_leave_something_open() -> None:
    assert from_qualities({}) == {}
    assert from_qualities({}, close=True) == {}
    unknown: dict[str, Any] = {"NumberOfInstances": -1.0, "NumberOfFeatures": math.nan}
    assert from_qualities({**unknown, "ClassEntropy": None, "NumberOfClasses": 2.0}) == {}
    text = {"NumberOfFeatures": 5.0, "NumberOfNumericFeatures": 2.0, "NumberOfClasses": 2.0}
    found = from_qualities({**text, "NumberOfSymbolicFeatures": 2.0})  # one is a string
    assert found == {"nr_attr": 4.0, "log_nr_attr": math.log(4)}
