"""Laws of reading a user's data: one table, whatever the format; what is wrong is named."""

from __future__ import annotations

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from metadb.datafile import Data, read_data
from metadb.errors import MalformedFile, NotFound

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"no real data in {SHARED}")

TABLE = pa.table(
    {
        "size": [1.5, None, 3.0, 4.25],
        "colour": ["red", "blue", None, "red"],
        "old": [True, False, True, None],
        "class": ["no", "yes", "yes", "no"],
    }
)


def write_ipc(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(str(path), table.schema) as sink:
        sink.write_table(table)


def write_arff(table: pa.Table, path: Path) -> None:
    def cell(value: object) -> str:
        return "?" if value is None else str(value)

    rows = "".join(",".join(map(cell, row.values())) + "\n" for row in table.to_pylist())
    path.write_text(
        "@relation r\n@attribute size real\n@attribute colour {red, blue}\n"
        f"@attribute old {{False, True}}\n@attribute class {{no, yes}}\n@data\n{rows}"
    )


def write_csv(table: pa.Table, path: Path) -> None:
    pyarrow.csv.write_csv(table, path)


def write_tsv(table: pa.Table, path: Path) -> None:
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter="\t"))


WRITERS: dict[str, Callable[[pa.Table, Path], object]] = {
    "data.csv": write_csv,
    "data.tsv": write_tsv,
    "data.parquet": pq.write_table,
    "data.arrow": write_ipc,
    "data.json": lambda table, path: path.write_text(json.dumps(table.to_pylist())),
    "data.jsonl": lambda table, path: path.write_text(
        "\n".join(json.dumps(row) for row in table.to_pylist())
    ),
    "data.arff": write_arff,
    "data.csv.gz": lambda table, path: pyarrow.csv.write_csv(
        table, pa.CompressedOutputStream(str(path), "gzip")
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_table_is_the_same_data_in_every_format(name: str, tmp_path: Path) -> None:
    WRITERS[name](TABLE, tmp_path / name)
    data = read_data(tmp_path / name)
    assert (data.target, data.kind, data.categorical) == ("class", "classification", (1, 2))
    assert data.x.column_names == ["size", "colour", "old"]
    assert data.classes == ("no", "yes")
    x, y = data.to_numpy()
    expected = [[1.5, 1, 1], [np.nan, 0, 0], [3.0, np.nan, 1], [4.25, 1, np.nan]]
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y, [0, 1, 1, 0])


def csv_file(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_missing_marks_of_a_csv_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b,y\n?,?,1\nNA,x,2\nNaN,,3\n,NA,4\n5,w,5\n")
    data = read_data(path)
    assert data.x.column("a").to_pylist() == [None, None, None, None, 5]
    assert data.x.column("b").to_pylist() == [None, "x", None, None, "w"]


def test_rows_without_target_are_dropped_and_counted(tmp_path: Path) -> None:
    data = read_data(csv_file(tmp_path, "a,y\n1,p\n2,?\n3,q\n4,\n"))
    assert (data.dropped, data.x.column("a").to_pylist()) == (2, [1, 3])
    pq.write_table(pa.table({"a": [1, 2], "y": [1.5, float("nan")]}), tmp_path / "nan.parquet")
    assert read_data(tmp_path / "nan.parquet").dropped == 1


def test_a_file_without_header_gets_names(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "1,?,0.5,7\n2,3,0.7,8\n")
    assert read_data(path).target == "column_4"
    assert read_data(path, target="column_2").x.column_names == ["column_1", "column_3", "column_4"]
    assert read_data(path, target="1").target == "column_1"
    assert read_data(path, target="1").x.num_rows == 2


def test_a_position_is_a_target_only_where_no_column_has_that_name(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,1,b\n1,2,x\n")
    assert read_data(path, target="1").target == "1"
    assert read_data(path, target="2").target == "1"
    assert read_data(path, target="3").target == "b"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["a", "b"] * 50), "classification"),
        (pa.array([True, False] * 50), "classification"),
        (pa.array([1, 2] * 50).dictionary_encode(), "classification"),
        (pa.array([0, 1] * 50), "classification"),
        (pa.array([0.0, 1.0] * 50), "classification"),
        (pa.array([*range(10)] * 10), "classification"),
        (pa.array([*range(20)] * 5), "regression"),  # more than sqrt(100)
        (pa.array([0.5, 1.5] * 50), "regression"),
        (pa.array([datetime.date(2020, 1, 1)] * 100), "regression"),
    ],
)
def test_the_target_tells_the_kind(values: pa.Array, kind: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [*range(100)], "y": values}), tmp_path / "d.parquet")
    data = read_data(tmp_path / "d.parquet")
    assert data.kind == kind
    _, y = data.to_numpy()
    assert y is not None
    assert y.dtype == (np.int64 if kind == "classification" else np.float64)


