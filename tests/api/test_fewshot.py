"""`metadb fewshot` as a person uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from api.cli import main
from metadb.records import Task
from metadb.store import Store

SMALL = {
    "--ways": "3", "--queries": "4", "--size": "16", "--width": "4", "--episodes": "20",
    "--steps": "4", "--every": "2",
}  # fmt: skip


def train(tmp_path, data="digits", **words):
    given = SMALL | {f"--{name}": value for name, value in words.items()}
    given = {"--out": str(tmp_path / "model")} | given
    return main(
        ["fewshot", "train", data, *(w for pair in given.items() for w in pair), "--json",
         "--store", str(tmp_path / "store")]
    )  # fmt: skip


def test_a_learner_is_trained_judged_and_remembered(tmp_path, capsys):
    assert train(tmp_path) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["taken"] == 4
    assert 0 < first["value"] < 1
    assert not set(first["trained"]) & set(first["tested"])
    with Store(tmp_path / "store") as store:
        (row,) = store.sql(
            "select task, c.space, metric, value, budget, budget_unit from evaluations "
            "join configs c using (config)"
        )
    assert row == {
        "task": first["task"], "space": "fewshot_prototypical", "metric": "accuracy",
        "value": pytest.approx(first["value"]), "budget": 4.0, "budget_unit": "steps",
    }  # fmt: skip
    page = (tmp_path / "model" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert train(tmp_path) == 0  # nothing is left to do, and nothing is added
    assert json.loads(capsys.readouterr().out)["value"] == first["value"]
    with Store(tmp_path / "store") as store:
        assert store.sql("select count(*) as n from evaluations").column("n") == [1]
    words = ["fewshot", "evaluate", str(tmp_path / "model"), "digits", "--queries", "4"]
    assert main([*words, "--episodes", "20", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["tested"] == first["tested"]
    assert again["value"] == pytest.approx(first["value"])
    assert main([*words, "--no-transductive", "--episodes", "5"]) == 0
    assert "prototypical: accuracy" in capsys.readouterr().out


def test_sinusoids_are_regressed(tmp_path, capsys):
    words = {"learner": "fomaml", "shots": "5", "set": "steps=1,rate=0.01"}
    assert train(tmp_path, "sinusoid", **words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "mse"
    assert found["config"]["steps"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"learner": "mammal"}, "no few-shot learner 'mammal'"),
        ({"ways": "30"}, "30 ways cannot be drawn"),
        ({"set": "speed=1"}, "--set takes name=value"),
        ({"set": "outer_rate=9"}, "outer_rate is '9'; it goes from 0.0001 to 0.01"),
        ({"test": "11"}, "no group of classes '11'"),
        ({"test": "0,1,2,3,4,5,6,7,8,9"}, "leaves no classes to train on"),
        ({"steps": "0"}, "--steps is 0; give 1 or more"),
    ],
)
def test_bad_words_get_one_sentence(tmp_path, capsys, words, said):
    assert train(tmp_path, **words) != 0
    assert said in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "model").exists()


def test_a_learner_is_not_judged_by_what_it_was_trained_on(tmp_path, capsys):
    assert train(tmp_path) == 0
    found = json.loads(capsys.readouterr().out)
    words = ["fewshot", "evaluate", str(tmp_path / "model"), "digits", "--json"]
    assert main([*words, "--test", ",".join(found["trained"])]) != 0
    assert "trained on" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_tampered_or_foreign_weights_are_refused(tmp_path, capsys):
    assert train(tmp_path) == 0
    capsys.readouterr()
    file = tmp_path / "model" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert main(["fewshot", "evaluate", str(tmp_path / "model"), "digits", "--json"]) != 0
    assert "cannot be read as safetensors" in capsys.readouterr().out


def test_a_last_layer_has_the_ways_that_it_was_trained_for(tmp_path, capsys):
    assert train(tmp_path, learner="fomaml", set="steps=1") == 0
    words = ["fewshot", "evaluate", str(tmp_path / "model"), "digits", "--json", "--queries", "4"]
    capsys.readouterr()
    assert main([*words, "--ways", "4"]) != 0
    assert "was trained for 3 ways" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert main([*words, "--ways", "2", "--episodes", "5"]) != 0


def test_judged_by_more_tasks_it_is_another_evaluation(tmp_path):
    assert train(tmp_path) == 0
    assert train(tmp_path, episodes="30") == 0
    with Store(tmp_path / "store") as store:
        assert store.sql("select count(*) as n from evaluations").column("n") == [2]


def test_what_was_trained_is_kept_listed_ranked_and_begun_with(tmp_path, capsys):
    store = ["--store", str(tmp_path / "store")]
    assert train(tmp_path, learner="fomaml", set="steps=1") == 0
    model = json.loads(capsys.readouterr().out)["model"]
    assert train(tmp_path, learner="scratch", set="adapt_steps=10", out=str(tmp_path / "s")) == 0
    assert json.loads(capsys.readouterr().out)["model"] is None  # nothing was learnt
    assert main(["models", *store]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{model[:12]}  fomaml: accuracy 0.")
    x = np.random.default_rng(0).integers(0, 255, (6, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "new.npz", x=x, y=np.arange(6) % 2)
    assert main(["models", "--for", str(tmp_path / "new.npz"), "--json", *store]) == 0
    (found,) = json.loads(capsys.readouterr().out)["models"]
    assert (found["model"], found["judged"]) == (model, 6)
    assert 0 < found["likeness"] < 1
    words = ["fewshot", "evaluate", model[:8], "digits", "--queries", "4", "--episodes", "20"]
    assert main([*words, *store]) == 0
    assert "fomaml: accuracy" in capsys.readouterr().out
    assert (
        train(tmp_path, learner="fomaml", set="steps=1", start=model[:8], out=str(tmp_path / "b"))
        == 0
    )
    assert json.loads(capsys.readouterr().out)["start"] == model
    weights = tmp_path / "store" / "models" / f"{model}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert main([*words, "--json", *store]) == 1
    assert "is not the file that was trained" in capsys.readouterr().out


def test_no_model_fits_a_task_of_other_inputs(tmp_path, capsys):
    assert train(tmp_path) == 0
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(0).random((6, 3)), y=np.arange(6) % 2)
    words = ["models", "--for", str(tmp_path / "rows.npz"), "--store", str(tmp_path / "store")]
    capsys.readouterr()
    assert main([*words, "--json"]) == 1
    assert "none of the 1 models" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_the_stores_own_tasks_are_regressed(tmp_path, capsys):
    with Store(tmp_path / "store") as store:
        for task in range(4):
            for c in range(8):
                store.record(
                    Task(f"t:{task}"), {"c": c}, space="s", metric="rmse", value=1.0 * task + c
                )
    words = {"learner": "fomaml", "shots": "2", "set": "steps=1"}
    assert train(tmp_path, "store:s", **words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "mse"
    assert not set(found["trained"]) & set(found["tested"])
    assert found["task"] == "fewshot:store/s/2-shot"
    words = ["fewshot", "evaluate", str(tmp_path / "model"), "store:s", "--queries", "4"]
    assert main([*words, "--episodes", "20", "--store", str(tmp_path / "store")]) == 0
    assert "fomaml: mse" in capsys.readouterr().out
    assert train(tmp_path, "store:none", learner="fomaml", out=str(tmp_path / "other")) == 1
    assert "no space 'none'" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_folder_of_tables_is_told_apart(tmp_path, capsys):
    folder = tmp_path / "tables"
    folder.mkdir()
    for n in range(3):
        rows = ["a,b,kind", *(f"{i % 2 + i / 100},{i * n},k{i % 2}" for i in range(30))]
        (folder / f"t{n}.csv").write_text("\n".join(rows))
    assert train(tmp_path, str(folder), ways="2") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["trained"]) | set(found["tested"]) == {"t0", "t1", "t2"}
    assert found["metric"] == "accuracy"
    assert found["classes"] == 2 * len(found["trained"])


def tune(tmp_path, *more):
    words = ["fewshot", "tune", "digits", "--learner", "prototypical", "--trials", "3"]
    words += ["--ways", "3", "--queries", "4", "--size", "16", "--width", "4", "--steps", "2"]
    return main([*words, "--episodes", "10", "--json", "--store", str(tmp_path / "store"), *more])


def test_settings_are_searched_resumed_and_taught_to_the_next_search(tmp_path, capsys):
    assert tune(tmp_path) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["trials"], first["warm"]) == (3, 0)
    assert tune(tmp_path) == 0  # nothing is left to do
    assert json.loads(capsys.readouterr().out) == first
    with Store(tmp_path / "store") as store:
        found = store.sql("select value from evaluations where task = ?", [first["task"]])
        assert len(found) == 3
        assert max(found.column("value")) == first["value"]
    assert tune(tmp_path, "--shots", "2", "--optimizer", "random") == 0
    second = json.loads(capsys.readouterr().out)
    assert second["task"] != first["task"]
    assert second["warm"] == 3  # all that the first search tried
    assert tune(tmp_path, "--optimizer", "luck") == 1
    assert "no optimizer 'luck'" in json.loads(capsys.readouterr().out)["error"]["message"]
