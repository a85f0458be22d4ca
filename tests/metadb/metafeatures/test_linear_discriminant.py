"""Laws of the discriminant, the line and naive Bayes: scikit-learn's answers, at any scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from metadb.metafeatures import linear_discriminant, naive_bayes
from metadb.metafeatures.linear_discriminant import fit_line

RNG = np.random.default_rng(0)
LEVELS = np.eye(4)[RNG.integers(0, 4, 300)]
TABLES = {
    "iris": datasets.load_iris(return_X_y=True),
    "wine": datasets.load_wine(return_X_y=True),
    "breast_cancer": datasets.load_breast_cancer(return_X_y=True),
    "digits, some columns constant": tuple(
        part[:600] for part in datasets.load_digits(return_X_y=True)
    ),
    "categories, of no full rank": (
        np.c_[LEVELS, RNG.normal(size=(300, 2))],
        (LEVELS[:, 0] + RNG.normal(size=300) > 0.5).astype(int),
    ),
    "a column twice": (
        np.repeat(RNG.normal(size=(200, 3)), 2, axis=1),
        np.arange(200) % 3,
    ),
    "more columns than rows": (RNG.normal(size=(60, 150)), RNG.integers(0, 2, 60)),
    "classes of one": (RNG.normal(size=(40, 3)), np.maximum(0, np.arange(40) - 35)),
}


def halves(name):
    x, y = TABLES[name]
    train = np.arange(len(y)) % 3 > 0
    return x[train], y[train].astype(np.int64), x[~train]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(linear_discriminant.predict, LinearDiscriminantAnalysis), (naive_bayes.predict, GaussianNB)],
)
def test_the_classes_are_scikit_learns(name, ours, theirs):
    x, y, new = halves(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs().fit(x, y).predict(new)
    assert np.array_equal(ours(x, y, new), expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_the_unit_of_an_attribute_is_nothing_to_the_discriminant_and_the_line(scale):
    x, y, new = halves("iris")
    unit = np.array([scale, 1, 1 / scale, 1])
    expected = linear_discriminant.predict(x, y, new)
    assert np.array_equal(linear_discriminant.predict(x * unit, y, new * unit), expected)
    line = fit_line(x, x[:, 0] + y, new)
    np.testing.assert_allclose(fit_line(x * unit, x[:, 0] + y, new * unit), line, rtol=1e-9)


def test_there_is_no_discriminant_of_one_class_or_of_single_instances():
    x = RNG.normal(size=(5, 2))
    assert linear_discriminant.predict(x, np.zeros(5, np.int64), x) is None
    assert linear_discriminant.predict(x, np.arange(5), x) is None


def test_what_does_not_vary_tells_naive_bayes_nothing():
    x, y = np.full((9, 2), 0.1), np.array([0, 1, 1, 1, 0, 1, 1, 2, 2])
    assert naive_bayes.predict(x, y, x).tolist() == [1] * 9


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e15, 1e-300])
def test_a_constant_is_recognised_however_it_is_rounded(value):
    x, y = np.full((100, 3), value), (np.arange(100) >= 30).astype(np.int64)
    assert naive_bayes.predict(x, y, x[:5]).tolist() == [1] * 5
    x, y, new = halves("iris")
    expected = naive_bayes.predict(x, y, new)
    beside = [np.c_[part, np.full(len(part), value)] for part in (x, new)]
    assert np.array_equal(naive_bayes.predict(beside[0], y, beside[1]), expected)
    line = fit_line(x, x[:, 0] + y, new)
    found = fit_line(beside[0], x[:, 0] + y, beside[1])
    np.testing.assert_allclose(found, line, rtol=1e-12)


def test_the_offset_of_an_attribute_is_nothing_to_the_discriminant_and_the_line():
    x = np.round(RNG.normal(size=(1000, 3)) * 1024) / 1024  # so that 1e12 + x is exact
    y = (x[:, 0] + RNG.normal(size=1000) > 0).astype(np.int64)
    line = fit_line(x[:700], x[:700].sum(axis=1), x[700:])
    found = fit_line(1e12 + x[:700], x[:700].sum(axis=1), 1e12 + x[700:])
    np.testing.assert_allclose(found, line, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(line, x[700:].sum(axis=1), rtol=1e-9, atol=1e-9)
    expected = linear_discriminant.predict(x[:700], y[:700], x[700:])
    found = linear_discriminant.predict(1e12 + x[:700], y[:700], 1e12 + x[700:])
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("shape", [(80, 5), (40, 60)])
def test_the_line_is_that_of_least_squares(shape):
    x = RNG.normal(size=shape)
    x[:, 1] = 3
    y = x @ RNG.normal(size=shape[1]) + RNG.normal(size=shape[0]) + 10
    train = np.arange(len(x)) % 4 > 0
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    z = np.delete(x - mean, 1, axis=1) / np.delete(deviation, 1)
    weight = np.linalg.lstsq(z[train], y[train] - y[train].mean(), rcond=None)[0]
    expected = z[~train] @ weight + y[train].mean()
    np.testing.assert_allclose(fit_line(x[train], y[train], x[~train]), expected, rtol=1e-8)
