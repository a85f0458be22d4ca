"""The statistical meta-features: pymfe's values, closed forms, and bad data."""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from metadb.datafile import read_data
from metadb.metafeatures import canonical, table
from metadb.metafeatures import statistical as module
from metadb.metafeatures.extraction import run
from metadb.metafeatures.features import Feature, Group
from metadb.metafeatures.inputs import table_of
from metadb.metafeatures.normality import coefficients, shapiro_wilk
from metadb.metafeatures.statistical import STATISTICAL, statistical
from metadb.metafeatures.table import Arrays, Table

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
CANONICAL = ("can_cor", "p_trace", "w_lambda", "lh_trace", "roy_root")
LISTED = ("sd_ratio", "nr_cor_attr", "nr_norm", "nr_disc", *CANONICAL)
"""Where pymfe is wrong or not exact: each has its own tests below."""


def numbers(x, y=None, kind="classification"):
    """A table of numeric attributes, `x` (n, d)."""
    x = np.ascontiguousarray(np.asarray(x, float).T)
    return Table(Arrays(x, np.empty((0, x.shape[1]), np.int32)), kind, y)


def mixed(n=120, d=5, k=3, seed=0, missing=0.0):
    """A table of ordinary data: d numeric attributes, two categorical ones, k classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    x = rng.normal(size=(d, n)) * np.logspace(-2, 3, d)[:, None] + 10
    x[0] += y * 0.01
    x[1] = np.exp(rng.normal(size=n)).round(1)
    x[rng.random(x.shape) < missing] = np.nan
    c = np.stack([rng.permutation(np.arange(n) % 3), rng.permutation(np.arange(n) % 2)])
    return Table(Arrays(x, c.astype(np.int32), (3, 2), (False, False)), "classification", y)


def values(of):
    with np.errstate(all="ignore"):
        return dict(statistical(of))


def pymfe(name, N, y, X=None, **more):
    """pymfe's values of one feature on a matrix and its classes."""
    group = pytest.importorskip("pymfe.statistical", reason="pymfe is the reference").MFEStatistical
    function = getattr(group, f"ft_{name}")
    classes, sizes = np.unique(y, return_counts=True)
    given = {"N": N, "X": N if X is None else X, "y": y, "classes": classes, "class_freqs": sizes}
    given |= more
    asked = function.__code__.co_varnames[: function.__code__.co_argcount]
    with np.errstate(all="ignore"):
        return function(**{key: value for key, value in given.items() if key in asked})


def agree(ours, theirs, rtol=1e-6):
    """Equal to `rtol`, and what is 0 but for rounding is 0; an order of values is none."""
    ours, theirs = np.sort(np.atleast_1d(ours)), np.sort(np.atleast_1d(theirs))
    ours, theirs = ours[~np.isnan(ours)], theirs[~np.isnan(theirs)]
    top = np.abs(theirs).max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-13 * top)


def known(name):
    from sklearn import datasets

    if name.startswith("seed"):
        rng = np.random.default_rng(int(name[4:]))
        x = rng.normal(size=(90, 6)).cumsum(axis=1) ** 2
        return numbers(x, rng.permutation(np.arange(90) % 3))
    if name == "mixed":
        return mixed()
    if name in ("iris", "wine", "breast_cancer"):
        return numbers(*getattr(datasets, f"load_{name}")(return_X_y=True))
    path = SHARED / "classification" / f"{name}.arff"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    return table_of(read_data(path))


KNOWN = ("seed1", "seed2", "mixed", "iris", "wine", "breast_cancer")
COMPLETE = ("credit.g", "diabetes", "glass", "vehicle", "zoo")


