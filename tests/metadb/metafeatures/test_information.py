"""Laws of the information-theoretic group: its values are the formulas', and pymfe's but for the
small number that pymfe adds to every cell."""

from __future__ import annotations

import functools
import itertools
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from metadb.datafile import read_data
from metadb.metafeatures import information as module
from metadb.metafeatures import table_of
from metadb.metafeatures.information import DRAWN, INFORMATION, information
from metadb.metafeatures.table import Arrays, Table

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
FILES = ("car", "credit.g", "glass", "vehicle", "zoo")
BUNCHES = ("iris", "wine", "breast_cancer")
SEEDED = ("numbers", "mixed", "constant", "wide", "long")
NAMES = (*SEEDED, *BUNCHES, *FILES)
PYMFE_EPSILON = 1e-8

Values = dict[str, float | NDArray[np.float64]]


def seeded(name: str) -> Table:
    rng = np.random.default_rng(len(name))
    n = {"wide": 40, "long": 3000}.get(name, 150)
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    y[:3] = range(3)
    number = rng.normal(size=(30 if name == "wide" else 4, n)) + y * rng.integers(0, 2, (1, n))
    if name == "numbers":
        return Table(Arrays(number, np.empty((0, n), np.int32)), "classification", y)
    number[0] = number[0].round()
    codes = np.stack(
        [rng.integers(0, 2, n), rng.integers(0, 5, n), (y + rng.integers(0, 2, n)) % 3]
    )
    codes[:, :5] = np.arange(5) % np.array([[2], [5], [3]])
    if name == "constant":
        number[1] = 2.0
        codes[0] = 0
    levels = tuple(int(c.max()) + 1 for c in codes)
    arrays = Arrays(number, codes.astype(np.int32), levels, (False,) * 3)
    return Table(arrays, "classification", y)


def bunch(name: str) -> Table:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return numeric(x.T, y)


def numeric(
    x: NDArray[np.float64],
    y: NDArray[np.int64] | NDArray[np.float64] | None,
    kind: str = "classification",
) -> Table:
    return Table(Arrays(np.array(x, float), np.empty((0, x.shape[1]), np.int32)), kind, y)


def categorical(codes: list[NDArray[np.int64]], y: NDArray[np.int64] | None) -> Table:
    n = len(codes[0])
    levels = tuple(int(c.max()) + 1 for c in codes)
    arrays = Arrays(
        np.empty((0, n)), np.stack(codes).astype(np.int32), levels, (False,) * len(codes)
    )
    return Table(arrays, "clustering" if y is None else "classification", y)


def load(name: str) -> Table:
    if name in SEEDED:
        return seeded(name)
    if name in BUNCHES:
        return bunch(name)
    path = SHARED / "classification" / f"{name}.arff"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return table_of(read_data(path))


@functools.cache
def pymfe_of(name: str, seed: int) -> Values:
    table = load(name)
    mfe = pytest.importorskip("pymfe.mfe", reason="pymfe is not installed")
    arrays = table.columns
    assert isinstance(arrays, Arrays)
    x = np.concatenate([arrays.c.astype(float), arrays.x]).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor = mfe.MFE(groups=["info-theory"], summary=None, random_state=seed)
        extractor.fit(x, table.y, cat_cols=list(range(len(arrays.c))), suppress_warnings=True)
        return dict(zip(*extractor.extract(suppress_warnings=True), strict=True))


def shares(a: NDArray[np.integer], b: NDArray[np.integer], epsilon: float) -> NDArray[np.float64]:
    """The contingency table of two variables, as shares, with `epsilon` added to every cell."""
    counts = [[np.sum((a == i) & (b == j)) for j in np.unique(b)] for i in np.unique(a)]
    return np.array(counts) / len(a) + epsilon


def entropy(share: NDArray[np.float64]) -> float:
    return float(-sum(p * np.log2(p) for p in share.ravel() if p > 0))


def tau(share: NDArray[np.float64]) -> float:
    """Of the variable of the rows, given that of the columns."""
    alone = float(np.sum(share.sum(axis=1) ** 2))
    if len(share) == 1 and alone == 1:
        return np.nan
    return float((np.sum(share**2 / share.sum(axis=0)) - alone) / (1 - alone))


