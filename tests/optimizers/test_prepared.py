"""What a data file must be for a search, and what is said where it is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metadb.datafile import data_of
from metadb.errors import InvalidRows
from optimizers.prepared import prepare


def data(y, **more):
    x = pa.table({"a": [float(i % 7) for i in range(len(y))]})
    return data_of(x, pa.array(y), **more)


def test_folds_are_as_many_as_the_smallest_class_has_members():
    ready = prepare(data(["a"] * 20 + ["b"] * 3), folds=5)
    assert ready.folds == 3
    assert ready.classes == ("a", "b")
    assert "3 folds instead of 5: the smallest class has 3 members" in ready.notes
    assert prepare(data(["a"] * 20 + ["b"] * 30), folds=5).folds == 5


def test_a_class_of_one_member_is_left_out_and_said():
    ready = prepare(data(["a"] * 20 + ["b"] * 9 + ["c"]), folds=5)
    assert ready.classes == ("a", "b")
    assert len(ready.x) == len(ready.y) == 29
    assert any("class 'c' has one member each" in n or "class 'c'" in n for n in ready.notes)


def test_rows_without_target_are_left_out_and_said():
    ready = prepare(data(["a", None, "b"] * 10))
    assert len(ready.y) == 20
    assert "10 rows without target are left out" in ready.notes


def test_classes_keep_their_types_and_order():
    ready = prepare(data([3, 1, 2, 3, 1, 2] * 5))
    assert ready.classes == (1, 2, 3)
    assert list(ready.y[:3]) == [2, 0, 1]


def test_numbers_have_folds_by_rows():
    ready = prepare(data([i / 7 for i in range(9)]), folds=5)
    assert (ready.kind, ready.folds, ready.classes) == ("regression", 4, ())
    assert np.allclose(ready.y, np.arange(9) / 7)


@pytest.mark.parametrize(
    ("y", "kind", "said"),
    [
        (["a"] * 9, None, "one class only .'a'., so there is nothing to learn"),
        (["a", "b", "c"], "classification", "add rows|classes in 3 rows"),
        ([1.5, 2.5, 3.5], None, "3 rows are too few"),
        ([2.5] * 9, "regression", "is 2.5 in every row"),
        ([str(i // 2) for i in range(1400)], None, "700 classes in 1,400 rows.*--kind regression"),
        ([f"id{i}" for i in range(300)], None, "300 classes in 300 rows"),
    ],
)
def test_what_cannot_be_learnt_is_said(y, kind, said):
    with pytest.raises(InvalidRows, match=said):
        prepare(data(y, kind=kind))