def test_small_eigenvalues_beside_a_wide_column_do_not_rest_on_the_order():
    from sklearn import datasets

    x, y = datasets.load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    wide = np.sort(rng.uniform(1e12, 1e13, len(x)))
    # what the wide column leaves of the others: 1e25 beside 1e-2 loses nothing of it
    z = x - x.mean(axis=0)
    along = (wide - wide.mean()) / np.linalg.norm(wide - wide.mean())
    left = z - np.outer(along, along @ z)
    expected = np.linalg.svd(left / np.sqrt(len(x) - 1), compute_uv=False)[::-1] ** 2
    x = np.c_[x[:, :6], wide, x[:, 6:]]
    for _ in range(4):
        found = values(numbers(x[:, rng.permutation(14)], y))["eigenvalues"]
        np.testing.assert_allclose(found[:-1], expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # pymfe's own
@pytest.mark.parametrize("data", [*KNOWN, *COMPLETE])
def test_the_values_are_those_of_pymfe(data):
    t = known(data)
    of_attributes = [*t.columns.numbers(0, t.columns.n_numbers)]
    of_attributes += [t.columns.codes(i) for i in range(len(t.columns.levels))]
    X, N, ours = np.stack(of_attributes, axis=1), t.matrix, values(t)
    for name in STATISTICAL:
        if name not in LISTED:
            agree(ours[name], pymfe(name, N, t.y, X))
    can_cors = pymfe("can_cor", N, t.y)  # iterative
    assert ours["nr_disc"] == pymfe("nr_disc", N, t.y, can_cors=can_cors)
    for name in CANONICAL:
        agree(ours[name], pymfe(name, N, t.y, can_cors=can_cors), rtol=1e-3)
    assert ours["nr_norm"] == pymfe("nr_norm", N, t.y) - (np.ptp(N, axis=0) == 0).sum()
    if np.ptp(N, axis=0).all():
        agree(ours["nr_cor_attr"], pymfe("nr_cor_attr", N, t.y))


def test_a_correlation_of_one_half_counts_whatever_the_rounding():
    codes = np.repeat(np.arange(3), 40)  # two of three equal shares: r = -1/2
    x = np.stack([codes == 1, codes == 2], axis=1) * np.array([1.0, 0.3])
    assert values(numbers(x, codes))["nr_cor_attr"] == 1.0


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 11, 12, 50, 500, 5000])
def test_w_and_its_p_value_are_those_of_scipy(n):
    from scipy.stats import shapiro

    rng = np.random.default_rng(n)
    x = np.stack([rng.normal(size=n), rng.random(n), 1e6 + rng.gamma(2, size=n), np.arange(n) > 0])
    w, p = shapiro_wilk(np.sort(x, axis=1))
    reference = np.array([shapiro(row) for row in x])
    np.testing.assert_allclose(w, reference[:, 0], rtol=1e-6)
    np.testing.assert_allclose(p, reference[:, 1], rtol=1e-5, atol=1e-6)
    assert coefficients(n) @ coefficients(n) == pytest.approx(1)


def test_what_does_not_vary_is_not_normal_and_scale_is_no_matter():
    x = np.sort(np.random.default_rng(0).normal(size=(1, 50)))
    assert np.isnan(shapiro_wilk(np.full((1, 9), 0.1))).all()
    for scale in (1e-300, 1e-25, 1e300):
        np.testing.assert_allclose(shapiro_wilk(x * scale), shapiro_wilk(x), rtol=1e-9)


def test_only_the_first_5000_instances_are_tested_for_normality():
    x = np.random.default_rng(0).normal(size=(6000, 2))
    x[5000:] = 50
    assert values(numbers(x, np.arange(6000) % 2))["nr_norm"] == 2


def test_a_column_alone_is_what_its_present_values_say():
    from scipy import stats

    t = mixed(missing=0.3)
    ours = values(t)
    for i, row in enumerate(t.columns.numbers(0, t.columns.n_numbers)):
        x = row[~np.isnan(row)]
        n, s = len(x), x.std(ddof=1)
        q = np.percentile(x, [25, 50, 75])
        positive = (x > 0).all()
        said = {
            "min": x.min(),
            "max": x.max(),
            "mean": x.mean(),
            "median": q[1],
            "t_mean": stats.trim_mean(x, 0.2),
            "range": np.ptp(x),
            "g_mean": np.exp(np.log(x).mean()) if positive else np.nan,
            "h_mean": n / (1 / x).sum() if positive else np.nan,
            "var": s**2,
            "sd": s,
            "iq_range": q[2] - q[0],
            "mad": 1.4826 * np.median(np.abs(x - q[1])),
            "skewness": ((x - x.mean()) ** 3).mean() / s**3,
            "kurtosis": ((x - x.mean()) ** 4).mean() / s**4 - 3,
            "sparsity": (n / len(np.unique(x)) - 1) / (n - 1),
        }
        for name, value in said.items():
            np.testing.assert_allclose(ours[name][i], value, rtol=1e-10, err_msg=name)


