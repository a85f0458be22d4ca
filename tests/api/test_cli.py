"""The command line as a user meets it: answers, exit codes, one clear sentence for bad input."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.advice import DEFAULT
from api.cli import app, main
from ingest import SOURCES
from metadb.store import Store
from recommenders import RECOMMENDERS

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "store"
    assert main(["ingest", "table", str(SAMPLE), "--store", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A store of seven tasks of the sample, of as many data sets: quick to learn from."""
    folder = tmp_path_factory.mktemp("few")
    shutil.copytree(SAMPLE, folder / "sample")
    tasks = ["anes96-vote", "diabetes-sex", "digits-odd", "fair-affair", "iris-species",
             "modechoice-mode", "wine-cultivar"]  # fmt: skip
    kept = pq.read_table(SAMPLE / "evaluations.parquet", filters=[("task", "in", tasks)])
    pq.write_table(kept, folder / "sample" / "evaluations.parquet")
    words = ["ingest", "table", folder / "sample", "--store", folder / "store", "--quiet"]
    assert main([*map(str, words)]) == 0
    return folder / "store"


@pytest.fixture
def said(capfd, store):
    """Run a command on the store; returns exit code, stdout and stderr."""

    def run(*words, on=store):
        capfd.readouterr()
        code = main([*map(str, words), "--store", str(on)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "flowers.csv"
    rows = [f"{i % 7},{i % 3},{'ab'[i % 2]},{'yes' if i % 3 else 'no'}" for i in range(60)]
    path.write_text("\n".join(["length,width,colour,sold", *rows]) + "\n")
    return path


def test_ingest_says_what_it_did_and_a_second_time_nothing_new(tmp_path, said):
    path = tmp_path / "store"
    code, out, _ = said("ingest", "table", SAMPLE, "--json", on=path)
    assert code == 0
    load = json.loads(out)["loads"][0]
    assert load["n_added"] == load["n_read"] > 280_000
    code, out, _ = said("ingest", "table", SAMPLE, on=path)
    assert code == 0
    assert "added nothing" in out


def test_status_names_rows_spaces_and_loads(said):
    code, out, _ = said("status")
    assert code == 0
    assert "28 tasks" in out
    assert (
        "space classifier, accuracy: 70,560 evaluations, 210 configs on 28 tasks (100% filled)"
        in out
    )
    found = json.loads(said("status", "--json")[1])
    assert found["rows"]["configs"] == 210
    assert found["loads"][0]["status"] == "complete"


@pytest.mark.parametrize("form", ["table", "csv", "json", "arrow", "parquet"])
def test_sql_writes_every_format(said, tmp_path, form):
    target = tmp_path / f"answer.{form}"
    query = "select task, count(*) as n from evaluations group by task order by task"
    assert said("sql", query, "--format", form, "-o", target)[0] == 0
    body = target.read_bytes()
    if form == "parquet":
        table = pq.read_table(io.BytesIO(body))
    elif form == "arrow":
        table = pa.ipc.open_stream(body).read_all()
    elif form == "json":
        table = pa.Table.from_pylist(json.loads(body))
    elif form == "csv":
        table = pa.Table.from_pylist(
            [
                dict(zip(["task", "n"], x.split(","), strict=True))
                for x in body.decode().replace('"', "").splitlines()[1:]
            ]
        )
    else:
        assert len(body.decode().splitlines()) == 29
        return
    assert table.num_rows == 28
    assert table.column("task")[0].as_py() == "sample:anes96-college"


def test_the_parameters_of_a_space_are_columns(said):
    query = "select count(*) as n from space.classifier where lightgbm__learning_rate < 0.1"
    code, out, _ = said("sql", query, "--format", "json")
    assert code == 0
    assert 0 < json.loads(out)[0]["n"] < 30


def test_recommend_for_a_file_says_what_it_rests_on(said, csv_file):
    words = ["recommend", "--data", csv_file, "--target", "sold", "--space", "classifier", "-k", 5]
    words += ["--recommender", "portfolio"]
    code, out, _ = said(*words)
    assert code == 0
    assert out.count("rests on") == 5
    answer = json.loads(said(*words, "--json")[1])
    assert answer["metric"] in {"accuracy", "balanced_accuracy"}
    first = answer["recommendations"][0]
    assert first["because"]["tasks"]
    assert len(first["because"]["evaluations"]) >= 3 * len(first["because"]["tasks"])
    query = f"select count(*) as n from recommendation_provenance where recommendation = '{first['recommendation']}'"
    n = json.loads(said("sql", query, "--format", "json")[1])[0]["n"]
    assert n == len(first["because"]["evaluations"])


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_every_recommender_answers_for_a_task_of_the_store(said, few, name):
    words = ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "-k", 3]
    code, out, _ = said(*words, "--recommender", name, "--metric", "accuracy", "--json", on=few)
    assert code == 0
    answer = json.loads(out)
    assert len(answer["recommendations"]) == 3
    assert answer["own_evaluations_left_out"] > 0
    assert all(
        "sample:wine-cultivar" not in r["because"]["tasks"] for r in answer["recommendations"]
    )


def test_what_was_observed_is_not_advised_again(said, tmp_path):
    words = [
        "recommend",
        "--task",
        "sample:wine-cultivar",
        "--space",
        "classifier",
        "-k",
        3,
        "--recommender",
        "portfolio",
        "--json",
    ]
    first = json.loads(said(*words)[1])["recommendations"]
    told = tmp_path / "observed.jsonl"
    told.write_text("\n".join(json.dumps({"config": r["config"], "value": 0.9}) for r in first))
    second = json.loads(said(*words, "--observed", told)[1])["recommendations"]
    assert not [r for r in second if r["config"] in [f["config"] for f in first]]


BAD = {
    "unknown command": (["recomend"], 2, 'Did you mean "recommend"'),
    "unknown source": (["ingest", "nowhere", "x"], 1, "nowhere"),
    "no path": (["ingest", "table"], 2, "no path given"),
    "missing path": (["ingest", "table", "/not/there"], 1, "/not/there"),
    "unknown table": (["sql", "select * from evalutions"], 1, "evaluations"),
    "a write": (["sql", "delete from evaluations"], 1, "one select statement"),
    "two statements": (["sql", "select 1; select 2"], 1, "one select statement"),
    "unknown task": (["recommend", "--task", "sample:wine", "--space", "classifier"], 1, "sample:wine-cultivar"),
    "unknown space": (["recommend", "--task", "sample:wine-cultivar", "--space", "x"], 1, "classifier"),
    "unknown metric": (
        ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "--metric", "speed"],
        1,
        "accuracy",
    ),
    "unknown recommender": (
        ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "--recommender", "magic"],
        1,
        "portfolio",
    ),
    "neither task nor data": (["recommend", "--space", "classifier"], 2, "--task ID or --data FILE"),
    "k below 1": (["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "-k", "0"], 2, "at least 1"),
    "missing file": (["recommend", "--data", "/not/there.csv", "--space", "classifier"], 1, "/not/there.csv"),
    "unknown load": (["forget", "nothing"], 1, "no load 'nothing'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_sentence(said, case):
    words, expected, sentence = BAD[case]
    code, out, err = said(*words)
    assert code == expected
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    assert err.startswith("error: ")
    code, out, _ = said(*words, "--json")
    assert code == expected
    assert sentence in json.loads(out)["error"]["message"]


def test_bad_files_are_named(said, tmp_path, csv_file):
    words = ["recommend", "--data", csv_file, "--target", "sol", "--space", "classifier"]
    code, _, err = said(*words)
    assert code == 1
    assert "sold" in err
    told = tmp_path / "observed.json"
    told.write_text('[{"config": {"a": 1}}]')
    words = ["recommend", "--data", csv_file, "--space", "classifier", "--observed", told]
    code, _, err = said(*words)
    assert code == 1
    assert "entry 1" in err


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"config": {}, "value": float("nan")}, "is nan; give a finite number"),
        ({"config": {}, "value": 55}, "outside its bounds"),
        ({"config": {}, "value": "good"}, "give a number"),
        ({"config": {}, "status": "burnt"}, "there are ok, failed"),
    ],
)
def test_an_impossible_observation_is_refused(said, tmp_path, entry, sentence):
    told = tmp_path / "observed.json"
    told.write_text(json.dumps([entry]))
    words = ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "--observed"]
    code, _, err = said(*words, told)
    assert code == 1
    assert "entry 1" in err
    assert sentence in err