def reference(table: Table, seed: int, epsilon: float = 0.0) -> Values:
    """The formulas, plainly; `epsilon` as pymfe adds it."""
    codes = [c for c, _ in table.discrete()]
    y = np.asarray(table.y)
    h_y = entropy(np.bincount(y) / table.n)
    joint = [shares(c, y, epsilon) for c in codes]
    attr_ent = np.array([entropy(np.bincount(c) / table.n) for c in codes])
    joint_ent = np.array([entropy(p) for p in joint])
    mut_inf = attr_ent + h_y - joint_ent
    places = np.arange(table.d)
    if table.d > DRAWN:
        places = np.random.RandomState(seed).choice(places, size=DRAWN, replace=False)
    pairs = itertools.permutations(places, 2)
    total = mut_inf.sum() if mut_inf.sum() > 1e-12 else np.nan
    return {
        "class_ent": h_y,
        "attr_ent": attr_ent,
        "joint_ent": joint_ent,
        "mut_inf": mut_inf,
        "eq_num_attr": table.d * h_y / total,
        "ns_ratio": (attr_ent.sum() - total) / total,
        "class_conc": np.array([tau(p) for p in joint]),
        "attr_conc": np.array([tau(shares(codes[a], codes[b], epsilon)) for a, b in pairs]),
    }