def test_the_means_of_positive_numbers_are_0_with_a_zero_and_none_with_a_negative():
    ours = values(numbers([[0, -1, 1e-12], [2, 3, 1e-12], [8, 4, 1e-12]], np.array([0, 1, 1])))
    np.testing.assert_allclose(ours["g_mean"], [0, np.nan, 1e-12])
    np.testing.assert_allclose(ours["h_mean"], [0, np.nan, 1e-12])


def scatters(N, y):
    """Total, between and within scatter, (w, w), by the definition."""
    z = N - N.mean(axis=0)
    within = sum(
        (z[y == c] - z[y == c].mean(axis=0)).T @ (z[y == c] - z[y == c].mean(axis=0))
        for c in np.unique(y)
    )
    return z.T @ z, z.T @ z - within, within


@pytest.mark.parametrize("data", [*KNOWN, "diabetes", "vehicle"])
def test_what_tells_classes_apart_is_the_closed_form(data):
    from scipy.linalg import eigh

    t = known(data)
    N, ours, k = t.matrix, values(t), len(t.class_sizes)
    if data == "mixed":  # the columns of the first categorical attribute add up to 1
        N = np.delete(N, 5, axis=1)
    T, B, W = scatters(N, t.y)
    T, B, W = (m / np.sqrt(np.outer(T.diagonal(), T.diagonal())) for m in (T, B, W))
    r = np.sqrt(np.maximum(0, eigh(B, T, eigvals_only=True)))[::-1][: min(k - 1, N.shape[1])]
    assert ours["nr_disc"] == len(r)
    np.testing.assert_allclose(ours["can_cor"], r, rtol=1e-8)
    assert ours["p_trace"] == pytest.approx(np.trace(np.linalg.solve(T, B)), rel=1e-8)
    assert ours["lh_trace"] == pytest.approx(np.trace(np.linalg.solve(W, B)), rel=1e-8)
    dets = np.linalg.slogdet(W)[1] - np.linalg.slogdet(T)[1]
    assert ours["w_lambda"] == pytest.approx(np.exp(dets), rel=1e-8)
    assert ours["roy_root"] == pytest.approx(eigh(B, W, eigvals_only=True)[-1], rel=1e-8)


def bjorck_golub(N, y):
    """Canonical correlations from the data themselves, by two orthonormal bases."""
    z = (N - N.mean(axis=0)) / np.maximum(N.std(axis=0), 1e-300)
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    Y = (y[:, None] == np.unique(y)).astype(float)
    v, s_y, _ = np.linalg.svd(Y - Y.mean(axis=0), full_matrices=False)
    return np.linalg.svd(u[:, s > 1e-9 * s[0]].T @ v[:, s_y > 1e-9], compute_uv=False)


@pytest.mark.parametrize("apart", [1e-2, 1e-4])
def test_columns_that_nearly_repeat_cost_no_exactness(apart):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 3
    x = rng.normal(size=(200, 4))
    x = np.c_[x, x[:, :2] + apart * (rng.normal(size=(200, 2)) + y[:, None]), x[:, 0] + x[:, 1]]
    ours = values(numbers(x, y))
    np.testing.assert_allclose(ours["can_cor"], bjorck_golub(x, y), rtol=1e-7)


def test_few_instances_of_many_columns_say_the_same():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    few = rng.normal(size=(30, 5)) + 0.3 * y[:, None]
    x = few @ rng.normal(size=(5, 40))  # 40 columns of rank 5
    ours = values(numbers(x, y))
    np.testing.assert_allclose(ours["can_cor"], bjorck_golub(few, y), rtol=1e-6)
    expected = np.maximum(0, np.linalg.eigvalsh(np.cov(x.T)))
    np.testing.assert_allclose(ours["eigenvalues"], expected, atol=1e-12 * expected[-1])
    assert len(ours["cov"]) == len(ours["cor"]) == 40 * 39 / 2