def test_what_makes_advice_doubtful_is_said(said, tmp_path):
    told = tmp_path / "observed.json"
    told.write_text(json.dumps([{"config": {"learner": "nosuch"}, "value": 0.5}]))
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("a,b\n" + "\n".join(f"{i},{i * 1.5 + 0.25}" for i in range(200)) + "\n")
    one = tmp_path / "one.csv"
    one.write_text("a,b\n" + "\n".join(f"{i},yes" for i in range(20)) + "\n")
    words = ["recommend", "--space", "classifier", "-k", 2, "--recommender", "portfolio"]
    _, _, err = said(*words, "--data", numbers, "--observed", told)
    assert "caution: this task's kind is regression, that of the past tasks classification" in err
    assert "caution: 1 of the 1 observed configurations" in err
    assert (
        "numbers.csv: 200 rows, 1 columns (0 categorical), target b, the last column (regression)"
        in err
    )
    _, out, _ = said(*words, "--data", one, "--json")
    assert "one class only" in json.loads(out)["cautions"][0]


def test_numbers_that_json_does_not_know_are_null(said):
    query = "select 'nan'::double as a, '-inf'::double as b, 1.5 as c"
    for words in (["--json"], ["--format", "json"]):
        out = json.loads(said("sql", query, *words)[1])
        rows = out["rows"] if isinstance(out, dict) else out
        assert rows == [{"a": None, "b": None, "c": 1.5}]
    code, _, err = said("sql", "select 1 as a, 2 as a", "--format", "json")
    assert code == 1
    assert "two columns are named 'a'" in err


