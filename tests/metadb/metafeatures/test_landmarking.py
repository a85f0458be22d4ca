"""Laws of the landmarks: pymfe's values fold by fold; where neighbours tie, between its extremes."""

from __future__ import annotations

import functools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from metadb.datafile import read_data
from metadb.metafeatures import landmarking as module
from metadb.metafeatures import table_of
from metadb.metafeatures.folds import folds
from metadb.metafeatures.landmarking import LANDMARKING, landmarking
from metadb.metafeatures.table import Arrays, Table
from metadb.metafeatures.tree import FINE

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
FILES = ("breast.cancer", "car", "credit.g", "glass", "vehicle", "zoo")
BUNCHES = ("iris", "wine", "breast_cancer")
NAMES = ("seeded", "grown here", *BUNCHES, *FILES)
EXACT = ("random_node", "naive_bayes", "best_node", "linear_discr")


def table(x, y, kind="classification"):
    x = np.ascontiguousarray(np.asarray(x, float).T)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


@functools.cache
def named(name):
    if name in BUNCHES:
        return table(*getattr(datasets, f"load_{name}")(return_X_y=True))
    if name in ("seeded", "grown here"):
        n = 300 if name == "seeded" else 1500
        return table(*datasets.make_classification(n, 10, n_informative=5, random_state=1))
    path = SHARED / "classification" / f"{name}.arff"
    if not path.exists():
        pytest.skip(f"no real data in {SHARED}")
    return table_of(read_data(path))