def test_classes_told_apart_perfectly_have_no_trace():
    y = np.arange(20) % 2
    x = np.c_[np.random.default_rng(0).normal(size=(20, 2)), y]
    group = {"statistical": Group(statistical, STATISTICAL)}
    found = run(
        numbers(x, y), group, time_limit_s=None, sample=None, seed=0, started=perf_counter()
    )
    assert found["can_cor.max"] == found["p_trace"] == 1
    assert found["w_lambda"] == 0
    for name in ("lh_trace", "roy_root"):
        assert found.by_name[name].status == "undefined"
        assert "perfectly" in found.by_name[name].reason


def box(N, y, *, flipped=False):
    """Box's M as a ratio of standard deviations, by the definition; `flipped`: as pymfe has it,
    the covariances in the opposite order of the classes and of their rows."""
    sizes, n, w, k = np.bincount(y), len(N), N.shape[1], y.max() + 1
    nu = sizes - 1
    S = np.array([np.cov(N[y == c].T) for c in range(k)])
    S = S[::-1, ::-1] if flipped else S
    pooled = (nu[:, None, None] * S).sum(axis=0) / (n - k)
    if any(np.linalg.det(m) <= 0 for m in (pooled, *S)):
        return np.nan
    gamma = 1 - (2 * w**2 + 3 * w - 1) / (6 * (w + 1) * (k - 1)) * ((1 / nu).sum() - 1 / (n - k))
    logs = np.array([np.linalg.slogdet(m)[1] for m in S])
    return np.exp(gamma * ((n - k) * np.linalg.slogdet(pooled)[1] - nu @ logs) / (w * (n - k)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [2, 3, 4, 5, 8])
def test_the_ratio_of_spreads_is_boxs_and_pymfes_pairs_classes_wrongly(width):
    rng = np.random.default_rng(width)
    y = np.repeat([0, 1, 2], [30, 40, 60])
    N = rng.normal(size=(130, width)) * (1 + y[:, None]) + 1e3
    ours = values(numbers(N, y))["sd_ratio"]
    assert ours == pytest.approx(box(N, y), rel=1e-9)
    theirs = pymfe("sd_ratio", N, y)
    assert theirs == pytest.approx(box(N, y, flipped=True), rel=1e-6, nan_ok=True)
    if width % 4 in (2, 3):  # the rows in the opposite order turn the sign of the determinant
        assert np.isnan(theirs)
    elif width > 3:
        assert theirs != pytest.approx(ours, rel=1e-3)
    # the order of the classes is no matter, to pymfe it is
    assert values(numbers(N[::-1], 2 - y[::-1]))["sd_ratio"] == pytest.approx(ours, rel=1e-9)


def test_spreads_of_classes_that_are_too_small_have_no_ratio():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(23, 3)), np.repeat([0, 1], [20, 3])
    assert np.isnan(values(numbers(x, y))["sd_ratio"])
    y = np.repeat([0, 1], [13, 10])
    assert values(numbers(x, y))["sd_ratio"] > 0
    assert np.isnan(values(numbers(np.c_[x, x[:, 0] - x[:, 1]], y))["sd_ratio"])


def test_blocks_change_no_value(monkeypatch):
    t = mixed(n=400, missing=0.1)
    whole = values(t)
    monkeypatch.setattr(table, "CELLS", 700)  # an attribute, 77 instances at a time
    monkeypatch.setattr(canonical, "MOST", t.width * 3)  # a class at a time
    parts = values(Table(t.columns, t.kind, t.y))
    assert parts.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("power", [-900, -300, 300, 900])
def test_no_number_is_too_large_or_too_small(power):
    x = np.random.default_rng(0).normal(size=(40, 3)) + 2
    y = np.arange(40) % 2
    here, there = values(numbers(x, y)), values(numbers(x * 2.0**power, y))
    for name in STATISTICAL:
        degree = 2 if name in ("var", "cov", "eigenvalues") else 1
        if name in ("skewness", "kurtosis", "sparsity", "cor", "sd_ratio", *CANONICAL):
            degree = 0
        if name.startswith("nr_"):
            degree = 0
        if degree < 2 or abs(power) < 500:
            expected = np.ldexp(here[name], degree * power)
            np.testing.assert_allclose(there[name], expected, rtol=1e-9, atol=0, err_msg=name)


