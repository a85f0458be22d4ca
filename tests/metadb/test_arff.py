"""Laws of the ARFF reader: what liac-arff can read, we read the same; what is wrong is named."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import arff as liac
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadb.arff import read_arff
from metadb.errors import MalformedFile, NotFound

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FILES = sorted(SHARED.glob("**/*.arff"))
needs_shared = pytest.mark.skipif(not FILES, reason=f"no real ARFF files in {SHARED}")

REFUSED_BY_LIAC = {
    "dataset_106.arff",  # these end in a NUL byte
    "dataset_4.openml-r.arff",
    "run_219_predictions.arff",
    "run_220_predictions.arff",
    "run_221_predictions.arff",
    "run_223_predictions.arff",
    "run_224_predictions.arff",
    "task_19.arff",
    "task_20.arff",
    "task_631.arff",
    "task_632.arff",
    "study_14_metafeatures.arff",  # null and NaN
    "breast.w.arff",  # integer [1,10]
    "zoo.arff",  # INTEGER [0,9]
}


def read(text: str | bytes) -> dict[str, list[object]]:
    stream = io.BytesIO(text) if isinstance(text, bytes) else io.StringIO(text)
    return dict(read_arff(stream).table.to_pydict())


def one(kind: str, *lines: str) -> list[object]:
    """The column of a file with one attribute beside a leading 1."""
    body = "".join(f"1,{line}\n" for line in lines)
    return read(f"@relation r\n@attribute n numeric\n@attribute v {kind}\n@data\n{body}")["v"]


def test_a_small_file_is_read_whole() -> None:
    found = read_arff(
        io.StringIO(
            '% {"a": 1}\n%\n@RELATION "a b"\n\n@Attribute \'x y\' REAL % in cm\n'
            "@attribute a.b{p, 'q r','<0'}\n@attribute when date \"yyyy-MM-dd\"\n"
            "@attribute text String\n@attribute i integer [1,10]\n"
            "@DATA\n% one\n1.5,p,2020-01-01,hello,3\n\n  2 , 'q r', ?, 'it\\'s, so', ?\n%\n%\n"
        )
    )
    assert found.relation == "a b"
    assert json.loads(found.comments[0]) == {"a": 1}
    assert found.attributes == (
        ("x y", "numeric"),
        ("a.b", ("p", "q r", "<0")),
        ("when", "date"),
        ("text", "string"),
        ("i", "integer"),
    )
    assert found.table.to_pydict() == {
        "x y": [1.5, 2.0],
        "a.b": ["p", "q r"],
        "when": ["2020-01-01", None],
        "text": ["hello", "it's, so"],
        "i": [3.0, None],
    }


@pytest.mark.parametrize("tail", ["", "% 'quoted, so read line by line'\n1,?\n"])
def test_missing_infinite_and_odd_numbers(tail: str) -> None:
    body = "1,?\n1,null\n1,NaN\n1,na\n1,inf\n1,-inf\n1,1e3\n1,\n1,-0.5\n"
    column = read(f"@attribute n numeric\n@attribute v numeric\n@data\n{body}{tail}")["v"]
    expected = [None, None, None, None, math.inf, -math.inf, 1000.0, None, -0.5]
    assert column[:9] == expected


def test_text_stays_text() -> None:
    assert one("string", "1", "1.50", "NaN", "null", "?", "'?'", "") == [
        *("1", "1.50", "NaN", "null", None, "?", None)
    ]
    assert one("{1, 2, 03}", "03", "1", "?") == ["03", "1", None]


def test_a_quoted_question_mark_is_a_value_where_it_is_declared() -> None:
    assert one("{'?', a}", "'?'", "?", "a") == ["?", None, "a"]
    assert one("{a}", "'?'", "?", "a") == [None, None, "a"]


def test_quotes_escapes_and_encodings() -> None:
    assert one("string", r"'a\'b'", r'"c\"d"', r"'e\\f'", r"'\u00e9\n'", "'\\\"SAMME\\\"'") == [
        *("a'b", 'c"d', "e\\f", "é\n", '"SAMME"')
    ]
    header = "@attribute v string\n@attribute n numeric\n@data\n"
    assert read(f"{header}é,1\n".encode("latin-1"))["v"] == ["é"]
    assert read(f"{header}é,1\n".encode())["v"] == ["é"]
    assert read(f"{header}é,1\r\nb,2\r\n".encode())["v"] == ["é", "b"]


def test_sparse_rows() -> None:
    header = "@attribute a numeric\n@attribute b {x, 'y z'}\n@attribute c string\n@data\n"
    assert read(header + "{0 1, 1 'y z'}\n{}\n% done\n{ 0 ?,2 'a, b' }\n") == {
        "a": [1.0, 0.0, None],
        "b": ["y z", "x", "x"],
        "c": [None, None, "a, b"],
    }


def test_no_rows_are_fine() -> None:
    table = read_arff(io.StringIO("@attribute a numeric\n@attribute b {x}\n@data\n% none\n")).table
    assert table.num_rows == 0
    assert table.schema.types == [pa.float64(), pa.string()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 0 without @data"),
        ("@relation r\n@attribute a numeric\n", "line 2 without @data"),
        ("@relation r\n@attribute a {x, y\n@data\n", "line 2: the values of 'a' are not closed"),
        ("@relation r\n@attribute a colour\n@data\n", "line 2: '@attribute a colour'"),
        ("@attribute a numeric\n@attribute a real\n@data\n", "line 2: the attribute 'a' is decl"),
        ("@relation r\n@data\n1\n", "line 2: @data without"),
        ("a,b\n1,2\n", "line 1: 'a,b' stands before @data"),
        ("@relation r\n\x0b\n@data\n", "line 2: '\\x0b' stands before @data"),
        ("@attribute a relational\n@data\n", "line 1: 'a' is relational"),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,x\n\n1,z\n", "line 6: 'z' is not a val"),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,'x'\n% c\n1,'z'\n", "line 6: 'z' is no"),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,x\n1,x,2\n", "line 5: 3 values where 2"),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,'x'\n1\n", "line 5: 1 values where 2"),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,'x\n", 'line 4: "\'x" is not understo'),
        ("@attribute a numeric\n@attribute b {x}\n@data\n1,x\n1_0,x\n", "line 5: '1_0' is not a n"),
        ("@attribute a numeric\n@data\n{0 1}\n{1 2}\n", "line 4: position 1 where 1 attributes"),
        ("@attribute a numeric\n@data\n{0 1}\n7\n", "line 4: a row without braces"),
        ("@attribute a numeric\n@data\n{0 1, 0 2}\n", "line 3: attribute 0 is given twice"),
        ("@attribute a numeric\n@data\n{0 x}\n", "line 3: 'x' is not a number"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(MalformedFile) as error:
        read(text)
    assert says in str(error.value)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file .*nothing\.arff"):
        read_arff(tmp_path / "nothing.arff")


def test_a_sparse_bomb_is_refused() -> None:
    header = "".join(f"@attribute a{i} numeric\n" for i in range(3000))
    with pytest.raises(MalformedFile, match="more than the 200,000,000 cells"):
        read(f"{header}@data\n" + "{}\n" * 70_000)


TEXT = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), min_size=1, max_size=8)
NUMBER = st.none() | st.floats(allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NUMBER, st.none() | TEXT), min_size=1, max_size=8), st.booleans())
def test_what_is_written_is_read(rows: list[tuple[float | None, str | None]], quote: bool) -> None:
    """A file written with every text quoted, or by liac-arff, gives its values back."""
    if quote:
        lines = ["@relation r", "@attribute n numeric", "@attribute t string", "@data"]
        for number, text in rows:
            escaped = (text or "").replace("\\", "\\\\").replace("'", "\\'")
            cell = "?" if text is None else f"'{escaped}'"
            lines.append(f"{'?' if number is None else repr(number)},{cell}")
        content = "\n".join(lines)
    else:
        rows = [(number, text if text != "?" else None) for number, text in rows]
        rows = [(number, text and (text.strip() or None)) for number, text in rows]
        rows = [(number, text if text != "?" else None) for number, text in rows]
        content = liac.dumps(
            {
                "relation": "r",
                "attributes": [("n", "NUMERIC"), ("t", "STRING")],
                "data": [list(row) for row in rows],
            }
        )
    assert read(content) == {"n": [row[0] for row in rows], "t": [row[1] for row in rows]}


@needs_shared
def test_real_files_are_read_as_liac_arff_reads_them() -> None:
    """Every attribute, declaration and value of every real file that liac-arff accepts."""
    compared = 0
    for path in FILES:
        small = path.stat().st_size < 200_000 and "autosklearn" not in str(path)
        if not small or path.name in REFUSED_BY_LIAC or path.name == "study_34_joint.arff":
            continue
        oracle = liac.loads(path.read_text("latin-1"))
        ours = read_arff(path)
        declared = [
            (
                name,
                tuple(kind) if isinstance(kind, list) else kind.lower().replace("real", "numeric"),
            )
            for name, kind in oracle["attributes"]
        ]
        assert list(ours.attributes) == declared, path
        columns = list(zip(*oracle["data"], strict=True))
        for name, column in zip(ours.table.column_names, columns, strict=True):
            expected = [None if value != value else value for value in column]
            assert ours.table.column(name).to_pylist() == expected, (path, name)
            compared += 1
    assert compared > 800


@needs_shared
@pytest.mark.parametrize("name", sorted(REFUSED_BY_LIAC))
def test_real_files_that_liac_arff_refuses_are_read(name: str) -> None:
    path = next(path for path in FILES if path.name == name)
    assert read_arff(path).table.num_rows > 0


@needs_shared
def test_the_numbers_of_the_readmes() -> None:
    def count(path: str, column: str | None = None) -> tuple[int, int, int]:
        table = read_arff(SHARED / path).table
        missing = sum(part.null_count for part in table.columns)
        return table.num_rows, table.num_columns, missing

    assert count("tabular/classification/anneal.orig.arff") == (898, 39, 22_175)
    assert count("tabular/classification/breast.w.arff") == (699, 10, 16)
    assert count("tabular/classification/soybean.arff") == (683, 36, 2_337)
    assert count("tabular/classification/zoo.arff") == (101, 18, 0)
    assert count("tabular/regression/pbc.arff") == (418, 19, 1_239)
    assert count("aslib/CSP-Minizinc-Obj-2016/feature_values.arff")[2] == 506
    text = read_arff(SHARED / "text-classification" / "text_classification.arff")
    assert "col_parameters" in json.loads(text.comments[0])
    lost = text.table.column("predictive_accuracy_loss_normalized")
    assert lost.null_count == 63
    assert sum(value == math.inf for value in lost.to_pylist()) == 19_137
    assert "> 0" in text.table.column("feature_selection").to_pylist()


@needs_shared
def test_a_header_without_data_is_malformed() -> None:
    with pytest.raises(MalformedFile, match="ends at line 99 without @data"):
        read_arff(SHARED / "openml-study-metadata" / "study_34_joint.arff")


@needs_shared
def test_47000_rows_are_read() -> None:
    found = read_arff(SHARED / "openml-pimp" / "random_forest.arff")
    assert found.table.num_rows == 47_000
    assert json.loads(found.comments[0])["flow_id"] == 6969