def test_the_kind_can_be_given(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,y\n1,3\n2,4\n5,3\n")
    assert read_data(path, kind="regression").to_numpy()[1].tolist() == [3.0, 4.0, 3.0]  # type: ignore[union-attr]
    clusters = read_data(path, kind="clustering")
    assert (clusters.y, clusters.target, clusters.x.num_columns) == (None, None, 2)
    assert clusters.to_numpy()[1] is None
    with pytest.raises(NotFound, match="no kind of task 'ranking'"):
        read_data(path, kind="ranking")
    with pytest.raises(MalformedFile, match="regression needs numbers"):
        read_data(csv_file(tmp_path, "a,y\n1,p\n"), kind="regression")


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b,a,class\n1,2,3,x\n4,5,6,y\n")
    data = read_data(path)
    assert data.x.column_names == ["a@1", "b", "a@3"]
    assert "1 names stand for several columns ('a')" in data.notes[0]


@pytest.mark.parametrize(
    ("text", "headless"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n", True),
        ("aardvark,1,0,mammal\nant,0,1,insect\n", True),
        ("name,2019,2020\nx,1,2\ny,3,4\n", False),  # years
        ("width,7,kind\n1.5,2,a\n1.6,3,b\n", False),  # a text above numbers
        ("a,b,kind\nx,y,z\n", False),
        ("1,2,3\n4,5,6\n", True),
    ],
)
def test_a_missing_header_is_noticed(text: str, headless: bool, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    n = len(text.splitlines())
    assert read_data(path).x.num_rows == (n if headless else n - 1)
    assert read_data(path, header=True, kind="clustering").x.num_rows == n - 1
    assert read_data(path, header=False, kind="clustering").x.num_rows == n


def test_only_text_tables_may_lack_a_header(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "data.parquet")
    with pytest.raises(NotFound, match="names its columns itself"):
        read_data(tmp_path / "data.parquet", header=False)


def test_separators_quotes_and_times(tmp_path: Path) -> None:
    data = read_data(
        csv_file(tmp_path, '\n"a b";when;y\n"1";2020-01-02;"p;q"\n2;2020-01-03;"r\ns"\n')
    )
    assert data.x.column_names == ["a b", "when"]
    assert data.classes == ("p;q", "r\ns")
    x, _ = data.to_numpy()
    assert x[1, 1] - x[0, 1] == 86_400.0


@pytest.mark.parametrize(
    "kind",
    [
        pa.date32(),
        pa.date64(),
        *map(pa.timestamp, ("s", "ms", "us", "ns")),
        pa.timestamp("s", "UTC"),
    ],
    ids=str,
)
def test_a_time_is_seconds_since_1970(kind: pa.DataType, tmp_path: Path) -> None:
    times = pa.array([datetime.datetime(1970, 1, 2), None]).cast(kind)
    write_ipc(pa.table({"when": times, "y": ["a", "b"]}), tmp_path / "d.arrow")
    np.testing.assert_array_equal(
        read_data(tmp_path / "d.arrow").to_numpy()[0], [[86_400.0], [np.nan]]
    )


def test_codes_do_not_depend_on_the_encoding_of_the_column(tmp_path: Path) -> None:
    plain = pa.table({"a": ["b", "a", None, "c"], "y": ["v", "u", "v", "u"]})
    coded = pa.table({name: plain.column(name).dictionary_encode() for name in plain.column_names})
    for name, table in (("plain", plain), ("coded", coded)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    one, two = (read_data(tmp_path / f"{name}.parquet").to_numpy() for name in ("plain", "coded"))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no rows"),
        ("a\n1\n", "1 column"),
        ("a,b\n1,2\n3,4,5\n", "line 3: 3 values where the first row has 2"),
        ('a,b\n"x\ny",2\n3\n', "line 4: 1 values where the first row has 2"),
        ("a,b\n1,?\n2,\n", "the target 'b' is missing in every row"),
        ("PK\3\4abc,d\n", "is binary"),
        ("a\0,b\n1,2\n", "is binary"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as error:
        read_data(csv_file(tmp_path, text))
    assert says in str(error.value)
    assert "data.csv" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("d.xlsx", b"PK", "right is one of .csv"),
        ("d.csv.gz", b"not gzip", "cannot be unpacked"),
        ("d.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "cannot be unpacked"),
        ("d.parquet", b"PAR1 and no more", "is not a whole Parquet file"),
        ("d.arrow", b"ARROW1 and no more", "is not a whole Arrow IPC file"),
        ("d.json", b"{", "line 1: "),
        ("d.json", b"[1, 2]", "holds no records"),
        ("d.json", b'[{"a": 1, "b": 2}, {"a": "x", "b": 3}]', "column 'a' mixes types"),
        ("d.json", b'[{"a": [1], "b": 2}]', "column 'a' holds list"),
        ("d.json", b"[]", "0 column"),
        ("d.jsonl", b'{"a": 1, "b": 2}\n{"a": 1,\n', "line 2: "),
        ("d.arff", b"@relation r\n", "without @data"),
    ],
)
def test_what_is_wrong_with_other_files_is_named(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedFile) as error:
        read_data(tmp_path / name)
    assert says in str(error.value)


def test_an_unknown_target_or_file_is_not_found(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "weight,height,age\n1,2,3\n")
    with pytest.raises(NotFound, match=r"no column 'wieght' .* close are 'weight'"):
        read_data(path, target="wieght")
    for target in ("0", "4", "-1", ""):
        with pytest.raises(NotFound, match=f"no column {target!r}"):
            read_data(path, target=target)
    with pytest.raises(NotFound, match="there is no file"):
        read_data(tmp_path / "nothing.csv")


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet"])
def test_a_corrupt_file_never_ends_the_process(name: str, tmp_path: Path) -> None:
    """Bytes are changed at random: the file is refused or read, and then its values hold."""
    WRITERS[name](TABLE, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(150):
        content = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 9)):
            content[position] = rng.integers(256)
        (tmp_path / name).write_bytes(content)
        try:
            data = read_data(tmp_path / name)
        except (MalformedFile, NotFound):
            continue
        data.to_numpy()


@needs_shared
@pytest.mark.parametrize(
    ("name", "target", "rows", "columns", "kind", "n_classes", "missing"),
    [
        ("horse-colic", "24", 300, 27, "classification", 2, 1605),
        ("oil-spill", None, 937, 49, "classification", 2, 0),
        ("winequality-red", None, 1599, 11, "classification", 6, 0),
        ("auto-insurance", None, 63, 1, "regression", 0, 0),
    ],
)
def test_real_csv_files_without_header(
    name: str,
    target: str | None,
    rows: int,
    columns: int,
    kind: str,
    n_classes: int,
    missing: int,
) -> None:
    data = read_data(SHARED / "tabular" / "csv-no-header" / f"{name}.csv", target=target)
    assert (data.x.num_rows, data.x.num_columns) == (rows, columns)
    assert (data.kind, len(data.classes)) == (kind, n_classes)
    assert sum(column.null_count for column in data.x.columns) == missing


@needs_shared
@pytest.mark.parametrize(
    "path", sorted((SHARED / "tabular").glob("*/*.arff")), ids=lambda p: p.stem
)
def test_real_arff_files_are_tables_to_learn_from(path: Path) -> None:
    data = read_data(path)
    assert isinstance(data, Data)
    assert data.kind == path.parent.name
    x, y = data.to_numpy()
    assert x.shape == (data.x.num_rows, data.x.num_columns)
    assert y is not None
    assert np.isfinite(y).all()
    assert np.isnan(x).sum() == sum(column.null_count for column in data.x.columns)