def test_numbers_far_from_0_keep_their_spread():
    x = np.random.default_rng(0).integers(0, 50, size=(60, 3)).astype(float)
    y = np.arange(60) % 3
    here, there = values(numbers(x, y)), values(numbers(x + 1e14, y))
    moved = ("min", "max", "mean", "median", "t_mean", "g_mean", "h_mean")
    for name in set(STATISTICAL) - set(moved):
        np.testing.assert_allclose(there[name], here[name], rtol=1e-8, err_msg=name)


BAD = {
    "constant": lambda x, rng: np.full(x.shape, 0.1),
    "one constant": lambda x, rng: np.c_[np.full(len(x), 3.3), x],
    "all missing": lambda x, rng: np.full(x.shape, np.nan),
    "one all missing": lambda x, rng: np.c_[np.full(len(x), np.nan), x],
    "some missing": lambda x, rng: np.where(rng.random(x.shape) < 0.4, np.nan, x),
    "huge": lambda x, rng: x * 1e300,
    "largest": lambda x, rng: np.where(rng.random(x.shape) < 0.3, np.nan, np.sign(x) * 1.7e308),
    "tiny": lambda x, rng: x * 1e-300,
    "repeated": lambda x, rng: np.c_[x, x],
    "no attribute": lambda x, rng: x[:, :0],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", BAD)
def test_bad_data_have_a_value_or_none_but_never_fail(how):
    rng = np.random.default_rng(0)
    for n in range(1, 11):
        for width in (1, 2, 12):
            x = BAD[how](rng.normal(size=(n, width)), rng)
            for k in {1, min(2, n), n}:
                ours = values(numbers(x, rng.permutation(np.arange(n) % k)))
                for name, value in ours.items():
                    assert (np.ndim(value) == 1) == STATISTICAL[name].many
                assert np.all(np.nan_to_num(ours.get("cor", np.zeros(1))) <= 1)
            values(numbers(x, None, "clustering"))
            values(numbers(x, rng.normal(size=n), "regression"))


def test_what_does_not_vary_has_no_shape_and_no_correlation():
    x = np.c_[np.full(30, 0.1), np.random.default_rng(0).normal(size=(30, 2)), np.full(30, np.nan)]
    ours = values(numbers(x, np.arange(30) % 2))
    assert np.isnan(ours["skewness"][[0, 3]]).all()
    assert np.isnan(ours["kurtosis"][[0, 3]]).all()
    assert ours["var"][0] == ours["sd"][0] == ours["mad"][0] == 0
    assert ours["mean"][0] == 0.1
    assert len(ours["cor"]) == 1
    assert len(ours["cov"]) == len(ours["eigenvalues"]) == 3


def test_more_columns_than_are_taken_together_still_have_what_each_says(monkeypatch):
    monkeypatch.setattr(canonical, "WIDEST", 3)
    t = mixed()
    ours = values(t)
    assert set(ours) == {name for name in STATISTICAL if name not in canonical.TOGETHER} | {
        "gravity"
    }
    assert ours["gravity"] == pytest.approx(pymfe("gravity", t.matrix, t.y))


@pytest.mark.parametrize("kind", ["classification", "regression", "clustering"])
def test_every_feature_is_found_for_its_kinds(kind):
    t = mixed()
    y = {"classification": t.y, "regression": t.y * 1.5, "clustering": None}[kind]
    ours = values(Table(t.columns, kind, y))
    assert set(ours) == {name for name, f in STATISTICAL.items() if kind in f.kinds}
    for name, value in ours.items():
        if name != "sd_ratio":  # the first categorical attribute adds up to 1
            assert np.isfinite(value).all() or name == "h_mean" or name == "g_mean", name


def test_the_table_of_the_module_names_what_is_declared():
    rows = re.findall(r"^\| (\w+) \|", module.__doc__ or "", re.MULTILINE)
    assert rows[1:] == list(STATISTICAL)
    assert all(isinstance(feature, Feature) for feature in STATISTICAL.values())


def test_the_same_data_say_the_same():
    one, two = values(mixed(missing=0.1)), values(mixed(missing=0.1))
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name])
