from __future__ import annotations

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from metadb.errors import NotFound
from metadb.result import Result

TABLE = pa.table({"name": ["a", None, "<b>&"], "x": [1.0, None, 1 / 3], "many": [["p"], [], None]})


def test_any_arrow_consumer_takes_a_result():
    result = Result(TABLE)
    assert pa.table(result).equals(TABLE)
    assert pl.DataFrame(result).to_arrow().column("x").to_pylist() == [1.0, None, 1 / 3]
    assert duckdb.connect().sql("select count(x) from result").fetchall() == [(2,)]
    pd.testing.assert_frame_equal(result.to_pandas(), TABLE.to_pandas())


def test_a_result_is_rows_of_plain_values():
    result = Result(TABLE)
    assert list(result) == TABLE.to_pylist()
    assert len(result) == 3
    assert result.columns == ["name", "x", "many"]
    assert result.column("x") == [1.0, None, 1 / 3]
    with pytest.raises(NotFound, match=r"no column 'y'; there are name, x, many"):
        result.column("y")


def test_html_holds_no_foreign_markup():
    html = Result(pa.table({"<script>": ["<script>alert('x')</script>", '"&']}))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&quot;&amp;" in html


def test_text_is_aligned_and_steers_no_terminal():
    lines = str(Result(pa.table({"a": ["x\n\x1b[31my", None], "long": [1.0, 0.123456789]}))).split(
        "\n"
    )
    assert lines == ["a         long", "x  [31my  1", "          0.123457", "(2 rows)"]


def test_only_the_head_is_shown_and_the_count_is_told():
    text = str(Result(pa.table({"i": range(1_000)})))
    assert len(text.split("\n")) == 22
    assert text.endswith("(1,000 rows, 20 shown)")
    assert str(Result(pa.table({"i": [1]}))).endswith("(1 row)")
    assert str(Result(pa.table({"i": pa.array([], pa.int64())}))) == "i\n(0 rows)"


def test_two_columns_of_one_name_are_shown_both():
    result = Result(pa.table([[1], [2]], names=["a", "a"]))
    assert str(result) == "a  a\n1  2\n(1 row)"
    assert result._repr_html_().count("<td>") == 2
    assert result.column("a") == [1]
