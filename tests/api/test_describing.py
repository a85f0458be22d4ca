"""`metadb describe` as a user meets it: what is there, why something is not, and what is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from api.cli import main
from api.describing import describe_file
from metadb.history import History
from metadb.metafeatures import EXTRACTOR, METAFEATURES, VERSION
from metadb.store import Store
from recommenders.likeness import Likeness

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tabular"
FILES = sorted(p for p in SHARED.rglob("*") if p.suffix in (".arff", ".csv"))
SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([*map(str, words)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("sample") / "store"
    assert main(["ingest", "table", str(SAMPLE), "--store", str(store), "--quiet"]) == 0
    return store


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.csv"
    rows = [
        f"{i % 7 + i / 100},{i % 3},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}" for i in range(60)
    ]
    path.write_text("\n".join(["length,width,colour,sold", *rows]) + "\n")
    return path


def test_the_default_target_is_the_last_column_and_it_says_so(said, flowers: Path) -> None:
    code, out, err = said("describe", flowers)
    assert code == 0
    assert (
        "flowers.csv: 60 rows, 3 columns (1 categorical), target sold, the last column "
        "(classification, 2 classes)" in err
    )
    for group in METAFEATURES:
        if group != "regression":
            assert f"\n{group} (" in f"\n{out}"
    assert "nr_inst" in out


def test_json_has_every_value_with_its_reason_and_cost(said, flowers: Path) -> None:
    code, out, err = said("describe", flowers, "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["extractor"], answer["version"]) == (EXTRACTOR, VERSION)
    assert answer["metafeatures"]["nr_inst"]["value"] == 60
    for value in answer["metafeatures"].values():
        assert (
            (value["value"] is None) == (value["status"] != "ok") == (value["reason"] is not None)
        )
        assert value["cost_s"] >= 0
        assert value["group"] in METAFEATURES


def test_the_target_by_name_by_position_or_none(said, flowers: Path) -> None:
    by_name, by_place = (
        json.loads(said("describe", flowers, "--target", t, "--groups", "simple", "--json")[1])
        for t in ("colour", 3)
    )
    assert by_name["target"] == by_place["target"] == "colour"
    none = json.loads(said("describe", flowers, "--no-target", "--groups", "simple", "--json")[1])
    assert (none["kind"], none["target"]) == ("clustering", None)
    assert none["metafeatures"]["nr_attr"]["value"] == 4


def test_groups_can_be_chosen(said, flowers: Path) -> None:
    _, out, _ = said("describe", flowers, "--groups", "simple")
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [out.splitlines()[0]]
    code, _, err = said("describe", flowers, "--groups", "deep")
    assert (code, "no group of meta-features 'deep'; there are simple" in err) == (1, True)


def test_a_missing_header_is_noticed_and_said(said, tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n" * 10)
    _, _, err = said("describe", path, "--groups", "simple")
    assert "30 rows" in err
    assert "the first row holds data" in err
    assert "29 rows" in said("describe", path, "--groups", "simple", "--header")[2]
    assert "30 rows" in said("describe", path, "--groups", "simple", "--no-header")[2]


def test_a_time_limit_is_kept(said, flowers: Path) -> None:
    said("describe", flowers)  # what has to be imported is
    began = time.perf_counter()
    code, out, _ = said("describe", flowers, "--time-limit", 0.001)
    assert code == 0
    assert time.perf_counter() - began < 10  # a busy machine takes long to print
    assert "timeout: " in out
    assert "the time limit of 0.001 s came first" in out


def test_what_was_described_is_kept_once(said, flowers: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for _ in range(2):
        code, _, err = said("describe", flowers, "--record", "--store", store, "--groups", "simple")
        assert code == 0
    assert "kept in" in err
    with Store(store) as opened:
        rows = list(opened.sql("select * from metafeatures order by name"))
        (task,) = opened.tasks().column("task")
        assert opened.task(task).metafeatures["nr_inst"] == 60
    assert task.startswith("local:")
    assert task.endswith("/classification/sold")
    assert len(rows) == len(METAFEATURES["simple"].features)
    assert {r["extractor"] for r in rows} == {EXTRACTOR}
    assert {r["version"] for r in rows} == {VERSION}
    assert all(r["cost_s"] >= 0 for r in rows)
    gone = {r["name"] for r in rows if r["status"] == "undefined"}
    assert gone == {r["name"] for r in rows if r["value"] is None}


def test_a_load_of_its_own_can_be_taken_back(said, flowers: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "store", tmp_path / "other.csv"
    other.write_text(flowers.read_text().replace("yes", "oui"))
    renamed = tmp_path / "renamed.csv"
    renamed.write_text(flowers.read_text())
    for path in (flowers, other, renamed):  # the same data under another name are the same
        words = ["--groups", "simple", "--record", "--store", store]
        code, _, err = said("describe", path, *words)
        assert code == 0, err
    with Store(store) as opened:
        assert len(opened.tasks()) == 2
        first = next(r["load"] for r in opened.sql("select load from loads order by recorded_at"))
    assert said("forget", first, "--store", store)[0] == 0
    with Store(store) as opened:
        assert len(opened.tasks()) == 1


def test_what_a_time_limit_cut_short_is_not_kept(said, flowers: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    words = ["describe", flowers, "--record", "--store", store]
    _, _, err = said(*words, "--time-limit", 0.001)
    assert "not kept: " in err
    with Store(store) as opened:
        assert set(opened.sql("select distinct status from metafeatures").column("status")) <= {
            "ok",
            "undefined",
        }
    assert said(*words)[0] == 0


def test_groups_that_say_nothing_of_a_kind(said, flowers: Path) -> None:
    code, out, err = said("describe", flowers, "--groups", "regression")
    assert (code, out.strip()) == (0, "")
    assert "of a classification these groups say nothing: regression" in err


def test_nearest_tasks_for_a_users_file(said, flowers: Path, sample: Path) -> None:
    words = ("recommend", "--data", flowers, "--space", "classifier", "-k", 3)
    code, out, err = said(*words, "--recommender", "nearest", "--store", sample, "--json")
    answer = json.loads(out)
    assert code == 0, err
    assert len(answer["recommendations"]) == 3
    assert answer["metafeatures"]["nr_inst"] == 60
    assert all(r["because"]["tasks"] for r in answer["recommendations"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["no-such.csv"], 1, "there is no file"),
        (["FILE", "--target", "prize"], 1, "no column 'prize' to be the target"),
        (["FILE", "--no-target", "--target", "sold"], 2, "--no-target says"),
        (["FILE", "--time-limit", "0"], 1, "the time limit is 0.0 s; give more than 0"),
        (["FILE", "--sample", "-1"], 2, "give a number of rows"),
        (["FILE", "--kind", "clustering", "--target", "sold"], 2, "a clustering has no target"),
        (["FILE", "--record", "--seed", "3"], 2, "leave --sample and --seed out"),
        (["FILE", "--seed", "-3"], 1, "the seed is -3"),
        (["FILE", "--groups"], 2, "say which groups"),
        (["FILE", "--chart", "no-such-folder/a.html"], 1, "there is no folder"),
        (["FILE", "--kind", "regression"], 1, "is text; regression needs numbers"),
    ],
)
def test_bad_input_gets_one_sentence(said, flowers: Path, words, code, says) -> None:
    words = [str(flowers) if w == "FILE" else w for w in words]
    found, out, err = said("describe", *words)
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.skipif(not FILES, reason=f"no real data in {SHARED}")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_all_real_files_go_through(said, path: Path) -> None:
    words = ["--target", "24"] if "horse" in path.name else []
    code, out, _ = said("describe", path, *words, "--time-limit", "20", "--json")
    values = json.loads(out)["metafeatures"].values()
    assert code == 0
    assert {v["status"] for v in values} <= {"ok", "undefined"}


PIMP = SHARED.parent / "openml-pimp"
TWINS = {"diabetes": 37, "kr.vs.kp": 3, "soybean": 41, "credit.g": 31}


@pytest.fixture(scope="module")
def pimp(tmp_path_factory: pytest.TempPathFactory) -> History:
    store = tmp_path_factory.mktemp("pimp") / "store"
    assert main(["ingest", "openml-pimp", str(PIMP), "--store", str(store), "--quiet"]) == 0
    with Store(store) as opened:
        return opened.history("randomforestclassifier", "accuracy")


@pytest.mark.skipif(not PIMP.exists(), reason=f"no real data in {PIMP}")
@pytest.mark.parametrize("name", TWINS)
def test_the_nearest_task_of_a_file_is_the_openml_task_on_the_same_data(
    pimp: History, name: str
) -> None:
    """A file described by us and 94 tasks described by OpenML meet in one space."""
    path = SHARED / "classification" / f"{name}.arff"
    far = Likeness.fit(pimp).distance(describe_file(path).task)
    assert pimp.tasks[far.argmin()] == f"openml:task/{TWINS[name]}"


@pytest.mark.parametrize("suffix", [".json", ".html", ".svg", ".png"])
def test_a_chart_in_every_format(
    said, flowers: Path, sample: Path, tmp_path: Path, suffix: str
) -> None:
    if suffix in (".svg", ".png"):
        pytest.importorskip("vl_convert", reason="vl-convert-python is not installed")
    chart = tmp_path / f"chart{suffix}"
    words = ["describe", flowers, "--groups", "simple", "--store", sample]
    assert said(*words, "--chart", chart)[0] == 0
    assert chart.stat().st_size > 1000
    code, _, err = said(*words, "--chart", tmp_path / "chart.pdf")
    assert (code, "right is one of .json, .html, .svg, .png" in err) == (2, True)
    assert not (tmp_path / "chart.pdf").exists()
