"""Laws of the model-based group: pymfe's values, and closed forms where pymfe has none."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.tree import DecisionTreeRegressor

from metadb.datafile import read_data
from metadb.metafeatures import model_based as module
from metadb.metafeatures import table_of
from metadb.metafeatures.features import summarise
from metadb.metafeatures.model_based import MODEL_BASED, model_based
from metadb.metafeatures.table import Arrays, Table
from metadb.metafeatures.tree import FINE, tree_of

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
FILES = ("car", "credit.g", "glass", "vehicle", "zoo")
BUNCHES = ("iris", "wine", "breast_cancer")
SUMMARIES = ("mean", "sd", "min", "max")


def table(x, y, kind="classification"):
    x = np.ascontiguousarray(np.asarray(x, float).T)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


def named(name):
    if name in BUNCHES:
        return table(*getattr(datasets, f"load_{name}")(return_X_y=True))
    if name == "seeded":
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2500, 6))
        return table(x, (x[:, 0] * x[:, 1] + rng.normal(size=2500) > 0).astype(np.int64))
    path = SHARED / "classification" / f"{name}.arff"
    if not path.exists():
        pytest.skip(f"no real data in {SHARED}")
    return table_of(read_data(path))


def said(t, seed=0):
    return dict(model_based(t, seed))


def summaries(found):
    for name, value in found.items():
        if MODEL_BASED[name].many:
            yield from ((f"{name}.{s}", v) for s, v in summarise(value).items())
        else:
            yield name, value


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("name", ["seeded", *BUNCHES, *FILES])
def test_the_values_are_pymfes(name, seed):
    mfe = pytest.importorskip("pymfe.mfe", reason="pymfe is the oracle: metadb[dev]")
    t = named(name)
    extractor = mfe.MFE(
        groups=["model-based"], summary=SUMMARIES, random_state=seed, suppress_warnings=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor.fit(t.matrix, t.y, cat_cols=None, transform_num=False, transform_cat=None)
        pymfes = dict(zip(*extractor.extract(), strict=True))
    found = dict(summaries(said(t, seed)))
    assert set(pymfes) <= set(found)
    for feature, value in pymfes.items():
        np.testing.assert_allclose(found[feature], value, rtol=1e-6, err_msg=feature)


def test_a_tree_that_can_be_drawn():
    found = said(table([[1], [2], [3], [4], [4]], np.array([0, 1, 0, 1, 1])))
    # 1 | 2 3 4 4, then 2 3 | 4 4, or the like: three splits in a row, a leaf after each
    assert (found["leaves"], found["nodes"]) == (4, 3)
    assert sorted(found["leaves_branch"]) == [1, 2, 3, 3]
    assert sorted(found["tree_depth"]) == [0, 1, 1, 2, 2, 3, 3]
    assert sorted(found["leaves_corrob"]) == pytest.approx([0.2, 0.2, 0.2, 0.4])
    assert sorted(found["tree_shape"]) == pytest.approx([3 / 8, 3 / 8, 1 / 2, 1 / 2])
    assert sorted(found["leaves_homo"]) == pytest.approx([8, 8, 32 / 3, 32 / 3])
    q = np.array([1 / 2, 1 / 4, 1 / 4])
    assert sorted(found["tree_imbalance"]) == pytest.approx(sorted(q * 2**-q))
    assert found["leaves_per_class"].tolist() == [0.5, 0.5]
    assert found["nodes_per_level"].tolist() == [1, 1, 1]
    assert found["nodes_repeated"].tolist() == [3]
    assert (found["nodes_per_attr"], found["nodes_per_inst"]) == (3, 0.6)
    assert found["var_importance"].tolist() == [1]


def test_the_imbalance_of_a_deep_tree_is_exact():
    # pymfe takes log2(2^-q), which has few digits left where q is small
    x = 2.0 ** np.arange(60)
    found = said(table(x[:, None], np.arange(60) % 2))
    depth = found["leaves_branch"]
    q = np.unique(depth, return_counts=True)[1] * 2.0 ** -np.unique(depth)
    expected = [float(v) * (1 - float(v) * np.log(2)) if v < 1e-9 else v * 2**-v for v in q]
    np.testing.assert_allclose(np.sort(found["tree_imbalance"]), np.sort(expected), rtol=1e-12)


def test_one_leaf_has_no_splits_and_holds_its_class():
    found = said(table(np.ones((7, 2)), np.array([0, 0, 1, 1, 1, 2, 2])))
    assert (found["leaves"], found["nodes"], found["nodes_per_inst"]) == (1, 0, 0)
    assert found["leaves_per_class"].tolist() == [1]  # pymfe drops it: it expects inner nodes
    assert np.isnan(found["leaves_homo"]).all()
    assert len(found["nodes_per_level"]) == len(found["nodes_repeated"]) == 0
    assert found["tree_imbalance"].tolist() == [0.5]
    assert found["var_importance"].tolist() == [0, 0]


def test_the_tree_of_a_regression_is_scikit_learns():
    x, y = datasets.load_diabetes(return_X_y=True)
    y = y + np.random.default_rng(0).normal(size=len(y))  # no two are equal
    found = said(table(x, y, "regression"))
    of_range_1 = np.rint((y - y.min()) / np.ptp(y) * FINE) / FINE - 0.5
    model = DecisionTreeRegressor(random_state=0).fit(x, of_range_1)
    assert found["leaves"] == model.get_n_leaves()
    assert found["leaves_branch"].max() == model.get_depth()
    np.testing.assert_allclose(found["var_importance"], model.feature_importances_)


UNITS = {
    "tiny": lambda y: y * 1e-9,
    "large": lambda y: y * 1e9,
    "huge": lambda y: y * 1e300,
    "off 0": lambda y: y + 1e6,
    "rounded": lambda y: y / 7 + 0.3,
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("data", ["diabetes", "many ties"])
def test_unit_and_offset_of_the_target_do_not_matter(data, unit):
    if data == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
    else:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1000, 4)).round(2)
        y = rng.integers(0, 9, 1000) + 3.0 * (x[:, 0] > 0)
    found, expected = said(table(x, UNITS[unit](y), "regression")), said(table(x, y, "regression"))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-7, atol=1e-15, err_msg=name)


def test_equal_targets_are_not_split():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 3))
    y = (3 * (x[:, 0] > 0) + 2 * (x[:, 1] > 0)) * 0.37 + 40.1  # four leaves, of equal targets each
    t = table(x, y, "regression")
    found, tree = said(t), tree_of(t, 0)
    assert (found["leaves"], found["nodes"]) == (4, 3)
    assert found["var_importance"].sum() == pytest.approx(1)
    assert found["var_importance"][2] == 0
    assert sorted(tree.size[tree.is_leaf]) == sorted(np.unique(y, return_counts=True)[1])
    np.testing.assert_allclose(np.sort(tree.answer[tree.is_leaf]), np.unique(y), atol=1e-9)
    assert tree.answer[0] == pytest.approx(y.mean(), rel=1e-9)
    assert (
        tree.size[~tree.is_leaf]
        == tree.size[tree.left[~tree.is_leaf]] + tree.size[tree.right[~tree.is_leaf]]
    ).all()


@pytest.mark.parametrize("n", range(1, 11))
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_few_rows_have_every_feature(n, kind):
    x = np.random.default_rng(n).normal(size=(n, 2)) * [1e300, 1]
    y = np.arange(n) % 3 if kind == "classification" else np.arange(n) * 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = said(table(x, y, kind))
    assert set(found) == {name for name, f in MODEL_BASED.items() if kind in f.kinds}


def test_without_attributes_or_target_there_is_no_tree():
    assert not said(table(np.empty((9, 0)), np.arange(9) % 2))
    assert not said(table(np.ones((9, 2)), None, "clustering"))


def test_the_table_of_the_docstring_names_every_feature():
    rows = re.findall(r"^\| (\w+) \|", module.__doc__, re.MULTILINE)
    assert rows[1:] == list(MODEL_BASED)