@functools.cache
def pymfes(name, seed=0):
    mfe = pytest.importorskip("pymfe.mfe", reason="pymfe is the oracle: metadb[dev]")
    t = named(name)
    extractor = mfe.MFE(
        groups=["landmarking"], summary=None, random_state=seed, suppress_warnings=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor.fit(t.matrix, t.y, cat_cols=None, transform_num=False, transform_cat=None)
        return dict(zip(*extractor.extract(), strict=True))


def said(t, seed=0):
    return dict(landmarking(t, seed))


def splits(t):
    """Training and test instances of each fold."""
    return [(np.setdiff1d(np.arange(t.n), test), test) for test in folds(t)]


def importance(t, train, seed=0):
    """Of the attributes of a classification, in scikit-learn's tree."""
    model = DecisionTreeClassifier(random_state=seed).fit(t.matrix[train], t.y[train])
    return model.feature_importances_


def of_range_1(y):
    """A target as the trees of a regression get it."""
    return np.rint((y - y.min()) / np.ptp(y) * FINE) / FINE - 0.5


def extremes(x, y, train, test):
    """The lowest and the highest accuracy of the nearest neighbour, over all ways to break ties."""
    square = ((x[test][:, None] - x[train][None]) ** 2).sum(axis=2)
    near = square <= square.min(axis=1, keepdims=True) * (1 + 1e-12)
    right = y[train][None] == y[test][:, None]
    return (right | ~near).all(axis=1).mean(), (right & near).any(axis=1).mean()


@pytest.mark.parametrize("name", NAMES)
def test_the_values_are_pymfes_fold_by_fold(name):
    found, expected = said(named(name)), pymfes(name)
    assert set(found) == set(expected)
    for feature in EXACT:
        np.testing.assert_allclose(found[feature], expected[feature], rtol=1e-9, err_msg=feature)


def test_the_values_are_pymfes_with_another_seed():
    found, expected = said(named("vehicle"), 7), pymfes("vehicle", 7)
    for feature in EXACT:
        np.testing.assert_allclose(found[feature], expected[feature], rtol=1e-9, err_msg=feature)


@pytest.mark.parametrize(("name", "seed"), [(name, 0) for name in NAMES] + [("vehicle", 7)])
def test_of_equally_unimportant_attributes_we_take_the_first_and_pymfe_any(name, seed):
    t = named(name)
    found, expected = said(t, seed)["worst_node"], pymfes(name, seed)["worst_node"]
    for i, (train, test) in enumerate(splits(t)):
        share = importance(t, train, seed)
        accuracies = []
        for lowest in np.flatnonzero(share == share.min()):
            stump = DecisionTreeClassifier(max_depth=1, random_state=seed)
            stump.fit(t.matrix[train][:, [lowest]], t.y[train])
            accuracies.append(stump.score(t.matrix[test][:, [lowest]], t.y[test]))
        assert found[i] == pytest.approx(accuracies[0])
        assert np.isclose(expected[i], accuracies).any()


def test_of_equally_important_attributes_the_first_column_ranks_lowest():
    x = np.zeros((400, 30))
    x[:, 11] = np.arange(400) % 2  # all others tell nothing and have no importance
    t = table(x, np.arange(400) % 2)
    rest = [i for i in range(30) if i != 11]
    for split in module._splits(t, 0):
        assert module._ranking(t, split).tolist() == [*rest, 11]


@pytest.mark.parametrize("feature", ["one_nn", "elite_nn"])
@pytest.mark.parametrize("name", NAMES)
def test_between_the_lowest_and_the_highest_that_ties_allow_lie_pymfe_and_we(name, feature):
    t = named(name)
    found, expected = said(t)[feature], pymfes(name)[feature]
    for i, (train, test) in enumerate(splits(t)):
        x = t.matrix
        if feature == "elite_nn":
            share = importance(t, train)
            assert (share == share.max()).sum() == 1
            x = x[:, [share.argmax()]]
        low, high = extremes(x, t.y, train, test)
        assert low - 1e-12 <= expected[i] <= high + 1e-12
        assert low - 1e-12 <= found[i] <= high + 1e-12
        if low == high:
            assert found[i] == pytest.approx(expected[i], rel=1e-9)


def test_the_order_of_classes_that_tie_does_not_matter():
    x = np.repeat(np.arange(20.0), 10)[:, None]
    y = np.tile(np.arange(2), 100)
    order = np.argsort(y, kind="stable")  # one class after the other, as iris comes
    for feature in ("one_nn", "elite_nn"):
        assert said(table(x, y))[feature].mean() == pytest.approx(0.5, abs=0.02)
        assert said(table(x[order], y[order]))[feature].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n", [10, 25, 101, 1000])
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_the_folds_are_scikit_learns(n, k):
    y = np.random.default_rng(n).integers(0, k, n)
    y[:k] = np.arange(k)
    n_folds = min(10, np.bincount(y).max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [test for _, test in StratifiedKFold(n_folds).split(y, y)]
    for one, two in zip(folds(table(np.ones((n, 1)), y)), expected, strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("n", [10, 25, 101, 1000])
def test_the_folds_of_a_regression_are_dealt_by_the_rank_of_the_target(n):
    y = np.random.default_rng(n).integers(0, n // 2, n) * 1.0
    found = folds(table(np.ones((n, 1)), y, "regression"))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(n))
    assert np.ptp([len(test) for test in found]) <= 1
    assert all((np.diff(test) > 0).all() for test in found)
    rows = np.sort(y)
    for i, test in enumerate(found):
        assert np.array_equal(np.sort(y[test]), rows[i::10])


def test_a_regression_sorted_by_its_target_can_be_learnt():
    rng = np.random.default_rng(0)
    y = np.sort(rng.normal(size=300))
    found = said(table((y + 0.1 * rng.normal(size=300))[:, None], y, "regression"))
    assert found["r2_linear"].min() > 0.9  # with folds one after the other it is far below 0
    assert found["r2_one_nn"].min() > 0.8


def test_of_a_regression_r2_is_against_the_mean_of_the_training_folds():
    x, y = datasets.load_diabetes(return_X_y=True)
    t = table(x, y, "regression")
    found = said(t)
    drawn = np.random.RandomState(0).randint(0, 10, size=1)
    for i, (train, test) in enumerate(splits(t)):
        model = DecisionTreeRegressor(random_state=0).fit(x[train], of_range_1(y[train]))
        rank = np.argsort(model.feature_importances_, kind="stable")
        stump = DecisionTreeRegressor(max_depth=1, random_state=0)
        constant = np.c_[np.ones(len(x)), x]
        near = ((x[test][:, None] - x[train][None]) ** 2).sum(axis=2).argmin(axis=1)
        apart = np.abs(x[test, rank[-1]][:, None] - x[train, rank[-1]][None])
        close = apart <= apart.min(axis=1, keepdims=True) * (1 + 1e-12)
        predicted = {
            "r2_random_node": stump.fit(x[train][:, drawn], y[train]).predict(x[test][:, drawn]),
            "r2_linear": constant[test] @ np.linalg.lstsq(constant[train], y[train])[0],
            "r2_best_node": stump.fit(x[train], y[train]).predict(x[test]),
            "r2_one_nn": y[train][near],
            "r2_elite_nn": (close @ y[train]) / close.sum(axis=1),
            "r2_worst_node": stump.fit(x[train][:, rank[:1]], y[train]).predict(
                x[test][:, rank[:1]]
            ),
        }
        around = ((y[test] - y[train].mean()) ** 2).sum()
        for feature, f in predicted.items():
            expected = 1 - ((y[test] - f) ** 2).sum() / around
            assert found[feature][i] == pytest.approx(expected, rel=1e-8), feature


RNG = np.random.default_rng(0)
BAD = {
    "constant columns": (np.full((60, 3), 0.1), np.arange(60) % 2),
    "one class": (RNG.normal(size=(60, 2)), np.zeros(60, np.int64)),
    "classes of one": (RNG.normal(size=(60, 2)), np.maximum(0, np.arange(60) - 20)),
    "every class of one": (RNG.normal(size=(20, 2)), np.arange(20)),
    "no attribute": (np.empty((60, 0)), np.arange(60) % 2),
    "huge values": (RNG.normal(size=(60, 3)) * 1e300, np.arange(60) % 2),
    "tiny values": (RNG.normal(size=(60, 3)) * 1e-300, np.arange(60) % 2),
    "huge and tiny values": (RNG.normal(size=(60, 2)) * [1e300, 1e-300], np.arange(60) % 2),
    "more columns than rows": (RNG.normal(size=(30, 500)), np.arange(30) % 2),
    **{f"{n} rows": (RNG.normal(size=(n, 3)), np.arange(n) % 2) for n in range(1, 11)},
}


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_landmarked_or_not_without_a_word(name, kind):
    x, y = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = said(table(x, y if kind == "classification" else y * 1e300, kind))
    assert list(found) == [name for name, f in LANDMARKING.items() if kind in f.kinds]
    for values in found.values():
        assert kind == "regression" or ((np.isnan(values)) | (values >= 0) & (values <= 1)).all()


def test_what_cannot_be_learnt_has_no_value():
    assert np.isnan(said(table(*BAD["one class"]))["linear_discr"]).all()
    assert said(table(*BAD["one class"]))["one_nn"].tolist() == [1] * 10
    for name in ("every class of one", "no attribute", "1 rows"):
        assert all(np.isnan(values).all() for values in said(table(*BAD[name])).values())
    constant = table(RNG.normal(size=(50, 2)), np.full(50, 0.1), "regression")
    assert all(np.isnan(values).all() for values in said(constant).values())
    assert not said(table(np.ones((9, 2)), None, "clustering"))


def test_a_few_instances_have_a_few_folds():
    assert len(said(table(RNG.normal(size=(8, 2)), np.arange(8) % 2))["one_nn"]) == 4


def test_the_same_seed_gives_the_same_values():
    one, two = (said(table(*BAD["more columns than rows"]), 5) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_the_table_of_the_docstring_names_every_feature():
    rows = re.findall(r"^\| (\w+) \|", module.__doc__, re.MULTILINE)
    assert rows[1:] == list(LANDMARKING)
