"""Columns become numbers, the same way for every later table; what cannot help is left out."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

from metadb.errors import InvalidRows, NotFound
from optimizers.features import Features

N = 80


@pytest.fixture
def table():
    return pa.table(
        {
            "age": [20.0 + i % 40 if i % 9 else None for i in range(N)],
            "colour": pa.array([["red", "green", None][i % 3] for i in range(N)]),
            "vip": [i % 2 == 0 for i in range(N)],
            "seen": [dt.datetime(2024, 1, 1) + dt.timedelta(hours=31 * i) for i in range(N)],
            "row": list(range(N)),
            "key": [f"k{i}" for i in range(N)],
            "words": [f"the text number {i % 60}" for i in range(N)],
            "same": ["x"] * N,
            "empty": pa.nulls(N, pa.float64()),
            "count": [i % 5 for i in range(N)],
        }
    )


def test_what_cannot_help_is_left_out_and_said(table):
    features = Features.learn(table)
    assert [c.name for c in features.columns] == ["age", "colour", "vip", "seen", "count"]
    assert set(features.left_out) == {"row", "key", "words", "same", "empty"}
    said = "\n".join(features.notes())
    for word in ("'row' counts the rows", "'key' is different", "'words' is free text",
                 "'same' has the same value", "'empty' is missing", "month, weekday, hour"):  # fmt: skip
        assert word in said, word


def test_codes_and_times_are_what_they_should_be(table):
    features = Features.learn(table)
    x = features.encode(table)
    assert x.shape == (N, 5 + 3)
    assert features.categorical == (1, 2)
    assert np.isnan(x[0, 0])
    assert x[1, 0] == 21
    assert list(x[:2, 1]) == [1.0, 0.0]  # red, green
    assert np.isnan(x[2, 1])
    assert list(x[:2, 2]) == [1.0, 0.0]
    first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()
    assert list(x[1, 3:7]) == [first + 31 * 3600, 1, 1, 7]  # 2 January, a Tuesday, at 7


def test_a_later_table_is_read_by_name_whatever_its_order_and_types(table):
    features = Features.learn(table)
    later = pa.table(
        {
            "extra": [1, 2],
            "count": ["3", "4"],
            "seen": ["2024-01-01 00:00:00", None],
            "vip": ["true", "false"],
            "colour": ["blue", "red"],
            "age": [30, None],
        }
    )
    x = Features.from_dict(json.loads(json.dumps(features.as_dict()))).encode(later)
    assert x[0, 0] == 30
    assert list(x[:, 1]) == [2.0, 1.0]  # blue is beyond all that were seen
    assert list(x[:, 2]) == [1.0, 0.0]
    assert list(x[:, -1]) == [3.0, 4.0]


def test_a_missing_column_or_other_content_is_said(table):
    features = Features.learn(table)
    with pytest.raises(NotFound, match=r"1 of the 5 columns.*'colour'.*called 'color'"):
        features.encode(
            table.rename_columns(["color" if n == "colour" else n for n in table.column_names])
        )
    wrong = table.set_column(0, "age", pa.array(["old"] * N))
    with pytest.raises(InvalidRows, match=r"column 'age' holds string where.*numbers"):
        features.encode(wrong)


def test_a_table_without_a_usable_column_is_refused():
    with pytest.raises(InvalidRows, match=r"no column is left.*'a' has the same value"):
        Features.learn(pa.table({"a": [1, 1, 1], "b": ["x", "y", "z"]}))


def test_whole_numbers_are_the_same_category_however_they_were_read():
    """ARFF declares the numbers of a category as text; a CSV file of the same has numbers."""
    features = Features.learn(pa.table({"code": ["1", "2", "10", "2"]}))
    expected = features.encode(pa.table({"code": ["1", "2", "10", "2"]}))
    for values in ([1, 2, 10, 2], [1.0, 2.0, 10.0, 2.0]):
        assert (features.encode(pa.table({"code": values})) == expected).all()
