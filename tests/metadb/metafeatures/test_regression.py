"""Laws of the regression group: its values are those of SciPy, of NumPy's least squares and of
slow plain formulas."""

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
from scipy import stats

from metadb.datafile import read_data
from metadb.metafeatures import regression as module
from metadb.metafeatures import table as table_module
from metadb.metafeatures import table_of
from metadb.metafeatures.correlation import ranks
from metadb.metafeatures.regression import REGRESSION, regression
from metadb.metafeatures.table import Arrays, Table

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular" / "regression"
FILES = ("autompg", "bodyfat", "cpu", "sensory")
SEEDED = ("numbers", "mixed", "missing", "dependent", "many columns")
NAMES = (*SEEDED, "diabetes", *FILES)

Values = dict[str, float | NDArray[np.float64]]


def numeric(x: NDArray[np.float64], y: NDArray[np.float64]) -> Table:
    arrays = Arrays(np.array(x, float), np.empty((0, x.shape[1]), np.int32))
    return Table(arrays, "regression", np.array(y, float))


def seeded(name: str) -> Table:
    rng = np.random.default_rng(len(name))
    n, d = (30, 60) if name == "many columns" else (120, 5)
    x = rng.normal(size=(d, n)) * 10.0 ** rng.integers(-3, 4, (d, 1)) + 5
    x[1] = rng.integers(0, 9, n)
    y = (x / x.std(axis=1, keepdims=True))[:3].sum(axis=0) + rng.normal(size=n)
    if name == "numbers" or name == "many columns":
        return numeric(x, y)
    if name == "dependent":
        x[3], x[4] = 2 * x[0] - 3 * x[1] + 1, 7.0
        return numeric(x, y.round())
    if name == "missing":
        x[1:3][rng.random((2, n)) < 0.2] = np.nan
        x[4] = np.nan
    codes = np.stack([rng.integers(0, 2, n), rng.integers(0, 4, n)]).astype(np.int32)
    codes[:, :4] = np.arange(4) % np.array([[2], [4]])
    y += codes[1]
    return Table(Arrays(x, codes, (2, 4), (False, True)), "regression", y)


@functools.cache
def load(name: str) -> Table:
    if name in SEEDED:
        return seeded(name)
    if name == "diabetes":
        datasets = pytest.importorskip("sklearn.datasets")
        x, y = datasets.load_diabetes(return_X_y=True)
        return numeric(x.T, y)
    path = SHARED / f"{name}.arff"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return table_of(read_data(path))


def columns(table: Table) -> list[NDArray[np.float64]]:
    return [row for block in table.encoded() for row in block]


def correlations(
    table: Table, measure: Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[float, float]]
) -> NDArray[np.float64]:
    """`measure` of every column with the target, where the column is not missing; NaN if constant."""
    y = np.asarray(table.y, float)
    found = []
    for x in columns(table):
        there = ~np.isnan(x)
        varies = len(set(x[there])) > 1 and len(set(y[there])) > 1
        found.append(abs(measure(x[there], y[there])[0]) if varies else np.nan)
    return np.array(found)


def least_squares(table: Table) -> tuple[NDArray[np.float64], int]:
    """The residuals of y on all columns, standardised for the sake of NumPy, and their rank."""
    y = np.asarray(table.y, float)
    x = table.matrix - table.matrix.mean(axis=0)
    x = x[:, np.abs(x).max(axis=0) > 1e-9 * np.abs(table.matrix).max(axis=0)]
    x = x / np.linalg.norm(x, axis=0)
    slopes, _, rank, _ = np.linalg.lstsq(x, y - y.mean(), rcond=1e-9)
    return y - y.mean() - x @ slopes, int(rank)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_target_alone_tells(name: str) -> None:
    table = load(name)
    y = np.asarray(table.y, float)
    n, m, s = len(y), y.mean(), y.std(ddof=1)
    q1, q3 = np.quantile(y, [0.25, 0.75])
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    expected = {
        "target_skewness": sum((v - m) ** 3 for v in y) / n / s**3,
        "target_kurtosis": sum((v - m) ** 4 for v in y) / n / s**4 - 3,
        "target_cv": s / abs(m),
        "target_outliers": sum(v < low or v > high for v in y) / n,
        "target_distinct": len(set(y)) / n,
        "target_zero": sum(v == 0 for v in y) / n,
    }
    found = dict(regression(table))
    for feature, value in expected.items():
        assert found[feature] == pytest.approx(value, rel=1e-9, abs=1e-12), feature