def test_an_answer_in_a_file_is_whole_and_of_the_kind_its_name_says(said, tmp_path):
    query = "select config, hyperparameters from configs order by config"
    assert said("sql", query, "-o", tmp_path / "c.parquet")[0] == 0
    assert pq.read_table(tmp_path / "c.parquet").num_rows == 210
    assert said("sql", query, "--format", "table", "-o", tmp_path / "c.txt")[0] == 0
    assert len((tmp_path / "c.txt").read_text().splitlines()) == 211
    code, _, err = said("sql", query, "-o", tmp_path / "c.xlsx")
    assert code == 1
    assert "does not say its format" in err
    code, _, err = said("sql", query, "-o", tmp_path / "none" / "c.csv")
    assert code == 1
    assert "there is no folder" in err


def test_sql_may_begin_with_a_comment_and_come_from_stdin(said, monkeypatch):
    assert said("sql", "-- a comment\nselect 1 as one", "--format", "csv")[1] == '"one"\n1\n'
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 2 as two"))
    assert said("sql", "-", "--format", "csv")[1] == '"two"\n2\n'


@pytest.mark.parametrize("delay_s", [0.0, 0.6])
def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(tmp_path, delay_s):
    path = tmp_path / "store"
    command = [
        sys.executable,
        "-m",
        "api.cli",
        "ingest",
        "table",
        str(SAMPLE),
        "--store",
        str(path),
    ]
    work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60  # a busy machine takes long to start
    while not path.exists() and work.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay_s)
    work.send_signal(signal.SIGINT)
    _, err = work.communicate(timeout=60)
    assert work.returncode in {0, 130}, err
    if work.returncode == 130:
        assert "interrupted; what was added stays" in err
        assert "Traceback" not in err
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "0 rows turned away" in again.stdout
    with Store(path) as store:
        assert store.sql("select count(*) as n from evaluations").column("n") == [282_240]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who may not write")