def agree(found: Values, expected: Values, *, rtol: float, atol: float) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        mine, right = np.atleast_1d(found[name]), np.atleast_1d(value)
        if name == "attr_conc":  # the order of the pairs is nobody's business
            mine, right = np.sort(mine), np.sort(right)
        np.testing.assert_allclose(mine, right, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_the_values_are_the_formulas(name: str) -> None:
    table = load(name)
    agree(dict(information(table, 3)), reference(table, 3), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_with_its_small_number_added_the_formulas_are_pymfes(name: str) -> None:
    table = load(name)
    agree(reference(table, 3, PYMFE_EPSILON), pymfe_of(name, 3), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_pymfe_agrees_as_far_as_it_is_exact(name: str) -> None:
    table = load(name)
    found, theirs = dict(information(table, 3)), pymfe_of(name, 3)
    for exact in ("class_ent", "attr_ent"):
        np.testing.assert_allclose(found[exact], theirs[exact], rtol=1e-6, atol=1e-12)
    cells = np.array([n_levels for _, n_levels in table.discrete()]) * len(table.class_sizes)
    for blurred in ("joint_ent", "mut_inf"):
        shift = np.abs(np.asarray(found[blurred]) - np.asarray(theirs[blurred]))
        assert (shift <= PYMFE_EPSILON * cells * -np.log2(PYMFE_EPSILON)).all()


def test_entropies_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    table = load("long")
    found = dict(information(table))
    codes = [c for c, _ in table.discrete()]
    y = np.asarray(table.y)
    pairs = [np.unique(np.stack([c, y]), axis=1, return_counts=True)[1] for c in codes]
    alone = [np.unique(c, return_counts=True)[1] for c in codes]
    np.testing.assert_allclose(found["joint_ent"], [stats.entropy(p, base=2) for p in pairs])
    np.testing.assert_allclose(found["attr_ent"], [stats.entropy(p, base=2) for p in alone])


def test_independence_tells_exactly_nothing() -> None:
    x, y = (v.ravel() for v in np.meshgrid(np.arange(7), np.arange(3).repeat(5)))
    found = dict(information(categorical([x, x % 2], y)))
    np.testing.assert_array_equal(found["mut_inf"], [0.0, 0.0])
    np.testing.assert_allclose(found["class_conc"], [0.0, 0.0], atol=1e-15)
    assert np.isnan(found["eq_num_attr"])
    assert np.isnan(found["ns_ratio"])


def test_a_copy_tells_everything() -> None:
    y = np.random.default_rng(0).integers(0, 4, 101)
    found = dict(information(categorical([y, 3 - y], y)))
    np.testing.assert_allclose(found["mut_inf"], found["class_ent"], rtol=1e-14)
    np.testing.assert_allclose(found["joint_ent"], found["attr_ent"], rtol=1e-14)
    np.testing.assert_allclose(found["class_conc"], 1.0)
    np.testing.assert_allclose(found["attr_conc"], 1.0)
    assert found["eq_num_attr"] == pytest.approx(1.0)
    assert found["ns_ratio"] == pytest.approx(0.0, abs=1e-14)


def test_a_constant_attribute_has_no_concentration() -> None:
    """pymfe says 0.5: with e added, one row of k shares gives -ke / -2ke, whatever the data."""
    table = load("constant")
    constant = [place for place, (_, n) in enumerate(table.discrete()) if n == 1]
    found = dict(information(table))
    assert np.isnan(np.asarray(found["class_conc"])[constant]).all()
    assert np.isnan(found["attr_conc"]).sum() == len(constant) * (table.d - 1)
    theirs = pymfe_of("constant", 3)
    np.testing.assert_allclose(np.asarray(theirs["class_conc"])[constant], 0.5, atol=1e-6)


def test_a_table_much_larger_than_the_data_gives_the_same() -> None:
    rng = np.random.default_rng(1)
    y = rng.permutation(np.arange(60) % 20)
    table = categorical([rng.permutation(60), rng.permutation(60) // 2, y // 2], y)
    agree(dict(information(table)), reference(table, 0), rtol=1e-9, atol=1e-12)


def test_many_attributes_are_counted_together_as_alone() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(3000, 50)).round(1), rng.integers(0, 3, 50)
    found = dict(information(numeric(x, y)))
    for place in (0, 1310, 1311, 2999):  # 50 * 1311 codes are one batch
        alone = dict(information(numeric(x[place : place + 1], y)))
        for name in ("attr_ent", "joint_ent", "mut_inf", "class_conc"):
            assert np.asarray(found[name])[place] == pytest.approx(np.asarray(alone[name])[0])


def test_the_seed_draws_the_attributes() -> None:
    table = load("wide")
    one, same, other = (dict(information(table, seed))["attr_conc"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.size(one) == DRAWN * (DRAWN - 1)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["classification", "regression", "clustering"])
def test_every_declared_feature_is_found(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 40))
    y = {"classification": np.arange(40) % 2, "regression": x[0], "clustering": None}[kind]
    found = dict(information(numeric(x, y, kind)))
    assert set(found) == {name for name, feature in INFORMATION.items() if kind in feature.kinds}
    for name, value in found.items():
        assert np.isfinite(value).all()
        assert (np.ndim(value) == 1) == INFORMATION[name].many


def test_the_docstring_names_every_feature() -> None:
    assert re.findall(r"^\| (\w+) \|", module.__doc__ or "", re.M)[1:] == list(INFORMATION)


def empty(n: int, d: int) -> NDArray[np.float64]:
    return np.full((d, n), np.nan)


NORMAL = np.random.default_rng(0).normal(size=(3, 10))
BAD: dict[str, Callable[[], Table]] = {
    "constant": lambda: numeric(np.ones((2, 10)), np.arange(10) % 2),
    "all missing": lambda: numeric(empty(10, 2), np.arange(10) % 2),
    "one class": lambda: numeric(NORMAL, np.zeros(10, int)),
    "singleton classes": lambda: numeric(NORMAL, np.arange(10)),
    "no attribute": lambda: numeric(empty(10, 0), np.arange(10) % 2),
    "one attribute": lambda: numeric(NORMAL[:1], np.arange(10) % 2),
    "huge and tiny": lambda: numeric(NORMAL * [[1e300], [1e-300], [-1e300]], np.arange(10) % 2),
    "some missing": lambda: numeric(np.where(NORMAL > 0, NORMAL, np.nan), np.arange(10) % 2),
    **{f"{n} rows": lambda n=n: numeric(NORMAL[:, :n], np.arange(n) % 2) for n in range(1, 10)},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_values_or_nan_and_no_warning(name: str) -> None:
    table = BAD[name]()
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        found = dict(information(table))
    assert set(found) == set(INFORMATION)
    expected = reference(table, 0) if table.d and name not in ("constant", "all missing") else {}
    for feature, value in found.items():
        assert not np.isinf(value).any()
        if feature in ("attr_ent", "joint_ent", "mut_inf", "class_conc", "attr_conc") and expected:
            mine, right = np.sort(value), np.sort(np.asarray(expected[feature]))
            np.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-12)
