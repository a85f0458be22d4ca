"""Laws of what may be described: the same data give the same values, whatever holds them."""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from metadb.errors import InvalidRows, NotFound
from metadb.metafeatures import METAFEATURES, extract, extract_file

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
FILES = sorted(p for p in SHARED.rglob("*") if p.suffix in (".arff", ".csv"))
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = RNG.integers(0, 3, 90)

SAME: dict[str, Callable[[], tuple[Any, Any]]] = {
    "pandas": lambda: (pd.DataFrame(X), pd.Series(Y)),
    "pandas with a frame for y": lambda: (pd.DataFrame(X), pd.DataFrame(Y)),
    "pandas of one name": lambda: (pd.DataFrame(X, columns=list("aaaa")), Y),
    "pandas categorical": lambda: (pd.DataFrame(X), pd.Categorical(Y)),
    "polars": lambda: (pl.DataFrame(X), pl.Series(Y)),
    "arrow": lambda: (pa.table(list(X.T), names=list("abcd")), pa.array(Y)),
    "sparse": lambda: (sp.csr_matrix(X), Y),
    "sparse array": lambda: (sp.coo_array(X), Y),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "objects": lambda: (X.astype(object), Y.astype(object)),
    "text classes": lambda: (X, np.array(list("abc"))[Y]),
    "pandas sparse": lambda: (pd.DataFrame(X).astype(pd.SparseDtype(float)), Y),
    "masked array": lambda: (np.ma.masked_array(X, mask=np.zeros_like(X, bool)), Y),
    "fortran": lambda: (np.asfortranarray(X), Y[:, None]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_data_give_the_same_values(name: str) -> None:
    expected = extract(X, Y).known()
    assert extract(*SAME[name]()).known() == pytest.approx(expected, rel=1e-12)


def test_text_bool_and_times() -> None:
    frame = pd.DataFrame(
        {
            "number": [1.0, 2.0, None, np.inf],
            "text": ["x", "y", None, "z"],
            "time": pd.to_datetime(["2020-01-01", None, "2020-03-01", "2021-01-01"]),
            "mixed": [1, "q", None, 2.5],
            "flag": [True, False, None, True],
        }
    )
    found = extract(frame, ["a", "b", "b", None], groups=["simple"])
    assert found.kind == "classification"
    assert (found["nr_inst"], found["nr_num"], found["nr_cat"]) == (3, 2, 3)
    assert found["nr_missing"] == 5
    assert found.notes == ("1 rows without target are left out",)
    whole = extract(frame, groups=["simple"])
    assert (whole.kind, whole["nr_inst"]) == ("clustering", 4)
    assert whole.notes == ("1 infinite values count as missing",)


def test_numbers_may_be_declared_categories() -> None:
    x = pd.DataFrame({"a": [1, 2, 2, 3], "b": [0.5, 1.5, 2.5, 3.5]})
    for which in ([0], ["a"], np.array([0]), [True, False], np.array([True, False])):
        found = extract(x, [0, 1, 0, 1], categorical=which, groups=["simple"])
        assert (found["nr_cat"], found["nr_num"]) == (1, 1)
    with pytest.raises(
        NotFound, match="no feature 'c' to be categorical; positions go from 0 to 1"
    ):
        extract(x, [0, 1, 0, 1], categorical=["c"])


def test_what_is_masked_or_na_is_missing() -> None:
    masked = np.ma.masked_array(X, mask=X > 1)
    assert extract(masked, Y, groups=["simple"])["nr_missing"] == (X > 1).sum()
    mixed = pd.DataFrame({"a": pd.Series([1, "q", pd.NA, None, 2.5], dtype=object)})
    found = extract(mixed, [0, 1, 0, 1, 0], groups=["simple"])
    assert (found["nr_cat"], found["nr_missing"]) == (1, 2)


def test_the_target_tells_the_kind_unless_it_is_given() -> None:
    assert extract(X, X[:, 0], groups=["simple"]).kind == "regression"
    assert extract(X, Y, kind="regression", groups=["simple"]).kind == "regression"
    assert extract(X, Y, kind="clustering", groups=["simple"]).kind == "clustering"
    assert extract(X, [datetime.date(2020, 1, 1 + i % 28) for i in range(90)]).kind == "regression"
    gone = np.where(np.arange(90) < 5, np.inf, X[:, 0])
    assert extract(X, gone, groups=["simple"])["nr_inst"] == 85


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (X, Y[:50], "X has 90 rows and y 50"),
        (np.zeros((3, 0)), [1, 2, 3], "3 rows and 0 columns"),
        (np.zeros((0, 3)), [], "0 rows and 3 columns"),
        (pd.DataFrame({"a": []}), None, "0 rows and 1 columns"),
        (np.zeros((3, 2, 2)), [1, 2, 3], "X has 3 dimensions"),
        (object(), [1], "X is a object"),
        (pd.DataFrame({"z": [[1], [2]]}), [1, 2], "column 'z' holds list"),
        (X, [None] * 90, "the target 'y' is missing in every row"),
        (X.astype(complex), Y, "X holds complex128 values"),
        ("data.csv", None, "data.csv is a path; extract_file reads a data file"),
        (X, np.eye(3)[Y], r"y has shape \(90, 3\); give one value an instance"),
        ([[1, 2], [3]], [0, 1], "the rows of X differ in length"),
        (sp.csr_matrix((100_000, 100_000)), None, "100,000 x 100,000 cells"),
    ],
)
def test_what_has_no_meta_features_is_said(x: Any, y: Any, says: str) -> None:
    with pytest.raises(InvalidRows, match=says):
        extract(x, y)