@pytest.mark.parametrize("name", NAMES)
def test_correlations_are_scipys(name: str) -> None:
    table = load(name)
    found = dict(regression(table))
    cor, rank_cor = correlations(table, stats.pearsonr), correlations(table, stats.spearmanr)
    np.testing.assert_allclose(found["target_cor"], cor, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found["target_rank_cor"], rank_cor, rtol=1e-9, atol=1e-12)
    assert found["reg_c1"] == np.nanmax(found["target_rank_cor"])
    assert found["reg_c2"] == pytest.approx(np.nanmean(found["target_rank_cor"]))


@pytest.mark.parametrize("name", NAMES)
def test_the_line_is_numpys(name: str) -> None:
    table = load(name)
    found = dict(regression(table))
    y = np.asarray(table.y, float)
    residual, rank = least_squares(table)
    span, free = np.ptp(y), table.n - rank - 1
    r2 = 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))
    adjusted = 1 - (1 - r2) * (table.n - 1) / free if free > 0 else np.nan
    assert found["linear_r2"] == pytest.approx(r2, rel=1e-8, abs=1e-10)
    assert found["linear_r2_adj"] == pytest.approx(adjusted, rel=1e-8, abs=1e-10, nan_ok=True)
    assert found["reg_l1"] == pytest.approx(np.abs(residual).mean() / span, rel=1e-6, abs=1e-8)
    assert found["reg_l2"] == pytest.approx((residual**2).mean() / span**2, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_steps_in_the_order_of_the_target(name: str) -> None:
    table = load(name)
    unit = []
    for x in columns(table):
        there = x[~np.isnan(x)]
        filled = np.where(np.isnan(x), there.mean() if len(there) else 0.0, x)
        unit.append((filled - filled.min()) / (np.ptp(filled) or 1.0))
    rows = np.array(unit).T[np.argsort(np.asarray(table.y), kind="stable")]
    expected = np.mean([np.linalg.norm(b - a) for a, b in itertools.pairwise(rows)])
    assert dict(regression(table))["reg_s2"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_information_of_the_target_in_bins(name: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    table = load(name)
    y = np.asarray(table.y, float)
    n_bins = int(table.n ** (1 / 3))
    ends = np.unique(np.quantile(y, np.linspace(0, 1, n_bins + 1)[1:]))
    bins = np.digitize(y, ends, right=True)
    found = dict(regression(table))
    counts = np.unique(bins, return_counts=True)[1]
    assert found["target_ent"] == pytest.approx(stats.entropy(counts, base=2), abs=1e-12)
    told = [metrics.mutual_info_score(c, bins) / np.log(2) for c, _ in table.discrete()]
    np.testing.assert_allclose(found["target_mut_inf"], told, rtol=1e-9, atol=1e-12)


def test_a_line_is_found() -> None:
    x = np.random.default_rng(0).normal(size=(3, 50))
    found = dict(regression(numeric(x, x[0] - 2 * x[1] + 3)))
    assert found["linear_r2"] == pytest.approx(1.0, abs=1e-14)
    assert found["reg_l1"] == pytest.approx(0.0, abs=1e-12)
    increasing = dict(regression(numeric(np.exp(x[:1]), x[0])))
    assert increasing["reg_c1"] == pytest.approx(1.0)
    assert float(np.asarray(increasing["target_cor"])[0]) < 0.95


def test_units_do_not_matter() -> None:
    table = load("numbers")
    arrays = table.columns
    assert isinstance(arrays, Arrays)
    y = np.asarray(table.y, float)
    plain = dict(regression(numeric(arrays.x, y)))
    for x_unit, y_unit in ((1e300, 1e290), (1e-290, 1e-300), (-3.0, 1e9)):
        found = dict(regression(numeric(arrays.x * x_unit, y * y_unit)))
        for feature in set(plain) - {"target_mut_inf"}:  # its bins are at least 1e-8 wide
            mine, right = found[feature], plain[feature]
            np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9, err_msg=feature)


def test_a_line_along_what_two_columns_differ_in_is_found() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x, d, noise = rng.normal(size=(3, 500))
    both, y = np.stack([x, x + 3e-6 * d]), d + 0.1 * noise
    found = dict(regression(numeric(both, y)))
    expected = linear_model.LinearRegression(tol=1e-12).fit(both.T, y).score(both.T, y)
    assert expected > 0.98
    assert found["linear_r2"] == pytest.approx(expected, rel=1e-7)
    same = np.stack([x, 3 * x + 1])  # but for rounding
    assert dict(regression(numeric(same, y)))["linear_r2"] == pytest.approx(
        dict(regression(numeric(same[:1], y)))["linear_r2"], abs=1e-9
    )


def test_a_mean_that_is_0_but_for_rounding_has_no_coefficient_of_variation() -> None:
    for y in np.random.default_rng(0).normal(size=(20, 1000)) * 7 + 3:
        standardised = (y - y.mean()) / y.std()
        assert abs(standardised.mean()) < 1e-14
        assert np.isnan(dict(regression(numeric(y[None], standardised)))["target_cv"])
        found = dict(regression(numeric(y[None], standardised + 1e-9)))
        assert found["target_cv"] == pytest.approx(1e9, rel=1e-3)


def test_two_targets_have_the_lowest_kurtosis() -> None:
    found = dict(regression(numeric(np.ones((1, 2)), np.array([0.0, 1.0]))))
    assert found["target_kurtosis"] == pytest.approx(-2.75)


@pytest.mark.parametrize("name", ["mixed", "missing", "many columns"])
def test_pieces_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dict(regression(load(name)))
    monkeypatch.setattr(table_module, "CELLS", 200)
    monkeypatch.setattr(module, "CELLS", 200)
    pieces = dict(regression(load(name)))
    for feature, value in whole.items():
        np.testing.assert_allclose(pieces[feature], value, rtol=1e-7, atol=1e-9, err_msg=feature)


def test_ranks_are_scipys() -> None:
    x = np.random.default_rng(0).integers(-4, 4, (20, 9)).astype(float)
    np.testing.assert_array_equal(ranks(x) + 1, stats.rankdata(x, axis=1))


def test_too_many_columns_have_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WIDEST", 4)
    found = dict(regression(load("numbers")))
    assert set(REGRESSION) - set(found) == {"linear_r2", "linear_r2_adj", "reg_l1", "reg_l2"}


def test_every_declared_feature_is_found_for_a_regression_and_none_else() -> None:
    found = dict(regression(load("mixed")))
    assert list(found) == list(REGRESSION)
    for name, value in found.items():
        assert REGRESSION[name].kinds == ("regression",)
        assert np.isfinite(value).all()
        assert (np.ndim(value) == 1) == REGRESSION[name].many
    arrays = load("mixed").columns
    assert not dict(regression(Table(arrays, "clustering", None)))
    assert not dict(regression(Table(arrays, "classification", np.arange(arrays.n) % 2)))


def test_the_docstring_names_every_feature() -> None:
    assert re.findall(r"^\| (\w+) \|", module.__doc__ or "", re.M)[1:] == list(REGRESSION)


X = np.random.default_rng(0).normal(size=(3, 10))
Y = np.random.default_rng(1).normal(size=10)
BAD: dict[str, Callable[[], Table]] = {
    "constant attributes": lambda: numeric(np.ones((2, 10)), Y),
    "constant target": lambda: numeric(X, np.full(10, 0.1)),
    "target of zeros": lambda: numeric(X, np.zeros(10)),
    "target with mean zero": lambda: numeric(X, np.array([-1.0, 1.0] * 5)),
    "all missing": lambda: numeric(np.full((2, 10), np.nan), Y),
    "target constant where present": lambda: numeric(np.where(Y > 0, X, np.nan), np.maximum(0, -Y)),
    "no attribute": lambda: numeric(np.empty((0, 10)), Y),
    "huge and tiny": lambda: numeric(X * [[1e300], [1e-300], [1e-320]], Y * 1e300),
    "beyond the largest number": lambda: numeric(X[:2] * [[1e308], [1.0]], Y * 1e-310),
    "infinite target": lambda: numeric(X, np.where(Y > 0, Y, np.inf)),
    "more columns than rows": lambda: numeric(np.random.default_rng(2).normal(size=(50, 10)), Y),
    **{f"{n} rows": functools.partial(numeric, X[:, :n], Y[:n]) for n in range(1, 10)},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_values_or_nan_and_no_warning(name: str) -> None:
    table = BAD[name]()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        found = dict(regression(table))
    assert set(found) <= set(REGRESSION)
    for feature, value in found.items():
        assert not np.isinf(value).any(), feature
    if name == "infinite target":
        assert not found
    if name == "constant target":
        assert all(np.isnan(found[f]) for f in ("target_skewness", "reg_c1", "reg_c2"))
        assert np.isnan(np.asarray(found["target_cor"])).all()
        assert "linear_r2" not in found
    if name == "constant attributes":
        assert found["linear_r2"] == 0
        assert np.isnan(found["reg_c1"])
    if name == "more columns than rows":
        assert found["linear_r2"] == pytest.approx(1)
        assert np.isnan(found["linear_r2_adj"])
