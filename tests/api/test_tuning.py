"""`metadb tune` and `metadb predict` as a user meets them, on real tables that scikit-learn ships."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris

from api.cli import main
from metadb.store import Store

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--learners", "knn,logistic_regression", "--folds", "3")


def table(path: Path, x, y, names=None) -> Path:
    names = names or [f"f{i}" for i in range(x.shape[1])]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "answer"])
        rows.writerows([*map(float, row), answer] for row, answer in zip(x, y, strict=True))
    return path


@pytest.fixture(scope="module")
def iris(tmp_path_factory) -> Path:
    x, y = load_iris(return_X_y=True)
    return table(tmp_path_factory.mktemp("iris") / "iris.csv", x, [f"kind {c}" for c in y])


@pytest.fixture(scope="module")
def tuned(iris, tmp_path_factory) -> tuple[dict, Path]:
    """One search of 9 trials that several tests look at: what it said, and its model."""
    folder, out = tmp_path_factory.mktemp("tuned"), io.StringIO()
    words = ["tune", str(iris), *QUICK, "--trials", "9", "--json"]
    with redirect_stdout(out):
        assert main([*words, "--store", str(folder / "store"), "--out", str(folder / "model")]) == 0
    return json.loads(out.getvalue()), folder / "model"


@pytest.fixture
def said(capfd, tmp_path):
    """Run a command in a folder of its own; returns exit code, stdout and stderr."""

    def run(*words, store="store", out="model"):
        capfd.readouterr()
        more = ["--store", tmp_path / store, "--out", tmp_path / out] if words[0] == "tune" else []
        code = main([*map(str, words), *map(str, more)])
        found, err = capfd.readouterr()
        return code, found, err

    return run


def values(answer: dict) -> list[float]:
    return [p["value"] for p in sorted(answer["places"], key=lambda p: p["trial"])]


def test_a_table_in_a_model_out_and_what_was_learnt_remembered(said, iris, tmp_path):
    code, out, err = said("tune", iris, "--target", "answer", *QUICK, "--trials", 8)
    assert code == 0
    assert re.search(r"^best of 8 trials: \w+, accuracy 0\.9\d+ \+- 0\.0\d+ \(3 folds\)", out)
    assert "knows no other task of classifier: the default of each learner comes first" in err
    assert re.search(r"^ +1 +0\.9\d+ +\d+[* ] +learner=", out, flags=re.MULTILINE)
    model = tmp_path / "model"
    assert {p.name for p in model.iterdir()} == {
        "model.skops", "model.json", "report.html", "leaderboard.json", "leaderboard.csv",
    }  # fmt: skip
    about = json.loads((model / "model.json").read_text())
    board = json.loads((model / "leaderboard.json").read_text())
    assert about["config"] == board["places"][0]["config"]
    assert about["classes"] == ["kind 0", "kind 1", "kind 2"]
    assert [p["rank"] for p in board["places"]] == list(range(1, 9))
    assert len((model / "leaderboard.csv").read_text().splitlines()) == 9
    with Store(tmp_path / "store") as store:
        counts = store.sql(
            "select metric, count(*) as n, count(distinct config) as configs from evaluations "
            "group by metric order by metric"
        )
        metrics = ["accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"]
        assert [tuple(r.values()) for r in counts] == [(m, 24, 8) for m in metrics]
        best = list(store.sql("select value, config from best_per_task where metric = 'accuracy'"))
        assert best[0]["value"] == pytest.approx(about["score"])
        assert store.task(about["task"]).metafeatures["nr_inst"] == 150

    code, out, _ = said("predict", model, iris)
    assert code == 0
    lines = out.replace('"', "").splitlines()
    assert lines[0] == "answer"
    truth = [line.split(",")[-1] for line in iris.read_text().splitlines()[1:]]
    assert np.mean([a == b for a, b in zip(lines[1:], truth, strict=True)]) > 0.93


def test_the_same_command_is_done_at_once_and_more_trials_go_on(said, iris, tuned):
    words = ["tune", iris, *QUICK, "--json"]
    first = json.loads(said(*words, "--trials", 5)[1])
    again = json.loads(said(*words, "--trials", 5)[1])
    assert (first["resumed"], again["resumed"]) == (0, 5)
    assert values(again) == values(first)
    more = json.loads(said(*words, "--trials", 9)[1])
    assert (more["resumed"], more["trials"]) == (5, 9)
    assert values(more)[:5] == values(first)
    assert values(more) == values(tuned[0])  # as if it had never been stopped


def test_a_search_that_was_killed_goes_on(said, iris, tmp_path):
    words = ["tune", str(iris), "--learners", "random_forest", "--trials", "6", "--folds", "2",
             "--json"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", *words, "--store", "store", "--out", "model"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )
    store, deadline = tmp_path / "store", time.monotonic() + 120
    while not any(b"learner" in p.read_bytes() for p in store.glob("journal/*.jsonl")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "model").exists()
    with Store(store) as opened:
        there = opened.sql("select config, count(*) as n from evaluations group by all").table
    whole = there.column("n").to_pylist().count(2 * 5)  # folds x metrics
    assert len(there) >= 1
    answer = json.loads(said(*words)[1])
    assert answer["resumed"] == whole
    assert sorted(p["trial"] for p in answer["places"]) == list(range(6))
    with Store(store) as opened:  # what was there in part is whole now, nothing is doubled
        again = opened.sql("select config, count(*) as n from evaluations group by all").table
    assert again.column("n").to_pylist() == [2 * 5] * 6


def test_the_next_similar_task_is_better_for_it(said, tmp_path):
    """Two parts of the digits: what was learnt on one is worth more than the defaults."""
    x, y = load_digits(return_X_y=True)
    lead = []
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(len(y))[:320]
        files = [
            table(tmp_path / f"{seed}{name}.csv", x[part], [f"c{c}" for c in y[part]])
            for name, part in (("a", rows[:160]), ("b", rows[160:]))
        ]
        words = ["--learners", "svm,knn", "--folds", 2, "--seed", seed, "--json"]
        past, warm, cold = (
            json.loads(said("tune", file, *words, "--trials", n, store=store, out=out)[1])
            for file, n, store, out in (
                (files[0], 12, f"past{seed}", f"past{seed}-a"),
                (files[1], 2, f"past{seed}", f"past{seed}-b"),
                (files[1], 2, f"none{seed}", f"none{seed}-b"),
            )
        )
        assert past["task"] != warm["task"] == cold["task"]
        assert "warm start by auto, learnt from 12 results" in warm["warm_start"][0]
        assert all(place["tried_first"] for place in warm["places"])
        lead.append(values(warm)[1] - values(warm)[0])  # the first advice, beside the default
        assert max(values(warm)) >= max(values(cold)) - 0.02
    assert min(lead) > 0.05


def test_numbers_are_predicted_and_budgets_are_shares_of_the_rows(said, tmp_path):
    x, y = load_diabetes(return_X_y=True)
    file = table(tmp_path / "diabetes.csv", x, y)
    code, out, _ = said("tune", file, "--metric", "mae", "--learners", "ridge,knn", "--trials", 14,
                        "--optimizer", "successive_halving", "--json")  # fmt: skip
    assert code == 0
    answer = json.loads(out)
    assert answer["metric"] == "mae"
    assert answer["budget"] == 1
    assert values(answer) != []
    assert answer["places"][0]["value"] == min(values(answer)) < 50
    with Store(tmp_path / "store") as store:
        budgets = store.sql("select distinct budget from evaluations order by 1").column("budget")
        assert budgets == pytest.approx([1 / 3, 1])
        assert store.spaces().column("space") == ["regressor"]
    code, out, _ = said("predict", tmp_path / "model", file, "--json")
    predicted = json.loads(out)["predictions"]["answer"]
    assert np.mean(np.abs(np.array(predicted) - y)) < 50
    page = (tmp_path / "model" / "report.html").read_text()
    assert "tried on several shares of the rows" in page


class Page(HTMLParser):
    """What a page holds, and that its tags close in order."""

    VOID = frozenset({"meta", "path", "circle", "rect"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_report_is_one_page_without_script_or_network(said, tmp_path):
    x, y = load_iris(return_X_y=True)
    names = ["<script>alert(1)</script>", "sepal & width", "petal", "p"]
    file = table(tmp_path / "flowers.csv", x, [f"<b>{c}" for c in y], names)
    assert said("tune", file, "--learners", "knn", "--trials", 8, "--metric", "auc")[0] == 0
    text = (tmp_path / "model" / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "b2"} & set(page.tags)
    assert not [v for k, v in page.attributes if k in ("src", "href") or k.startswith("on")]
    assert "url(" not in text
    assert "http" not in text
    for title in ("Leaderboard", "How the search went", "Learning curves",
                  "Which hyperparameters matter", "Where the good configurations lie",
                  "What the search began with", "The data", "Using the model"):  # fmt: skip
        assert f"<h2>{title}</h2>" in text, title
    assert page.tags.count("svg") >= 3
    assert "prefers-color-scheme: dark" in text
    assert all(v for k, v in page.attributes if k == "aria-label")


def test_probabilities_and_files_of_predictions(said, iris, tuned, tmp_path):
    model, output = tuned[1], tmp_path / "said.csv"
    words = ["predict", model, iris, "--probabilities", "-o", output]
    assert said(*words)[0] == 0
    rows = list(csv.DictReader(output.open()))
    assert list(rows[0]) == ["answer", "p(kind 0)", "p(kind 1)", "p(kind 2)"]
    for row in rows:
        p = {name: float(row[f"p({name})"]) for name in ("kind 0", "kind 1", "kind 2")}
        assert sum(p.values()) == pytest.approx(1)
        assert p[row["answer"]] == max(p.values())
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("f0,f1,f4\n1,2,3\n")
    code, _, err = said("predict", model, lacking)
    assert code == 1
    assert "2 of the 4 columns that the model needs are not there: 'f2', 'f3'" in err
    code, _, err = said("predict", tmp_path / "nothing", iris)
    assert (code, "there is no model in" in err) == (1, True)


def test_a_second_process_may_run_the_trials(said, iris, tuned):
    words = ["tune", iris, *QUICK, "--trials", 4, "--executor", "local", "--parallel", 1, "--json"]
    code, out, _ = said(*words)
    assert code == 0
    assert values(json.loads(out)) == values(tuned[0])[:4]


BAD = {
    "no such column": (["--target", "anser"], 1, "no column 'anser' to be the target; close are 'answer'"),
    "metric of the other kind": (["--metric", "rmse"], 2, "'rmse' is no metric of a classification"),
    "no such metric": (["--metric", "beauty"], 2, "'beauty' is no metric"),
    "no such learner": (["--learners", "knn,xgboost"], 1, "no learner 'xgboost'"),
    "no learner": (["--learners", ","], 2, "--learners is empty"),
    "no such optimiser": (["--optimizer", "magic"], 1, "no optimiser 'magic'"),
    "no trials": (["--trials", "0"], 2, "--trials is 0; give 1 or more"),
    "no time": (["--time", "0"], 2, "--time is 0"),
    "text as a number": (["--kind", "regression"], 1, "is text; regression needs numbers"),
    "one fold": (["--folds", "1"], 2, "--folds is 1; give 2 or more"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_one_clear_sentence_and_leaves_nothing(said, iris, tmp_path, what):
    more, expected, sentence = BAD[what]
    code, out, err = said("tune", iris, *more)
    assert code == expected
    assert out == ""
    assert sentence in err
    assert err.count("error:") == 1
    assert not (tmp_path / "model").exists()


def test_an_empty_file_and_one_class_are_refused(said, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert said("tune", empty)[::2] == (
        1,
        f"error: {empty} is empty; a data file has named columns and rows\n",
    )
    alone = tmp_path / "alone.csv"
    alone.write_text("a,b\n" + "1,yes\n2,yes\n" * 9)
    code, _, err = said("tune", alone)
    assert (code, "one class only ('yes')" in err) == (1, True)


def test_no_usable_trial_is_said_and_nothing_is_saved(said, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("a,b\n" + "1,x\n2,y\n3,x\n4,y\n")
    store = tmp_path / "store"
    words = ["tune", few, "--learners", "svm", "--metric", "log_loss", "--trials", 3]
    code, _, err = said(*words)  # two rows are too few to calibrate on
    assert code == 1
    assert "none of the 3 trials has a usable result, so there is no model" in err
    assert "most often: the objective raised ValueError" in err
    assert not (tmp_path / "model").exists()
    with Store(store) as opened:  # the failures are remembered
        assert opened.sql("select status from evaluations").column("status") == ["failed"] * 3


def test_a_folder_of_something_else_is_refused_before_anything_is_done(said, iris, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("all of it")
    code, _, err = said("tune", iris, *QUICK)
    assert code == 2
    assert "holds something else than a model of `metadb tune`" in err
    assert not (tmp_path / "store").exists()
    assert [p.name for p in (tmp_path / "model").iterdir()] == ["thesis.txt"]


def test_the_time_of_a_search_counts_what_was_spent_before(said, iris):
    words = ["tune", iris, "--learners", "knn", "--time", 3]
    code, _, err = said(*words)
    assert code == 0
    n = int(re.findall(r"search: ([\d,]+) trials", err)[-1].replace(",", ""))
    code, _, err = said(*words)
    assert code == 0
    assert f"this search is done: {n} trials; its model is fitted again" in err


def test_ctrl_c_says_how_to_go_on(iris, tmp_path):
    command = [sys.executable, "-m", "api.cli", "tune", str(iris), "--learners", "knn", "--trials",
               "100000", "--store", "store", "--out", "model"]  # fmt: skip
    more = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | more, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    journal = (tmp_path / "store").glob  # the task comes first, and no evaluation may follow it
    while not any('"evaluations"' in p.read_text() for p in journal("journal/*.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted; what was added stays, run the same command again to go on" in err
    assert not (tmp_path / "model").exists()
    with Store(tmp_path / "store") as store:
        assert len(store.sql("select 1 from evaluations")) >= 1


def test_a_search_over_budgets_takes_a_table_too_small_for_many(said, tmp_path):
    x, y = load_iris(return_X_y=True)
    file = table(tmp_path / "few.csv", x[::5], [f"c{c}" for c in y[::5]])
    words = ["tune", file, "--learners", "logistic_regression", "--folds", 2, "--trials", 5]
    for name in ("curve_stopping", "bohb"):
        code, out, _ = said(*words, "--optimizer", name, "--json", store=name, out=f"{name}-model")
        assert code == 0
        assert json.loads(out)["trials"] == 5
