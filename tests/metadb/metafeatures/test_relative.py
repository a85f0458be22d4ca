"""Laws of the relative landmarks: differences of the landmarks' means, and pymfe's ranks."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import scipy.stats
from sklearn import datasets

from metadb.metafeatures import landmarking
from metadb.metafeatures import relative as module
from metadb.metafeatures.features import summarise
from metadb.metafeatures.relative import RELATIVE, rank, relative
from metadb.metafeatures.table import Arrays, Table


def table(x, y, kind="classification"):
    x = np.ascontiguousarray(np.asarray(x, float).T)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


TABLES = {
    "classification": table(*datasets.make_classification(600, 8, n_informative=4, random_state=0)),
    "regression": table(*datasets.load_diabetes(return_X_y=True), "regression"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_pair_has_the_difference_of_its_means(kind):
    t = TABLES[kind]
    means = {k: summarise(v)["mean"] for k, v in landmarking.landmarking(t, 0)}
    found = dict(relative(t, 0))
    assert set(found) == {name for name, f in RELATIVE.items() if kind in f.kinds}
    for a in means:
        for b in means:
            if a < b:
                assert found[f"relative.{a}.{b}"] == pytest.approx(means[a] - means[b])


def test_the_ranks_are_pymfes():
    mfe = pytest.importorskip("pymfe.mfe", reason="pymfe is the oracle: metadb[dev]")
    t = TABLES["classification"]
    extractor = mfe.MFE(
        groups=["landmarking", "relative"],
        summary=("mean", "sd"),
        random_state=0,
        suppress_warnings=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor.fit(t.matrix, t.y, cat_cols=None, transform_num=False, transform_cat=None)
        pymfes = dict(zip(*extractor.extract(), strict=True))
    found = dict(relative(t, 0))
    ranks = {name: value for name, value in pymfes.items() if name.endswith(".relative")}
    assert set(ranks) == {name for name in found if name.endswith(".relative")}
    assert found == pytest.approx(found | ranks)


def test_equal_ones_share_their_rank():
    values = np.array([0.5, 0.2, 0.5, 0.9, 0.5])
    assert rank(values).tolist() == scipy.stats.rankdata(values).tolist()
    np.testing.assert_array_equal(rank(np.array([2.0, np.nan, 1.0])), [2, np.nan, 1])


def test_the_landmarks_are_computed_once(monkeypatch):
    t = table(*datasets.load_iris(return_X_y=True))
    list(landmarking.landmarking(t, 0))
    monkeypatch.setattr(landmarking, "score", None)
    assert len(dict(relative(t, 0))) == 35


def test_without_a_landmark_there_is_no_difference():
    found = dict(relative(table(np.ones((20, 1)), np.zeros(20, np.int64)), 0))
    assert np.isnan(found["relative.best_node.linear_discr"])
    assert found["relative.best_node.one_nn"] == 0
    assert not dict(relative(table(np.ones((20, 1)), None, "clustering"), 0))


def test_the_table_of_the_docstring_names_every_feature():
    named = set(re.findall(r"\b(?:r2_)?(?:\w+_(?:node|nn|discr|bayes)|linear)\b", module.__doc__))
    patterns = re.findall(r"^\| (\S+) \|", module.__doc__, re.MULTILINE)[2:]
    spelt = {
        pattern.replace("{a}", a).replace("{b}", b)
        for pattern in patterns
        for a in named
        for b in named
        if (a < b and a.startswith("r2_") == b.startswith("r2_")) or "{b}" not in pattern
    }
    assert spelt == set(RELATIVE)