def test_who_may_only_read_is_answered_too(tmp_path_factory):
    folder = Path(tempfile.mkdtemp(prefix="metadb-shared-"))
    folder.chmod(0o755)
    path = folder / "store"
    assert main(["ingest", "table", str(SAMPLE), "--store", str(path), "--quiet"]) == 0
    script = (  # once as root, so that every module is loaded: root's files may be closed to others
        "import os, sys; from api.cli import main; main(sys.argv[1:]);"
        "print('now'); os.setgid(65534); os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    )
    words = ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "-k", "2"]
    words += ["--recommender", "portfolio"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--store", str(path)],
        capture_output=True, text=True, cwd=SAMPLE.parents[1],
    )  # fmt: skip
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("now")[1].count("rests on") == 2
    assert "this advice is not kept" in done.stderr


def test_asking_creates_no_store(tmp_path, said):
    for words in (["status"], ["sql", "select 1"], ["forget", "x"], ["compact"]):
        code, _, err = said(*words, on=tmp_path / "none")
        assert code == 1
        assert "there is no store" in err
    assert not (tmp_path / "none").exists()


def test_forget_and_compact(tmp_path, said):
    path = tmp_path / "store"
    said("ingest", "table", SAMPLE, on=path)
    load = json.loads(said("status", "--json", on=path)[1])["loads"][0]["load"]
    assert said("compact", on=path)[0] == 0
    code, out, _ = said("forget", load, on=path)
    assert code == 0
    assert "282,240 evaluations" in out
    with Store(path) as store:
        assert store.sql("select count(*) as n from evaluations").column("n") == [0]


def test_every_command_has_help_and_takes_the_store(capfd):
    names = [
        [name, *([part] if part else [])]
        for name in app
        if not name.startswith("-")
        for part in ([p for p in app[name] if not p.startswith("-")] or [""])
    ]
    for known in (["ingest"], ["sql"], ["status"], ["recommend"], ["fewshot", "train"]):
        assert known in names
    for words in names:
        capfd.readouterr()
        assert main([*words, "--help"]) == 0
        out = capfd.readouterr().out
        assert "--store" in out
        assert "--json" in out
        assert "--quiet" in out


def test_help_names_every_registered_source_and_recommender(capfd):
    for command, names in (("ingest", SOURCES), ("recommend", RECOMMENDERS)):
        capfd.readouterr()
        assert main([command, "--help"]) == 0
        out = " ".join(capfd.readouterr().out.replace("│", " ").split())
        assert all(name in out for name in names)


def test_the_default_recommender_of_the_command_is_that_of_the_answer(said, few):
    words = ["recommend", "--task", "sample:wine-cultivar", "--space", "classifier", "-k", 1]
    answer = json.loads(said(*words, "--metric", "accuracy", "--json", on=few)[1])
    assert answer["recommender"] == DEFAULT


def test_the_installed_command_runs_as_a_process(store):
    command = [sys.executable, "-m", "api.cli", "sql", "select 1 as one", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "one"
    broken = subprocess.run(" ".join([sys.executable, "-m", "api.cli", "sql",
        "'select * from evaluations limit 100000'", "--format", "csv", "--store", str(store), "| head -1"]),
        shell=True, capture_output=True, text=True, check=True)  # fmt: skip
    assert "Traceback" not in broken.stderr
    assert broken.stdout.startswith('"evaluation"')


def test_snapshot_makes_a_generation(said, store, tmp_path):
    code, out, _ = said("snapshot", "--out", tmp_path / "out", "--json")
    made = json.loads(out)
    assert (code, made["generation"]) == (0, 1)
    assert Path(made["path"]).stat().st_size == made["size_bytes"]
    with Store(store) as opened:
        assert made["version"] == opened.version
    code, out, _ = said("snapshot", "--out", tmp_path / "out", "--keep", 0)
    assert (code, out.split(":")[0]) == (0, "generation 2")
    assert not Path(made["path"]).exists()
    assert said("snapshot", "--keep", -1)[0] == 2
