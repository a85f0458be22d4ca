"""Laws of reading out of core: the values are those of memory, and nothing is left behind."""

from __future__ import annotations

import datetime
import errno
import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from metadb.datafile import read_data
from metadb.errors import DiskFull, MalformedFile, NotFound
from metadb.metafeatures import (
    METAFEATURES,
    Table,
    conversion,
    extract_table,
    scan,
    table,
    table_of,
)
from metadb.metafeatures.conversion import as_parquet
from metadb.metafeatures.scan import Scanned, scan_file

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "tabular"
CSVS = sorted(SHARED.rglob("*.csv"))
GROUPS = [name for name, group in METAFEATURES.items() if not group.sampled]
N = 1_000


def holes(values: list[object], rng: np.random.Generator, share: float = 0.1) -> list[object]:
    return [None if gone else v for v, gone in zip(values, rng.random(N) < share, strict=True)]


def mixed(seed: int) -> pa.Table:
    """Every type that a CSV file and a Parquet file share, with missing and infinite values."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=N)
    number[rng.random(N) < 0.1] = np.nan
    number[:3] = np.inf, -np.inf, 1e300
    day = datetime.date(2020, 1, 1)
    moment = datetime.datetime(2020, 1, 1)
    days = [day + datetime.timedelta(int(i)) for i in rng.integers(-9_000, 900, N)]
    moments = [moment + datetime.timedelta(seconds=int(i)) for i in rng.integers(0, 10**8, N)]
    return pa.table(
        {
            "number": pa.array(number, from_pandas=True),
            "Number": pa.array(holes(rng.integers(0, 50, N).tolist(), rng), pa.int64()),
            'a "quoted", name': pa.array(
                holes(rng.choice(["é", "z", "Z b", "ab"], N).tolist(), rng)
            ),
            "flag": pa.array(holes((rng.random(N) < 0.3).tolist(), rng), pa.bool_()),
            "day": pa.array(holes(days, rng), pa.date32()),
            "moment": pa.array(holes(moments, rng), pa.timestamp("s")),
            "identity": pa.array([f"row {i:04d}" for i in rng.permutation(N)]),
            "nothing": pa.array([None] * N, pa.float64()),
            "same": pa.array(np.ones(N)),
            "class": pa.array(holes(rng.choice(["no", "yes", "?!"], N).tolist(), rng, 0.05)),
        }
    )


def typed(seed: int) -> pa.Table:
    """The types that only Parquet has."""
    rng = np.random.default_rng(seed)
    whole = rng.integers(0, 99, N)
    span = pa.array(holes(rng.integers(0, 10**9, N).tolist(), rng), pa.int64())
    small = rng.normal(size=N).astype(np.float32)
    small[5:9] = np.nan, np.inf, -np.inf, 0
    return pa.table(
        {
            "dictionary": pa.array(
                holes(rng.choice(["b", "a", "c"], N).tolist(), rng)
            ).dictionary_encode(),
            "floats": pa.array(small[:] * 2).dictionary_encode(),
            "coded": pa.array(rng.integers(0, 12, N)).dictionary_encode(),
            "decimal": pa.array([Decimal(int(i)) / 8 for i in whole], pa.decimal128(9, 3)),
            "half": pa.array(small.astype(np.float16)),
            "single": pa.array(small),
            "small": pa.array(whole.astype(np.uint8)),
            "large": pa.array(whole.astype(np.uint64) * 10**17),
            "null": pa.nulls(N),
            "text": pa.array(["x" if i % 3 else "" for i in whole], pa.large_string()),
            "no text": pa.array([None] * N, pa.string()),
            "zoned": span.cast(pa.timestamp("ms", "Europe/Paris")),
            "exact": span.cast(pa.timestamp("ns")),
            "duration": span.cast(pa.duration("us")),
            "time": pa.array((whole * 731).astype(np.int32)).cast(pa.time32("s")),
            "date64": pa.array(days_ms(whole), pa.date64()),
            "target": pa.array(small.astype(np.float64), from_pandas=False),
        }
    )


def days_ms(whole: np.ndarray) -> list[datetime.date]:
    return [datetime.date(1969, 12, 1) + datetime.timedelta(int(i)) for i in whole]


def write_parquet(data: pa.Table, path: Path) -> None:
    pq.write_table(data, path, row_group_size=130, data_page_size=512)


def write_gz(data: pa.Table, path: Path) -> None:
    plain = io.BytesIO()
    pyarrow.csv.write_csv(data, plain)
    path.write_bytes(gzip.compress(plain.getvalue()))


def write_tsv(data: pa.Table, path: Path) -> None:
    pyarrow.csv.write_csv(data, path, pyarrow.csv.WriteOptions(delimiter="\t"))


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "data.parquet": write_parquet,
    "it's [a] *.parquet": write_parquet,
    "data.csv": pyarrow.csv.write_csv,
    "data.csv.gz": write_gz,
    "data.tsv": write_tsv,
}


def same(ours: Table, expected: Table) -> None:
    """The same arrays, and the same values of every group."""
    assert isinstance(ours.columns, Scanned)
    memory = expected.columns
    assert (ours.kind, ours.n, ours.d, ours.notes) == (
        expected.kind,
        expected.n,
        expected.d,
        expected.notes,
    )
    assert ours.columns.levels == memory.levels
    np.testing.assert_array_equal(ours.y, expected.y)
    np.testing.assert_allclose(
        ours.columns.numbers(0, memory.n_numbers), memory.numbers(0, memory.n_numbers), rtol=1e-15
    )
    for position in range(len(memory.levels)):
        np.testing.assert_array_equal(ours.columns.codes(position), memory.codes(position))
    np.testing.assert_array_equal(ours.missing[0], expected.missing[0])
    assert ours.missing[1] == expected.missing[1]
    values = extract_table(ours, groups=GROUPS)
    for name, value in extract_table(expected, groups=GROUPS).items():
        assert values[name] == pytest.approx(value, rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("target", [None, "number", "Number", "flag", "moment"])
def test_a_file_and_memory_have_the_same_values(
    name: str, target: str | None, tmp_path: Path
) -> None:
    path = tmp_path / name
    WRITERS[name](mixed(0), path)
    with scan_file(path, target=target) as ours:
        same(ours, table_of(read_data(path, target=target)))


@pytest.mark.parametrize("wide", [100, 2])
@pytest.mark.parametrize("kind", ["classification", "regression", "clustering"])
def test_of_every_kind_and_width(
    kind: str, wide: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WIDE", wide)
    path = tmp_path / "data.parquet"
    write_parquet(mixed(1), path)
    target = "day" if kind == "classification" else "number"
    with scan_file(path, target=target, kind=kind) as ours:
        same(ours, table_of(read_data(path, target=target, kind=kind)))


@pytest.mark.parametrize("target", [*typed(0).column_names])
def test_every_type_that_parquet_has(target: str, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_parquet(typed(0), path)
    if target in ("null", "no text"):
        with (
            pytest.raises(MalformedFile, match="is missing in every row"),
            scan_file(path, target=target),
        ):
            pass
        return
    with scan_file(path, target=target) as ours:
        same(ours, table_of(read_data(path, target=target)))


@pytest.mark.parametrize("wide", [100, 2])
@pytest.mark.parametrize("cells", [1, 70, 3_000])
def test_blocks_of_any_size_are_the_whole(
    cells: int, wide: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WIDE", wide)
    path = tmp_path / "data.parquet"
    write_parquet(mixed(3).slice(0, 300), path)
    expected = table_of(read_data(path))
    whole, matrix = expected.columns, expected.matrix
    monkeypatch.setattr(table, "CELLS", cells)
    monkeypatch.setattr(scan, "CELLS", cells)
    monkeypatch.setattr(scan, "BATCH", cells)
    with scan_file(path) as ours:
        for size in (1, 7, 300, 10**6):
            blocks = list(ours.columns.blocks(size))
            assert [b.start for b, _, _ in blocks] == list(range(0, ours.n, size))
            x = np.concatenate([x for _, x, _ in blocks], axis=1)
            np.testing.assert_array_equal(x, whole.numbers(0, whole.n_numbers))
            c = np.concatenate([c for _, _, c in blocks], axis=1)
            np.testing.assert_array_equal(c, [whole.codes(i) for i in range(len(whole.levels))])
        np.testing.assert_allclose(ours.matrix, matrix, rtol=1e-12)
        pairs = zip(ours.columns.blocks(7), ours.columns.blocks(9), strict=False)
        for (_, x, _), (_, y, _) in pairs:  # side by side, and the other one left early
            assert x.shape[1] <= y.shape[1]


def test_a_sample_is_that_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_parquet(mixed(4), path)
    expected = table_of(read_data(path)).sample(100, seed=5)
    with scan_file(path) as ours:
        found = ours.sample(100, seed=5)
    assert (found.columns.levels, found.of) == (expected.columns.levels, expected.of)
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    np.testing.assert_array_equal(found.y, expected.y)


def test_no_numbers_and_no_categories(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    for columns in (["flag", "identity", "class"], ["number", "day", "class"]):
        write_parquet(mixed(5).select(columns), path)
        with scan_file(path) as ours:
            same(ours, table_of(read_data(path)))


ODD = {
    "number": ["1", "2.5", "-.5", "1e300", "+3", "inf", " 7 ", "5.", "-nan"],
    "whole": ["1", "-2", "0x1A", "", "NA"],
    "digits": ["1_000", "2_000"],
    "bool": ["true", "FALSE", "True", "0", "1", "?"],
    "zeros and ones": ["0", "1", "null"],
    "not bool": ["true", "tRUE"],
    "letters": ["T", "F"],
    "day": ["2020-01-02", "1969-12-31", "NA"],
    "not a day": ["2020-01-02", "2020-1-2"],
    "no such day": ["2020-02-30", "2020-01-02"],
    "slashes": ["01/02/2020", "02/02/2020"],
    "moment": ["2020-01-02 10:00:00", "2020-01-02T10:30", "2020-01-02"],
    "fraction": ["2020-01-02 10:00:00.125", "2020-01-02"],
    "zone": ["2020-01-02 10:00:00+02:00", "2020-01-02T10:00:00Z"],
    "some zones": ["2020-01-02 10:00:00Z", "2020-01-02 10:00:00"],
    "time": ["12:30", "01:02:03"],
    "odd time": ["12:30", "1:02:03"],
    "long": ["123456789012345678901", "1"],
    "spaces": [" ", "1"],
    "spaced day": [" 2020-01-02", "2020-01-03 "],
    "spaced bool": [" true", "false"],
    "nothing": ["NA", "?", "nan"],
    "comma": ["1,5", "2,5"],
    "lines": ["two\nlines", 'a "quote"'],
    "late": [*["1"] * 40, "x"],
}


@pytest.mark.parametrize("name", ODD)
def test_a_csv_column_has_the_type_it_has_in_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "CHUNK", 64)  # many chunks, of a few rows each
    cells = [
        '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell
        for cell in ODD[name]
    ]
    path = tmp_path / "data.csv"
    path.write_text("a,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells)))
    memory = read_data(path)
    names = as_parquet(path, tmp_path / "data.parquet")
    found = pq.read_table(tmp_path / "data.parquet").rename_columns(names)
    same_file = tmp_path / "again.parquet"
    pq.write_table(found, same_file)
    again = read_data(same_file)
    assert again.categorical == memory.categorical
    np.testing.assert_array_equal(again.to_numpy()[0], memory.to_numpy()[0])


LAYOUTS = {
    "no header": b"1,2,a\n3,4,b\n",
    "byte order mark": b"\xef\xbb\xbfx,y\n1,2\n3,5\n",
    "mark without header": b"\xef\xbb\xbf1,2\n3,5\n",
    "latin-1": b"x,y\ncaf\xe9,1\n\x80,2\n",
    "blank lines": b"\n\r\nx,y\n1,2\n\n3,5\n",
    "semicolons": b'x;y\n"1;5";2\n"2;5";3\n',
    "windows": b"x,y\r\n1,2\r\n3,5\r\n",
    "mixed line ends": b"x,y\n1,2\r\n3,5\n",
    "doubled names": b"x,x,y\n1,2,3\n3,4,5\n",
    "names without text": b"x,,y\n1,2,3\n3,4,5\n",
    "no last line end": b"x,y\n1,2\n3,4",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_csv_file_is_laid_out_as_in_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(LAYOUTS[name])
    with scan_file(path) as ours:
        expected = read_data(path)
        assert ours.target == expected.target
        same(ours, table_of(expected))
    with scan_file(path, header=False) as ours:
        same(ours, table_of(read_data(path, header=False)))


@pytest.mark.skipif(not CSVS, reason=f"no real data in {SHARED}")
@pytest.mark.parametrize("path", CSVS, ids=lambda p: p.stem)
def test_real_files(path: Path) -> None:
    with scan_file(path) as ours:
        same(ours, table_of(read_data(path)))


BROKEN: dict[str, tuple[bytes, str]] = {
    "a.parquet": (b"PAR1 and then nothing", "is not a whole Parquet file"),
    "b.parquet": (b"", "is empty"),
    "c.csv": (b"a,b\n1,2\n3\n", "is not a CSV file: CSV parse error: Row #3: Expected 2 columns"),
    "d.csv": (b"PAR1\0\0", "is binary, not text"),
    "e.csv.gz": (b"no gzip", "cannot be unpacked"),
    "f.csv": (b"a,b\n", "has columns but no rows"),
    "g.csv": (b"a\n1\n", "has 1 column"),
    "h.csv": (b"\n\n", "is empty"),
    "i.arff": (b"@relation r", "right is one of .csv, .tsv, .tab, .txt, .parquet"),
    "j.csv": (b"a,b\n1,\n2,NA\n", "the target 'b' is missing in every row"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_and_nothing_is_left(name: str, tmp_path: Path) -> None:
    content, says = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(MalformedFile, match=says), scan_file(tmp_path / name, folder=scratch):
        pass
    assert not list(scratch.iterdir())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_parquet(mixed(0), path)
    for wrong, says in (
        ({"target": "clas"}, "has no column 'clas' to be the target; close are 'class'"),
        ({"kind": "ranking"}, "no kind of task 'ranking'"),
        ({"header": True}, "names its columns itself"),
    ):
        with pytest.raises(NotFound, match=says), scan_file(path, **wrong):
            pass
    with pytest.raises(NotFound, match="there is no file"), scan_file(tmp_path / "none.csv"):
        pass
    text = pytest.raises(
        MalformedFile, match="the target 'class' is text; regression needs numbers"
    )
    with text, scan_file(path, kind="regression"):
        pass
    pq.write_table(pa.table({"a": [[1], [2]], "b": [1, 2]}), path)
    with pytest.raises(MalformedFile, match="column 'a' holds list"), scan_file(path):
        pass


def test_no_rows_no_room_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(mixed(0).slice(0, 0), path)
    with pytest.raises(MalformedFile, match="has columns but no rows"), scan_file(path):
        pass
    write_parquet(mixed(0), path)
    with pytest.raises(MalformedFile, match="needs more memory"), scan_file(path, memory="100KB"):
        pass

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(scan, "_write_codes", full)
    with pytest.raises(DiskFull, match=r"no room in .* to unpack"), scan_file(path):
        pass


@pytest.mark.parametrize("rows", [N // 2, 2 * N])
def test_a_file_that_changes_is_noticed(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_parquet(mixed(0), path)
    with scan_file(path, kind="clustering") as ours:
        write_parquet(pa.concat_tables([mixed(0), mixed(1)]).slice(0, rows), path)
        with pytest.raises(MalformedFile, match=r"changed while|cannot be read"):
            ours.columns.numbers(0, 2)
        with pytest.raises(MalformedFile, match=r"changed while|cannot be read"):
            list(ours.columns.blocks(10))


def test_a_page_that_is_broken_is_said_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": np.arange(9_000.0), "y": np.arange(9_000) % 2}), path)
    content = bytearray(path.read_bytes())
    content[2_000:9_000] = b"\xff" * 7_000
    path.write_bytes(bytes(content))
    with pytest.raises(MalformedFile, match="cannot be read"), scan_file(path):
        pass


@pytest.mark.parametrize("name", ["data.parquet", "data.csv"])
def test_nothing_is_left_behind(name: str, tmp_path: Path) -> None:
    path, scratch = tmp_path / name, tmp_path / "scratch"
    scratch.mkdir()
    WRITERS[name](mixed(0), path)

    def fail() -> None:
        with scan_file(path, folder=scratch) as ours:
            assert list(scratch.iterdir())
            next(ours.columns.blocks(10))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert not list(scratch.iterdir())


MEASURE = """
import sys
from pathlib import Path
from metadb.metafeatures import extract_table, scan, table as module
module.CELLS = scan.CELLS = scan.BATCH = 500_000
def peak():
    line = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x][0]
    return int(line.split()[1]) // 1024
