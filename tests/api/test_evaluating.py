"""`metadb evaluate` as a user meets it: the table, the files, going on, and what is said of errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pyarrow import parquet

from api import cli
from api.comparison_chart import rank_diagram, regret_curves, spread
from api.naming import families_of
from api.published import read_rows
from metadb.errors import MalformedFile, MetadbError, NotFound, WrongUsage
from metadb.store import Store
from recommenders import RECOMMENDERS
from recommenders.comparison import compare
from recommenders.referee import leave_one_task_out
from recommenders.verdict import from_table
from tests.conftest import SPACE, block

FIGURES = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "figures.json"
NAMES = "random,average_rank,portfolio"
OWN = """
from recommenders.random import Random

class Mine(Random):
    pass

class NoFamily:
    pass
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluating") / "store"
    with Store(path) as store:
        store.add(block(0, n_tasks=6, configs=range(12)))
    return path


@pytest.fixture
def said(filled: Path, capfd: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(["evaluate", "--store", str(filled), *map(str, words)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_the_table_says_what_the_comparison_says(said, filled: Path):
    words = ("--space", SPACE, "--recommenders", NAMES, "--budget", 10, "--seeds", 2)
    code, out, _ = said(*words)
    assert code == 0
    code, text, err = said(*words, "--json")
    assert (code, err) == (0, "")
    told = json.loads(text)
    assert told["tasks_judged"] == 6
    assert told["tasks"] == {"1": 6, "2": 6, "3": 6, "5": 6, "10": 6}
    assert told["version"]
    with Store(filled) as store:
        history = store.history(SPACE)
    families = {n: RECOMMENDERS[n] for n in NAMES.split(",")}
    found = compare(leave_one_task_out(history, families, budget=10, seeds=(0, 1)).verdicts)
    assert [m["name"] for m in told["methods"]] == [m.name for m in found.methods]
    table = {line.split()[0]: line for line in out.splitlines() if line[:1] != " "}
    for method, m in zip(told["methods"], found.methods, strict=True):
        for k, e in m.regret.items():
            assert method["regret"][str(k)]["mean"] == pytest.approx(e.mean)
            assert f"{e.mean:.3f}".removeprefix("0") in table[m.name]
        assert f"{m.rank[10]:.2f}" in table[m.name]
        assert method["tied"] == {str(k): m.tied(k) for k in m.regret}


def test_out_has_tables_pictures_and_every_verdict(said, tmp_path: Path):
    out = tmp_path / "deep" / "out"
    rows = tmp_path / "rows.json"
    published = {"name": "Other's", "source": "a paper", "regret": {"1": 0.4, "10": 0.0}}
    elsewhere = published | {"name": "Elsewhere", "space": "another"}
    rows.write_text(json.dumps({"rows": [published, elsewhere]}))
    words = (
        "--space", SPACE, "--recommenders", NAMES, "--budget", 10, "--out", out, "--rows", rows,
    )  # fmt: skip
    code, first, err = said(*words)
    assert code == 0
    assert str(out) in err
    assert "Other's †" in first
    assert "a paper" in first
    assert "Elsewhere" not in first
    names = {p.name for p in out.iterdir()}
    assert {"results.parquet", "table.json", "table.csv", "table.md", "regret.json", "regret.html",
            "ranks.json", "ranks.html", "parts"} <= names  # fmt: skip
    assert not [n for n in names if n.endswith(".part")]
    verdicts = from_table(parquet.read_table(out / "results.parquet"))
    told = json.loads((out / "table.json").read_text())
    again = compare(verdicts)
    assert {m["name"]: m["regret"]["5"]["mean"] for m in told["methods"]} == {
        m.name: m.regret[5].mean for m in again.methods
    }
    with (out / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {(line["method"], line["k"]) for line in lines if line["source"] == "a paper"} == {
        ("Other's", "1"), ("Other's", "10"),
    }  # fmt: skip
    assert len(lines) == 3 * 5 + 2
    markdown = (out / "table.md").read_text()
    assert "| portfolio | " in markdown
    assert "| Other's † | .400 |" in markdown
    curves = (out / "regret.json").read_text()
    assert "Other's" in json.loads(curves)["layer"][1]["data"]["values"][0]["method"]
    for name in ("regret.svg", "ranks.svg"):
        drawn = "".join(ElementTree.parse(out / name).getroot().itertext())
        assert "portfolio" in drawn
    files = {p: p.stat().st_mtime_ns for p in (out / "parts").iterdir()}
    assert said(*words)[1] == first  # seconds and all: it was read, not judged again
    assert {p: p.stat().st_mtime_ns for p in (out / "parts").iterdir()} == files


def test_a_class_of_ones_own_is_judged_too(said, tmp_path: Path, monkeypatch):
    (tmp_path / "my_tuner_h4.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(
        "--space", SPACE, "--recommenders", "portfolio,my_tuner_h4:Mine", "--budget", 3,
        "--jobs", 2, "--folds", 3,
    )  # fmt: skip
    assert code == 0
    assert "\nMine " in out
    assert "in 3 folds" in out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--space", "nowhere"], 1, "nowhere"),
        (["--space", SPACE, "--metric", "log_loss"], 1, "log_loss"),
        (["--space", SPACE, "--recommenders", "best"], 1, "no recommender 'best'; there are"),
        (["--space", SPACE, "--recommenders", ","], 2, "names none"),
        (["--space", SPACE, "--recommenders", "no_such_module:X"], 1, "no module 'no_such_module'"),
        (["--space", SPACE, "--recommenders", "recommenders.random:Rendom"], 1,
         "no 'Rendom'; with a fit there are Random"),
        (["--space", SPACE, "--recommenders", "json:dumps"], 2, "no fit(history"),
        (["--space", SPACE, "--recommenders", "random,random"], 2, "second recommender"),
        (["--space", SPACE, "--recommenders", ":X"], 2, "no module:Name"),
        (["--space", SPACE, "--reference", "nearest", "--recommenders", "random"], 1, "reference"),
        (["--space", SPACE, "--budget", "0"], 2, "budget is 0"),
        (["--space", SPACE, "--seeds", "0"], 2, "seeds is 0"),
        (["--space", SPACE, "--jobs", "0"], 2, "jobs is 0"),
        (["--space", SPACE, "--folds", "1"], 2, "folds is 1"),
        (["--space", SPACE, "--at", "0"], 2, "at is 0"),
        (["--space", SPACE, "--rows", "nowhere.json"], 1, "there is no nowhere.json"),
        (["--space", SPACE, "--out", __file__], 2, "is a file"),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(said, words, code, sentence):
    got, out, err = said(*words)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert sentence in err
    assert "Traceback" not in err
    assert json.loads(said(*words, "--json")[1])["error"]["message"]


def test_one_task_cannot_be_left_out(tmp_path: Path, capfd):
    with Store(tmp_path / "one") as store:
        store.add(block(0, n_tasks=1, configs=range(6)))
    assert cli.main(["evaluate", "--store", str(tmp_path / "one"), "--space", SPACE]) == 1
    assert "the history has 1 task" in capfd.readouterr().err


def test_modules_that_cannot_be_imported_say_why(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_h4.py").write_text("raise ValueError('not today')\n")
    (tmp_path / "needing_h4.py").write_text("import no_such_package_h4\n")
    (tmp_path / "own_h4.py").write_text(OWN)
    with pytest.raises(MetadbError, match="cannot be imported: ValueError: not today"):
        families_of("broken_h4:X")
    with pytest.raises(MetadbError, match="needs 'no_such_package_h4', which is not installed"):
        families_of("needing_h4:X")
    with pytest.raises(WrongUsage, match=r"has no fit\(history"):
        families_of("own_h4:NoFamily")
    with pytest.raises(NotFound, match=r"there is no module 'recommenders.nowhere'"):
        families_of("recommenders.nowhere:X")
    assert list(families_of("own_h4:Mine, random")) == ["Mine", "random"]
    assert families_of(None) == RECOMMENDERS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is no JSON"),
        ("[1]", "no list of rows"),
        ('{"rows": [7]}', "row 1 of .* is no object"),
        ('{"rows": [{"source": "s", "regret": {"1": 0}}]}', "has no name"),
        ('{"rows": [{"name": "n", "regret": {"1": 0}}]}', "has no source"),
        ('{"rows": [{"name": "n", "source": "s"}]}', "has no regret"),
        ('{"rows": [{"name": "n", "source": "s", "regret": {"x": 0}}]}', "after 'x'"),
        ('{"rows": [{"name": "n", "source": "s", "regret": {"1": 35}}]}', "35 after 1"),
        ('{"rows": [{"name": "n", "source": "s", "regret": {"1": null}}]}', "None after 1"),
        ('{"rows": [{"name": "n", "source": "s", "regret": {"1": NaN}}]}', "nan after 1"),
    ],
)
def test_rows_that_say_nothing_are_refused(tmp_path: Path, text: str, why: str):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(MalformedFile, match=why):
        read_rows(path, space="s", metric="m")


def test_the_peers_figures_are_those_of_the_issue():
    weka = {r.name: r for r in read_rows(FIGURES, space="openml-weka", metric="accuracy")}
    assert dict(weka["active testing"].regret) == {1: 0.054, 5: 0.012, 10: 0.004, 20: 0.0}
    about = [
        ("randomforestclassifier", "accuracy", 10), ("hp-transfer-xgboost", "error_rate", 11),
        ("nas-bench-201", "accuracy", 10), ("openml-weka", "accuracy", 4), ("openml-weka", "f1", 0),
    ]  # fmt: skip
    for space, metric, rows in about:
        assert len(read_rows(FIGURES, space=space, metric=metric)) == rows
    assert all(r.source.startswith("issue 5") for r in weka.values())


def test_the_curves_picture_has_every_number(filled: Path):
    with Store(filled) as store:
        history = store.history(SPACE)
    families = {n: RECOMMENDERS[n] for n in NAMES.split(",")}
    found = compare(leave_one_task_out(history, families, budget=12).verdicts, at=5)
    drawn = regret_curves(found, read_rows(FIGURES, space="openml-weka", metric="accuracy"), title="t")  # fmt: skip
    json.dumps(drawn, allow_nan=False)
    points = drawn["layer"][2]["data"]["values"]
    for name, (mean, low, high) in found.curves.items():
        mine = [p["regret"] for p in points if p["method"] == name]
        assert mine == pytest.approx(np.maximum(mean[: len(mine)], 1e-4))
        bands = [b for b in drawn["layer"][0]["data"]["values"] if b["method"] == name]
        assert [b["high"] for b in bands] == pytest.approx(np.maximum(high[: len(bands)], 1e-4))
        assert (low <= mean + 1e-12).all()
    words = [m["mark"]["text"] for m in drawn["layer"] if m["mark"]["type"] == "text"]
    assert {"portfolio", "random †", "active testing †"} <= set(words)


def test_the_rank_diagram_places_each_method_at_its_rank(filled: Path):
    with Store(filled) as store:
        history = store.history(SPACE)
    families = {n: RECOMMENDERS[n] for n in NAMES.split(",")}
    found = compare(leave_one_task_out(history, families, budget=12).verdicts, at=5)
    drawn = rank_diagram(found, title="t")
    drops = [
        m["encoding"]["x"]["value"] for m in drawn["layer"]
        if m["mark"]["type"] == "rule" and m["encoding"]["y"]["value"] == 0
        and m["encoding"]["x"] == m["encoding"]["x2"] and m["encoding"]["y2"]["value"] > 0
    ]  # fmt: skip
    ranks = sorted(m.rank[5] for m in found.methods)
    assert sorted(drops) == pytest.approx([(r - 1) / 2 * drawn["width"] for r in ranks])
    words = " ".join(m["mark"]["text"] for m in drawn["layer"] if m["mark"]["type"] == "text")
    assert all(f"{m.rank[5]:.2f}" in words for m in found.methods)


def test_labels_are_apart_in_order_and_where_they_wanted_to_be_if_they_can():
    assert spread([10, 40, 90], 14) == [10, 40, 90]
    assert spread([10, 10, 10], 14) == [-4, 10, 24]
    rng = np.random.default_rng(0)
    for _ in range(100):
        wanted = np.sort(rng.random(12) * 100)
        placed = np.array(spread(wanted.tolist(), 14))
        assert (np.diff(placed) >= 14 - 1e-9).all()
        assert placed.mean() == pytest.approx(wanted.mean())