def test_a_target_is_needed_where_the_kind_needs_one() -> None:
    with pytest.raises(InvalidRows, match="a regression needs a target"):
        extract(X, kind="regression")
    with pytest.raises(InvalidRows, match="the target 'y' is text; regression needs numbers"):
        extract(X, np.array(list("abc"))[Y], kind="regression")
    with pytest.raises(NotFound, match="no kind of task 'ranking'; there are classification"):
        extract(X, Y, kind="ranking")


ODD: dict[str, tuple[Any, Any]] = {
    "constant columns": (np.ones((40, 3)), np.arange(40) % 2),
    "all missing": (np.full((40, 3), np.nan), np.arange(40) % 2),
    "some columns all missing": (np.c_[X, np.full((90, 2), np.nan)], Y),
    "one class": (X, np.zeros(90, int)),
    "singleton classes": (X, np.arange(90)),
    "one singleton class": (X, np.r_[np.zeros(89, int), 1]),
    "infinite values": (np.where(X > 1, np.inf, X), Y),
    "huge values": (X * 1e300, Y),
    "tiny values": (X * 1e-300, Y),
    "text only": (pd.DataFrame({"a": [f"text {i}" for i in range(60)]}), np.arange(60) % 2),
    "dates": (pd.DataFrame({"a": pd.date_range("2020", periods=60)}), np.arange(60) % 2),
    "ten rows": (X[:10], Y[:10]),
    "two rows": (X[:2], [0, 1]),
    "one row": (X[:1], [0]),
    "one row, one column": (X[:1, :1], None),
    "wider than long": (RNG.normal(size=(12, 200)), np.arange(12) % 2),
    "regression on a constant": (X, np.full(90, 2.5)),
    "regression with ten rows": (X[:10], X[:10, 0] * 2.5),
    "regression on text": (pd.DataFrame({"a": list("abc") * 20}), RNG.normal(size=60)),
    "clustering": (X, None),
    "clustering of text": (pd.DataFrame({"a": list("abc") * 20, "b": list("xy") * 30}), None),
    "copies of one column": (np.repeat(X[:, :1], 5, axis=1), Y),
    "the target among the attributes": (np.c_[X, Y], Y),
    "bool": (X > 0, Y),
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_or_a_reason_and_never_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = extract(*ODD[name])
    assert {v.group for v in found.by_name.values()} <= set(METAFEATURES)
    for each, value in found.by_name.items():
        assert value.status in ("ok", "undefined"), (each, value.reason)
        assert math.isfinite(value.value) == (value.status == "ok"), each
        assert value.status == "ok" or value.reason, each


def test_five_thousand_columns() -> None:
    x = RNG.normal(size=(10, 5_000))
    found = extract(x, np.arange(10) % 2, groups=["simple"])
    assert found["nr_attr"] == 5_000


@pytest.mark.skipif(not FILES, reason=f"no real data in {SHARED}")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_real_files_have_values_or_reasons(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read, found = extract_file(path, target="24" if "horse" in path.name else None)
    assert read.rows == found["nr_inst"] == found.instances
    assert found.kind == ("regression" if path.parent.name == "regression" else found.kind)
    for name, value in found.by_name.items():
        assert value.status in ("ok", "undefined"), (name, value.reason)
    assert len(found.known()) > 0.5 * len(found)


def test_a_file_and_its_table_have_the_same_values(tmp_path: Path) -> None:
    table = pa.table({**{f"x{i}": X[:, i] for i in range(4)}, "class": [f"c{v}" for v in Y]})
    pq.write_table(table, tmp_path / "data.parquet")
    read, found = extract_file(tmp_path / "data.parquet")
    assert str(read) == (
        "90 rows, 4 columns (0 categorical), target class, the last column "
        "(classification, 3 classes)"
    )
    assert found.known() == pytest.approx(extract(X, Y).known(), rel=1e-12)


WILD: dict[str, Any] = {
    "whole numbers beyond single precision": np.rint(X * 1e25),
    "times beside huge numbers": np.c_[np.rint(1e18 + Y * 1e9), np.rint(X[:, :1] * 1e30)],
    "huge with a gap": np.where(X > 1.5, np.nan, np.clip(X, -1.7, 1.7) * 1e308),
    "fifteen digits": 1e15 + RNG.integers(0, 3, (90, 3)),
    "one wild column": np.c_[X, np.exp(np.clip(X[:, 0] * 300, -700, 700))],
}


@pytest.mark.parametrize("kind", ["classification", "regression", "clustering"])
@pytest.mark.parametrize("name", WILD)
def test_no_number_is_too_large(name: str, kind: str) -> None:
    y = {"classification": Y, "regression": X[:, 0]}.get(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = extract(WILD[name], y, kind=kind)
    for each, value in found.by_name.items():
        assert value.status in ("ok", "undefined"), (each, value.reason)