import duckdb, pyarrow.csv, pyarrow.parquet
before = peak()
with scan.scan_file(sys.argv[1], memory="64MB") as table:
    assert table.n == 1_500_000
    extract_table(table, groups=["simple"])
    for _ in table.blocks():
        pass
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to ask for the peak")
def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """1,500,000 x 24 numbers are 288 MB, a column of as many different texts 40 MB more."""
    path, n, batch = tmp_path / "data.parquet", 1_500_000, 100_000
    rng = np.random.default_rng(0)
    schema = pa.schema(
        [*((f"x{i}", pa.float64()) for i in range(24)), ("id", pa.string()), ("y", pa.int64())]
    )
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        numbers = rng.normal(size=(24, batch))
        for start in range(0, n, batch):
            texts = pa.array(np.arange(n - start, n - start - batch, -1)).cast(pa.string())
            y = pa.array(rng.integers(0, 3, batch))
            writer.write_table(pa.table([*map(pa.array, numbers + start), texts, y], schema=schema))
    child = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 288


def test_a_time_limit_on_a_scanned_file_leaves_nothing_behind(tmp_path: Path) -> None:
    """What still reads when the limit comes is ended before the file is let go."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {**{f"x{i}": rng.normal(size=400_000) for i in range(8)}, "y": rng.integers(0, 2, 400_000)}
    )
    pq.write_table(table, tmp_path / "data.parquet", row_group_size=50_000)
    code = (
        "import sys, threading; from metadb.metafeatures import extract_table; "
        "from metadb.metafeatures.scan import scan_file\n"
        "for limit in (0.05, 0.15, 0.3):\n"
        "    with scan_file(sys.argv[1], folder=sys.argv[2]) as table:\n"
        "        print(len(extract_table(table, time_limit_s=limit)))"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data.parquet"), str(scratch)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(scratch.iterdir()) == []
