"""`metadb fewshot` as a person uses it."""

from __future__ import annotations

import json

import pytest

from api.cli import main
from metadb.store import Store

SMALL = {
    "--ways": "3", "--queries": "4", "--size": "16", "--width": "4", "--episodes": "20",
    "--steps": "4", "--every": "2",
}  # fmt: skip


def train(tmp_path, data="digits", **words):
    given = SMALL | {f"--{name}": value for name, value in words.items()}
    return main(
        ["fewshot", "train", data, *(w for pair in given.items() for w in pair), "--json",
         "--store", str(tmp_path / "store"), "--out", str(tmp_path / "model")]
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
